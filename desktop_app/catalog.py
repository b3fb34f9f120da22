"""The catalogue: photos, embeddings, what machines proposed and persons confirmed, runs, undo and redo.

Its verbs may be called from any thread; each is one transaction, on the disk when it returns. Failures are
CatalogError, in words. No Qt in here.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.catalog_drives import drives_under, known_drives, may_be_there, note_drives
from desktop_app.catalog_labels import (
    answers_of,
    earlier_of,
    find_change,
    only_word,
    propose,
    put_said,
    roll_back,
    said_of,
    to_run,
)
from desktop_app.catalog_moves import awaited, look_at, owners, said_now, settle
from desktop_app.catalog_photos import (
    PHOTO,
    SPACE,
    adopt_content,
    by_path,
    follow,
    ids_json,
    one_photo,
    put_facts,
    put_vectors,
    still_so,
    sweep,
    sync_one,
    to_bytes,
    to_record,
)
from desktop_app.catalog_store import CatalogError, Store
from desktop_app.catalog_types import Answer, Change, PhotoFacts, PhotoRecord, Proposal, Run, Said
from models.errors import UserError

__all__ = [
    "Answer", "Catalog", "CatalogError", "Change", "PhotoFacts", "PhotoRecord", "Proposal", "Run", "open_catalog",
]  # fmt: skip

Half = npt.NDArray[np.float16]
KEEP_CHANGES = 500


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
        wanted = [(to_bytes(path), size, mtime) for path, size, mtime in files]
        now, drives = time.time(), drives_under(path for path, size, _ in wanted if size >= 0)
        with self._store.write() as db:
            note_drives(db, drives)
            known = by_path(db, [path for path, _, _ in wanted])
            records = [sync_one(db, known, path, size, mtime, now) for path, size, mtime in wanted]
            db.executemany(
                "UPDATE photos SET seen = ? WHERE id = ?", [(now, record.id) for record in records]
            )
        return records

    def identify(
        self, photo: int, sha256: str, *, exists: Callable[[Path], bool] | None = None
    ) -> PhotoRecord:
        """Give the photo its content hash (hex); embeddings known for that content are its own from now on.

        If a photo of the same content has vanished from the disk, this is that photo, moved: the record that
        comes back carries the old id, with its labels, to which the id that was passed in leads from now on. If this
        file was another photo before, or a changed file was that photo, what was said follows the pictures and the
        ids stay; what nothing is found for waits until its content turns up.
        """
        digest = bytes.fromhex(sha256)
        with self._store.read() as db:
            photo = follow(db, [photo])[photo]  # another look at the same file may have been faster
            others, drives = owners(db, photo, digest), known_drives(db)
        # Asked before the transaction: a disk that is slow to answer must not keep every other writer waiting.
        seen = look_at(others, exists or partial(may_be_there, drives=drives))
        with self._store.write() as db:
            photo = follow(db, [photo])[photo]
            adopt_content(db, photo, to_record(one_photo(db, photo)).size, digest)
            return to_record(one_photo(db, settle(db, photo, digest, seen)))

    def awaited(self, photo: int) -> list[Path]:
        """The files to identify before it is sure what was said of this photo: they were changed, as this one was."""
        with self._store.read() as db:
            return awaited(db, follow(db, [photo])[photo])

    def put_facts(
        self, facts: Iterable[PhotoFacts], *, seen: Mapping[int, tuple[int, int]] | None = None
    ) -> None:
        """Keep what opening the photos taught; with `seen` as in `put_results`."""
        with self._store.write() as db:
            fits = None if seen is None else still_so(db, seen)
            put_facts(db, [fact for fact in facts if fits is None or fact.photo in fits])

    def photo(self, path: Path | str) -> PhotoRecord | None:
        """The record of this path, if there is one."""
        with self._store.read() as db:
            row = db.execute(f"{PHOTO} WHERE p.path = ?", (to_bytes(path),)).fetchone()
        return None if row is None else to_record(row)

    def photos(self, ids: Sequence[int]) -> dict[int, PhotoRecord]:
        """The records of these ids."""
        with self._store.read() as db:
            rows = db.execute(
                f"{PHOTO} WHERE p.id IN (SELECT value FROM json_each(?))", (ids_json(ids),)
            ).fetchall()
        return {row[0]: to_record(row) for row in rows}

    def photos_under(self, folder: Path | str) -> list[PhotoRecord]:
        """Every photo known below the folder, whether or not it is still there."""
        start = to_bytes(folder).rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
        end = start[:-1] + bytes([start[-1] + 1])
        with self._store.read() as db:
            rows = db.execute(
                f"{PHOTO} WHERE p.path >= ? AND p.path < ? ORDER BY p.path", (start, end)
            ).fetchall()
        return [to_record(row) for row in rows]

    def tidy(self, most: int = 500) -> bool:
        """Delete the embeddings of contents that no known photo has any more (it was edited), of at most so many, for
        nobody to wait long; whether there may be more. What machines proposed and persons said stays."""
        with self._store.write() as db:
            return sweep(db, most) == most

    # Embeddings and activations: rows of float16 a photo content

    def put_embeddings(
        self, model: str, rows: Sequence[tuple[int, npt.NDArray[Any]]], *, layer: str = ""
    ) -> None:
        """Keep (photo id, vector (d,)) rows of one model, as float16. Raises ValueError where d is not the model's."""
        with self._store.write() as db:
            put_vectors(db, model, layer, rows)

    def load_embeddings(self, ids: Sequence[int], model: str, *, layer: str = "") -> tuple[list[int], Half]:
        """The photos of `ids` that have an embedding, in that order, and the matrix (n, d) float16 of them."""
        with self._store.read() as db:
            found = db.execute(
                "SELECT id, dim FROM spaces WHERE model = ? AND layer = ?", (model, layer)
            ).fetchone()
            if found is None:
                return [], np.zeros((0, 0), np.float16)
            rows = db.execute(
                "SELECT j.value, v.data FROM json_each(?) j LEFT JOIN merged m ON m.gone = j.value"
                " CROSS JOIN photos p ON p.id = ifnull(m.photo, j.value)"
                " CROSS JOIN vectors v ON v.key = ? + p.content ORDER BY j.key",
                (ids_json(ids), found[0] * SPACE),
            ).fetchall()
        data = np.frombuffer(b"".join(row[1] for row in rows), np.float16).reshape(len(rows), found[1])
        return [row[0] for row in rows], data

    def without_embedding(self, ids: Sequence[int], model: str, *, layer: str = "") -> list[int]:
        """The photos of `ids` that this model has not embedded yet, in that order."""
        with self._store.read() as db:
            row = db.execute("SELECT id FROM spaces WHERE model = ? AND layer = ?", (model, layer)).fetchone()
            if row is None:
                return list(ids)
            now = follow(db, ids)
            have = db.execute(
                "SELECT p.id FROM photos p JOIN vectors v ON v.key = ? + p.content"
                " WHERE p.id IN (SELECT value FROM json_each(?))",
                (row[0] * SPACE, ids_json(now.values())),
            ).fetchall()
        known = {item[0] for item in have}
        return [photo for photo in ids if now[photo] not in known]

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
        return [to_run(row) for row in rows]

    def propose(self, run: str, proposals: Iterable[Proposal]) -> int:
        """Keep what a model says; photos that a person has confirmed are passed over. Returns how many were kept."""
        with self._store.write() as db:
            return propose(db, run, proposals)

    def put_results(
        self,
        run: str,
        model: str,
        facts: Sequence[PhotoFacts],
        embeddings: Sequence[tuple[int, npt.NDArray[Any]]],
        proposals: Sequence[Proposal],
        *,
        seen: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        """`put_facts`, `put_embeddings` and `propose` in one transaction: a kill leaves all of it, or nothing.

        With the size and mtime that each photo had when it was `seen`, what was found of one that has others by now is
        dropped: it would stand at another picture.
        """
        with self._store.write() as db:
            if seen is not None:
                fits = still_so(db, seen)
                facts = [fact for fact in facts if fact.photo in fits]
                embeddings = [(photo, vector) for photo, vector in embeddings if photo in fits]
                proposals = [proposal for proposal in proposals if proposal.photo in fits]
            put_facts(db, facts, run)
            put_vectors(db, model, "", embeddings)
            propose(db, run, proposals)

    def rollback_run(self, run: str) -> int:
        """Remove what this run proposed and nobody confirmed, and the errors it met; returns for how many photos. What
        the runs before it had proposed for them holds again."""
        with self._store.write() as db:
            return roll_back(db, run)

    # What holds

    def answers(self, ids: Sequence[int], *, run: str = "") -> dict[int, Answer]:
        """What holds for these photos; one without proposal, confirmation or rejection is left out. With the id of a
        `run`, what it said counts before what runs after it said."""
        with self._store.read() as db:
            now = follow(db, ids)
            found = answers_of(db, list(now.values()), run)
        return {photo: found[current] for photo, current in now.items() if current in found}

    def earlier(self, photo: int) -> list[Answer]:
        """What runs before the last said of this photo, where it was something else: the last few, newest first."""
        with self._store.read() as db:
            return earlier_of(db, photo)

    def confirmed(self, ids: Sequence[int] | None = None) -> dict[int, str]:
        """Photo id -> the label a person confirmed; of all photos, or of `ids`."""
        where = "" if ids is None else " WHERE photo IN (SELECT value FROM json_each(?))"
        with self._store.read() as db:
            rows = db.execute(
                f"SELECT photo, label FROM confirmed{where}", () if ids is None else (ids_json(ids),)
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

    def rename(self, ids: Sequence[int], old: str, new: str) -> Change | None:
        """Let what persons said about these photos under one label hold for another, by whom and when it was said."""
        return self._change("rename", dict.fromkeys(ids, new), lambda said, word: said.renamed(old, word))

    def clear(self, ids: Sequence[int]) -> Change | None:
        """Take back everything persons said about these photos; the machine's proposal holds again."""
        return self._change("clear", dict.fromkeys(ids, ""), lambda said, word: Said())

    def undo(self, change: Change | None = None) -> Change | None:
        """Take this change back, or the last; None where there is none. What was said of a photo since then stays."""
        return self._travel(change, back=True)

    def redo(self, change: Change | None = None) -> Change | None:
        """Make this change again, or the one that was undone last; None where there is none."""
        return self._travel(change, back=False)

    def _confirming(self, said: Said, word: str) -> Said:
        if not word or said.label == word:
            return said
        others = {name: item for name, item in said.rejected.items() if name != word}
        return Said(word, self._who, time.time(), others)

    def _rejecting(self, said: Said, word: str) -> Said:
        if not word or word in said.rejected:
            return said
        rejected = said.rejected | {word: (self._who, time.time())}
        kept = said.label is not None and said.label != word
        return Said(said.label, said.who, said.time, rejected) if kept else Said(rejected=rejected)

    def _change(
        self, verb: str, words: Mapping[int, str | None], say: Callable[[Said, str], Said]
    ) -> Change | None:
        """Let `say` turn what was said of each photo, and its word (None: the label that holds), into what is said."""
        with self._store.write() as db:
            now = follow(db, words)
            words = {now[photo]: word for photo, word in words.items()}
            ids = list(words)
            said, holds = said_of(db, ids), answers_of(db, ids)
            own = {photo: answer.label for photo, answer in holds.items()}
            after = {}
            for photo, before in said.items():
                word = words[photo]
                after[photo] = say(before, own.get(photo, "") if word is None else word)
            moved = {photo: new for photo, new in after.items() if new != said[photo]}
            if not moved:
                return None
            label = only_word(words[photo] or "" for photo in moved)
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
            db.execute("DELETE FROM history WHERE id <= ?", (row[0] - KEEP_CHANGES,))
            put_said(db, moved)
            if verb not in ("rename", "clear"):
                said_now(db, moved)
            return Change(row[0], verb, label, len(moved))

    def _travel(self, known: Change | None, *, back: bool) -> Change | None:
        with self._store.write() as db:
            change = find_change(db, known, back=back)
            if change is None:
                return None
            sides = "after, before" if back else "before, after"
            rows = db.execute(
                f"SELECT photo, {sides} FROM history_items WHERE change = ?", (change.id,)
            ).fetchall()
            now = said_of(db, [photo for photo, _, _ in rows])
            still = {photo: to for photo, leave, to in rows if now.get(photo) == Said.from_json(leave)}
            put_said(db, {photo: Said.from_json(text) for photo, text in still.items()})
            db.execute("UPDATE history SET undone = ? WHERE id = ?", (int(back), change.id))
            return change


def _user() -> str:
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return "me"


@contextlib.contextmanager
def open_catalog(path: Path) -> Iterator[Catalog]:
    """A catalogue that is closed at the end of the `with` block."""
    catalog = Catalog(path)
    try:
        yield catalog
    finally:
        catalog.close()
