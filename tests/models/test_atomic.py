"""Writing files whole or not at all: what a failure, a link, a folder and other permissions make of it."""

import os
import stat
from pathlib import Path

import pytest

from models.atomic import failure_in_words, replacing, write_whole
from models.errors import DataError


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_half()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_permissions_are_kept_and_new_files_have_the_usual_ones(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.write_bytes(b"")
    old.chmod(0o640)
    plain.write_bytes(b"")
    write_whole(old, b"1")
    write_whole(new, b"1")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_link_keeps_pointing_at_the_file(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="no named pipes in folders there")
def test_a_pipe_is_filled_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for path in (pipe, link):
        write_whole(path, b"data")
        assert os.read(reader, 9) == b"data"
    os.close(reader)
    assert pipe.is_fifo()
    assert {entry.name for entry in tmp_path.iterdir()} == {"pipe", "link"}


def test_names_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)
    write_whole(path, b"1")
    assert os.listdir(tmp_path) == [path.name]


def test_what_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Give a file name"), failure_in_words(tmp_path):
        write_whole(tmp_path, b"")
    missing = tmp_path / "none" / "a"
    with (
        pytest.raises(DataError, match=r"a could not be written.*Make the folder first"),
        failure_in_words(missing),
    ):
        write_whole(missing, b"")
