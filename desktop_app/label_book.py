"""The labels, templates and bars that a person edits: snapshots, each step named and undoable. No Qt in here.

A label keeps its number through every rename and reorder, so that "37 photos change label" counts photos, not words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from models.tasks.prompts import Label, PromptSet, Template

_KEPT_STEPS = 200
Listener = Callable[["Step"], None]


@dataclass(frozen=True)
class State:
    """All that is edited. `numbers[i]` identifies `labels[i]` for as long as the program runs."""

    labels: tuple[Label, ...] = ()
    numbers: tuple[int, ...] = ()
    templates: tuple[Template, ...] = ()
    prompt_set: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are shown."""
        return tuple(label.name for label in self.labels)

    @property
    def used_templates(self) -> tuple[Template, ...]:
        """The templates that are switched on."""
        return tuple(item for item in self.templates if item.enabled and item.weight > 0)


@dataclass(frozen=True)
class Step:
    """One edit: its name for the menu, whether it takes an earlier one back, and whether it changes what the model is
    asked (else only how it is called)."""

    name: str
    before: State
    after: State
    undone: bool = False

    @property
    def asks_anew(self) -> bool:
        """True where answers may change."""
        old, new = self.before, self.after
        prompts = [label.prompts for label in old.labels] != [label.prompts for label in new.labels]
        return prompts or old.numbers != new.numbers or old.used_templates != new.used_templates


class LabelBook:
    """Every verb makes one step and tells the listeners. Words that cannot be used are refused by doing nothing."""

    def __init__(self, labels: Iterable[Label] = (), prompt_set: PromptSet | None = None) -> None:
        self._counter = itertools.count()
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._listeners: list[Listener] = []
        kept = tuple(labels)
        self.state = State(
            kept,
            tuple(next(self._counter) for _ in kept),
            prompt_set.templates if prompt_set else (),
            prompt_set.name if prompt_set else "",
        )

    def listen(self, listener: Listener) -> None:
        """Call back with every step, undo and redo included."""
        self._listeners.append(listener)

    @property
    def undo_name(self) -> str:
        """What undo would take back, "" for nothing."""
        return self._done[-1].name if self._done else ""

    @property
    def redo_name(self) -> str:
        """What redo would make again, "" for nothing."""
        return self._undone[-1].name if self._undone else ""

    def undo(self) -> bool:
        """Take the last step back."""
        if not self._done:
            return False
        step = self._done.pop()
        self._undone.append(step)
        self._become(Step(step.name, step.after, step.before, undone=True))
        return True

    def redo(self) -> bool:
        """Make the step again that was undone last."""
        if not self._undone:
            return False
        step = self._undone.pop()
        self._done.append(step)
        self._become(step)
        return True

    def _edit(self, name: str, after: State) -> bool:
        if after == self.state:
            return False
        step = Step(name, self.state, after)
        self._done = [*self._done[1 - _KEPT_STEPS :], step]
        self._undone.clear()
        self._become(step)
        return True

    def _become(self, step: Step) -> None:
        self.state = step.after
        for listener in list(self._listeners):
            listener(step)

    # --- labels

    def add_labels(self, labels: Iterable[Label], name: str) -> int:
        """Append the labels whose name is not there yet; returns how many were."""
        known = {same_word(item) for item in self.state.names}
        new = [label for label in labels if label.name.strip() and _is_new(label.name, known)]
        numbers = tuple(next(self._counter) for _ in new)
        old = self.state
        self._edit(name, replace(old, labels=(*old.labels, *new), numbers=(*old.numbers, *numbers)))
        return len(new)

    def replace_labels(self, labels: Iterable[Label], name: str) -> None:
        """Take these labels instead; one that has the same name keeps its number."""
        new, numbers = self._numbered(labels)
        self._edit(name, replace(self.state, labels=new, numbers=numbers))

    def _numbered(self, labels: Iterable[Label]) -> tuple[tuple[Label, ...], tuple[int, ...]]:
        """The labels, each name once, and their numbers: the old one where the name is there already."""
        known: set[str] = set()
        new = tuple(label for label in labels if label.name.strip() and _is_new(label.name, known))
        old = dict(zip(map(same_word, self.state.names), self.state.numbers, strict=True))
        words = [same_word(label.name) for label in new]
        return new, tuple(old[word] if word in old else next(self._counter) for word in words)

    def rename_label(self, row: int, word: str, name: str) -> bool:
        """Call a label otherwise. While its prompt and keyword were its name they follow; else they stay."""
        old = self.state.labels[row]
        word = word.strip()
        others = {same_word(item) for i, item in enumerate(self.state.names) if i != row}
        if not word or same_word(word) in others:
            return False
        prompts = (word,) if old.prompts == (old.name,) else old.prompts
        keyword = word if old.keyword == old.name else old.keyword
        return self.set_label(row, Label(word, prompts, keyword), name)

    def set_label(self, row: int, label: Label, name: str) -> bool:
        """Put another label in this row, under the same number."""
        labels = list(self.state.labels)
        labels[row] = label
        return self._edit(name, replace(self.state, labels=tuple(labels)))

    def remove_labels(self, rows: Iterable[int], name: str) -> None:
        """Take labels out."""
        gone = set(rows)
        kept = [i for i in range(len(self.state.labels)) if i not in gone]
        self._edit(name, self._ordered(kept))

    def move_labels(self, rows: Sequence[int], before: int, name: str) -> None:
        """Put the labels of `rows` before the one that stands at `before` now."""
        self._edit(name, self._ordered(moved(len(self.state.labels), rows, before)))

    def _ordered(self, order: Sequence[int]) -> State:
        old = self.state
        return replace(
            old, labels=tuple(old.labels[i] for i in order), numbers=tuple(old.numbers[i] for i in order)
        )

    # --- templates

    def use_prompt_set(self, chosen: PromptSet, name: str) -> None:
        """Take the templates of a prompt set."""
        self._edit(name, replace(self.state, templates=chosen.templates, prompt_set=chosen.name))

    def set_templates(self, templates: Iterable[Template], name: str) -> bool:
        """Put other templates in the place of all."""
        return self._edit(name, replace(self.state, templates=tuple(templates)))

    def add_template(self, text: str, name: str) -> bool:
        """Append a sentence."""
        if not text.strip():
            return False
        return self.set_templates((*self.state.templates, Template(text.strip())), name)

    def set_template(self, row: int, template: Template, name: str) -> bool:
        """Put another template in this row."""
        templates = list(self.state.templates)
        templates[row] = template
        return self.set_templates(templates, name)

    def remove_templates(self, rows: Iterable[int], name: str) -> None:
        """Take templates out."""
        gone = set(rows)
        self.set_templates((item for i, item in enumerate(self.state.templates) if i not in gone), name)

    def move_templates(self, rows: Sequence[int], before: int, name: str) -> None:
        """Put the templates of `rows` before the one that stands at `before` now."""
        order = moved(len(self.state.templates), rows, before)
        self.set_templates((self.state.templates[i] for i in order), name)

    def set_all(self, labels: Iterable[Label], chosen: PromptSet, name: str) -> None:
        """Take a whole recipe, as one step."""
        kept, numbers = self._numbered(labels)
        self._edit(name, State(kept, numbers, chosen.templates, chosen.name))


def same_word(name: str) -> str:
    """Two names are the same label when these are equal: case and blanks do not count."""
    return " ".join(name.split()).casefold()


def moved(count: int, rows: Sequence[int], before: int) -> list[int]:
    """The order of `count` things after those at `rows` were put before the one at `before`."""
    taken = sorted(set(rows))
    rest = [i for i in range(count) if i not in set(taken)]
    place = sum(i < before for i in rest)
    return [*rest[:place], *taken, *rest[place:]]


def _is_new(name: str, known: set[str]) -> bool:
    word = same_word(name)
    if word in known:
        return False
    known.add(word)
    return True
