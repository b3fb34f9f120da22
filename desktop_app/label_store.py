"""The catalogue as the store of an auto-label run. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from pathlib import Path

from desktop_app.catalog import Answer, Catalog, PhotoFacts, PhotoRecord, Proposal
from desktop_app.catalog_files import is_as, records_of
from models.tasks.auto_label import Halves, Known, Outcome, State, Verdict


class LabelStore:
    """The `Store` of `models.tasks.auto_label` over a catalogue: one run, one model.

    `content_hash` recognises what was moved, copied or touched (see `records_of`). `alike` are the runs that asked
    what this one asks (None: it does not matter).
    """

    def __init__(
        self,
        catalog: Catalog,
        run: str,
        model: str,
        content_hash: Callable[[Path], str] | None = None,
        alike: Container[str] | None = None,
    ) -> None:
        self._catalog = catalog
        self._run = run
        self._model = model
        self._hash = content_hash
        self._alike = alike
        self._seen: dict[Path, PhotoRecord] = {}

    def known(self, paths: Sequence[Path]) -> Sequence[Known]:
        """What is known of the photos as they are on the disk now."""
        records = self._sync(paths)
        ids = [record.id for record in records]
        self._seen.update(zip(paths, records, strict=True))
        answers = self._catalog.answers(ids)
        found, matrix = self._catalog.load_embeddings(ids, self._model)
        rows = dict(zip(found, matrix, strict=True))
        return [self._known(record, answers.get(record.id), rows.get(record.id)) for record in records]

    def _known(self, record: PhotoRecord, answer: Answer | None, row: Halves | None) -> Known:
        same = answer is None or self._alike is None or answer.run in self._alike
        return Known(_state(record, answer), row, same)

    def save(self, outcomes: Sequence[Outcome]) -> None:
        """Keep answers, embeddings and errors, in one transaction.

        They belong to the files as `known` saw them. What comes from one that was written since is dropped: nobody can
        tell which of the two the model saw, and the next look asks it again.
        """
        unseen = [outcome.path for outcome in outcomes if outcome.path not in self._seen]
        self._seen.update(zip(unseen, self._sync(unseen), strict=True))
        found = [(self._seen[outcome.path], outcome) for outcome in outcomes]
        found = [(seen, outcome) for seen, outcome in found if outcome.embedding is None or is_as(seen)]
        pairs = [(seen.id, outcome) for seen, outcome in found]
        self._catalog.put_results(
            self._run,
            self._model,
            [_facts(photo, outcome) for photo, outcome in pairs],
            [(photo, outcome.embedding) for photo, outcome in pairs if outcome.embedding is not None],
            [_proposal(photo, outcome.verdict) for photo, outcome in pairs if outcome.verdict is not None],
            seen={seen.id: (seen.size, seen.mtime_ns) for seen, _ in found},
        )

    def _sync(self, paths: Sequence[Path]) -> list[PhotoRecord]:
        return records_of(self._catalog, paths, self._hash)


def _state(record: PhotoRecord, answer: Answer | None) -> State:
    if answer is not None and answer.confirmed:
        return State.CONFIRMED
    if record.error:
        return State.SKIPPED
    return State.PROPOSED if answer is not None and answer.proposal else State.NEW


def _facts(photo: int, outcome: Outcome) -> PhotoFacts:
    width, height = outcome.full_size or (None, None)
    return PhotoFacts(photo, width, height, error=outcome.error)


def _proposal(photo: int, verdict: Verdict) -> Proposal:
    others = [*verdict.answers[1:3], None, None]
    second, third = others[0], others[1]
    return Proposal(
        photo,
        verdict.label,
        verdict.probability,
        verdict.margin,
        verdict.decision,
        second.label if second else "",
        second.probability if second else None,
        third.label if third else "",
        third.probability if third else None,
    )
