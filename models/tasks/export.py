"""Answers as CSV (RFC 4180), and truth tables read back.

The dialect, on purpose and the same everywhere:
lines end in CRLF, fields are separated by commas, text is UTF-8 (a byte order mark on request, for Excel), decimals
have a point. A cell a spreadsheet would run as a formula gets one apostrophe in front; ``read_truth`` takes it off
again. Bytes of a file name that are not UTF-8 are written as ``\\xHH``, and a literal ``\\xHH`` of the same look as
``\\x5cxHH``, so that every name comes back exactly.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.atomic import failure_in_words, replacing
from models.errors import DataError

COLUMNS = (
    "path", "label", "probability", "margin", "decision", "label_2", "probability_2", "label_3", "probability_3",
    "source", "model", "prompt_set", "width", "height", "sha256", "error",
)  # fmt: skip
LONG_COLUMNS = (
    "path", "rank", "label", "probability", "cosine", "decision",
    "source", "model", "prompt_set", "width", "height", "sha256", "error",
)  # fmt: skip

# What Excel, LibreOffice and Google Sheets take for the start of a formula, full-width forms included; blanks in
# front are trimmed by some of them. Apostrophes are let through so that neutralising stays reversible.
_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]|'*[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Quoted beyond what RFC 4180 asks: a spreadsheet in many countries splits at semicolons or tabs.
_NEEDS_QUOTES = re.compile(r'[,;"\t\r\n]|^\s|\s$')
_LITERAL_ESCAPE = re.compile(r"\\(?=x(?:[89a-f][0-9a-f]|5c)|u[dD][89a-f][0-9a-f]{2})")
_ESCAPE = re.compile(r"\\(?:x([89a-f][0-9a-f]|5c)|u(d[89a-f][0-9a-f]{2}))")
_PATH_NAMES = frozenset({"path", "file", "filename", "file_name", "filepath", "image", "image_name", "photo"})
_LABEL_NAMES = frozenset({"label", "class", "class_name", "category", "truth", "target"})


@dataclass(frozen=True)
class Answer:
    """One label's score on a photo: probability among the given labels (0..1) and cosine similarity (-1..1)."""

    label: str
    probability: float
    cosine: float | None = None


@dataclass(frozen=True)
class Row:
    """One photo to write. ``answers`` are ranked, best first; ``label`` is the label it carries (a person's may differ
    from the best answer). A photo that could not be read has ``error`` and no label but a person's."""

    path: str
    label: str = ""
    probability: float | None = None
    margin: float | None = None
    decision: str = ""
    answers: tuple[Answer, ...] = ()
    source: str = ""
    model: str = ""
    prompt_set: str = ""
    width: int | None = None
    height: int | None = None
    sha256: str = ""
    error: str = ""


@dataclass(frozen=True)
class CsvOptions:
    """How to write: ``long`` is one line for each photo and label (``top_k`` keeps that many of each photo); ``base``
    makes paths beneath it relative, with forward slashes (None: absolute); ``bom`` is the mark Excel wants."""

    long: bool = False
    bom: bool = False
    base: Path | None = None
    top_k: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return LONG_COLUMNS if self.long else COLUMNS


@dataclass(frozen=True)
class Truth:
    """One line of a truth table: the photo, its right label, the line it stands on, and whether the table itself says
    (in the column ``source`` of our own exports) that a model said so and no person."""

    path: Path
    label: str
    line: int = 0
    machine: bool = False


@dataclass(frozen=True)
class Preview:
    """The first lines as they will be written: column names and cells, before quoting."""

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...] = field(default=())


def common_base(folders: Sequence[str | os.PathLike[str]]) -> Path | None:
    """The folder that all of these have in common, for ``CsvOptions.base``; None where that is a drive's root, for
    nobody would know that a path starts there."""
    try:
        base = Path(os.path.commonpath(folders))
    except ValueError:  # on two drives
        return None
    return base if base != base.parent else None


def neutralise(text: str) -> str:
    """``text`` with an apostrophe in front where a spreadsheet would run it; plain numbers stay numbers."""
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def denature(text: str) -> str:
    """What ``neutralise`` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def escape_name(name: str) -> str:
    """A file name as text that UTF-8 can hold: undecodable bytes (PEP 383) as ``\\xHH``, others ``\\udHHH``."""
    marked = _LITERAL_ESCAPE.sub(r"\\x5c", name)
    return "".join(_escape_character(c) if "\ud800" <= c <= "\udfff" else c for c in marked)


def unescape_name(text: str) -> str:
    """The inverse of ``escape_name``."""
    return _ESCAPE.sub(_unescape_match, text)


def cells(row: Row, options: CsvOptions) -> Iterator[tuple[str, ...]]:
    """The lines of one photo as text cells: one in the wide form, one for each answer in the long form."""
    path = _text(_written_path(row.path, options.base))
    label, decision = _text(row.label), row.decision
    tail = (
        *(_text(text) for text in (row.source, row.model, row.prompt_set)),
        _number(row.width), _number(row.height), row.sha256, _text(row.error),
    )  # fmt: skip
    if not options.long:
        second, third = (_pair(row.answers, rank) for rank in (1, 2))
        yield (path, label, _number(row.probability), _number(row.margin), decision, *second, *third, *tail)
    elif row.error or not row.answers:
        yield (path, "", label, _number(row.probability), "", decision, *tail)
    else:
        for rank, answer in enumerate(row.answers[: options.top_k], start=1):
            scores = (_number(answer.probability), _number(answer.cosine))
            yield (path, str(rank), _text(answer.label), *scores, decision, *tail)


def lines(rows: Iterable[Row], options: CsvOptions) -> Iterator[str]:
    """The whole table, line by line, each ending in CRLF; the header first (with the mark when asked for)."""
    yield ("\ufeff" if options.bom else "") + _line(options.columns)
    for row in rows:
        for one in cells(row, options):
            yield _line(one)


def preview(rows: Iterable[Row], n: int = 20, options: CsvOptions | None = None) -> Preview:
    """The first ``n`` lines of what ``write_csv`` would write."""
    chosen = options or CsvOptions()
    shown: list[tuple[str, ...]] = []
    for row in rows:
        shown.extend(cells(row, chosen))
        if len(shown) >= n:
            break
    return Preview(chosen.columns, tuple(shown[:n]))


def write_csv(rows: Iterable[Row], path: Path, options: CsvOptions | None = None) -> int:
    """Write the table and return its number of lines without the header. The file appears whole or not at all.

    Raises DataError in words when the folder is missing, not writable or full.
    """
    count = -1

    def counted() -> Iterator[str]:
        nonlocal count
        for text in lines(rows, options or CsvOptions()):
            count += 1
            yield text

    write_text_whole(path, counted())
    return count


def write_text_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write UTF-8 text to ``path`` so that the old file stays until the new one is safe on the disk.

    Raises DataError where that cannot be.
    """
    with (
        failure_in_words(path),
        replacing(path) as place,
        place.open("w", encoding="utf-8", newline="") as stream,
    ):
        stream.writelines(pieces)


def read_truth(path: Path, root: Path | None = None) -> list[Truth]:
    """Read a table of photo paths and right labels; relative paths start at ``root`` (else the table's folder).

    Columns in any order under a header (path/file/image..., label/class/category...), or two columns without one;
    commas, semicolons or tabs; UTF-8 or UTF-16, with or without a mark. In our own exports, photos without a label or
    that could not be read are passed over. Raises DataError naming the line.
    """
    text = _read_text(path)
    base = root or path.parent
    found: dict[Path, Truth] = {}
    for truth in _parse_truth(text, path.name, base):
        before = found.setdefault(truth.path, truth)
        if before.label != truth.label:
            raise _line_error(
                path.name, truth.line,
                f"The photo {truth.path.name} is “{truth.label}” here and “{before.label}” on line {before.line}",
                "Keep one line for each photo.",
            )  # fmt: skip
    if not found:
        raise DataError(
            f"There is nothing to compare with in {path.name}",
            "It has no line with a photo and a label",
            "Write one line for each photo: its path and its right label, under the header “path,label”.",
        )
    return list(found.values())


def _escape_character(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _unescape_match(match: re.Match[str]) -> str:
    byte, unit = match.groups()
    if unit:
        return chr(int(unit, 16))
    return "\\" if byte == "5c" else chr(0xDC00 + int(byte, 16))


def _written_path(path: str, base: Path | None) -> str:
    if base is not None:
        try:
            return Path(path).relative_to(base).as_posix()
        except ValueError:
            pass
    return path


def _text(text: str) -> str:
    return neutralise(escape_name(text))


def _number(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _pair(answers: Sequence[Answer], rank: int) -> tuple[str, str]:
    if rank >= len(answers):
        return "", ""
    return _text(answers[rank].label), _number(answers[rank].probability)


def _line(values: Sequence[str]) -> str:
    quoted = ('"' + v.replace('"', '""') + '"' if _NEEDS_QUOTES.search(v) else v for v in values)
    return ",".join(quoted) + "\r\n"


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path.name} could not be read", error.strerror or str(error), "Check the path of the table."
        ) from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _line_error(
            path.name, data[: error.start].count(b"\n") + 1,
            "A character is not UTF-8", "Save the table as “CSV UTF-8”.",
        ) from error  # fmt: skip
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise _line_error(path.name, line, "It holds a zero byte", "Save the table as “CSV UTF-8”.")
    return text


def _line_error(name: str, line: int, cause: str, cure: str) -> DataError:
    return DataError(f"Line {line} of {name} cannot be used", cause, cure)


def _parse_truth(text: str, name: str, base: Path) -> Iterator[Truth]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text), strict=True)
    places: _Places | None = None
    start = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            cure = "Look for a quotation mark that is never closed, starting at this line."
            raise _line_error(name, start, str(error), cure) from error
        if row is None:
            return
        line, start = start, reader.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        if places is None:
            places, is_header = _columns(row, name, line)
            if is_header:
                continue
        truth = _truth_of(row, places, name, line, base)
        if truth is not None:
            yield truth


def separator_of(text: str) -> str:
    """The separator of the first line that is not empty; a quoted cell may hold the others."""
    first = re.sub(r'"[^"]*"', "", next((line for line in text.splitlines() if line.strip()), ""))
    return max(",;\t", key=first.count)


@dataclass(frozen=True)
class _Places:
    """In which columns things stand; the last three are those of our own exports."""

    path: int
    label: int
    error: int | None = None
    source: int | None = None
    decision: int | None = None


def _columns(row: list[str], name: str, line: int) -> tuple[_Places, bool]:
    """Where things stand, and whether this line is the header."""
    keys = [cell.strip().casefold().replace(" ", "_") for cell in row]
    path = next((i for i, key in enumerate(keys) if key in _PATH_NAMES), None)
    label = next((i for i, key in enumerate(keys) if key in _LABEL_NAMES), None)
    if path is not None and label is not None:
        ours = (keys.index(key) if key in keys else None for key in ("error", "source", "decision"))
        return _Places(path, label, *ours), True
    if path is None and label is None and len(row) == 2:
        return _Places(0, 1), False
    missing = "path" if path is None else "label"
    raise _line_error(
        name,
        line,
        f"Its header has no column “{missing}”",
        "Name the columns: the first line should read “path,label”.",
    )


def _truth_of(row: list[str], places: _Places, name: str, line: int, base: Path) -> Truth | None:
    if max(places.path, places.label) >= len(row):
        cells_here = f"{len(row)} cell{'s' if len(row) != 1 else ''}"
        cause = f"It has {cells_here} where at least {max(places.path, places.label) + 1} are needed"
        raise _line_error(name, line, cause, "Give this line a path and a label, or delete it.")
    if _cell(row, places.error):
        return None  # one of our own exports: that photo could not be read then
    path = unescape_name(denature(row[places.path]))
    label = unescape_name(denature(row[places.label])).strip()
    if not label and path.strip() and places.decision is not None:
        return None  # one of our own exports: a person rejected every label, or nobody looked yet
    if not path.strip() or not label:
        missing = "label" if path.strip() else "path"
        raise _line_error(
            name, line, f"Its {missing} is empty", f"Fill in the {missing}, or delete the line."
        )
    return Truth(base / path, label, line, machine=_cell(row, places.source) == "model")


def _cell(row: list[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""
