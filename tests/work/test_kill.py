"""kill -9 at twenty random moments of an auto-label job: nothing confirmed is lost, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app.catalog import Catalog
from desktop_app.work import Journal
from tests.work.kill_child import PHOTOS_A_SECOND

KILLS = 20
PHOTOS = 1200


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(PHOTOS):
        words = b"broken" if index % 40 == 3 else b"photo"
        (folder / f"{index:04}.jpg").write_bytes(words + b" %d" % index)
    return folder


def start(home: Path, photos: Path) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.work.kill_child", str(home), str(photos)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finish(home: Path, photos: Path) -> str:
    with start(home, photos) as child:
        assert child.stdout
        return child.stdout.read().splitlines()[-1]


def kill_after(home: Path, photos: Path, lines: int) -> tuple[list[str], bool]:
    """Kill the job when it has begun with that many photos; returns those it began with, and whether it had ended."""
    with start(home, photos) as child:
        assert child.stdout
        begun = []
        while len(begun) < lines and (line := child.stdout.readline()):
            begun.append(line.strip())
        child.send_signal(signal.SIGKILL)
        begun += child.stdout.read().splitlines()
    return [line for line in begun if line.endswith(".jpg")], child.returncode == 0


def outcome(home: Path, photos: Path) -> dict[str, Any]:
    """Everything that counts, by name: labels, decisions, scores, sizes, errors, embeddings."""
    catalog = Catalog(home / "catalog.sqlite")
    assert catalog.problems == []
    records = catalog.photos_under(photos)
    answers = catalog.answers([record.id for record in records])
    found, matrix = catalog.load_embeddings([record.id for record in records], "stand-in")
    rows = dict(zip(found, np.asarray(matrix), strict=True))
    catalog.close()
    result = {}
    for record in records:
        answer = answers.get(record.id)
        proposal = answer.proposal if answer else None
        scores = (
            (proposal.label, proposal.probability, proposal.margin, proposal.label_2) if proposal else None
        )
        said = (answer.label, answer.confirmed, answer.decision) if answer else None
        row = rows[record.id].tobytes() if record.id in rows else None
        result[record.path.name] = (said, scores, record.width, record.error, row)
    return result


def test_twenty_kills_and_the_resumed_result_equals_the_uninterrupted_one(
    tmp_path: Path, photos: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, photos).startswith("state done")
    expected = outcome(whole, photos)
    assert sum(1 for item in expected.values() if item[3]) == PHOTOS // 40
    chance = random.Random(7)
    confirmed: dict[str, str] = {}
    for _ in range(KILLS):
        before = outcome(killed, photos) if (killed / "catalog.sqlite").exists() else {}
        begun, ended = kill_after(killed, photos, chance.randrange(0, 2 * PHOTOS // KILLS))
        assert not ended
        after = outcome(killed, photos)
        # Nothing that was there is gone, and all work but that of the last second is there.
        stored = {name for name, item in after.items() if item[0] or item[3]}
        assert {name for name, item in before.items() if item[0] or item[3]} <= stored
        assert len([name for name in begun if name not in stored]) <= PHOTOS_A_SECOND + 1
        # A person confirms what the machine proposed for two photos; no later run may touch that.
        confirmed |= confirm_two(killed, photos, after, chance)
        assert confirmed == persons_words(killed)
    assert [record.state for record in Journal(killed / "jobs").records()] == [""]
    assert finish(killed, photos).startswith("state done")
    assert confirmed == persons_words(killed)
    actual = outcome(killed, photos)
    assert {name: item[1:] for name, item in actual.items()} == {
        name: item[1:] for name, item in expected.items()
    }
    unconfirmed = [name for name in expected if name not in confirmed]
    assert [actual[name] for name in unconfirmed] == [expected[name] for name in unconfirmed]
    assert [record.state for record in Journal(killed / "jobs").records()] == ["done"]


def confirm_two(home: Path, photos: Path, seen: dict[str, Any], chance: random.Random) -> dict[str, str]:
    names = sorted(name for name, item in seen.items() if item[0] and not item[0][1])
    catalog = Catalog(home / "catalog.sqlite")
    words = {}
    for name in chance.sample(names, min(2, len(names))):
        record = catalog.photo(photos / name)
        assert record
        assert catalog.confirm([record.id], "zebra")
        words[name] = "zebra"
    catalog.close()
    return words


def persons_words(home: Path) -> dict[str, str]:
    catalog = Catalog(home / "catalog.sqlite")
    labels = catalog.confirmed()
    records = catalog.photos(list(labels))
    catalog.close()
    return {records[photo].path.name: label for photo, label in labels.items()}
