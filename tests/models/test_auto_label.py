"""Labelling a folder as a job: stopped anywhere, run again, and always the same answers as without a stop."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import ImageError
from models.tasks import auto_label
from models.tasks.auto_label import (
    Config,
    Counts,
    Finished,
    Known,
    Labelled,
    Outcome,
    Progress,
    Skipped,
    State,
    Stored,
    Verdict,
)


@dataclass(frozen=True)
class FakeResult:
    path: Path
    embedding: NDArray[np.float32] | None
    full_size: tuple[int, int] | None = (4, 3)
    error: Exception | None = None


@dataclass
class MemoryStore:
    """What a catalogue promises, in two dictionaries."""

    embeddings: dict[Path, NDArray[np.float16]] = field(default_factory=dict)
    answers: dict[Path, Verdict | str] = field(default_factory=dict)
    confirmed: set[Path] = field(default_factory=set)
    saves: list[int] = field(default_factory=list)

    def known(self, paths: Sequence[Path]) -> list[Known]:
        return [Known(self._state(path), self.embeddings.get(path)) for path in paths]

    def _state(self, path: Path) -> State:
        if path in self.confirmed:
            return State.CONFIRMED
        answer = self.answers.get(path)
        return State.NEW if answer is None else State.SKIPPED if isinstance(answer, str) else State.PROPOSED

    def save(self, outcomes: Sequence[Outcome]) -> None:
        self.saves.append(len(outcomes))
        for outcome in outcomes:
            if outcome.embedding is not None:
                self.embeddings[outcome.path] = outcome.embedding
            if outcome.path not in self.confirmed:
                self.answers[outcome.path] = outcome.verdict or outcome.error


class Eyes:
    """A model of two numbers: the embedding is the file's bytes; a file that starts with x cannot be read."""

    def __init__(self) -> None:
        self.seen: list[Path] = []

    def embed(self, paths: Sequence[Path]) -> Iterator[FakeResult]:
        for path in paths:
            self.seen.append(path)
            data = path.read_bytes()
            if data.startswith(b"x"):
                yield FakeResult(path, None, None, ImageError(f"{path.name} is no photo", kind="not_image"))
            else:
                angle = int(data) / 7
                yield FakeResult(path, np.array([np.cos(angle), np.sin(angle)], dtype=np.float32))


def judge(rows: NDArray[np.float32]) -> list[Verdict]:
    def one(row: NDArray[np.float32]) -> Verdict:
        x = float(row[0])
        decision = "label" if x > 0.3 else "unsure" if x > -0.5 else "unknown"
        return Verdict("right" if x > 0 else "left", abs(x), abs(x) / 2, decision)

    return [one(row) for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(40):
        path = tmp_path / ("sub" if i % 3 == 0 else "") / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"x{i}" if i % 10 == 9 else str(i))
    return tmp_path


def label(
    store: MemoryStore, folder: Path, eyes: Eyes | None = None, **options: object
) -> list[auto_label.Event]:
    config = Config((folder,), **options)  # type: ignore[arg-type]
    return list(auto_label.run(config, store=store, embed=(eyes or Eyes()).embed, judge=judge))


def test_every_photo_is_answered_or_listed_with_its_reason(folder: Path) -> None:
    store = MemoryStore()
    events = label(store, folder, progress_every=0.0)
    answered = [e.path for e in events if isinstance(e, Labelled)]
    skipped = {e.path.name: (e.reason, e.kind) for e in events if isinstance(e, Skipped)}
    assert len(answered) == len(set(answered)) == 36
    assert skipped == {f"{i}.jpg": (f"{i}.jpg is no photo.", "not_image") for i in (9, 19, 29, 39)}
    assert set(store.answers) == {*answered, *(e.path for e in events if isinstance(e, Skipped))}
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.counts.done, last.counts.skipped) == (40, 4)
    by_decision = [e.verdict.decision for e in events if isinstance(e, Labelled)]
    assert last.counts.unsure == by_decision.count("unsure") > 0
    assert last.counts.unknown == by_decision.count("unknown") > 0


def test_progress_only_grows_and_ends_at_the_total(folder: Path) -> None:
    progress = [e for e in label(MemoryStore(), folder, progress_every=0.0) if isinstance(e, Progress)]
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert (progress[-1].done, progress[-1].total, progress[-1].left_s) == (40, 40, 0.0)


def test_what_is_told_before_stored_can_be_looked_up(folder: Path) -> None:
    store, times, told, looks = MemoryStore(), iter(range(10_000)), [], 0
    config = Config((folder,), commit_every=7)
    job = auto_label.run(
        config, store=store, embed=Eyes().embed, judge=judge, clock=lambda: float(next(times))
    )
    for event in job:
        if isinstance(event, Labelled):
            told.append(event.path)
        elif isinstance(event, Stored):
            looks += 1
            assert set(told) <= set(store.answers)
    assert looks == len(store.saves) > 1


@pytest.mark.parametrize("stop", range(0, 46, 3))
def test_a_run_stopped_anywhere_and_started_again_equals_one_that_was_not(folder: Path, stop: int) -> None:
    whole, halved, eyes = MemoryStore(), MemoryStore(), Eyes()
    label(whole, folder)
    events = auto_label.run(Config((folder,)), store=halved, embed=eyes.embed, judge=judge)
    for _, _ in zip(range(stop), events, strict=False):
        pass
    events.close()  # type: ignore[attr-defined]
    label(halved, folder, eyes)
    assert halved.answers == whole.answers
    good = [path for path in eyes.seen if not path.read_bytes().startswith(b"x")]
    assert len(good) <= 37  # at most the photo in hand is looked at twice


def test_what_is_stored_answers_without_a_look_at_the_file(folder: Path) -> None:
    store = MemoryStore()
    first = {e.path: e.verdict for e in label(store, folder) if isinstance(e, Labelled)}
    eyes = Eyes()
    again = [e for e in label(store, folder, eyes) if isinstance(e, Labelled)]
    assert {e.path: e.verdict for e in again} == first
    assert all(e.cached for e in again)
    assert len(eyes.seen) == 4  # only those that could not be read


def test_a_confirmed_label_is_never_touched(folder: Path) -> None:
    store = MemoryStore(confirmed={folder / "1.jpg"})
    store.answers[folder / "1.jpg"] = mine = Verdict("mine", 1, 1, "label")
    events = label(store, folder)
    assert store.answers[folder / "1.jpg"] is mine
    assert folder / "1.jpg" not in {e.path for e in events if isinstance(e, Labelled)}
    assert isinstance(events[-1], Finished)
    assert events[-1].counts.kept == 1


def test_only_new_photos_and_only_skipped_ones(folder: Path) -> None:
    store = MemoryStore()
    label(store, folder)
    (folder / "new.jpg").write_text("41")
    assert [e.path.name for e in label(store, folder, only_new=True) if isinstance(e, Labelled)] == [
        "new.jpg"
    ]
    (folder / "19.jpg").write_text("19")
    retried = label(store, folder, retry_skipped=True)
    assert [e.path.name for e in retried if isinstance(e, Labelled)] == ["19.jpg"]
    assert len([e for e in retried if isinstance(e, Skipped)]) == 3
    assert isinstance(retried[-1], Finished)
    assert retried[-1].counts == Counts(**{**vars(retried[-1].counts), "skipped": 3, "kept": 37})


def test_answers_that_are_kept_from_another_question_are_counted(folder: Path) -> None:
    class AskedBefore(MemoryStore):
        def known(self, paths: Sequence[Path]) -> list[Known]:
            found = super().known(paths)
            return [
                replace(one, same_question=path.name != "1.jpg")
                for one, path in zip(found, paths, strict=True)
            ]

    store = AskedBefore()
    label(store, folder)
    last = label(store, folder, only_new=True)[-1]
    assert isinstance(last, Finished)
    assert (last.counts.kept, last.counts.other) == (36, 1)
    asked_anew = label(store, folder)[-1]
    assert isinstance(asked_anew, Finished)
    assert (asked_anew.counts.kept, asked_anew.counts.other) == (0, 0)


def test_one_folder_only_when_not_recursive(folder: Path) -> None:
    events = label(MemoryStore(), folder, recursive=False)
    assert {e.path.parent for e in events if isinstance(e, Labelled | Skipped)} == {folder}


def test_progress_is_stored_about_every_second(folder: Path) -> None:
    store, now = MemoryStore(), iter(range(10_000))
    clock = lambda: next(now) / 20  # noqa: E731 - each look at the clock is a twentieth of a second later
    list(auto_label.run(Config((folder,)), store=store, embed=Eyes().embed, judge=judge, clock=clock))
    assert sum(store.saves) == 40
    assert len(store.saves) >= 5
    assert max(store.saves) <= 10


def test_a_pause_between_events_is_not_taken_for_slowness(folder: Path) -> None:
    time = [0.0]

    def embed(paths: Sequence[Path]) -> Iterator[FakeResult]:
        for result in Eyes().embed(paths):
            time[0] += 0.5
            yield result

    rates = []
    events = auto_label.run(
        Config((folder,)), store=MemoryStore(), embed=embed, judge=judge, clock=lambda: time[0]
    )
    for event in events:
        time[0] += 100
        if isinstance(event, Progress):
            rates.append(event.rate)
    assert rates[-1] == pytest.approx(2.0)


def test_a_folder_that_may_not_be_listed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    skipped = [e for e in label(MemoryStore(), folder) if isinstance(e, Skipped)]
    assert skipped[0].path == folder / "sub"
    assert skipped[0].kind == "permission"


def test_a_store_that_fails_ends_the_run_with_its_error(folder: Path) -> None:
    class Full(MemoryStore):
        def save(self, outcomes: Sequence[Outcome]) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        label(Full(), folder)


def test_no_photos_at_all(tmp_path: Path) -> None:
    events = label(MemoryStore(), tmp_path)
    assert isinstance(events[-1], Finished)
    assert events[-1].counts == Counts()
