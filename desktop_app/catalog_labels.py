"""What machines propose and persons say: the statements under the catalogue's verbs, in an open transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from desktop_app.catalog_photos import follow, ids_json
from desktop_app.catalog_types import Answer, Change, Proposal, Run, Said

KEPT_EARLIER = 5
# What cannot be read has no label, and a proposal for a content that the photo no longer has does not count, unless a
# person confirmed on it. Both stay, and count again when the photo is what it was or the failed run is taken back.
_ANSWER = """
    SELECT p.id, k.label, k.who, k.time, m.label, m.probability, m.margin, m.decision, m.label_2,
        m.probability_2, m.label_3, m.probability_3, m.time, r.model, r.prompt_set, m.run
    FROM json_each(?1) j CROSS JOIN photos p ON p.id = j.value
    LEFT JOIN confirmed k ON k.photo = p.id
    LEFT JOIN {proposal} AND (m.content = p.content AND p.error IS NULL OR k.photo IS NOT NULL)
    LEFT JOIN runs r ON r.id = m.run
    WHERE k.photo IS NOT NULL OR m.photo IS NOT NULL OR EXISTS (SELECT 1 FROM rejected x WHERE x.photo = p.id)
    ORDER BY j.key
"""
_LAST = _ANSWER.format(proposal="proposals m ON m.photo = p.id")
_REPLACED = _ANSWER.format(
    proposal="replaced m ON m.seq = (SELECT max(seq) FROM replaced WHERE photo = p.id AND run = ?2)"
)
_PROPOSAL = (
    "photo, content, run, label, probability, margin, decision, label_2, probability_2, label_3, probability_3,"
    " time"
)
# The last few of each photo stay, whatever they say, and the last few that said something else than what came next.
_FORGET_REPLACED = f"""
    DELETE FROM replaced WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, other, row_number() OVER newest AS nth, sum(other) OVER newest AS others FROM (
                SELECT seq, photo,
                    label IS NOT lag(label) OVER later OR decision IS NOT lag(decision) OVER later AS other
                FROM replaced WHERE photo IN (SELECT value FROM json_each(?))
                WINDOW later AS (PARTITION BY photo ORDER BY seq DESC))
            WINDOW newest AS (PARTITION BY photo ORDER BY seq DESC))
        WHERE nth > {KEPT_EARLIER} AND NOT (other AND others <= {KEPT_EARLIER} + 1))
"""


def to_run(row: tuple[Any, ...]) -> Run:
    run, kind, model, prompt_set, config, state, started, ended, counts = row
    return Run(run, kind, model, prompt_set, json.loads(config), state, started, ended, json.loads(counts))


def only_word(words: Iterable[str]) -> str:
    """The one word that all are, "" where they differ."""
    different = set(words)
    return different.pop() if len(different) == 1 else ""


def propose(db: sqlite3.Connection, run: str, proposals: Iterable[Proposal]) -> int:
    proposals = list(proposals)
    now = follow(db, (item.photo for item in proposals))
    proposals = [replace(item, photo=now[item.photo]) for item in proposals]
    _set_aside(db, run, proposals)
    before = db.total_changes
    db.executemany(
        "INSERT OR REPLACE INTO proposals SELECT id, content, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM photos"
        " WHERE id = ? AND id NOT IN (SELECT photo FROM confirmed)",
        [proposal_row(run, item) for item in proposals],
    )
    return db.total_changes - before


def _set_aside(db: sqlite3.Connection, run: str, proposals: Sequence[Proposal]) -> None:
    """Keep what is about to be replaced, and of each photo no more than the last few."""
    chosen = ids_json(item.photo for item in proposals)
    kept = db.execute(
        f"INSERT INTO replaced ({_PROPOSAL}) SELECT {_PROPOSAL} FROM proposals"
        " WHERE photo IN (SELECT value FROM json_each(?)) AND run <> ? AND photo NOT IN (SELECT photo FROM confirmed)",
        (chosen, run),
    ).rowcount
    if kept > 0:
        db.execute(_FORGET_REPLACED, (chosen,))


def earlier_of(db: sqlite3.Connection, photo: int) -> list[Answer]:
    rows = db.execute(
        "SELECT e.label, e.probability, e.margin, e.decision, e.time, r.model, r.prompt_set, e.run FROM replaced e"
        " LEFT JOIN runs r ON r.id = e.run WHERE e.photo = ? ORDER BY e.seq DESC",
        (photo,),
    ).fetchall()
    last = db.execute("SELECT label, decision FROM proposals WHERE photo = ?", (photo,)).fetchone()
    found = []
    for row in rows:
        if (row[0], row[3]) != last:
            said = Proposal(photo, *row[:4])
            about = {"model": row[5] or "", "prompt_set": row[6] or "", "run": row[7]}
            found.append(Answer(photo, row[0], decision=row[3], proposal=said, time=row[4], **about))
        last = row[0], row[3]
    return found[:KEPT_EARLIER]


def roll_back(db: sqlite3.Connection, run: str) -> int:
    gone = db.execute(
        "DELETE FROM proposals WHERE run = ? AND photo NOT IN (SELECT photo FROM confirmed) RETURNING photo",
        (run,),
    ).fetchall()
    db.execute("DELETE FROM replaced WHERE run = ?", (run,))
    _bring_back(db, [photo for (photo,) in gone])
    failed = db.execute(
        "UPDATE photos SET error = NULL WHERE failed_in = ? AND error IS NOT NULL RETURNING id", (run,)
    ).fetchall()
    db.execute("UPDATE runs SET state = 'rolled back' WHERE id = ?", (run,))
    return len({*gone, *failed})


def _bring_back(db: sqlite3.Connection, photos: Sequence[int]) -> None:
    """Put in place what was replaced last; it holds as long as the photo is the same as it was then."""
    newest = db.execute(
        "SELECT max(seq) FROM replaced WHERE photo IN (SELECT value FROM json_each(?)) AND content IS NOT NULL"
        " GROUP BY photo",
        (ids_json(photos),),
    ).fetchall()
    chosen = (ids_json(seq for (seq,) in newest),)
    which = "FROM replaced WHERE seq IN (SELECT value FROM json_each(?))"
    db.execute(f"INSERT INTO proposals ({_PROPOSAL}) SELECT {_PROPOSAL} {which}", chosen)
    db.execute(f"DELETE {which}", chosen)


def proposal_row(run: str, item: Proposal) -> tuple[Any, ...]:
    scores = item.probability, item.margin, item.decision, item.label_2, item.probability_2
    return (run, item.label, *scores, item.label_3, item.probability_3, time.time(), item.photo)


def to_answer(row: tuple[Any, ...], rejected: tuple[str, ...]) -> Answer:
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


def answers_of(db: sqlite3.Connection, ids: Sequence[int], run: str = "") -> dict[int, Answer]:
    chosen = (ids_json(ids),)
    rows = {row[0]: row for row in db.execute(_LAST, chosen)}
    if run:
        others = ids_json(photo for photo, row in rows.items() if row[15] != run)
        rows |= {row[0]: row for row in db.execute(_REPLACED, (others, run)) if row[15]}
    rejected: dict[int, list[str]] = {}
    sql = "SELECT photo, label FROM rejected WHERE photo IN (SELECT value FROM json_each(?)) ORDER BY time"
    for photo, label in db.execute(sql, chosen):
        rejected.setdefault(photo, []).append(label)
    return {photo: to_answer(row, tuple(rejected.get(photo, ()))) for photo, row in rows.items()}


def said_of(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Said]:
    chosen = (ids_json(ids),)
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
        photo: Said(label, who or "", when or 0.0, rejected.get(photo, {}))
        for photo, label, who, when in rows
    }


def put_said(db: sqlite3.Connection, said: dict[int, Said]) -> None:
    chosen = (ids_json(said),)
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


def find_change(db: sqlite3.Connection, known: Change | None, *, back: bool) -> Change | None:
    """The change to take back, or else to make again: the one given, or the last; None where that is not to be done."""
    which, order = "" if known is None else " AND id = ?", "DESC" if back else "ASC"
    row = db.execute(
        f"SELECT id, verb, label, count FROM history WHERE undone = ?{which} ORDER BY id {order} LIMIT 1",
        (int(not back), *(() if known is None else (known.id,))),
    ).fetchone()
    return None if row is None else Change(*row)
