"""`python -m benchmarks [NAME...]`: runs the measurements and says which bars were missed (exit code 1)."""

import argparse
import importlib
import pkgutil

import benchmarks
from benchmarks.table import Row, main
from models.errors import UserError

_HELPERS = {"__main__", "table", "photos", "models"}


def names() -> list[str]:
    """Every measurement: the files of this folder but the helpers."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in _HELPERS)


def run(name: str) -> list[Row]:
    """Runs one; a file whose `measure` gives a plain dict of numbers is shown as it is."""
    measure = importlib.import_module(f"benchmarks.{name}").measure

    def rows() -> list[Row]:
        found = measure()
        if isinstance(found, dict):
            return [
                Row(str(k), float(v), "") if isinstance(v, (int, float)) else Row(str(k), 0, "", note=str(v))
                for k, v in found.items()
            ]
        return list(found)

    return main(name, rows)


def command() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which to run (default: all of {', '.join(names())})")
    chosen = parser.parse_args().names or names()
    missed = 0
    for name in chosen:
        if name not in names():
            parser.error(f"there is no measurement {name!r}")
        try:
            missed += sum(row.held is False for row in run(name))
        except UserError as error:
            print(f"{name}: {error}")
            missed += 1
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(command())
