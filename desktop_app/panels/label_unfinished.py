"""Labelling runs of earlier days that did not end, as the journal has them."""

from dataclasses import dataclass

from desktop_app.work import JobRecord, Work

KIND = "label"


@dataclass(frozen=True, eq=False)
class Interrupted:
    """A run that did not end: over which files and folders, and how far it came, in photos."""

    record: JobRecord
    paths: tuple[str, ...]
    done: int
    total: int


def unfinished_runs(work: Work) -> list[Interrupted]:
    """The last interrupted run of each place, the newest last; older ones are not offered any more. Reads the disk."""
    newest: dict[tuple[str, ...], JobRecord] = {}
    for record in work.unfinished():
        if record.kind != KIND:
            continue
        paths = tuple(map(str, record.config.get("paths", ())))
        older = newest.pop(paths, None)
        if older is not None and work.journal is not None:
            work.journal.discard(older)
        newest[paths] = record
    return [Interrupted(record, paths, *_how_far(record)) for paths, record in newest.items()]


def _how_far(record: JobRecord) -> tuple[int, int]:
    at = [event.get("data", {}) for event in record.events() if event.get("event") == "Progress"]
    last = at[-1] if at else {}
    return int(last.get("done", 0)), int(last.get("total", 0))
