"""The journal: what a job said is on the disk, whatever happens to the process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.work import Job, JobState, journal
from desktop_app.work.journal import Journal, to_json
from tests.conftest import ExpectLog
from tests.waiting import until
from tests.work.test_job import Owner, Steps


@dataclass(frozen=True)
class Labelled:
    """An event as tasks have them."""

    path: Path
    score: float
    picture: Any = None


@pytest.fixture
def jobs(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "jobs")


def test_a_job_is_on_the_disk_before_it_begins_and_until_it_ends(jobs: Journal) -> None:
    running = jobs.open("auto_label", "Label 3 photos", {"labels": ["cat"], "folder": Path("/photos")})
    (record,) = jobs.records()
    assert (record.kind, record.title, record.state) == ("auto_label", "Label 3 photos", "")
    assert record.config == {"labels": ["cat"], "folder": "/photos"}
    assert jobs.unfinished() == []  # it runs: nobody else may resume it
    running.append(Labelled(Path("/photos/caf\udce9.jpg"), 0.5, np.zeros(1000)))
    running.close()
    (record,) = jobs.unfinished()
    assert record.last["event"] == "Labelled"
    assert record.last["data"] == {"path": "/photos/caf\udce9.jpg", "score": 0.5, "picture": "<ndarray>"}
    again = jobs.reopen(record)
    assert again is not None
    assert jobs.reopen(record) is None
    again.end("done")
    assert jobs.unfinished() == []
    assert jobs.records()[0].state == "done"


@given(cut=st.integers(1, 60))
def test_a_torn_last_line_costs_that_line_only(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    jobs = Journal(tmp_path_factory.mktemp("torn"))
    running = jobs.open("test", "t", {})
    for index in range(3):
        running.append(Labelled(Path(f"{index}.jpg"), 0.5))
    running.close()
    file = running.folder / "events.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    (record,) = jobs.unfinished()
    assert len(list(record.events())) == (3 if cut == 1 else 2)
    again = jobs.reopen(record)
    assert again is not None
    again.append(Labelled(Path("after.jpg"), 0.5))
    again.end("done")
    events = list(jobs.records()[0].events())
    assert [event["data"]["path"] for event in events if "data" in event][-1] == "after.jpg"
    assert jobs.records()[0].state == "done"


def test_the_end_of_a_long_job_is_found_without_reading_all_of_it(jobs: Journal) -> None:
    running = jobs.open("test", "t", {})
    for index in range(2000):
        running.append(Labelled(Path(f"/photos/{index}.jpg"), 0.5))
    running.close()
    assert running.folder.joinpath("events.jsonl").stat().st_size > 2 * journal._TAIL
    (record,) = jobs.unfinished()
    assert record.last["data"]["path"] == "/photos/1999.jpg"
    assert len(list(record.events())) == 2000
    again = jobs.reopen(record)
    assert again
    again.end("cancelled")
    assert [(found.state, found.last["event"]) for found in jobs.records()] == [("cancelled", "Labelled")]


def test_a_job_file_that_cannot_be_read_is_passed_over(jobs: Journal) -> None:
    jobs.open("test", "good", {}).close()
    bad = jobs.open("test", "bad", {})
    bad.close()
    (bad.folder / "job.json").write_text('{"kind": "te')
    (jobs.folder / "a file").write_text("")
    assert [record.title for record in jobs.records()] == ["good"]
    assert Journal(jobs.folder / "nowhere").records() == []


def test_a_disk_that_fails_does_not_fail_the_job(jobs: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    running = jobs.open("test", "t", {})
    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "fsync", _full)
        running.append(Labelled(Path("a"), 1.0))
        running.close()
    assert running.trouble is not None
    assert "No space" in str(running.trouble)
    assert len(jobs.unfinished()) == 1


def _full(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_disk_is_asked_to_keep_events_at_most_every_second(
    jobs: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    calls: list[float] = []
    monkeypatch.setattr(journal, "monotonic", lambda: clock[0])
    running = jobs.open("test", "t", {})
    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "fsync", lambda handle: calls.append(clock[0]))
        for _ in range(100):
            clock[0] += 0.0625
            running.append("event")
        assert len(calls) == 6
        running.end("done")
        assert len(calls) > 6


def test_discarded_jobs_are_not_offered_again_and_old_ones_are_deleted(jobs: Journal) -> None:
    for index in range(4):
        jobs.open("test", str(index), {}).close()
    jobs.discard(jobs.unfinished()[0])
    assert len(jobs.unfinished()) == 3
    assert jobs.records()[0].state == "discarded" or "discarded" in [
        record.state for record in jobs.records()
    ]
    jobs.prune(keep=0)
    assert len(jobs.records()) == 3


def test_only_plain_values_are_written() -> None:
    value = {"a": (1, 2.5, None, True), "b": {Path("/x")}, 3: np.float32(1)}
    assert json.loads(json.dumps(to_json(value))) == {
        "a": [1, 2.5, None, True],
        "b": ["/x"],
        "3": "<float32>",
    }


def test_a_job_of_work_is_journalled_to_its_end_and_resumed_in_place(tmp_path: Path) -> None:
    first = Owner(tmp_path)
    steps = Steps()
    first.work.start_job("count", steps, kind="count", config={"to": 9})
    steps.let(2)
    until(lambda: first.work.jobs[0].last == 1)
    first.work.jobs[0].interrupt()
    steps.let(1)
    assert first.work.close(20)

    second = Owner(tmp_path)
    (record,) = second.work.unfinished()
    ended: list[Job] = []
    job = second.work.start_job(record.title, lambda: ["more"], on_end=ended.append, resume=record)
    second.run(lambda: ended)
    assert (job.id, job.kind, job.state) == (record.id, "count", JobState.DONE)
    assert second.work.unfinished() == []
    (whole,) = Journal(tmp_path).records()
    assert [event["data"] for event in whole.events() if "data" in event][-1] == "more"
    assert second.work.close(20)


def test_a_job_that_can_have_no_journal_runs_without(tmp_path: Path, expect_log: ExpectLog) -> None:
    expect_log("has no journal")
    (tmp_path / "file").write_text("in the way")
    owner = Owner(tmp_path / "file" / "jobs")
    ended: list[Job] = []
    owner.work.start_job("runs", lambda: [1], on_end=ended.append, kind="test")
    owner.run(lambda: ended)
    assert ended[0].state is JobState.DONE
    assert owner.work.close(20)
    assert len(expect_log.messages) == 1


def test_a_failed_job_says_why_in_the_journal(tmp_path: Path) -> None:
    def fail() -> Any:
        yield 1
        raise RuntimeError("out of memory")

    owner = Owner(tmp_path)
    ended: list[Job] = []
    owner.work.start_job("fails", fail, on_end=ended.append, kind="test")
    owner.run(lambda: ended)
    assert owner.work.close(20)
    (record,) = Journal(tmp_path).records()
    assert (record.state, record.error) == ("failed", "out of memory")


def test_a_job_that_goes_on_in_another_window_is_not_resumed_here(tmp_path: Path) -> None:
    elsewhere = Journal(tmp_path).open("count", "Count", {})
    (record,) = Journal(tmp_path).records()
    assert elsewhere.id == record.id
    owner, ran, ended = Owner(tmp_path), list[int](), list[Job]()

    def run() -> list[int]:
        ran.append(1)
        return [1]

    job = owner.work.start_job("Count", run, on_end=ended.append, resume=record)
    owner.run(lambda: ended)
    assert job.state is JobState.FAILED
    assert "another window" in str(job.error)
    assert not ran
    assert owner.work.close(20)
