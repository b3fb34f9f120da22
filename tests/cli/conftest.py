"""The command line, run in this process, on a tiny model and real photos."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from desktop_app import cli
from tests.tiny_models import write_tiny_clip


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


Pinhole = Callable[..., Said]


@pytest.fixture
def pinhole() -> Pinhole:
    """Run `pinhole` with these words."""

    def run(*words: str | Path) -> Said:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main([str(word) for word in words])
            except SystemExit as end:  # argparse ends the program by itself
                code = int(end.code or 0)
            out.flush()
        return Said(code, out.buffer.getvalue().decode(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny CLIP with random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    write_tiny_clip(folder)
    return folder
