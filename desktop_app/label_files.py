"""Labels as people bring them: typed with commas, pasted as lines, from text and CSV files. No Qt."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from models.errors import TextError
from models.tasks.export import denature, neutralise, write_text_whole
from models.tasks.prompts import Label, format_labels, join_prompts, load_labels, parse_labels, split_prompts

_HEADERS = frozenset({"label", "name", "class", "category"})


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
    """The labels of a text file (`name | synonyms | keyword` a line) or a CSV of these columns. Raises TextError."""
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
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    except csv.Error as error:
        cure = "Look for a quotation mark that is never closed"
        raise TextError(f"{path.name} cannot be read", str(error), cure) from error
    if rows and rows[0][0].strip().casefold() in _HEADERS:
        rows = rows[1:]
    cells = ([" ".join(denature(cell).split()) for cell in (*row, "", "")[:3]] for row in rows)
    return tuple(Label(name, split_prompts(words), keyword) for name, words, keyword in cells if name)
