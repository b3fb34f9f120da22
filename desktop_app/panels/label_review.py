"""A person's word on photos: confirm, change, reject, take back; kept in the catalogue, with undo and redo by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from desktop_app.catalog import KEEP_CHANGES, Catalog, Change
from desktop_app.catalog_labels import only_word
from desktop_app.label_book import LabelBook
from desktop_app.label_folder import Said
from desktop_app.panels.label_reader import PhotoReader
from desktop_app.photo_list import Mark
from desktop_app.session import Session, as_user_error
from desktop_app.work import Outcome


@dataclass(eq=False)
class _Decision:
    """What was said of some photos in one step; `change` is known once the catalogue has it, and only on its lane."""

    words: str
    paths: tuple[str, ...]
    change: Change | None = None


_Steps = list[_Decision | None]  # None: a step of the labels' book; the newest last


class Review(QObject):
    """Verbs over places in session.photos. What is said shows at once and is in the catalogue a moment later.

    Undo and redo take the steps made in this window, those of the labels' book among them, in the order in which they
    were made. Decisions about photos that are not all open are passed over: nothing changes in a folder out of sight.
    """

    failed = Signal(object)  # UserError

    def __init__(
        self, session: Session, reader: PhotoReader, book: LabelBook, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._reader, self._book = session, reader, book
        self._done: _Steps = []
        self._undone: _Steps = []
        self._travelling = False
        self._said_travelled = False  # what undo or redo said last still stands in the status bar
        book.listen(lambda step: self._stepped(None))

    # --- what a person says

    def confirm(self, places: Sequence[int], label: str = "") -> int:
        """Confirm `label`, or each photo's own shown one; returns for how many photos there was one."""
        words = {place: label or self._accepted(place) for place in places}
        bare = self._bare(
            words,
            self.tr("1 photo has no label to accept: choose one with 1 to 9"),
            self.tr("{0:,} photos have no label to accept: choose one with 1 to 9"),
        )
        words = {place: word for place, word in words.items() if word and self._word(place).label != word}
        said: dict[int, Said | None] = {}
        for place, word in words.items():
            others = tuple(name for name in self._word(place).rejected if name != word)
            said[place] = Said(word, others)
        self._say(self.tr("confirm"), Catalog.confirm_each, words, said, bare)
        return len(words)

    def reject(self, places: Sequence[int]) -> int:
        """Say that the photos are not what they show; returns for how many that was new."""
        words = {place: self._shown(place) for place in places}
        bare = self._bare(
            words,
            self.tr("1 photo has no label to reject"),
            self.tr("{0:,} photos have no label to reject"),
        )
        words = {
            place: word for place, word in words.items() if word and word not in self._word(place).rejected
        }
        said: dict[int, Said | None] = {}
        for place, word in words.items():
            before = self._word(place)
            said[place] = Said("" if before.label == word else before.label, (*before.rejected, word))
        self._say(self.tr("reject"), Catalog.reject_each, words, said, bare)
        return len(words)

    def clear(self, places: Sequence[int]) -> None:
        """Take back everything said about these photos."""
        known = [place for place in places if place in self._reader.folder.said]
        self._say(self.tr("clear"), _clear_each, dict.fromkeys(known, ""), dict.fromkeys(known))

    def told(self, old: str, new: str) -> dict[int, Said]:
        """What was said of open photos, by their places, under the old name of a label and not under its new one."""
        said = self._reader.folder.said.items()
        about = {place: word for place, word in said if word.label == old or old in word.rejected}
        return {place: word for place, word in about.items() if word.renamed(old, new) != word}

    def rename(self, old: str, new: str) -> None:
        """Let it hold under the new name, as one step."""
        said: dict[int, Said | None] = {
            place: word.renamed(old, new) for place, word in self.told(old, new).items()
        }
        self._say(self.tr("move to"), partial(_rename_each, old), dict.fromkeys(said, new), said)

    def _word(self, place: int) -> Said:
        return self._reader.folder.said.get(place) or Said()

    def _shown(self, place: int) -> str:
        """The label that the tile names, "" for none: of an unknown photo the best guess stands nowhere to be seen."""
        label, _, mark = self._session.answer(place)
        return "" if mark is Mark.UNKNOWN else label

    def _accepted(self, place: int) -> str:
        """The same, unless a person said that it is not that."""
        label = self._shown(place)
        return "" if label in self._word(place).rejected else label

    def _bare(self, words: Mapping[int, str], one: str, many: str) -> str:
        """How many photos are left as they are, because they show no label, in words; "" for none."""
        bare = sum(not word for word in words.values())
        return (one if bare == 1 else many.format(bare)) if bare else ""

    def _tell(self, name: str, words: Mapping[int, str], bare: str) -> None:
        """What was done to several photos, of which some may be out of sight; one shows it itself."""
        if len(words) > 1:
            self._inform(self.tr("Done: {0}").format(self._describe(name, words)), bare)
        elif bare:
            self._inform(bare)

    def _inform(self, words: str, more: str = "", *, travelled: bool = False) -> None:
        self._said_travelled = travelled
        self._session.notify.info(words, more)

    def _say(
        self,
        name: str,
        verb: Callable[[Catalog, Mapping[int, str]], Change | None],
        words: dict[int, str],
        said: dict[int, Said | None],
        bare: str = "",
    ) -> None:
        self._tell(name, words, bare)
        if not words:
            return
        photos = self._session.photos
        self._reader.put_said(said)
        self._reader.folder.order.said({photos[place]: word for place, word in said.items()})
        told = {photos[place]: word for place, word in words.items()}
        step = _Decision(self._describe(name, told), tuple(told))
        self._stepped(step)
        call = partial(_keep, self._session.catalog, verb, told, step)
        # One lane and one after the other: an undo must not overtake what it undoes. Closing the window loses none.
        self._session.work.once(call, partial(self._kept, step), lane="model", must=True)

    def _kept(self, step: _Decision, outcome: Outcome) -> None:
        self._reader.folder.order.wrote(step.paths)
        self._check(outcome)

    def _check(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("That could not be kept")))

    def _describe(self, name: str, words: Mapping[int, str] | Mapping[str, str]) -> str:
        label = only_word(words.values())
        photos = self.tr("1 photo") if len(words) == 1 else self.tr("{0:,} photos").format(len(words))
        return f"{name} “{label}”, {photos}" if label else f"{name}, {photos}"

    # --- undo and redo

    @property
    def words(self) -> tuple[str, str]:
        """What undo and redo would do now, "" for nothing."""
        book = self._book
        return self._name(self._done, book.undo_name), self._name(self._undone, book.redo_name)

    def _name(self, steps: _Steps, of_book: str) -> str:
        at = self._within_reach(steps)
        step = steps[at] if at >= 0 else _Decision("", ())
        return of_book if step is None else step.words

    def _within_reach(self, steps: _Steps) -> int:
        """Where the newest step stands that is about the labels or about open photos alone, -1 for none."""
        photos = self._session.photos
        for at in reversed(range(len(steps))):
            step = steps[at]
            if step is None or all(photos.index(path) >= 0 for path in step.paths):
                return at
        return -1

    def undo(self) -> None:
        """Take the last step back, whichever it was, and say so: a filter may hide its photos."""
        words = self.words[0]
        self._move(self._done, self._undone, back=True)
        if words:
            self._inform(self.tr("Taken back: {0}").format(words), travelled=True)

    def redo(self) -> None:
        """Make the step again that was undone last, and say so."""
        words = self.words[1]
        self._move(self._undone, self._done, back=False)
        if words:
            self._inform(self.tr("Made again: {0}").format(words), travelled=True)

    def _move(self, source: _Steps, target: _Steps, *, back: bool) -> None:
        at = self._within_reach(source)
        if at < 0:
            return
        step = source.pop(at)
        target.append(step)
        self._travelling = True
        if step is not None:
            self._travel(step, back=back)
        elif back:
            self._book.undo()
        else:
            self._book.redo()
        self._travelling = False

    def _stepped(self, step: _Decision | None) -> None:
        if not self._travelling:
            self._done.append(step)
            del self._done[:-KEEP_CHANGES]  # what the catalogue has forgotten cannot be taken back
            self._undone.clear()
            if self._said_travelled:
                # Done since, and seen in its place; but “Taken back” would go on as if it were of this.
                self._inform(self.tr("Done: {0}").format(self.words[0]))

    def _travel(self, step: _Decision, *, back: bool) -> None:
        folder = self._reader.folder
        ids = folder.ids[: folder.count].tolist()
        known = {photo: path for photo, path in zip(ids, self._session.photos, strict=False) if photo}
        call = partial(_travelled, self._session.catalog, step, known, back)
        self._session.work.once(call, partial(self._arrived, step), lane="model", must=True)

    def _arrived(self, step: _Decision, outcome: Outcome) -> None:
        self._check(outcome)
        if outcome.error is not None:
            return
        words, asked = outcome.value
        # The list may have been read again since, or be another one: by path, and only what was asked about.
        photos, folder = self._session.photos, self._reader.folder
        shown = {photos[place] for place in folder.said if place < len(photos)}
        found = {path: words.get(path) for path in words.keys() | (shown & asked) | set(step.paths)}
        for path in folder.order.newer(found, folder.order.now()):
            del found[path]  # said after this step
        folder.order.said(found)
        folder.order.wrote(found)  # a look that was asked before knows nothing of this step
        places = {photos.index(path): word for path, word in found.items()}
        self._reader.put_said({place: word for place, word in places.items() if place >= 0})


def _ids(catalog: Catalog, paths: Sequence[str]) -> dict[str, int]:
    """Catalogue numbers; photos that the catalogue has never seen are entered."""
    found: dict[str, int] = {}
    for path in paths:
        record = catalog.photo(path) or catalog.sync_photo(path, os.stat(path))
        found[path] = record.id
    return found


def _keep(
    catalog: Catalog,
    verb: Callable[[Catalog, Mapping[int, str]], Change | None],
    words: Mapping[str, str],
    step: _Decision,
) -> None:
    ids = _ids(catalog, list(words))
    step.change = verb(catalog, {ids[path]: word for path, word in words.items()})


def _clear_each(catalog: Catalog, words: Mapping[int, str]) -> Change | None:
    return catalog.clear(list(words))


def _rename_each(old: str, catalog: Catalog, words: Mapping[int, str]) -> Change | None:
    return catalog.rename(list(words), old, only_word(words.values()))


def _travelled(
    catalog: Catalog, step: _Decision, photos: Mapping[int, str], back: bool
) -> tuple[dict[str, Said], frozenset[str]]:
    """Undo or redo; what holds for the open photos (their paths by their numbers) afterwards, and all their paths."""
    if step.change is not None:
        (catalog.undo if back else catalog.redo)(step.change)
    # Photos that were not looked up yet have no number among the open ones; those of the step are known by path.
    known = frozenset(photos.values())
    new = (path for path in step.paths if path not in known)
    photos = {**photos, **{record.id: path for path in new if (record := catalog.photo(path)) is not None}}
    words = {photos[photo]: Said.of(answer) for photo, answer in catalog.answers(list(photos)).items()}
    said = {path: word for path, word in words.items() if word is not None}
    return said, frozenset(photos.values())
