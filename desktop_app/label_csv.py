"""What the window shows as rows of a table: a person's word where there is one, else the live answer. No Qt.

`labelling.rows_of` writes what a labelling run has kept; this writes what stands on the screen, run or no run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.catalog import Answer as Held
from desktop_app.catalog import Catalog, PhotoRecord
from desktop_app.labelling import KEPT_ANSWERS, Labeller, Recipe, look_at
from models.tasks.auto_label import Config, Progress, Verdict
from models.tasks.export import CsvOptions, Preview, Row, preview, write_csv

if TYPE_CHECKING:
    from models.runtime import Model
    from models.tasks.zero_shot import TextCache

_LOT = 256


@dataclass(frozen=True)
class Exporting:
    """How far the export is; `path` and `lines` when it is done."""

    done: int
    total: int
    path: str = ""
    lines: int = 0


def live_rows(
    catalog: Catalog, labeller: Labeller, photos: Sequence[str], *, whole: bool = False
) -> Iterator[list[Row]]:
    """Rows of the photos in their order, some hundreds at a time; with `whole` every answer of every photo."""
    words = {label.name: label.keyword for label in labeller.recipe.labels}
    for start in range(0, len(photos), _LOT):
        lot = photos[start : start + _LOT]
        records = [catalog.photo(path) for path in lot]
        ids = [record.id for record in records if record is not None]
        held = catalog.answers(ids)
        found, rows = catalog.load_embeddings(ids, labeller.key)
        keep = None if whole else KEPT_ANSWERS
        verdicts = (
            dict(zip(found, labeller.judge(rows.astype(np.float32), keep), strict=True)) if found else {}
        )
        yield [
            _row(path, record, held, verdicts, labeller, words, whole)
            for path, record in zip(lot, records, strict=True)
        ]


def _row(
    path: str,
    record: PhotoRecord | None,
    held: Mapping[int, Held],
    verdicts: Mapping[int, Verdict],
    labeller: Labeller,
    words: Mapping[str, str],
    whole: bool,
) -> Row:
    if record is None:
        return Row(path)
    row = Row(path, width=record.width, height=record.height, sha256=record.sha256, error=record.error)
    # What cannot be read any more has no answer of the model's; a person's word stays true.
    said, verdict = held.get(record.id), None if record.error else verdicts.get(record.id)
    if verdict is None and not (said and said.confirmed):
        return row
    row = replace(row, model=labeller.key, prompt_set=labeller.recipe.prompt_set)
    if verdict is not None:
        answers = tuple(replace(one, label=words.get(one.label, one.label)) for one in verdict.answers)
        row = replace(row, answers=answers)
    # Beside a person's word of their own, the machine's second and third would read as if they came after it.
    if said is not None and said.confirmed:
        own = verdict is not None and verdict.label == said.label
        return replace(
            row,
            answers=row.answers if own or whole else (),
            label=words.get(said.label, said.label),
            decision="label",
            source="person",
            probability=verdict.probability if verdict and own else None,
            margin=verdict.margin if verdict and own else None,
        )
    assert verdict is not None
    # What a person has said it is not cannot be what it is.
    refused = said is not None and verdict.label in said.rejected
    return replace(
        row,
        answers=() if refused and not whole else row.answers,
        label="" if refused else words.get(verdict.label, verdict.label),
        decision="unsure" if refused else verdict.decision,
        source="model",
        probability=None if refused else verdict.probability,
        margin=None if refused else verdict.margin,
    )


def preview_of(
    catalog: Catalog,
    model: Model,
    recipe: Recipe,
    texts: TextCache,
    photos: Sequence[str],
    options: CsvOptions,
    lines: int = 12,
) -> Preview:
    """The first lines of what `export` would write now."""
    labeller = Labeller(catalog, model, recipe, texts)
    rows = [row for lot in live_rows(catalog, labeller, photos[:lines], whole=options.long) for row in lot]
    return preview(rows, lines, options)


def export(
    catalog: Catalog,
    model: Model,
    recipe: Recipe,
    texts: TextCache,
    photos: Sequence[str],
    path: Path,
    options: CsvOptions,
) -> Iterator[Exporting]:
    """Look at what was never looked at, gather the rows, and write the file, which appears whole or not at all."""
    total = len(photos)
    files = tuple(map(Path, photos))
    for event in look_at(catalog, model, Config(files, recursive=False)):
        if isinstance(event, Progress):
            yield Exporting(event.done // 2, total)
    labeller = Labeller(catalog, model, recipe, texts)
    rows: list[Row] = []
    for lot in live_rows(catalog, labeller, photos, whole=options.long):
        rows += lot
        yield Exporting((total + len(rows)) // 2, total)
    lines = write_csv(rows, path, options)
    yield Exporting(total, total, str(path), lines)
