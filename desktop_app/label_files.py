"""Labels as people bring them: typed with commas, pasted as lines, from text and CSV files. No Qt."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from models.errors import TextError
from models.tasks.export import denature, neutralise, separator_of, write_text_whole
from models.tasks.prompts import Label, format_labels, join_prompts, load_labels, parse_labels, split_prompts

# What the columns of a table may be called: the label's, its prompts', its keyword's.
_COLUMNS = (
    ("label", "name", "class", "category"),
    ("prompts", "prompt", "synonyms", "synonym", "aliases", "alias"),
    ("keyword", "keywords"),
)
# What columns may be called beside those. A row is a header where all before the label's name are names of columns, or
# it says "label": "person, name" is a label and another word for it.
_OTHERS = frozenset({"", "id", "nr", "no", "number", "index", "idx", "key", "#", "count"})


def typed_labels(words: str) -> tuple[Label, ...]:
    """What was typed or pasted: a line each, or one line with commas, semicolons or tabs between."""
    lines = [line for line in words.splitlines() if line.strip()]
    if len(lines) == 1 and "|" not in words:
        for mark in ("\t", ";", ","):
            if mark in words:
                lines = [part.strip() for part in words.split(mark) if part.strip()]
                break
    return parse_labels("\n".join(lines))


def read_labels(path: Path) -> tuple[Label, ...]:
    """The labels of a text file (`name | synonyms | keyword` a line) or a CSV: its columns in any order under a
    header (label/name..., prompts/synonyms..., keyword), or in this order without one. Raises TextError."""
    labels = _of_csv(path) if path.suffix.lower() == ".csv" else load_labels(path)
    if not labels:
        raise TextError(f"There is no label in {path.name}", "", "Write one label a line")
    return labels


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write what `read_labels` reads, whole or not at all. Raises DataError."""
    if path.suffix.lower() != ".csv":
        write_text_whole(path, [format_labels(labels)])
        return
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("name", "prompts", "keyword"))
    for label in labels:
        prompts = "" if label.prompts == (label.name,) else join_prompts(label.prompts)
        keyword = "" if label.keyword == label.name else label.keyword
        writer.writerow(map(neutralise, (label.name, prompts, keyword)))
    write_text_whole(path, [out.getvalue()])


def _of_csv(path: Path) -> tuple[Label, ...]:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(
            f"{path.name} cannot be read", "It is not UTF-8 text", "Save it as “CSV UTF-8”"
        ) from error
    except OSError as error:
        raise TextError(f"{path.name} cannot be read", error.strerror or str(error)) from error
    try:
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text), strict=True)
        rows = [row for row in table if any(cell.strip() for cell in row)]
    except csv.Error as error:
        cure = "Look for a quotation mark that is never closed"
        raise TextError(f"{path.name} cannot be read", str(error), cure) from error
    places = _places(rows[0]) if rows else None
    if places is not None:
        rows = rows[1:]
    elif _is_numbered(rows) or (len(rows) > 2 and _is_numbered(rows[1:])):
        cure = "Name the columns in the first line: id,label, or label,prompts where the numbers are labels"
        raise TextError(f"{path.name} cannot be read", "Its first column holds numbers and no labels", cure)
    return tuple(label for row in rows if (label := _label(row, places or (0, 1, 2))).name)


def _places(row: list[str]) -> tuple[int | None, ...] | None:
    """Where label, prompts and keyword stand when this is a header, None where it is none."""
    keys = [cell.strip().casefold() for cell in row]
    places = tuple(next((keys.index(name) for name in names if name in keys), None) for names in _COLUMNS)
    if places[0] is None:
        return None
    sure = keys[places[0]] == "label" or _OTHERS.union(*_COLUMNS).issuperset(keys[: places[0]])
    return places if sure else None


def _is_numbered(rows: list[list[str]]) -> bool:
    """Whether the first of several columns counts the rows, as it does beside labels and hardly where it holds them."""
    first = [row[0].strip() for row in rows if len(row) > 1]
    counted = ([str(i + start) for i in range(len(rows))] for start in (0, 1))
    return bool(rows) and first in counted


def _label(row: list[str], places: tuple[int | None, ...]) -> Label:
    cells = ("" if place is None else "".join(row[place : place + 1]) for place in places)
    name, words, keyword = (" ".join(denature(cell).split()) for cell in cells)
    return Label(name, split_prompts(words), keyword)
