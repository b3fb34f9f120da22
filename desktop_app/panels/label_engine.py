"""The panel's motor: after every edit the whole open folder is asked anew, and what that changed is counted.

Nothing is computed here: calls go to the model lane, latest wins, and come back as values that are put in place.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from desktop_app import label_calls
from desktop_app.label_book import LabelBook, Step
from desktop_app.label_folder import (
    Difference,
    Question,
    Scored,
    difference,
    merged,
    score_folder,
    shown_answers,
)
from desktop_app.panels.label_reader import PhotoReader
from desktop_app.session import Session, as_user_error
from desktop_app.work import Outcome
from models.spec import Capability
from models.tasks.prompts import Remark
from models.tasks.scoring import Bars, Scores

if TYPE_CHECKING:
    from desktop_app.labelling import Recipe
    from models.runtime import Model
    from models.tasks.zero_shot import TextCache


@dataclass(frozen=True, eq=False)
class Focus:
    """The full answers about the photo in focus, and the question they answer."""

    photo: int
    question: Question
    scores: Scores


class LabelEngine(QObject):
    """`scored` is what the machine says, session.answers what is shown (a person's word stands over it)."""

    scored_changed = Signal()
    changes_counted = Signal(str)  # the edit's name, "" where there is nothing to say; see `changes`
    focus_changed = Signal()  # see `focus`
    remarks_changed = Signal(list)  # of Remark
    failed = Signal(object)  # UserError that belongs to the panel
    worked = Signal()  # answers came: whatever had failed works again

    def __init__(self, session: Session, book: LabelBook, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.book = session, book
        self.reader = PhotoReader(session, self)
        self.scored = Scored.none()
        self.changes = Difference()
        self.focus: Focus | None = None
        self.model: Model | None = None
        self.question: Question | None = None
        self.dragged: dict[str, float] = {}
        self._base: tuple[str, Scored] | None = None
        self._base_key = ""
        self._unscored: set[int] = set()
        self._awake = self._active = False
        book.listen(self._edited)
        self.reader.came.connect(self._came)
        self.reader.said_changed.connect(self._show)
        self.reader.started_over.connect(self._started_over)
        self.reader.failed.connect(self.failed)
        session.current_changed.connect(self._focus_moved)
        session.model_changed.connect(self._model_changed)
        session.set_labels(book.state.names)

    @cached_property
    def texts(self) -> "TextCache":
        """The text embeddings that are kept between edits."""
        from models.tasks.zero_shot import TextCache

        return TextCache()

    def wake(self) -> None:
        """The panel is on screen for the first time: begin."""
        self._awake = True
        self._check()
        self.reader.wake()
        self._model_changed(Capability.ZERO_SHOT)

    def bars(self) -> Bars:
        """The bars as the settings have them, or as a hand drags them now."""
        values = self.session.settings
        probability = self.dragged.get("min_probability", float(values.min_probability))
        margin = self.dragged.get("min_margin", float(values.min_margin))
        known = self.dragged.get("min_known", float(values.min_known))
        return Bars(probability, margin, bool(values.background), known)

    def mode(self) -> str:
        """ "single" or "multi"."""
        return str(self.session.settings.mode)

    def recipe(self) -> "Recipe":
        """What is asked now, as the command line would ask it."""
        from desktop_app.labelling import Recipe

        state = self.book.state
        mode: Literal["single", "multi"] = "multi" if self.mode() == "multi" else "single"
        return Recipe(state.labels, state.templates, state.prompt_set, self.bars(), mode)

    # --- edits

    def edit_begins(self, name: str, key: str = "") -> None:
        """What is shown now is what the edit is compared with; edits in a row with one `key` count as one."""
        if not key or key != self._base_key or self._base is None:
            self._base = (name, self.scored)
        self._base_key = key

    def bars_moved(self, name: str, key: str) -> None:
        """The bars or the mode changed in the settings."""
        self.edit_begins(name, key)
        self.ask_scores()

    def bars_settled(self) -> None:
        """The hand has let go: the next move is another edit."""
        self._base_key = ""

    def forget_changes(self) -> None:
        """What the last edit changed is no longer of interest."""
        self._base, self._base_key = None, ""
        self.changes = Difference()
        self.changes_counted.emit("")

    def _edited(self, step: Step) -> None:
        self.session.set_labels(step.after.names)
        if step.asks_anew and self.model is not None:
            # What is wrong with the words is counted when the answers are there: they are waited for.
            if step.undone:
                self.forget_changes()  # what was taken back has changed nothing
            else:
                self.edit_begins(step.name)
            self.ask_scores()
        else:
            self._rename()
            self._check()

    def _rename(self) -> None:
        """Only what labels are called has changed: the answers stay."""
        state = self.book.state
        if self.question is not None and self.question.numbers == state.numbers:
            self.question = replace(self.question, names=state.names)
            self.scored = replace(self.scored, names=state.names)
            self._show()
            self._ask_focus()

    def _check(self) -> None:
        if self._awake:
            call = partial(label_calls.remarks, self.book.state, self.model)
            self.session.work.latest("label-remarks", call, self._checked, lane="io")

    def _checked(self, outcome: Outcome) -> None:
        found: list[Remark] = outcome.value if outcome.error is None else []
        self.remarks_changed.emit(found)

    # --- the model and the list

    def _model_changed(self, capability: str) -> None:
        if capability != Capability.ZERO_SHOT or not self._awake:
            return
        self.model = self.session.model(Capability.ZERO_SHOT)
        error = self.session.shelf.error(Capability.ZERO_SHOT)
        if error is not None:
            self.failed.emit(error)
        if self.model is None:
            return
        from desktop_app.labelling import model_key

        self.reader.use(self.model, model_key(self.model.spec))
        self._check()
        self.ask_scores()

    def _started_over(self) -> None:
        self._unscored.clear()
        self.forget_changes()
        self.question = None
        self.scored = Scored.none()
        self.focus = None
        self.scored_changed.emit()
        self.focus_changed.emit()

    # --- scoring

    def ask_scores(self) -> None:
        """Score everything anew; a newer question takes the place of one that waits."""
        if self.model is None or not self._awake:
            return
        self._unscored.clear()
        asked = (self.model, self.book.state, self.bars(), self.mode(), self.texts)
        call = partial(label_calls.ask_and_score, *asked, *self.reader.folder.snapshot())
        done = partial(self._answered, self.reader.generation)
        self.session.work.latest("label-score", call, done, lane="model")

    def _answered(self, generation: int, outcome: Outcome) -> None:
        if generation != self.reader.generation:
            self.ask_scores()
            return
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The labels could not be asked about")))
            self._check()
            return
        self.question, self.scored = outcome.value
        self.worked.emit()
        self._show()
        if self._base is not None:
            name, before = self._base
            self.changes = difference(before, self.scored, self.reader.folder.said)
            # Between no label and some there is nothing to compare: "no photo changes" would be untrue.
            self.changes_counted.emit(name if before.names and self.scored.names else "")
        self._score_new()
        self._ask_focus()
        self._check()

    def _came(self, places: npt.NDArray[np.int64]) -> None:
        self._unscored.update(places.tolist())
        self._score_new()

    def _score_new(self) -> None:
        """Score what has come since the last question, and nothing else."""
        if self.question is None:
            self.ask_scores()
        elif self._unscored:
            rows, have = self.reader.folder.snapshot()
            wanted = np.zeros(len(have), bool)
            wanted[[place for place in self._unscored if place < len(have)]] = True
            call = partial(score_folder, rows, wanted & have, self.question)
            done = partial(self._new_scored, self.reader.generation, self.question)
            self.session.work.latest("label-new", call, done, lane="model")

    def _new_scored(self, generation: int, question: Question, outcome: Outcome) -> None:
        if generation != self.reader.generation or outcome.error is not None:
            return
        if question is not self.question:
            self._score_new()
            return
        new: Scored = outcome.value
        self._unscored.difference_update(np.flatnonzero(new.known).tolist())
        self.scored = merged(self.scored, new)
        self._show()
        photo = self.session.current
        if 0 <= photo < len(new.known) and new.known[photo]:
            self._ask_focus()

    def _show(self) -> None:
        self.session.set_answers(shown_answers(self.scored, self.reader.folder.said))
        self.scored_changed.emit()

    # --- the photo in focus

    def set_active(self, active: bool) -> None:
        """While another panel is on screen the photo in focus is not asked about."""
        self._active = active
        if active and self.focus is None:
            self._ask_focus()

    def _focus_moved(self, *_: object) -> None:
        self.focus = None
        self.focus_changed.emit()
        self._ask_focus()

    def _ask_focus(self) -> None:
        """Ask for the full answers about the photo in focus; it is embedded first where that was not done."""
        photo, folder = self.session.current, self.reader.folder
        if not self._active or self.question is None or not 0 <= photo < folder.count:
            return
        if not folder.have[photo]:
            self.reader.embed_now(photo)
            return
        call = partial(label_calls.score_one, folder.rows[photo : photo + 1], self.question)
        done = partial(self._focus_scored, self.reader.generation, photo, self.question)
        self.session.work.latest("label-focus", call, done, lane="model")

    def _focus_scored(self, generation: int, photo: int, question: Question, outcome: Outcome) -> None:
        current = generation == self.reader.generation and photo == self.session.current
        if current and outcome.error is None:
            self.focus = Focus(photo, question, outcome.value) if outcome.value is not None else None
            self.focus_changed.emit()
