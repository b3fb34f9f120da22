"""The catalogue: photos, embeddings, what machines proposed and persons confirmed, runs, undo and redo.

Its verbs may be called from any thread; each is one transaction, on the disk when it returns. Failures are
CatalogError, in words. No Qt in here.
"""

from __future__ import annotations

import atexit
import contextlib
import getpass
import json
import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.catalog_store import CatalogError, Store
from models.errors import UserError

__all__ = ["Answer", "Catalog", "CatalogError", "Change", "PhotoFacts", "PhotoRecord", "Proposal", "Run"]

Half = npt.NDArray[np.float16]
_SPACE = 1 << 40
_KEEP_CHANGES = 500


@dataclass(frozen=True)
class PhotoRecord:
    """A photo as the catalogue knows it. `state` says what `sync` found: "unchanged", "new" or "changed".

    `wants_hash`: another photo of this size is known, or this one was, so its content hash (see `identify`)
    may bring back embeddings and labels without a look at the pixels.
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
class _Said:
    """What a person has said about one photo: the unit of undo."""

    label: str | None = None
    who: str = ""
    time: float = 0.0
    rejected: dict[str, tuple[str, float]] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps([self.label, self.who, self.time, self.rejected])

    @staticmethod
    def from_json(text: str) -> _Said:
        label, who, when, rejected = json.loads(text)
        return _Said(label, who, when, {name: (item[0], item[1]) for name, item in rejected.items()})


class Catalog:
    """All verbs on one catalogue file. `problems` holds what was found (and mended) when it was opened."""

    def __init__(self, path: Path, *, who: str = "") -> None:
        self._store = Store(Path(path))
        self._who = who or _user()

    @property
    def problems(self) -> list[UserError]:
        """What had to be reported when the file was opened: a broken one set aside."""
        return self._store.problems

    def close(self) -> None:
        """Close the file; call it when no thread uses the catalogue any more."""
        self._store.close()

    # Photos

    def sync_photo(self, path: Path | str, stat: os.stat_result) -> PhotoRecord:
        """The record of this file, new, changed or unchanged by size and mtime."""
        return self.sync([(path, stat.st_size, stat.st_mtime_ns)])[0]

    def sync(self, files: Iterable[tuple[Path | str, int, int]]) -> list[PhotoRecord]:
        """The records of many files (path, size, mtime in ns), in their order; 100,000 take a few seconds.

        A changed file loses its old embeddings and proposal here, unless `identify` finds that its content is
        the old one; what a person confirmed stays.
        """
        wanted = [(_to_bytes(path), size, mtime) for path, size, mtime in files]
        now = time.time()
        with self._store.write() as db:
            known = _by_path(db, [path for path, _, _ in wanted])
            records = [_sync_one(db, known, path, size, mtime, now) for path, size, mtime in wanted]
            db.executemany(
                "UPDATE photos SET seen = ? WHERE id = ?", [(now, record.id) for record in records]
            )
        return records

    def identify(
        self, photo: int, sha256: str, *, exists: Callable[[Path], bool] = os.path.lexists
    ) -> PhotoRecord:
        """Give the photo its content hash (hex); embeddings known for that content are its own from now on.

        If a photo of the same content has vanished from the disk, this is that photo, moved: the record that
        comes back carries the old id, with its labels, and the id that was passed in is no longer valid.
        """
        digest = bytes.fromhex(sha256)
        with self._store.write() as db:
            record = _record(_one(db, photo))
            content = _adopt_content(db, photo, record.size, digest)
            old = _vanished(db, photo, content, exists)
            if old is None or _spoken_for(db, photo):
                return _record(_one(db, photo))
            db.execute("DELETE FROM photos WHERE id = ?", (photo,))
            db.execute(
                "UPDATE photos SET path = ?, size = ?, mtime_ns = ?, seen = ? WHERE id = ?",
                (_to_bytes(record.path), record.size, record.mtime_ns, time.time(), old),
            )
            return _record(_one(db, old))

    def put_facts(self, facts: Iterable[PhotoFacts]) -> None:
        """Keep what opening the photos taught."""
        with self._store.write() as db:
            _put_facts(db, facts)

    def photo(self, path: Path | str) -> PhotoRecord | None:
        """The record of this path, if there is one."""
        with self._store.read() as db:
            row = db.execute(f"{_PHOTO} WHERE p.path = ?", (_to_bytes(path),)).fetchone()
        return None if row is None else _record(row)

    def photos(self, ids: Sequence[int]) -> dict[int, PhotoRecord]:
        """The records of these ids."""
        with self._store.read() as db:
            rows = db.execute(
                f"{_PHOTO} WHERE p.id IN (SELECT value FROM json_each(?))", (_ids(ids),)
            ).fetchall()
        return {row[0]: _record(row) for row in rows}

    def photos_under(self, folder: Path | str) -> list[PhotoRecord]:
        """Every photo known below the folder, whether or not it is still there."""
        start = _to_bytes(folder).rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
        end = start[:-1] + bytes([start[-1] + 1])
        with self._store.read() as db:
            rows = db.execute(
                f"{_PHOTO} WHERE p.path >= ? AND p.path < ? ORDER BY p.path", (start, end)
            ).fetchall()
        return [_record(row) for row in rows]

    def forget_photos(self, ids: Sequence[int]) -> None:
        """Take photos out of the catalogue, with their labels. Their files are not touched."""
        with self._store.write() as db:
            db.execute("DELETE FROM photos WHERE id IN (SELECT value FROM json_each(?))", (_ids(ids),))
            _sweep(db)

    def tidy(self) -> None:
        """Delete embeddings of contents that no known photo has any more; worth it once in a while."""
        with self._store.write() as db:
            _sweep(db)

    # Embeddings and activations: rows of float16 a photo content

    def put_embeddings(
        self, model: str, rows: Sequence[tuple[int, npt.NDArray[Any]]], *, layer: str = ""
    ) -> None:
        """Keep (photo id, vector (d,)) rows of one model, as float16. Raises ValueError where d is not the model's."""
        with self._store.write() as db:
            _put_vectors(db, model, layer, rows)

    def load_embeddings(self, ids: Sequence[int], model: str, *, layer: str = "") -> tuple[list[int], Half]:
        """The photos of `ids` that have an embedding, in that order, and the matrix (n, d) float16 of them."""
        with self._store.read() as db:
            found = db.execute(
                "SELECT id, dim FROM spaces WHERE model = ? AND layer = ?", (model, layer)
            ).fetchone()
            if found is None:
                return [], np.zeros((0, 0), np.float16)
            rows = db.execute(
                "SELECT p.id, v.data FROM json_each(?) j CROSS JOIN photos p ON p.id = j.value"
                " CROSS JOIN vectors v ON v.key = ? + p.content ORDER BY j.key",
                (_ids(ids), found[0] * _SPACE),
            ).fetchall()
        data = np.frombuffer(b"".join(row[1] for row in rows), np.float16).reshape(len(rows), found[1])
        return [row[0] for row in rows], data

    def without_embedding(self, ids: Sequence[int], model: str, *, layer: str = "") -> list[int]:
        """The photos of `ids` that this model has not embedded yet, in that order."""
        with self._store.read() as db:
            row = db.execute("SELECT id FROM spaces WHERE model = ? AND layer = ?", (model, layer)).fetchone()
            if row is None:
                return list(ids)
            have = db.execute(
                "SELECT p.id FROM photos p JOIN vectors v ON v.key = ? + p.content"
                " WHERE p.id IN (SELECT value FROM json_each(?))",
                (row[0] * _SPACE, _ids(ids)),
            ).fetchall()
        known = {item[0] for item in have}
        return [photo for photo in ids if photo not in known]

    def forget_embeddings(self, model: str) -> None:
        """Delete what this model computed (it was retrained or removed), activations included."""
        with self._store.write() as db:
            for (space,) in db.execute("SELECT id FROM spaces WHERE model = ?", (model,)).fetchall():
                db.execute(
                    "DELETE FROM vectors WHERE key >= ? AND key < ?", (space * _SPACE, (space + 1) * _SPACE)
                )
                db.execute("DELETE FROM spaces WHERE id = ?", (space,))

    def top_photos(
        self, ids: Sequence[int], model: str, layer: str, channel: int, count: int = 9
    ) -> list[tuple[int, float]]:
        """The photos on which a channel of a layer fires most (photo id, value), strongest first, from the
        activations that `put_embeddings(..., layer=...)` keeps as one (channels,) row a photo."""
        found, matrix = self.load_embeddings(ids, model, layer=layer)
        if not found:
            return []
        values = matrix[:, channel].astype(np.float32)
        best = np.argsort(-values, kind="stable")[:count]
        return [(found[index], float(values[index])) for index in best]

    # Runs and what machines propose

    def start_run(
        self,
        kind: str,
        *,
        model: str = "",
        prompt_set: str = "",
        config: dict[str, Any] | None = None,
        id: str = "",
    ) -> str:
        """Begin a run and return its id; with the `id` of an earlier run, go on with that one."""
        run = id or uuid.uuid4().hex
        with self._store.write() as db:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, 'running', ?, NULL, '{}')"
                " ON CONFLICT (id) DO UPDATE SET state = 'running', ended = NULL",
                (run, kind, model, prompt_set, json.dumps(config or {}), time.time()),
            )
        return run

    def end_run(self, run: str, state: str, counts: dict[str, int] | None = None) -> None:
        """Note how a run ended ("done", "cancelled", "failed")."""
        with self._store.write() as db:
            db.execute(
                "UPDATE runs SET state = ?, ended = ?, counts = ? WHERE id = ?",
                (state, time.time(), json.dumps(counts or {}), run),
            )

    def runs(self) -> list[Run]:
        """Every run, newest first."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT id, kind, model, prompt_set, config, state, started, ended, counts FROM runs"
                " ORDER BY started DESC, rowid DESC"
            ).fetchall()
        return [_run(row) for row in rows]

    def propose(self, run: str, proposals: Iterable[Proposal]) -> int:
        """Keep what a model says; photos that a person has confirmed are passed over. Returns how many were kept."""
        with self._store.write() as db:
            return _propose(db, run, proposals)

    def put_results(
        self,
        run: str,
        model: str,
        facts: Sequence[PhotoFacts],
        embeddings: Sequence[tuple[int, npt.NDArray[Any]]],
        proposals: Sequence[Proposal],
    ) -> None:
        """`put_facts`, `put_embeddings` and `propose` in one transaction: a kill leaves all of it, or nothing."""
        with self._store.write() as db:
            _put_facts(db, facts)
            _put_vectors(db, model, "", embeddings)
            _propose(db, run, proposals)

    def rollback_run(self, run: str) -> int:
        """Remove what this run proposed and nobody confirmed; returns for how many photos."""
        with self._store.write() as db:
            gone = db.execute(
                "DELETE FROM proposals WHERE run = ? AND photo NOT IN (SELECT photo FROM confirmed)", (run,)
            ).rowcount
            db.execute("UPDATE runs SET state = 'rolled back' WHERE id = ?", (run,))
        return gone

    # What holds

    def answers(self, ids: Sequence[int]) -> dict[int, Answer]:
        """What holds for these photos; one without proposal, confirmation or rejection is left out."""
        with self._store.read() as db:
            return _answers(db, ids)

    def unanswered(self, ids: Sequence[int]) -> list[int]:
        """The photos of `ids` that have neither a proposal nor a confirmation, in that order: what is new."""
        known = {photo for photo, answer in self.answers(ids).items() if answer.confirmed or answer.proposal}
        return [photo for photo in ids if photo not in known]

    def confirmed(self, ids: Sequence[int] | None = None) -> dict[int, str]:
        """Photo id -> the label a person confirmed; of all photos, or of `ids`."""
        where = "" if ids is None else " WHERE photo IN (SELECT value FROM json_each(?))"
        with self._store.read() as db:
            rows = db.execute(
                f"SELECT photo, label FROM confirmed{where}", () if ids is None else (_ids(ids),)
            ).fetchall()
        return dict(rows)

    def counts(self, ids: Sequence[int]) -> dict[tuple[str, str], int]:
        """(label, "confirmed" or the decision) -> how many of these photos; only a decision "label" has a label."""
        counts: dict[tuple[str, str], int] = {}
        for answer in self.answers(ids).values():
            decision = "confirmed" if answer.confirmed else answer.decision
            key = (answer.label if decision in ("confirmed", "label") else "", decision)
            counts[key] = counts.get(key, 0) + 1
        return counts

    # What persons say, with undo and redo

    def confirm(self, ids: Sequence[int], label: str | None = None) -> Change | None:
        """Confirm this label, or with None each photo's own proposal; None where that changes nothing."""
        return self._change("confirm", dict.fromkeys(ids, label), self._confirming)

    def confirm_each(self, words: Mapping[int, str]) -> Change | None:
        """Confirm for each photo id its own label, as one change; None where that changes nothing."""
        return self._change("confirm", words, self._confirming)

    def change(self, ids: Sequence[int], label: str) -> Change | None:
        """Confirm another label than the one proposed: as `confirm`, but undo calls it a change."""
        return self._change("change", dict.fromkeys(ids, label), self._confirming)

    def reject(self, ids: Sequence[int], label: str | None = None) -> Change | None:
        """Say that the photos are not of this label (None: the one each has now)."""
        return self._change("reject", dict.fromkeys(ids, label), self._rejecting)

    def reject_each(self, words: Mapping[int, str]) -> Change | None:
        """Say of each photo id that it is not of its label here, as one change; None where that changes nothing."""
        return self._change("reject", words, self._rejecting)

    def clear(self, ids: Sequence[int]) -> Change | None:
        """Take back everything persons said about these photos; the machine's proposal holds again."""
        return self._change("clear", dict.fromkeys(ids, ""), lambda said, word: _Said())

    def undo(self) -> Change | None:
        """Take the last change back; None where there is none."""
        return self._travel(back=True)

    def redo(self) -> Change | None:
        """Make the change again that was undone last; None where there is none."""
        return self._travel(back=False)

    def undoable(self) -> Change | None:
        """What `undo` would take back, for the name of the menu entry."""
        with self._store.read() as db:
            return _last_change(db, back=True)

    def redoable(self) -> Change | None:
        """What `redo` would make again."""
        with self._store.read() as db:
            return _last_change(db, back=False)

    def _confirming(self, said: _Said, word: str) -> _Said:
        if not word or said.label == word:
            return said
        others = {name: item for name, item in said.rejected.items() if name != word}
        return _Said(word, self._who, time.time(), others)

    def _rejecting(self, said: _Said, word: str) -> _Said:
        if not word or word in said.rejected:
            return said
        rejected = said.rejected | {word: (self._who, time.time())}
        kept = said.label is not None and said.label != word
        return _Said(said.label, said.who, said.time, rejected) if kept else _Said(rejected=rejected)

    def _change(
        self, verb: str, words: Mapping[int, str | None], say: Callable[[_Said, str], _Said]
    ) -> Change | None:
        """Let `say` turn what was said of each photo, and its word (None: the label that holds), into what is said."""
        ids = list(words)
        with self._store.write() as db:
            said, holds = _said(db, ids), _answers(db, ids)
            own = {photo: answer.label for photo, answer in holds.items()}
            after = {}
            for photo, before in said.items():
                word = words[photo]
                after[photo] = say(before, own.get(photo, "") if word is None else word)
            moved = {photo: new for photo, new in after.items() if new != said[photo]}
            if not moved:
                return None
            label = _only(words[photo] or "" for photo in moved)
            # A new change ends what could be redone.
            db.execute("DELETE FROM history WHERE undone")
            row = db.execute(
                "INSERT INTO history (verb, label, count, time) VALUES (?, ?, ?, ?) RETURNING id",
                (verb, label, len(moved), time.time()),
            ).fetchone()
            db.executemany(
                "INSERT INTO history_items VALUES (?, ?, ?, ?)",
                [(row[0], photo, said[photo].to_json(), new.to_json()) for photo, new in moved.items()],
            )
            db.execute("DELETE FROM history WHERE id <= ?", (row[0] - _KEEP_CHANGES,))
            _put_said(db, moved)
            return Change(row[0], verb, label, len(moved))

    def _travel(self, *, back: bool) -> Change | None:
        with self._store.write() as db:
            change = _last_change(db, back=back)
            if change is None:
                return None
            column = "before" if back else "after"
            rows = db.execute(
                f"SELECT photo, {column} FROM history_items WHERE change = ?"
                " AND photo IN (SELECT id FROM photos)",
                (change.id,),
            ).fetchall()
            _put_said(db, {photo: _Said.from_json(text) for photo, text in rows})
            db.execute("UPDATE history SET undone = ? WHERE id = ?", (int(back), change.id))
            return change


_PHOTO = (
    "SELECT p.id, p.path, p.size, p.mtime_ns, c.sha256, p.width, p.height, p.error, p.content"
    " FROM photos p JOIN contents c ON c.id = p.content"
)

# A proposal for a content that the photo no longer has does not count, unless a person confirmed on it.
_ANSWER = """
    SELECT p.id, k.label, k.who, k.time, m.label, m.probability, m.margin, m.decision, m.label_2,
        m.probability_2, m.label_3, m.probability_3, m.time, r.model, r.prompt_set, m.run
    FROM json_each(?) j CROSS JOIN photos p ON p.id = j.value
    LEFT JOIN confirmed k ON k.photo = p.id
    LEFT JOIN proposals m ON m.photo = p.id AND (m.content = p.content OR k.photo IS NOT NULL)
    LEFT JOIN runs r ON r.id = m.run
    WHERE k.photo IS NOT NULL OR m.photo IS NOT NULL OR EXISTS (SELECT 1 FROM rejected x WHERE x.photo = p.id)
    ORDER BY j.key
"""


def _run(row: tuple[Any, ...]) -> Run:
    run, kind, model, prompt_set, config, state, started, ended, counts = row
    return Run(run, kind, model, prompt_set, json.loads(config), state, started, ended, json.loads(counts))


def _only(words: Iterable[str]) -> str:
    """The one word that all are, "" where they differ."""
    different = set(words)
    return different.pop() if len(different) == 1 else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "me"


def _to_bytes(path: Path | str) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _ids(ids: Iterable[int]) -> str:
    return json.dumps([int(photo) for photo in ids])


def _record(row: tuple[Any, ...], state: str = "unchanged", wants_hash: bool = False) -> PhotoRecord:
    photo, path, size, mtime, sha256, width, height, error = row[:8]
    hashed = sha256.hex() if sha256 else ""
    return PhotoRecord(
        photo, Path(os.fsdecode(path)), size, mtime, state, wants_hash, hashed, width, height, error or ""
    )


def _one(db: sqlite3.Connection, photo: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = db.execute(f"{_PHOTO} WHERE p.id = ?", (photo,)).fetchone()
    if row is None:
        raise CatalogError("The photo is no longer in the catalogue", f"its number was {photo}")
    return row


def _by_path(db: sqlite3.Connection, paths: list[bytes]) -> dict[bytes, tuple[Any, ...]]:
    known: dict[bytes, tuple[Any, ...]] = {}
    for start in range(0, len(paths), 500):
        part = paths[start : start + 500]
        marks = ",".join("?" * len(part))
        known.update((row[1], row) for row in db.execute(f"{_PHOTO} WHERE p.path IN ({marks})", part))
    return known


def _sync_one(
    db: sqlite3.Connection,
    known: dict[bytes, tuple[Any, ...]],
    path: bytes,
    size: int,
    mtime: int,
    now: float,
) -> PhotoRecord:
    row = known.get(path)
    if row is not None and (row[2], row[3]) == (size, mtime):
        return _record(row)
    hashed = "SELECT 1 FROM contents WHERE size = ? AND sha256 IS NOT NULL LIMIT 1"
    wants_hash = db.execute(hashed, (size,)).fetchone() is not None
    content = db.execute("INSERT INTO contents (size) VALUES (?) RETURNING id", (size,)).fetchone()[0]
    if row is None:
        db.execute(
            "INSERT INTO photos (path, size, mtime_ns, content, seen) VALUES (?, ?, ?, ?, ?)",
            (path, size, mtime, content, now),
        )
    else:
        db.execute(
            "UPDATE photos SET size = ?, mtime_ns = ?, content = ?, width = NULL, height = NULL, error = NULL"
            " WHERE id = ?",
            (size, mtime, content, row[0]),
        )
    fresh = db.execute(f"{_PHOTO} WHERE p.path = ?", (path,)).fetchone()
    known[path] = fresh
    return _record(fresh, "new" if row is None else "changed", wants_hash)


def _adopt_content(db: sqlite3.Connection, photo: int, size: int, digest: bytes) -> int:
    """Let the photo point at the content of this hash, and return it; what was known of either is kept."""
    mine, hashed = db.execute(
        "SELECT c.id, c.sha256 FROM photos p JOIN contents c ON c.id = p.content WHERE p.id = ?", (photo,)
    ).fetchone()
    row = db.execute("SELECT id FROM contents WHERE sha256 = ?", (digest,)).fetchone()
    if row is None and hashed is None:
        db.execute("UPDATE contents SET sha256 = ? WHERE id = ?", (digest, mine))
        return int(mine)
    if row is None:
        # The file was changed under an unchanged size and mtime: its old content is no longer its own.
        row = db.execute(
            "INSERT INTO contents (size, sha256) VALUES (?, ?) RETURNING id", (size, digest)
        ).fetchone()
    theirs = int(row[0])
    if theirs != mine:
        db.execute("UPDATE photos SET content = ? WHERE id = ?", (theirs, photo))
    if theirs != mine and hashed is None:
        # It was the same content all along, only not known as such.
        db.execute("UPDATE proposals SET content = ? WHERE photo = ? AND content = ?", (theirs, photo, mine))
        _hand_on_vectors(db, mine, theirs)
        db.execute("DELETE FROM contents WHERE id = ? AND id NOT IN (SELECT content FROM photos)", (mine,))
    return theirs


def _hand_on_vectors(db: sqlite3.Connection, mine: int, theirs: int) -> None:
    for (space,) in db.execute("SELECT id FROM spaces").fetchall():
        old, new = space * _SPACE + mine, space * _SPACE + theirs
        db.execute("UPDATE OR IGNORE vectors SET key = ? WHERE key = ?", (new, old))
        db.execute("DELETE FROM vectors WHERE key = ?", (old,))


def _put_facts(db: sqlite3.Connection, facts: Iterable[PhotoFacts]) -> None:
    for fact in facts:
        db.execute(
            "UPDATE photos SET width = coalesce(?, width), height = coalesce(?, height),"
            " error = nullif(coalesce(?, error), '') WHERE id = ?",
            (fact.width, fact.height, fact.error, fact.photo),
        )
        if fact.error:
            # What cannot be read has no label, whatever was said of it when it still could be.
            db.execute(
                "DELETE FROM proposals WHERE photo = ? AND photo NOT IN (SELECT photo FROM confirmed)",
                (fact.photo,),
            )
        if fact.sha256:
            row = db.execute("SELECT size FROM photos WHERE id = ?", (fact.photo,)).fetchone()
            if row is not None:
                _adopt_content(db, fact.photo, row[0], bytes.fromhex(fact.sha256))


def _put_vectors(
    db: sqlite3.Connection, model: str, layer: str, rows: Sequence[tuple[int, npt.NDArray[Any]]]
) -> None:
    if not rows:
        return
    dim = int(np.asarray(rows[0][1]).size)
    space = _space(db, model, layer, dim)
    chosen = _ids([photo for photo, _ in rows])
    sql = "SELECT id, content FROM photos WHERE id IN (SELECT value FROM json_each(?))"
    content = dict(db.execute(sql, (chosen,)).fetchall())
    data = [
        (space * _SPACE + content[photo], _half(vector, dim)) for photo, vector in rows if photo in content
    ]
    db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", data)


def _propose(db: sqlite3.Connection, run: str, proposals: Iterable[Proposal]) -> int:
    before = db.total_changes
    db.executemany(
        "INSERT OR REPLACE INTO proposals SELECT id, content, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM photos"
        " WHERE id = ? AND id NOT IN (SELECT photo FROM confirmed)",
        [_proposal_row(run, item) for item in proposals],
    )
    return db.total_changes - before


def _vanished(db: sqlite3.Connection, photo: int, content: int, exists: Callable[[Path], bool]) -> int | None:
    rows = db.execute(
        "SELECT id, path FROM photos WHERE content = ? AND id <> ? ORDER BY id", (content, photo)
    )
    return next((row[0] for row in rows.fetchall() if not exists(Path(os.fsdecode(row[1])))), None)


def _spoken_for(db: sqlite3.Connection, photo: int) -> bool:
    """A person has already said something about this very record, so it must not give way to another."""
    for table in ("confirmed", "rejected"):
        if db.execute(f"SELECT 1 FROM {table} WHERE photo = ?", (photo,)).fetchone():
            return True
    return False


def _sweep(db: sqlite3.Connection) -> None:
    """Delete contents that no photo has, and their vectors."""
    orphans = db.execute("SELECT id FROM contents WHERE id NOT IN (SELECT content FROM photos)").fetchall()
    spaces = db.execute("SELECT id FROM spaces").fetchall()
    keys = [(space * _SPACE + content,) for (space,) in spaces for (content,) in orphans]
    db.executemany("DELETE FROM vectors WHERE key = ?", keys)
    db.executemany("DELETE FROM contents WHERE id = ?", orphans)


def _space(db: sqlite3.Connection, model: str, layer: str, dim: int) -> int:
    row = db.execute("SELECT id, dim FROM spaces WHERE model = ? AND layer = ?", (model, layer)).fetchone()
    if row is None:
        sql = "INSERT INTO spaces (model, layer, dim) VALUES (?, ?, ?) RETURNING id, dim"
        row = db.execute(sql, (model, layer, dim)).fetchone()
    if row[1] != dim:
        raise ValueError(f"{model} {layer} has vectors of {row[1]} numbers, not {dim}")
    return int(row[0])


def _half(vector: npt.NDArray[Any], dim: int) -> bytes:
    data = np.ascontiguousarray(vector, np.float16)
    if data.size != dim:
        raise ValueError(f"a vector of {data.size} numbers among vectors of {dim}")
    return data.tobytes()


def _proposal_row(run: str, item: Proposal) -> tuple[Any, ...]:
    scores = item.probability, item.margin, item.decision, item.label_2, item.probability_2
    return (run, item.label, *scores, item.label_3, item.probability_3, time.time(), item.photo)


def _answer(row: tuple[Any, ...], rejected: tuple[str, ...]) -> Answer:
    photo, label, who, when = row[:4]
    proposal = None if row[15] is None else Proposal(photo, *row[4:12])
    about = (row[13] or "", row[14] or "", row[15] or "")
    if label is not None:
        return Answer(photo, label, True, "label", proposal, rejected, who, when, *about)
    if proposal is None:
        return Answer(photo, rejected=rejected)
    # What a person has said it is not cannot be what it is.
    refused = proposal.label in rejected
    decision = "unsure" if refused else proposal.decision
    return Answer(
        photo, "" if refused else proposal.label, False, decision, proposal, rejected, "", row[12], *about
    )


def _answers(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Answer]:
    chosen = (_ids(ids),)
    rows = db.execute(_ANSWER, chosen).fetchall()
    rejected: dict[int, list[str]] = {}
    sql = "SELECT photo, label FROM rejected WHERE photo IN (SELECT value FROM json_each(?)) ORDER BY time"
    for photo, label in db.execute(sql, chosen):
        rejected.setdefault(photo, []).append(label)
    return {row[0]: _answer(row, tuple(rejected.get(row[0], ()))) for row in rows}


def _said(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, _Said]:
    chosen = (_ids(ids),)
    rows = db.execute(
        "SELECT p.id, k.label, k.who, k.time FROM json_each(?) j CROSS JOIN photos p ON p.id = j.value"
        " LEFT JOIN confirmed k ON k.photo = p.id",
        chosen,
    ).fetchall()
    rejected: dict[int, dict[str, tuple[str, float]]] = {}
    sql = "SELECT photo, label, who, time FROM rejected WHERE photo IN (SELECT value FROM json_each(?))"
    for photo, label, who, when in db.execute(sql, chosen):
        rejected.setdefault(photo, {})[label] = (who, when)
    return {
        photo: _Said(label, who or "", when or 0.0, rejected.get(photo, {}))
        for photo, label, who, when in rows
    }


def _put_said(db: sqlite3.Connection, said: dict[int, _Said]) -> None:
    chosen = (_ids(said),)
    db.execute("DELETE FROM confirmed WHERE photo IN (SELECT value FROM json_each(?))", chosen)
    db.execute("DELETE FROM rejected WHERE photo IN (SELECT value FROM json_each(?))", chosen)
    words = [
        (photo, item.label, item.who, item.time) for photo, item in said.items() if item.label is not None
    ]
    db.executemany("INSERT INTO confirmed VALUES (?, ?, ?, ?)", words)
    refusals = [
        (photo, label, who, when)
        for photo, item in said.items()
        for label, (who, when) in item.rejected.items()
    ]
    db.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?)", refusals)


def _last_change(db: sqlite3.Connection, *, back: bool) -> Change | None:
    order = "DESC" if back else "ASC"
    row = db.execute(
        f"SELECT id, verb, label, count FROM history WHERE undone = ? ORDER BY id {order} LIMIT 1",
        (int(not back),),
    ).fetchone()
    return None if row is None else Change(*row)


@contextlib.contextmanager
def open_catalog(path: Path) -> Iterator[Catalog]:
    """A catalogue that is closed at the end of the `with` block."""
    catalog = Catalog(path)
    try:
        yield catalog
    finally:
        catalog.close()


def open_or_temporary(path: Path) -> Catalog:
    """The catalogue at `path`; where it cannot be opened, an empty one that ends with the program, and the reason
    among its `problems`. The file at `path` is left alone then."""
    try:
        return Catalog(path)
    except CatalogError as error:
        folder = tempfile.mkdtemp(prefix="pinhole-")
        catalog = Catalog(Path(folder) / "catalog.sqlite")
        cure = f"{error.cure.rstrip('.')}. Until then nothing is kept of what is labelled or confirmed."
        catalog.problems.append(CatalogError(error.title, error.cause, cure.removeprefix(". ")))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return catalog
