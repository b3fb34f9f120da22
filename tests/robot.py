"""A robot with verbs over the real program: it drops, opens, presses and waits, and never sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import ParamSpec, TypeVar

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from desktop_app import __main__ as program
from desktop_app.panels import PANELS
from desktop_app.panels.base import Panel
from desktop_app.widgets.photo_grid import PhotoGrid

# Long, because it is waited out only where something hangs: a busy machine takes its time to import or open a model.
_PATIENCE = 60.0
program._CLOSE_SECONDS = _PATIENCE


class AppRobot:
    """Starts the program as `main` does and drives it. `close` must be called, and may be called again."""

    def __init__(self, *words: str | Path, panels: tuple[type[Panel], ...] = PANELS) -> None:
        self.qt = program.application()
        self.program = program.start(self.qt, [str(word) for word in words], panels)
        self.window = self.program.window
        self.session = self.program.session
        self.began = self._closed = False
        self.window.first_painted.connect(lambda: setattr(self, "began", True))
        self.wait_until(lambda: self.began, "the window was never painted")

    def close(self) -> None:
        """End the program; fails where a thread stayed or an unexpected error was shown."""
        if self._closed:
            return
        self._closed = True
        crash = self.program.crash
        ended = self.program.close()
        self.program.session.shelf.deleteLater()
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))
        self.qt.processEvents()
        assert ended, "a worker did not end"
        assert crash is None, "the program reported an unexpected error"

    # --- waiting

    def wait_until(self, holds: Callable[[], object], why: str = "", seconds: float = _PATIENCE) -> None:
        """Let the program run until `holds()`; fails with `why` after `seconds`."""
        deadline = monotonic() + seconds
        # The timer wakes the loop up; processEvents with a limit would not wait, and take Python from the workers.
        alarm = QTimer()
        alarm.start(10)
        while not holds():
            assert monotonic() < deadline, why or "the condition never held"
            self.qt.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def wait_for_photos(self, count: int) -> None:
        """Until so many photos are open and none is still being read."""
        self.wait_until(
            lambda: len(self.session.photos) == count and not self.session.reading,
            f"{count} photos expected",
        )

    def wait_for_photo(self) -> None:
        """Until the photo in focus is decoded, or known to be unreadable."""
        self.wait_until(lambda: self.session.photo is not None, "the photo in focus never came")

    def wait_idle(self) -> None:
        """Until nothing runs beside the window."""
        self.wait_until(lambda: self.program.work.idle, "the workers were never idle")

    # --- opening

    def drop(self, data: QMimeData, on: QWidget | None = None) -> None:
        """Drag something over a place of the window and let go."""
        place = on or self.window.centre
        where, nothing = QPoint(20, 20), Qt.KeyboardModifier.NoModifier
        copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
        self.qt.sendEvent(place, QDragEnterEvent(where, copy, data, left, nothing))
        self.qt.sendEvent(place, QDropEvent(QPointF(where), copy, data, left, nothing))

    def drop_photos(self, *paths: Path | str, on: QWidget | None = None) -> None:
        """Drop files and folders, as from a file manager."""
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        self.drop(data, on)

    def drop_image(self, image: QImage) -> None:
        """Drop a picture without a file, as some browsers do."""
        data = QMimeData()
        data.setImageData(image)
        self.drop(data)

    def drop_address(self, address: str) -> None:
        """Drop a link to something on the web."""
        data = QMimeData()
        data.setUrls([QUrl(address)])
        self.drop(data)

    def open_folder(self, path: Path | str) -> None:
        """Open a folder as the dialog would."""
        self.window.commands.open_paths([str(path)])

    # --- hands

    def open_panel(self, name: str) -> Panel:
        """Bring a panel on screen; returns it."""
        self.window.open_panel(name)
        return self.panel

    def press(self, keys: str, on: QWidget | None = None) -> None:
        """Press a key such as "Right" or "Ctrl+2" where the focus is."""
        QTest.keySequence(on or self.qt.focusWidget() or self.window, keys)
        self.qt.processEvents()

    def click(self, on: QWidget) -> None:
        """Click with the mouse, as a hand does it: the focus moves."""
        QTest.mouseClick(on, Qt.MouseButton.LeftButton)
        self.qt.processEvents()

    def type(self, text: str, on: QWidget) -> None:
        """Type into a field."""
        on.setFocus()
        QTest.keyClicks(on, text)

    def run(self, action: str) -> None:
        """Choose an action from a menu."""
        self.window.actions_by_name[action].trigger()

    # --- eyes

    @property
    def panel(self) -> Panel:
        """The panel on screen."""
        assert self.window.panel is not None
        return self.window.panel

    @property
    def grid(self) -> PhotoGrid:
        """The grid of the panel on screen."""
        grid = self.panel.findChild(PhotoGrid)
        assert isinstance(grid, PhotoGrid)
        return grid

    def shown(self) -> list[str]:
        """The names of the photos shown, in order."""
        return [Path(self.session.photos[int(i)]).name for i in self.session.shown]

    def focus(self) -> str:
        """The name of the photo in focus."""
        return Path(self.session.current_path).name

    def message(self) -> str:
        """What stands in the bar over the work."""
        return self.window.messages.text

    def status(self) -> str:
        """What the status bar says."""
        return self.window.status.message

    def dialogs(self) -> Sequence[QDialog]:
        """The dialogs on screen."""
        found = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QDialog)]
        return [dialog for dialog in found if dialog.isVisible()]

    def screenshot(self, path: Path | str) -> QImage:
        """The window as it stands, also written to `path`."""
        picture = self.window.grab().toImage()
        picture.save(str(path))
        return picture


P = ParamSpec("P")
Robot = TypeVar("Robot", bound=AppRobot)


def closing(begin: Callable[P, Robot]) -> Iterator[Callable[P, Robot]]:
    """For a fixture: `begin`, and the robots that it began are closed when the test has ended."""
    robots: list[Robot] = []

    def start(*words: P.args, **values: P.kwargs) -> Robot:
        robots.append(begin(*words, **values))
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()
