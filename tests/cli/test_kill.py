"""kill -9 in the middle of `pinhole label`, twenty times: the whole program, its threads, a model, the catalogue."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app import cli
from desktop_app.catalog import open_catalog
from models.images import walk
from tests.cli.test_label import LABELS, assert_alike, read
from tests.photo_folder import write_broken, write_photos

KILLS = 20
PHOTOS = 240


class Nursery:
    """Talks to tests/cli/nursery.py."""

    def __init__(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": str(Path(cli.__file__).parent.parent),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "tests.cli.nursery"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
        )

    def run(self, home: Path, words: list[str], *, kill_after: int | None = None) -> tuple[int, int]:
        """(exit code, photos looked at); killed when it has begun with ``kill_after`` photos, if it gets so far."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"home": str(home), "words": words}).encode() + b"\n")
        pid, seen, tail = int(self._line().split()[1]), 0, b""
        while b"\n" not in tail:
            if seen == kill_after:
                os.kill(pid, signal.SIGKILL)
                kill_after = None
            tail = self.process.stdout.read(1)
            seen += tail == b"."
        return int(self._line().split()[1]), seen

    def _line(self) -> bytes:
        assert self.process.stdout
        line = b""
        while not line.endswith(b"\n"):
            letter = self.process.stdout.read(1)
            assert letter, "the nursery has died"
            line += letter
        return line


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    with found.process as process:
        assert process.stdin
        process.stdin.close()


def test_twenty_kills_and_the_end_is_the_same(nursery: Nursery, tiny_clip: Path, tmp_path: Path) -> None:
    folder, chance = tmp_path / "in", random.Random(3)
    write_photos(folder, PHOTOS, side=32)
    write_broken(folder / "sub", 6)
    words = ["label", str(folder), "--labels", LABELS, "--model", str(tiny_clip), "--csv"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert nursery.run(whole, [*words, str(tmp_path / "whole.csv")])[0] == 1
    confirmed: dict[Path, str] = {}
    looked = 0
    for kill in range(KILLS):
        code, seen = nursery.run(
            killed, [*words, str(tmp_path / "no.csv")], kill_after=chance.randrange(1, 30)
        )
        looked += seen
        assert code == -signal.SIGKILL
        assert not (tmp_path / "no.csv").exists()
        with open_catalog(killed / "data" / "catalog.sqlite") as catalog:
            assert catalog.problems == []
            records = catalog.photos_under(folder)
            answers = catalog.answers([record.id for record in records])
            assert (
                confirmed.items() <= {r.path: answers[r.id].label for r in records if r.id in answers}.items()
            )
            free = [r for r in records if r.id in answers and not answers[r.id].confirmed]
            if free and kill % 4 == 0:
                record = chance.choice(free)
                catalog.confirm([record.id], f"mine {kill}")
                confirmed[record.path] = f"mine {kill}"
    assert confirmed, "no run came far enough to be worth killing"
    code, seen = nursery.run(killed, [*words, str(tmp_path / "killed.csv")])
    assert code == 1
    # Work was kept from kill to kill: far fewer photos were looked at than in as many runs from the start.
    assert looked + seen < KILLS * 30 + PHOTOS
    rows, expected = read(tmp_path / "killed.csv"), read(tmp_path / "whole.csv")
    assert len(rows) == len(list(walk(folder)))
    theirs = {os.fspath(path.relative_to(folder)): label for path, label in confirmed.items()}
    own = [row for row in rows if row["source"] == "person"]
    assert {row["path"].lstrip("'"): row["label"] for row in own} == theirs
    machine = {row["path"] for row in rows if row["source"] != "person"}
    assert_alike([r for r in rows if r["path"] in machine], [r for r in expected if r["path"] in machine])
