"""A person's word on photos: confirm, change, reject, take back; kept in the catalogue, with undo and redo by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from desktop_app.catalog import Catalog, Change
from desktop_app.label_book import LabelBook
from desktop_app.label_folder import Said
from desktop_app.panels.label_reader import PhotoReader
from desktop_app.photo_list import Mark
from desktop_app.session import Session, as_user_error
from desktop_app.work import Outcome

Words = dict[str, Said | None]  # path -> what a person says of it now


class Review(QObject):
    """Verbs over places in session.photos. What is said shows at once and is in the catalogue a moment later.

    Undo and redo take steps of the labels' book and of the catalogue in the order in which they were made.
    """

    failed = Signal(object)  # UserError
    steps_changed = Signal()

    def __init__(
        self, session: Session, reader: PhotoReader, book: LabelBook, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._reader, self._book = session, reader, book
        self._done: list[str] = []  # "book" or "person", the newest last
        self._undone: list[str] = []
        self._names = ("", "")  # what the catalogue would undo and redo
        self._travelling = False
        book.listen(lambda step: self._stepped("book"))

    def wake(self) -> None:
        """Ask what an earlier day left to undo."""
        self._session.work.once(partial(_names, self._session.catalog), self._named, lane="io")

    # --- what a person says

    def confirm(self, places: Sequence[int], label: str = "") -> int:
        """Confirm `label`, or each photo's own shown one; returns for how many photos there was one."""
        words = {place: label or self._shown(place) for place in places}
        words = {place: word for place, word in words.items() if word and self._word(place).label != word}
        said: dict[int, Said | None] = {}
        for place, word in words.items():
            others = tuple(name for name in self._word(place).rejected if name != word)
            said[place] = Said(word, others)
        self._say(Catalog.confirm_each, words, said)
        return len(words)

    def reject(self, places: Sequence[int]) -> int:
        """Say that the photos are not what they show; returns for how many that was new."""
        words = {place: self._shown(place) for place in places}
        words = {
            place: word for place, word in words.items() if word and word not in self._word(place).rejected
        }
        said: dict[int, Said | None] = {}
        for place, word in words.items():
            before = self._word(place)
            said[place] = Said("" if before.label == word else before.label, (*before.rejected, word))
        self._say(Catalog.reject_each, words, said)
        return len(words)

    def clear(self, places: Sequence[int]) -> None:
        """Take back everything said about these photos."""
        known = [place for place in places if place in self._reader.folder.said]
        self._say(_clear_each, dict.fromkeys(known, ""), dict.fromkeys(known))

    def _word(self, place: int) -> Said:
        return self._reader.folder.said.get(place) or Said()

    def _shown(self, place: int) -> str:
        label, _, mark = self._session.answers.of(place)
        return "" if mark in (Mark.FAILED, Mark.NONE) else label

    def _say(
        self,
        verb: Callable[[Catalog, Mapping[int, str]], Change | None],
        words: dict[int, str],
        said: dict[int, Said | None],
    ) -> None:
        if not words:
            return
        photos = self._session.photos
        self._reader.put_said(said)
        self._reader.folder.order.said({photos[place]: word for place, word in said.items()})
        self._stepped("person")
        told = {photos[place]: word for place, word in words.items()}
        call = partial(_keep, self._session.catalog, verb, told)
        # One lane and one after the other: an undo must not overtake what it undoes. Closing the window loses none.
        self._session.work.once(call, partial(self._kept, tuple(told)), lane="model", must=True)

    def _kept(self, paths: Sequence[str], outcome: Outcome) -> None:
        self._reader.folder.order.wrote(paths)
        self._named(outcome)

    # --- undo and redo

    @property
    def words(self) -> tuple[str, str]:
        """What undo and redo would do now, "" for nothing."""
        undo = self._book.undo_name if self._next(self._done) == "book" else self._names[0]
        redo = self._book.redo_name if self._next(self._undone) == "book" else self._names[1]
        return undo, redo if self._undone or not self._done else ""

    def _next(self, steps: list[str]) -> str:
        return steps[-1] if steps else "person"

    def undo(self) -> None:
        """Take the last step back, whichever it was, and say so: its photos may be out of sight."""
        kind, words = self._next(self._done), self.words[0]
        if kind == "book":
            self._move(self._done, self._undone, self._book.undo)
        elif self._names[0]:
            self._move(self._done, self._undone, partial(self._travel, back=True))
        if words:
            self._session.notify.info(self.tr("Taken back: {0}").format(words))

    def redo(self) -> None:
        """Make the step again that was undone last, and say so."""
        kind, words = self._next(self._undone), self.words[1]
        if kind == "book":
            self._move(self._undone, self._done, self._book.redo)
        elif self._names[1]:
            self._move(self._undone, self._done, partial(self._travel, back=False))
        if words:
            self._session.notify.info(self.tr("Made again: {0}").format(words))

    def _move(self, source: list[str], target: list[str], act: Callable[[], object]) -> None:
        target.append(source.pop() if source else "person")
        self._travelling = True
        act()
        self._travelling = False
        self.steps_changed.emit()

    def _stepped(self, kind: str) -> None:
        if not self._travelling:
            self._done.append(kind)
            self._undone.clear()
            self.steps_changed.emit()

    def _travel(self, *, back: bool) -> None:
        folder = self._reader.folder
        ids = folder.ids[: folder.count].tolist()
        known = {photo: path for photo, path in zip(ids, self._session.photos, strict=False) if photo}
        call = partial(_travelled, self._session.catalog, known, back)
        self._session.work.once(call, self._arrived, lane="model", must=True)

    def _arrived(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._named(outcome)
            return
        words, asked, names = outcome.value
        # The list may have been read again since, or be another one: by path, and only what was asked about.
        photos, folder = self._session.photos, self._reader.folder
        shown = {photos[place] for place in folder.said if place < len(photos)}
        found = {path: words.get(path) for path in words.keys() | (shown & asked)}
        for path in folder.order.newer(found, folder.order.now()):
            del found[path]  # said after this step
        folder.order.said(found)
        folder.order.wrote(found)  # a look that was asked before knows nothing of this step
        places = {photos.index(path): word for path, word in found.items()}
        self._reader.put_said({place: word for place, word in places.items() if place >= 0})
        self._take_names(names)

    def _named(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("That could not be kept")))
            return
        self._take_names(outcome.value)

    def _take_names(self, changes: tuple[Change | None, Change | None]) -> None:
        self._names = (self._describe(changes[0]), self._describe(changes[1]))
        self.steps_changed.emit()

    def _describe(self, change: Change | None) -> str:
        if change is None:
            return ""
        verb = {
            "confirm": self.tr("confirm"),
            "change": self.tr("change"),
            "reject": self.tr("reject"),
            "clear": self.tr("clear"),
        }.get(change.verb, change.verb)
        label = f" “{change.label}”" if change.label else ""
        photos = self.tr("1 photo") if change.count == 1 else self.tr("{0:,} photos").format(change.count)
        return f"{verb}{label}, {photos}"


def _ids(catalog: Catalog, paths: Sequence[str]) -> dict[str, int]:
    """Catalogue numbers; photos that the catalogue has never seen are entered."""
    found: dict[str, int] = {}
    for path in paths:
        record = catalog.photo(path) or catalog.sync_photo(path, os.stat(path))
        found[path] = record.id
    return found


def _keep(
    catalog: Catalog, verb: Callable[[Catalog, Mapping[int, str]], Change | None], words: Mapping[str, str]
) -> tuple[Change | None, Change | None]:
    ids = _ids(catalog, list(words))
    verb(catalog, {ids[path]: word for path, word in words.items()})
    return _names(catalog)


def _clear_each(catalog: Catalog, words: Mapping[int, str]) -> Change | None:
    return catalog.clear(list(words))


def _names(catalog: Catalog) -> tuple[Change | None, Change | None]:
    return catalog.undoable(), catalog.redoable()


def _travelled(
    catalog: Catalog, photos: Mapping[int, str], back: bool
) -> tuple[dict[str, Said], frozenset[str], tuple[Change | None, Change | None]]:
    """Undo or redo; what holds for the open photos (their paths by their numbers) afterwards, and all their paths."""
    if back:
        catalog.undo()
    else:
        catalog.redo()
    words = {photos[photo]: Said.of(answer) for photo, answer in catalog.answers(list(photos)).items()}
    said = {path: word for path, word in words.items() if word is not None}
    return said, frozenset(photos.values()), _names(catalog)
