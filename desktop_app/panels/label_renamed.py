"""After a label was renamed: what a person said under its old name is offered to be moved, never moved unasked."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from desktop_app.label_book import Step
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.panels.label_review import Review
from desktop_app.session import Session
from desktop_app.widgets.label_filters import Line

_NAME_WIDTH = 120  # px, of the name on the button


class RenamedLine(Line):
    """“12 photos are confirmed as “truck””, for as long as a label that was called so is called otherwise.

    It speaks of the open photos: those of another folder are offered when that is opened.
    """

    def __init__(
        self, session: Session, engine: LabelEngine, review: Review, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._book, self._review = engine.book, review
        self._former: dict[str, int] = {}  # what a label was called: its number, the newest last
        self._called: dict[str, set[int]] = {}  # all that were ever called so
        self._offered = ("", "")  # old and new name
        engine.book.listen(self._edited)
        engine.reader.said_changed.connect(self._look)
        session.photos_changed.connect(self._look)
        self.asked.connect(lambda: self._review.rename(*self._offered))
        self.closed.connect(lambda: self._former.pop(self._offered[0], None))

    def _edited(self, step: Step) -> None:
        for state in (step.before, step.after):
            for number, name in zip(state.numbers, state.names, strict=True):
                self._called.setdefault(name, set()).add(number)
        names = dict(zip(step.after.numbers, step.after.names, strict=True))
        for number, old in zip(step.before.numbers, step.before.names, strict=True):
            if names.get(number, old) != old:
                self._former.pop(old, None)
                self._former[old] = number
        self._look()

    def _look(self) -> None:
        state = self._book.state
        names = dict(zip(state.numbers, state.names, strict=True))
        for old, number in reversed(self._former.items()):
            # Where two labels had the name, nobody knows which of them was meant.
            sure = number in names and old not in state.names and self._called[old] == {number}
            told = self._review.told(old, names[number]) if sure else {}
            if told:
                self._offered = old, names[number]
                self._offer(len(told), sum(word.label == old for word in told.values()))
                return
        self.keep_quiet()

    def _offer(self, photos: int, confirmed: int) -> None:
        old, new = self._offered
        counts = (
            (
                confirmed,
                self.tr("1 photo is confirmed as “{0}”"),
                self.tr("{1:,} photos are confirmed as “{0}”"),
            ),
            (
                photos - confirmed,
                self.tr("1 photo is rejected as “{0}”"),
                self.tr("{1:,} photos are rejected as “{0}”"),
            ),
        )
        parts = [(one if count == 1 else many).format(old, count) for count, one, many in counts if count]
        short = self.fontMetrics().elidedText(new, Qt.TextElideMode.ElideMiddle, _NAME_WIDTH)
        words = self.tr("Move it to “{0}”") if photos == 1 else self.tr("Move them to “{0}”")
        self.tell(", ".join(parts) + ".", words.format(short))
