"""Dragging the mask ratio: milliseconds from a tick of the slider to its reconstruction on screen, and beside a job.

The whole panel is on screen (offscreen platform) at 1280x800. A tick counts as painted when the reconstruction of that
very mask has gone through the pictures' paintEvent. The job beside it labels photos with the bundled CLIP, endlessly.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, at_most
from models.errors import ModelError
from models.registry import list_models
from models.spec import Capability

if TYPE_CHECKING:
    from desktop_app.__main__ import Program
    from desktop_app.panels.mask import MaskPanel
    from models.tasks.masking import MaskResult

TICKS = 60
BAR, BAR_BESIDE_JOB, BAR_VIT_B = 80.0, 200.0, 500.0


@dataclass(frozen=True)
class _Tick:
    overlay: float  # ms until the mask is drawn
    painted: float  # ms until the reconstruction is


def _drag(panel: "MaskPanel", ticks: int) -> list[_Tick]:
    """Move the slider up and down, each tick as soon as the last one is painted."""
    from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer

    loop = QEventLoop()

    class Watcher(QObject):
        """Notes when the picture one paints on is painted, and ends the wait when the last one is."""

        arrived = False
        overlay = 0.0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                if watched is stage.canvas and not self.overlay:
                    self.overlay = perf_counter()
                elif watched is stage.error and self.arrived:
                    # After this event: the paint itself counts.
                    QTimer.singleShot(0, loop.quit)
            return False

    stage, watcher = panel.work.stage, Watcher()
    for view in (stage.canvas, stage.error):
        view.installEventFilter(watcher)

    def came(result: "MaskResult") -> None:
        watcher.arrived = watcher.arrived or result.mask == panel.book.mask

    panel.engine.painted.connect(came)
    found = []
    path = [*range(20, 95, 3), *range(94, 20, -3)]
    for i in range(ticks):
        watcher.arrived, watcher.overlay = False, 0.0
        begun = perf_counter()
        panel.work.ratio.slider.setValue(path[i % len(path)])
        loop.exec()
        found.append(_Tick((watcher.overlay - begun) * 1000, (perf_counter() - begun) * 1000))
    panel.engine.painted.disconnect(came)
    for view in (stage.canvas, stage.error):
        view.removeEventFilter(watcher)
    return found


@contextmanager
def _panel(model: str, photo: Path) -> "Iterator[tuple[Program, MaskPanel]]":
    """The program with the masking panel on screen and the first reconstruction painted."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("PINHOLE_HOME")
        os.environ["PINHOLE_HOME"] = home
        from desktop_app import __main__ as program
        from desktop_app.panels.mask import MaskPanel
        from desktop_app.settings import Settings

        settings = Settings()
        settings.masking_model, settings.panel, settings.welcomed = model, "mask", True
        settings.device = "cpu"
        settings.save()
        running = program.start(program.application(), [str(photo)], (MaskPanel,))
        running.window.resize(1280, 800)
        panel = running.window.panel
        assert isinstance(panel, MaskPanel)
        _wait(lambda: panel.result is not None and running.work.idle)
        try:
            yield running, panel
        finally:
            running.close()
            os.environ.pop("PINHOLE_HOME")
            if before is not None:
                os.environ["PINHOLE_HOME"] = before


def _wait(holds: Callable[[], object], seconds: float = 120.0) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    # Waiting in a loop of processEvents with a limit would keep a core busy that the model needs.
    loop, tick = QEventLoop(), QTimer()
    deadline = monotonic() + seconds
    tick.timeout.connect(lambda: loop.quit() if holds() or monotonic() > deadline else None)
    tick.start(20)
    loop.exec()
    if not holds():
        raise ModelError("The panel never came to rest")


def _labelling(program: "Program", photos: list[Path]) -> Any:
    """A job like auto-label's inner loop: read, prepare and embed photos with the bundled CLIP, again and again."""
    from models.runtime import open_model
    from models.tasks.zero_shot import embed_photos

    spec = next(spec for spec in list_models() if Capability.ZERO_SHOT in spec.capabilities)
    model = open_model(spec, device="cpu")

    def steps() -> Iterator[object]:
        while True:
            yield from embed_photos(model, photos)

    return program.work.start_job("label", steps)


def _rows(what: str, ticks: list[_Tick], bar: float) -> list[Row]:
    painted = np.array([tick.painted for tick in ticks])
    overlay = np.array([tick.overlay for tick in ticks])
    return [
        at_most(f"{what}: painted, 95th percentile", float(np.percentile(painted, 95)), bar, "ms"),
        Row(f"{what}: painted, median", float(np.median(painted)), "ms"),
        Row(f"{what}: the mask itself, 95th percentile", float(np.percentile(overlay, 95)), "ms"),
    ]


def _vit_b(folder: Path) -> str:
    """A ViT-B MAE with random weights: its speed is that of trained ones."""
    from models.bundle import write_bundle
    from models.families.mae import MAE, MAEConfig
    from models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess

    module = MAE(MAEConfig.named("base"))
    preprocess = Preprocess(224, (224, 224), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    write_bundle(folder, module, module.config.to_hf(), preprocess, dtype="float16")
    return str(folder)


def measure() -> list[Row]:
    """The bundled masked autoencoder on a real photo; then a ViT-B."""
    from tests.photo_folder import originals

    able = [spec for spec in list_models() if Capability.MASKING in spec.capabilities]
    if not able:
        raise ModelError("No masked autoencoder is bundled to measure")
    photos = originals()
    rows: list[Row] = []
    with _panel(able[0].id, photos[1]) as (program, panel):
        _drag(panel, 10)
        rows += _rows(able[0].id, _drag(panel, TICKS), BAR)
        if any(Capability.ZERO_SHOT in spec.capabilities for spec in list_models()):
            job = _labelling(program, photos)
            _wait(lambda: job.last is not None)
            rows += _rows(f"{able[0].id} beside a labelling job", _drag(panel, TICKS), BAR_BESIDE_JOB)
            job.cancel()
            _wait(lambda: program.work.idle)
    with tempfile.TemporaryDirectory() as folder, _panel(_vit_b(Path(folder)), photos[1]) as (program, panel):
        _drag(panel, 4)
        rows += _rows("ViT-B MAE of random weights", _drag(panel, TICKS // 2), BAR_VIT_B)
    return rows
