"""Digests of files: taken once, kept between starts, and never those of a file that has changed."""

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from models import digests
from models.digests import Digests


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read to the end."""
    real, names = hashlib.file_digest, list[str]()

    def count(file: Any, kind: str) -> Any:
        names.append(Path(file.name).name)
        return real(file, kind)

    monkeypatch.setattr("hashlib.file_digest", count)
    monkeypatch.setattr(digests, "_FRESH", -1.0)
    return names


def started(place: Path) -> Digests:
    """What another process would have."""
    made = Digests()
    made.keep_in(place)
    return made


def test_a_file_is_read_once_for_all_starts_and_again_when_it_changed(
    tmp_path: Path, read: list[str]
) -> None:
    place, one, two = tmp_path / "cache" / "digests.json", tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    expected = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, two)}
    for _ in range(3):
        kept = started(place)
        assert {path: kept.of(path) for path in (one, two)} == expected
    assert read == ["one", "two"]
    status = one.stat()
    one.write_bytes(b"3")
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert started(place).of(one) == hashlib.sha256(b"3").hexdigest(), "of the same size and date"
    two.unlink()
    one.write_bytes(b"44")
    started(place).of(one)
    assert list(json.loads(place.read_text())) == [str(one)], "what is gone is left out"


@pytest.mark.parametrize("content", ["{torn", "[1]", '{"FILE": 3}', '{"FILE": [1, 2, 3, "ab"]}', "\ud800"])
def test_a_damaged_file_is_left_out(tmp_path: Path, read: list[str], content: str) -> None:
    file, place = tmp_path / "weights", tmp_path / "digests.json"
    file.write_bytes(b"1")
    place.write_bytes(content.replace("FILE", str(file)).encode("utf-8", "surrogatepass"))
    assert [started(place).of(file) for _ in range(2)] == [hashlib.sha256(b"1").hexdigest()] * 2
    assert read == ["weights"]


def test_what_was_written_just_now_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    started(tmp_path / "digests.json").of(tmp_path / "weights")
    assert not (tmp_path / "digests.json").exists()


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"1")
    kept = started(tmp_path / "file" / "digests.json")
    assert kept.of(tmp_path / "file") == kept.of(tmp_path / "file")
    assert read == ["file"]


def test_two_threads_do_not_read_the_same_file(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "weights").write_bytes(b"1" * 1_000_000)
    kept, both = Digests(), threading.Barrier(2)

    def ask() -> None:
        both.wait()
        kept.of(tmp_path / "weights")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == ["weights"]


def test_naming_the_file_waits_for_nobody(tmp_path: Path) -> None:
    found = Digests()
    with found._lock:  # another thread hashes gigabytes
        asked = threading.Thread(target=found.keep_in, args=(tmp_path / digests.FILE,), daemon=True)
        asked.start()
        asked.join(20)
        assert not asked.is_alive()
