"""The photos of the open folder that excite a channel most: from the catalogue at once, filled by a job."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.features_engine import FeaturesEngine
from desktop_app.panels.features_folder import Excited, ScanStep
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.session import Session, as_user_error

if TYPE_CHECKING:
    from desktop_app.work import Job


class FeaturesScan(QObject):
    """One scan at a time; it goes on for its layer while others are looked at."""

    failed = Signal(object)  # UserError

    def __init__(self, session: Session, engine: FeaturesEngine, side: FeaturesInspector) -> None:
        super().__init__(side)
        self._session, self._engine, self._side = session, engine, side
        self._layer, self._channel = "", -1
        self._found: Excited | None = None
        self._step: ScanStep | None = None
        self._last: dict[str, ScanStep] = {}  # by layer, of the present list
        self._list = 0  # counts the lists: a scan goes on when another folder is opened
        self._job: Job | None = None
        side.scan_asked.connect(self.toggle)
        side.photo_chosen.connect(self._select)
        engine.excited_ready.connect(self._came)
        session.photos_changed.connect(self._list_changed)

    @property
    def running(self) -> bool:
        """Whether a scan is under way."""
        return self._job is not None

    def show_for(self, layer: str, channel: int) -> None:
        """Another channel: what the catalogue holds of it."""
        if (layer, channel) != (self._layer, self._channel):
            self._layer, self._channel, self._found = layer, channel, None
        if channel >= 0:
            self._engine.ask_excited(layer, channel)
        self._show()

    def forget(self) -> None:
        """No photo or no model: no channel to ask for."""
        self._layer, self._channel, self._found = "", -1, None
        self._show()

    def toggle(self) -> None:
        """Start a scan of the folder at this layer, or stop the one that runs."""
        if self._job is not None:
            self._job.cancel()
            return
        layer = self._layer
        make = self._engine.scan(layer)
        if make is None:
            return
        self._step = None
        self._job = self._session.work.start_job(
            self.tr("Scan at {layer}").format(layer=layer),
            make,
            on_event=partial(self._stepped, self._list, layer),
            on_end=self._ended,
            gated=False,
        )
        self._show()

    def _list_changed(self) -> None:
        self._list += 1
        self._last.clear()

    def _stepped(self, of: int, layer: str, step: ScanStep) -> None:
        self._step = step
        if of == self._list:
            self._last[layer] = step
        self._show()

    def _ended(self, job: "Job") -> None:
        self._job = None
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("The scan stopped")))
        self.show_for(self._layer, self._channel)

    def _came(self, found: Excited) -> None:
        if (found.layer, found.channel) == (self._layer, self._channel):
            # What a scan could not read it cannot read the next time either: nothing is missing that could come.
            last = self._last.get(found.layer)
            unread = last.refused - last.gone if last is not None else 0
            self._found = replace(found, missing=max(0, found.missing - unread))
            self._show()

    def _show(self) -> None:
        words = ""
        if self._job is not None:
            words = self.tr("Scanning…")
            if self._step is not None:
                words = self.tr("{done} of {total} photos").format(
                    done=self._step.done, total=self._step.total
                )
        elif (last := self._last.get(self._layer)) is not None and last.refused and self._found is not None:
            words = self.tr("Not readable: {count}").format(count=last.refused)
        self._side.show_excited(self._found, running=self.running, progress=words)

    def _select(self, path: str) -> None:
        self._session.select(self._session.photos.index(path))
