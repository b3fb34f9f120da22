"""Rows of a measurement: what was measured, against what, and the bar it is held to; printed and kept as JSON."""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from models.devices import fingerprint

OUT = Path("build") / "benchmarks"


@dataclass(frozen=True)
class Row:
    """One measurement: `value` in `unit`, the bar as "at least 8" or "" where there is none, and whether it is held."""

    what: str
    value: float
    unit: str
    bar: str = ""
    held: bool | None = None
    note: str = ""


def at_least(what: str, value: float, bar: float, unit: str = "times", note: str = "") -> Row:
    """A row that is held when the value reaches the bar."""
    return Row(what, float(value), unit, f"at least {bar:g}", bool(value >= bar), note)


def at_most(what: str, value: float, bar: float, unit: str, note: str = "") -> Row:
    """A row that is held when the value stays below the bar."""
    return Row(what, float(value), unit, f"at most {bar:g}", bool(value <= bar), note)


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints a table."""
    print(f"\n{title}")
    for row in rows:
        mark = {True: "held", False: "MISSED", None: ""}[row.held]
        print(f"  {row.what:<58} {row.value:>10.5g} {row.unit:<10} {row.bar:<14} {mark:<7} {row.note}")


def main(name: str, measure: Callable[[], list[Row]]) -> list[Row]:
    """Measures, prints, and writes build/benchmarks/NAME.json."""
    print(f"{name}: {fingerprint()}")
    rows = measure()
    show(name, rows)
    OUT.mkdir(parents=True, exist_ok=True)
    content = {
        "name": name,
        "machine": fingerprint(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": [asdict(row) for row in rows],
    }
    (OUT / f"{name}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return rows
