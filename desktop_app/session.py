"""What every panel shares: the open photos, the one in focus, the place under the mouse, labels, models.

One signal per fact. Folders are read and photos decoded on the io lane; nothing here blocks the GUI thread.
"""

import os
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop_app.folder_reader import FolderReader, below
from desktop_app.model_shelf import ModelShelf
from desktop_app.model_tuner import ModelTuner
from desktop_app.photo_list import Answers, Indices, Mark, PhotoList, View
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.catalog import Catalog
    from desktop_app.notify import Notify
    from desktop_app.settings import Settings
    from desktop_app.work import Outcome, Work
    from models.images import Photo
    from models.runtime import Model

Place = tuple[float, float]
PHOTO_SIDE = 2560  # the longer side of the photo in focus, enough for a 4K screen
_KEPT_PHOTOS = 4


class Session(QObject):
    """The state of one window. Panels read it, ask it, and listen; they never talk to each other."""

    photos_changed = Signal()  # the list was replaced, or grew
    view_changed = Signal()  # which photos are shown, or their order
    reading_changed = Signal(bool)  # a folder is being read
    current_changed = Signal(int)  # index into photos, -1 for none
    photo_ready = Signal(object)  # models.images.Photo or UserError of the current photo
    failures_changed = Signal()
    place_changed = Signal(object)  # (x, y) in 0..1 of the photo, or None
    label_selected = Signal(str)
    labels_changed = Signal()  # the label names the panels offer
    answers_changed = Signal()
    model_changed = Signal(str)  # capability: another model is chosen, loaded, or failed
    device_changed = Signal()
    file_read = Signal(
        str
    )  # path: the file was written again or looked at again; what is cached of it is stale

    def __init__(
        self,
        settings: "Settings",
        work: "Work",
        catalog: "Catalog",
        notify: "Notify",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.work = work
        self.catalog = catalog
        self.notify = notify
        self.photos = PhotoList()
        self.view = View()
        self.answers = Answers()
        self.shown: Indices = np.zeros(0, np.int32)
        self.failures: dict[str, UserError] = {}
        self.roots: tuple[str, ...] = ()
        self.samples = False
        self.reading = False
        self.current = -1
        self.photo: Photo | UserError | None = None
        self.place: Place | None = None
        self.selected_label = ""
        self.labels: tuple[str, ...] = ()
        self._folders: set[str] = set()  # those of the roots that are no files
        self._reader: FolderReader | None = None
        self._reads = 0  # how often the files were looked at from the beginning
        self._wanted_path = ""
        self._kept: OrderedDict[str, Photo] = OrderedDict()
        self.shelf = ModelShelf(settings, work, self)
        self.shelf.changed.connect(self.model_changed)
        self.shelf.device_changed.connect(self.device_changed)
        self.tuner = ModelTuner(settings, work, self.shelf, notify, self)
        settings.watch("recursive", lambda *_: self.reread())

    # --- the list of photos

    @property
    def current_path(self) -> str:
        """The photo in focus, "" for none."""
        return self.photos[self.current] if 0 <= self.current < len(self.photos) else ""

    @property
    def root_folder(self) -> str:
        """The one folder that is open, whatever single files are beside it; "" for none or several."""
        return self.folders[0] if len(self.folders) == 1 else ""

    @property
    def folders(self) -> tuple[str, ...]:
        """Those of the roots that are folders; known once they begin to be read."""
        return tuple(root for root in self.roots if root in self._folders)

    def open_paths(
        self, paths: Sequence[str | os.PathLike[str]], *, samples: bool = False, focus_path: str = ""
    ) -> None:
        """Replace the list by the photos under these files and folders, read in the background; `focus_path` comes
        into focus if it is among them, else the first."""
        self._forget_files()
        self.view = View()
        self.samples = samples
        self.roots = ()
        self.select(-1)
        self.failures_changed.emit()
        self._read(paths, focus_path=focus_path)

    def open_folder(self, path: str | os.PathLike[str]) -> None:
        """Replace the list by the photos of one folder."""
        self.open_paths([path])

    def add_paths(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        """Append photos (the samples give way to the person's own) and put the first of them in focus."""
        if self.samples or not self.roots:
            self.open_paths(paths)
        else:
            self._read(paths, focus=True)

    def reread(self) -> None:
        """Look again: new, changed and vanished files are found, the photo in focus stays."""
        path = self.current_path
        roots, samples, view = self.roots, self.samples, self.view
        if not roots:
            return
        self._forget_files()
        self.view = View(text=view.text)
        self.roots = ()
        self._set_current(-1)
        self.samples = samples
        self.file_read.emit("")
        self._read(roots, focus_path=path)

    def _forget_files(self) -> None:
        """Whatever is still being read or decoded is not wanted any more."""
        self._reader = None
        self._reads += 1
        self._folders.clear()
        self.photos.clear()
        self.failures.clear()
        self.answers = Answers()  # by places in the list that was
        self._kept.clear()

    def _read(
        self, paths: Sequence[str | os.PathLike[str]], *, focus: bool = False, focus_path: str = ""
    ) -> None:
        added = tuple(os.path.abspath(os.fspath(path)) for path in paths)
        # A photo that is open already, under its folder say, is no further place.
        self.roots += tuple(path for path in added if path not in self.roots and self.photos.index(path) < 0)
        recursive = bool(self.settings.recursive)
        # One reader at a time; what an earlier one had still to read is read by this one too.
        pending = self._reader.rest if self._reader else ()
        wanted = added if focus else ()
        self._reader = FolderReader((*pending, *added), recursive, wanted=wanted, focus_path=focus_path)
        self._set_reading(True)
        self._list_changed()
        self._ask_chunk(self._reader)

    def _ask_chunk(self, reader: "FolderReader") -> None:
        self.work.once(reader.take, partial(self._chunk_read, reader), lane="io")

    def _chunk_read(self, reader: "FolderReader", outcome: "Outcome") -> None:
        if reader is not self._reader:
            return
        if outcome.error is not None:
            self._reader = None
            self._set_reading(False)
            self.notify.error(as_user_error(outcome.error, self.tr("The folder could not be read")))
            return
        first_new = len(self.photos)
        self.photos.extend(outcome.value)
        self._folders |= reader.folders
        self._report_refused(reader)
        if len(self.photos) > first_new or reader.done:
            self._list_changed()
        self._focus_after(reader, outcome.value)
        if reader.done:
            self._reader = None
            self._set_reading(False)
        else:
            self._ask_chunk(reader)

    def _report_refused(self, reader: "FolderReader") -> None:
        for path, error in reader.refused_now():
            self.notify.warn(
                self.tr("{name} could not be read: {reason}").format(
                    name=os.path.basename(path) or path, reason=error.strerror or error
                )
            )

    def _focus_after(self, reader: "FolderReader", paths: list[str]) -> None:
        if reader.focus_path and self.current >= 0:
            reader.focus_path = ""  # the person was faster
        elif reader.focus_path:
            if self.photos.index(reader.focus_path) >= 0:
                self.select(self.photos.index(reader.focus_path))
                reader.focus_path = ""
            elif reader.done and self.current < 0 and len(self.shown):
                self.select(int(self.shown[0]))
        elif reader.wanted:
            # What an earlier reader had still to read comes before what was added now.
            first = next((path for path in paths if below(path, reader.wanted)), None)
            if first is not None:
                reader.wanted = ()
                self.select(self.photos.index(first))
            elif reader.done and self.current < 0 and len(self.shown):
                self.select(int(self.shown[0]))  # nothing was among it
        elif paths and self.current < 0:
            self.select(self.photos.index(paths[0]))

    def expect(self, coming: bool = True) -> None:
        """Photos are about to be opened, or are not after all: until it is known, nothing says that none are open."""
        if self._reader is None:
            self._set_reading(coming)

    def _set_reading(self, reading: bool) -> None:
        if reading != self.reading:
            self.reading = reading
            self.reading_changed.emit(reading)

    def _list_changed(self) -> None:
        self.shown = self.view.indices(self.photos)
        self.photos_changed.emit()
        self.view_changed.emit()

    # --- what is shown of it

    def search(self, text: str) -> None:
        """Show only photos whose path below the open folder contains `text`; one of them, if any, is in focus."""
        self.view.text = text.strip()
        self._view_changed()
        if self.view.text and self.position() < 0:
            self.select_end(last=False)  # the keys must not act on a photo out of sight

    def set_filter(self, keep: npt.NDArray[np.bool_] | None, words: str = "") -> None:
        """Show only photos i with keep[i]; `words` say in the top bar what they have in common."""
        self.view.keep, self.view.keep_words = keep, words if keep is not None else ""
        self._view_changed()

    def set_order(self, order: Indices | None) -> None:
        """Show the photos in this order (indices into photos); None is the order on the disk."""
        self.view.order = order
        self._view_changed()

    def clear_filters(self) -> None:
        """Show every photo."""
        self.view.text, self.view.keep, self.view.keep_words = "", None, ""
        self._view_changed()

    def _view_changed(self) -> None:
        self.shown = self.view.indices(self.photos)
        self.view_changed.emit()

    # --- the photo in focus

    def select(self, index: int) -> None:
        """Put photo `index` in focus; it is decoded on the io lane and announced by photo_ready."""
        if not 0 <= index < len(self.photos):
            index = -1
        if index == self.current and (index < 0 or self._wanted_path == self.photos[index]):
            return
        self._set_current(index)
        if index >= 0 and index == self.current:
            self._want_photo(self.photos[index])

    def _set_current(self, index: int) -> None:
        self.current = index
        self.photo = None
        # Before anybody hears of it: a grid that follows the focus selects this photo itself, and must find it chosen.
        self._wanted_path = self.photos[index] if index >= 0 else ""
        self.set_place(None)
        self.current_changed.emit(index)

    def step(self, by: int) -> None:
        """Move the focus within what is shown; stops at both ends."""
        if len(self.shown):
            self.select(int(self.shown[min(max(self.position() + by, 0), len(self.shown) - 1)]))

    def select_end(self, last: bool) -> None:
        """Put the first or last shown photo in focus."""
        if len(self.shown):
            self.select(int(self.shown[-1 if last else 0]))

    def position(self) -> int:
        """Where the current photo stands in what is shown, -1 where it is not shown."""
        found = np.flatnonzero(self.shown == self.current)
        return int(found[0]) if len(found) else -1

    def _want_photo(self, path: str) -> None:
        kept = self._kept.get(path)
        if kept is not None:
            self._kept.move_to_end(path)
            self._show_photo(kept)
        else:
            self._decode_photo("photo", path)

    def _decode_photo(self, key: str, path: str) -> None:
        done = partial(self._decoded, self._reads, path)
        self.work.latest(key, partial(_decode, path), done, lane="io")

    def _decoded(self, reads: int, path: str, outcome: "Outcome") -> None:
        if reads != self._reads:
            return  # of another list, or of the file as it was before it was read again
        wanted = path == self._wanted_path and self.photo is None
        if outcome.error is None:
            photo = self._keep(path, outcome.value)
            if wanted:
                self._show_photo(photo)
        elif wanted:  # a neighbour that fails is reported when somebody looks at it
            error = as_user_error(outcome.error, self.tr("The photo could not be read"))
            self.report_failure(path, error)
            self._show_photo(error)

    def _show_photo(self, result: "Photo | UserError") -> None:
        self.photo = result
        self.photo_ready.emit(result)
        self._read_ahead()

    def _read_ahead(self) -> None:
        position = self.position()
        if not 0 <= position < len(self.shown) - 1:
            return
        path = self.photos[int(self.shown[position + 1])]
        if path not in self._kept and path not in self.failures:
            self._decode_photo("photo-ahead", path)

    def _keep(self, path: str, photo: "Photo") -> "Photo":
        """Remember a decoded photo; returns the one that stays.

        A photo asked for ahead, and again when it came into focus, is decoded twice: the first stays, since what the
        models computed of a photo is known by this very object.
        """
        photo = self._kept.setdefault(path, photo)
        self._kept.move_to_end(path)
        while len(self._kept) > _KEPT_PHOTOS:
            self._kept.popitem(last=False)
        return photo

    def report_failure(self, path: str, error: UserError) -> None:
        """Remember why a photo of the list could not be read; its tile says so. Of an earlier list: nothing."""
        if path not in self.failures and self.photos.index(path) >= 0:
            self.failures[path] = error
            self.failures_changed.emit()

    def tidy_catalog(self) -> None:
        """Let the catalogue forget what was computed of files as they no longer are, a little at a time."""
        self.work.once(self.catalog.tidy, self._tidied, lane="io")

    def _tidied(self, outcome: "Outcome") -> None:
        if outcome.value:  # of an error nobody need hear: it is tried again at the next start
            self.tidy_catalog()

    # --- what panels tell each other

    def set_place(self, place: Place | None) -> None:
        """The place of the photo under the mouse, (x, y) in 0..1, or None."""
        if place != self.place:
            self.place = place
            self.place_changed.emit(place)

    def select_label(self, name: str) -> None:
        """The label that every panel asks about."""
        if name != self.selected_label:
            self.selected_label = name
            self.label_selected.emit(name)

    def set_labels(self, names: tuple[str, ...]) -> None:
        """The label names that are in use."""
        if names != self.labels:
            self.labels = names
            self.labels_changed.emit()

    def set_answers(self, answers: Answers) -> None:
        """What is answered about each photo; row i belongs to photo i."""
        self.answers = answers
        self.answers_changed.emit()

    def answer(self, index: int) -> tuple[str, float, Mark]:
        """Label ("" for none), probability and mark of photo `index`; one that cannot be read has no label."""
        if 0 <= index < len(self.photos) and self.photos[index] in self.failures:
            return "", 0.0, Mark.FAILED
        return self.answers.of(index)

    # --- models (see ModelShelf)

    def model(self, capability: str) -> "Model | None":
        """The loaded model for a capability; None while it loads (which this starts): wait for model_changed."""
        return self.shelf.want(capability)

    def model_name(self, capability: str) -> str:
        """What the chosen model is called where it cannot be asked for its title, since it could not be opened."""
        return os.path.basename(self.shelf.chosen(capability).rstrip("/\\")) or self.tr("The model")


def as_user_error(error: Any, title: str) -> UserError:
    """Any exception in words; a UserError stays as it is."""
    if isinstance(error, UserError):
        return error
    return UserError(title, f"{type(error).__name__}: {error}")


def _decode(path: str) -> "Photo":
    from models.images import read

    return read(path, max_side=PHOTO_SIDE)
