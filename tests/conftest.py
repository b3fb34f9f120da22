"""What holds in every test: a home of its own, no network, fixed seeds, and failure on noise or leaked threads.

Nothing heavy is imported here, so a test of the model core never loads Qt and one of the catalogue never torch.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "pinhole",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("pinhole")

# Libraries that warn about matters of their own; our own loggers and everything else must be silent.
_TALKATIVE = ("torch", "transformers", "huggingface_hub", "onnx", "onnxscript", "asyncio", "filelock")


class ExpectLog:
    """What a test says it expects: every warning whose text holds one of these words passes."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.records: list[logging.LogRecord] = []

    def __call__(self, *words: str) -> None:
        self.words.extend(words or ("",))

    @property
    def messages(self) -> list[str]:
        """Every message of level WARNING or above so far."""
        return [record.getMessage() for record in self.records]

    def unexpected(self) -> list[str]:
        """Messages that nobody expected."""
        return [text for text in self.messages if not any(word in text for word in self.words)]


class _Collector(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_TALKATIVE):
            self._records.append(record)


@pytest.fixture(autouse=True)
def expect_log() -> Iterator[ExpectLog]:
    """Fail the test on a log message of level WARNING or above, but those named by `expect_log("words")`."""
    expected = ExpectLog()
    collector = _Collector(expected.records)
    logging.getLogger().addHandler(collector)
    yield expected
    logging.getLogger().removeHandler(collector)
    if unexpected := expected.unexpected():
        pytest.fail("unexpected log messages:\n" + "\n".join(unexpected))


@pytest.fixture(autouse=True)
def pinhole_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home of the program for every test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("PINHOLE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail the test when a thread that it started is still there two seconds after its end."""
    before = set(threading.enumerate())
    yield
    deadline = monotonic() + 2.0
    while left := _ours(set(threading.enumerate()) - before):
        if monotonic() > deadline:
            pytest.fail("leaked threads: " + ", ".join(sorted(thread.name for thread in left)))
        gc.collect(0)
        next(iter(left)).join(0.05)


def _ours(threads: set[threading.Thread]) -> set[threading.Thread]:
    # Once started, these pools of libraries live as long as the process: not a test's to end.
    foreign = ("tqdm", "pymp", "asyncio", "Dummy", "pytest", "torch", "inductor")
    return {thread for thread in threads if thread.is_alive() and not thread.name.startswith(foreign)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny CLIP."""
    from tests.tiny_models import write_tiny_clip

    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    write_tiny_clip(folder)
    return folder
