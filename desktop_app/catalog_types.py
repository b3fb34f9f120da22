"""What goes into the catalogue and comes out of it: frozen values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PhotoRecord:
    """A photo as the catalogue knows it. `state` says what `sync` found: "unchanged", "new" or "changed".

    `wants_hash`: another photo of this size is known, or this one was, so its content hash (see `identify`)
    may bring back embeddings and labels without a look at the pixels, or tell whose labels these are.
    """

    id: int
    path: Path
    size: int
    mtime_ns: int
    state: str = "unchanged"
    wants_hash: bool = False
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    error: str = ""


@dataclass(frozen=True)
class PhotoFacts:
    """What opening a photo taught: full size in pixels, content hash as hex, or why it cannot be read.

    What is None or "" leaves alone what is known, but for `error`: None leaves it, "" says that it can be read.
    """

    photo: int
    width: int | None = None
    height: int | None = None
    sha256: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Proposal:
    """What a model says about one photo; `decision` is "label", "unsure" or "unknown"."""

    photo: int
    label: str
    probability: float | None
    margin: float | None
    decision: str
    label_2: str = ""
    probability_2: float | None = None
    label_3: str = ""
    probability_3: float | None = None


@dataclass(frozen=True)
class Answer:
    """What holds for a photo: a person's word where there is one (`confirmed`), else a machine's proposal.

    `label` is the word that holds; `proposal` is what the machine said, confirmed or not; `rejected` are the
    labels a person said it is not. `model`, `prompt_set` and `run` belong to the proposal.
    """

    photo: int
    label: str = ""
    confirmed: bool = False
    decision: str = ""
    proposal: Proposal | None = None
    rejected: tuple[str, ...] = ()
    who: str = ""
    time: float = 0.0
    model: str = ""
    prompt_set: str = ""
    run: str = ""


@dataclass(frozen=True)
class Run:
    """One labelling run: what was asked, how far it came."""

    id: str
    kind: str
    model: str
    prompt_set: str
    config: dict[str, Any]
    state: str
    started: float
    ended: float | None
    counts: dict[str, int]


@dataclass(frozen=True)
class Change:
    """A person's change as undo and redo name it: verb ("confirm", "change", "reject", "clear"), label, photos."""

    id: int
    verb: str
    label: str
    count: int


@dataclass(frozen=True)
class Said:
    """What a person has said about one photo: the unit of undo."""

    label: str | None = None
    who: str = ""
    time: float = 0.0
    rejected: dict[str, tuple[str, float]] = field(default_factory=dict)

    def renamed(self, old: str, new: str) -> Said:
        """The same, of a label that is called otherwise now. What it is not stays under the old name as well: what a
        machine has said under that name is refused as before."""
        label = new if self.label == old else self.label
        rejected = ({new: self.rejected[old]} if old in self.rejected else {}) | self.rejected
        return Said(
            label, self.who, self.time, {name: item for name, item in rejected.items() if name != label}
        )

    def to_json(self) -> str:
        return json.dumps([self.label, self.who, self.time, self.rejected])

    @staticmethod
    def from_json(text: str) -> Said:
        label, who, when, rejected = json.loads(text)
        return Said(label, who, when, {name: (item[0], item[1]) for name, item in rejected.items()})
