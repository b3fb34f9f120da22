"""The right end of the status bar: what does not fit is shortened, never cut off at the window's edge."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

from desktop_app.work import JobState
from tests.e2e.conftest import Start


def test_a_job_that_begins_does_not_move_the_window(start: Start, photos: Path) -> None:
    app = start(photos)
    app.wait_for_photos(5)
    app.wait_idle()
    status, free = app.window.status, threading.Event()
    before = app.window.status.height()
    assert not status._jobs.isVisible()
    job = app.program.work.start_job("Label the folder", lambda: iter([free.wait(20)]))
    app.wait_until(lambda: status._jobs.isVisible() and "Label the folder" in status._jobs.text())
    app.qt.processEvents()
    assert status.height() == before
    free.set()
    app.wait_until(lambda: job.state is JobState.DONE)


def test_why_another_device_runs_is_shortened_with_the_whole_sentence_in_the_tip(
    start: Start, photos: Path
) -> None:
    app = start(photos)
    note = "A GPU was asked for, but this machine shows none. " * 5
    model = SimpleNamespace(
        spec=SimpleNamespace(title="Tiny", id="tiny"),
        precision="float32",
        device="cpu",
        engine="torch",
        note=note,
    )
    status = app.window.status
    app.window.resize(1024, 700)
    app.session.shelf._models["zero_shot"] = model  # type: ignore[assignment]
    status.show_model_of("zero_shot")
    begins = "on the processor"
    app.wait_until(
        lambda: "…" in (shown := status._device.text()) and shown.startswith(begins),
        "the sentence was never shortened",
    )
    right = status._device.mapTo(app.window, status._device.rect().bottomRight())
    assert app.window.rect().contains(right)
    assert status._device.width() <= status.width() / 2
    assert status._device.toolTip() == note
    assert note in status.device_words
