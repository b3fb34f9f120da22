"""What the window itself does for its actions; the table is in actions.py, panels answer before this."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMenu

from desktop_app import dialogs, paths, samples
from desktop_app.model_adder import ModelAdder
from desktop_app.widgets import drops
from desktop_app.widgets.image_view import to_qimage
from desktop_app.widgets.photo_grid import PhotoGrid, step_size
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.work import Outcome

_MOST_CRUMBS = 60


class Commands(QObject):
    """`do_<name>` for the actions that are the same in every panel."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._session = window.session
        # The window's parts are not made yet: they are looked up when there is something to say.
        self._adder = ModelAdder(
            window.session,
            lambda title, more: window.messages.show_message(title, more),
            lambda error: window.messages.show_error(error),
            self,
        )

    def handler(self, name: str) -> Callable[[], None] | None:
        """The method for an action, None where it makes no sense now."""
        if name in _NEEDS_PHOTO and self._session.current < 0:
            return None
        if name == "show_all" and not self._session.view.narrowed:
            return None
        found = getattr(self, f"do_{name}", None)
        return found if callable(found) else None

    # --- opening

    def do_open(self) -> None:
        """Ask for files and open them."""
        files = dialogs.ask_files(self._window, self._last_folder())
        if files:
            self.open_paths(files)

    def do_open_folder(self) -> None:
        """Ask for a folder and open it."""
        folder = dialogs.ask_folder(self._window, self._last_folder())
        if folder:
            self.open_paths([folder])

    def do_recent(self) -> None:
        """The sub-menu opens by itself."""

    def open_paths(self, chosen: list[str]) -> None:
        """Open files and folders in place of what is open; a single folder is remembered."""
        self._window.messages.clear()
        self._session.open_paths(chosen)
        self.remember(chosen)

    def take(self, carried: drops.Carried) -> None:
        """A drop or a paste: one folder is opened, files are added, a picture is kept in the data folder."""
        if carried.files:
            self._window.messages.clear()
            # A file on a drive that does not answer must not hold the window up.
            self._session.work.once(partial(drops.look_at, carried), self._looked_at, lane="io")
        elif carried.image is not None:
            pixels = drops.pixels_of(carried.image)
            save = partial(drops.save_picture, pixels, paths.data_dir() / "pasted")
            self._session.work.once(save, self._saved, lane="io", must=True)
        elif carried.address:
            self._window.messages.show_message(
                self.tr("Pinhole downloads nothing"),
                self.tr(
                    "{address} lies on the web. Save the picture to your computer and drop the file here."
                ).format(
                    address=carried.address[:_MOST_CRUMBS]
                    + ("…" if len(carried.address) > _MOST_CRUMBS else "")
                ),
                "warn",
            )

    def _looked_at(self, outcome: "Outcome") -> None:
        files, folder = outcome.value if outcome.error is None else ([], False)
        if folder:
            self.open_paths(files)
        elif files:
            self._session.add_paths(files)
        else:
            self._nothing_carried()

    def _nothing_carried(self) -> None:
        data = QGuiApplication.clipboard().mimeData()
        words = data is not None and bool(data.text().strip()) and not data.hasUrls()
        how = self.tr(
            "It holds text. To add its lines as labels, click into the list of labels and paste there."
        )
        title = self.tr("The clipboard holds no photo and no file")
        self._window.messages.show_message(title, how if words else "")

    def _saved(self, outcome: "Outcome") -> None:
        if outcome.error is None:
            self._session.add_paths([outcome.value])
        else:
            cure = self.tr("Make room on the disk, or save the picture elsewhere and drop the file here.")
            problem = UserError(self.tr("The picture could not be kept"), str(outcome.error), cure)
            self._window.messages.show_error(problem)

    def remember(self, chosen: Sequence[str]) -> None:
        """A single folder is offered again under Open Recent, and opened at the next start."""
        if len(chosen) == 1:
            path = os.path.abspath(chosen[0])
            self._session.settings.remember_folder(path)

    def _last_folder(self) -> str:
        last = str(self._session.settings.last_folder)
        return last if last else str(Path.home())

    def fill_recent(self, menu: QMenu) -> None:
        """List the places opened before, the newest first."""
        menu.clear()
        recent = self._session.settings.recent_folders
        for path in recent:
            menu.addAction(path.replace("&", "&&"), partial(self.open_paths, [path]))
        if recent:
            menu.addSeparator()
            menu.addAction(
                self.tr("&Clear This List"), partial(self._session.settings.set, "recent_folders", ())
            )
        else:
            menu.addAction(self.tr("Nothing was opened yet")).setEnabled(False)

    def do_samples(self) -> None:
        """Open the sample photos, gathering them first where that was not done."""
        self._session.work.once(samples.gather, self._samples_gathered, lane="io")

    def start_with_samples(self) -> None:
        """As do_samples, but what the person opens meanwhile stays open."""
        self._session.work.once(samples.gather, self._samples_at_start, lane="io")

    def _samples_at_start(self, outcome: "Outcome") -> None:
        if not self._session.roots:
            self._samples_gathered(outcome)

    def _samples_gathered(self, outcome: "Outcome") -> None:
        self._session.expect(False)
        if outcome.error is not None:
            self._session.notify.warn(
                UserError(self.tr("The sample photos could not be gathered"), str(outcome.error))
            )
        elif outcome.value:
            self._session.open_paths([samples.folder()], samples=True)
        else:
            self._session.notify.warn(
                UserError(
                    self.tr("There are no sample photos"),
                    self.tr("The packages scikit-image and scikit-learn, which carry them, were not found"),
                    self.tr("Open a folder of your own"),
                )
            )

    def do_reread(self) -> None:
        """Read the open places again."""
        self._session.reread()

    def do_add_model(self) -> None:
        """Ask for a model and take it into the person's own."""
        source = dialogs.ask_model(self._window, str(Path.home()))
        if source:
            self._window.messages.clear()
            self._adder.add(source)

    # --- clipboard

    def do_paste(self) -> None:
        """Take files or a picture from the clipboard."""
        carried = drops.read(QGuiApplication.clipboard().mimeData())
        if carried:
            self.take(carried)
        else:
            self._nothing_carried()

    def do_copy(self) -> None:
        """The photo in focus as a picture."""
        photo = self._session.photo
        if photo is not None and not isinstance(photo, UserError):
            QGuiApplication.clipboard().setImage(to_qimage(photo.rgb))

    def do_copy_path(self) -> None:
        """The path of the photo in focus as text."""
        QGuiApplication.clipboard().setText(self._session.current_path)

    # --- looking

    def do_find(self) -> None:
        """To the search field."""
        self._window.top.search.setFocus()
        self._window.top.search.selectAll()

    def do_show_all(self) -> None:
        """Every photo, no filter."""
        self._window.top.search.clear()
        self._session.clear_filters()

    def do_inspector(self) -> None:
        """Fold or unfold the right column."""
        self._window.show_inspector(self._window.actions_by_name["inspector"].isChecked())

    def do_larger(self) -> None:
        """Thumbnails one size larger."""
        step_size(self._session.settings, 1)

    def do_smaller(self) -> None:
        """Thumbnails one size smaller."""
        step_size(self._session.settings, -1)

    def do_select_all(self) -> None:
        """Every photo in the grid on screen."""
        for grid in self._grids():
            grid.selectAll()

    def _grids(self) -> list[PhotoGrid]:
        panel = self._window.panel
        return panel.findChildren(PhotoGrid) if panel is not None else []

    def do_window_full_screen(self) -> None:
        """The window without frame, and back."""
        # Not showNormal, which would make a maximised window small.
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)

    def do_full_screen(self) -> None:
        """The photo in focus alone on the screen."""
        dialogs.show_viewer(self._window)

    def do_zoom(self) -> None:
        """The photo's own pixels; a panel with a picture of its own zooms that instead."""
        dialogs.show_viewer(self._window, zoomed=True)

    def do_next(self) -> None:
        """One photo on."""
        self._choose_one()
        self._session.step(1)

    def do_previous(self) -> None:
        """One photo back."""
        self._choose_one()
        self._session.step(-1)

    def do_first(self) -> None:
        """To the first photo shown."""
        self._choose_one()
        self._session.select_end(last=False)

    def do_last(self) -> None:
        """To the last photo shown."""
        self._choose_one()
        self._session.select_end(last=True)

    def _choose_one(self) -> None:
        """Where the focus has nowhere to go the grids hear of nothing, and would keep all that was chosen."""
        for grid in self._grids():
            grid.choose_current()

    def do_show_in_folder(self) -> None:
        """Open the photo's folder in the system's file manager."""
        folder = os.path.dirname(self._session.current_path)
        QDesktopServices.openUrl(QUrl.fromLocalFile(folder))

    # --- the program

    def do_settings(self) -> None:
        """Everything that can be set."""
        dialogs.show_settings(self._window)

    def do_quit(self) -> None:
        """Close the window."""
        self._window.close()

    def do_shortcuts(self) -> None:
        """A sheet with all keys."""
        dialogs.show_shortcuts(self._window)

    def do_doctor(self) -> None:
        """What works on this machine and what does not."""
        dialogs.show_doctor(self._window)

    def do_open_log(self) -> None:
        """Open the log file with the system's viewer."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(paths.log_file())))

    def do_about(self) -> None:
        """Versions, the device in use, licences."""
        dialogs.show_about(self._window)


_NEEDS_PHOTO = {
    "copy",
    "copy_path",
    "full_screen",
    "zoom",
    "show_in_folder",
    "next",
    "previous",
    "first",
    "last",
}
