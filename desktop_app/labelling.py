"""The catalogue, the model and the recipe brought together: what the Label panel and `pinhole label` both run. No Qt.

One way for both, so that the same folder gets the same labels in the window and on the command line.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from desktop_app.catalog import Answer as Held
from desktop_app.catalog import Catalog, PhotoFacts, PhotoRecord
from desktop_app.catalog_files import is_as, stat_of
from desktop_app.label_store import LabelStore
from desktop_app.work.decode_ahead import decode_ahead
from models.errors import UserError
from models.images import content_hash
from models.tasks import auto_label, zero_shot
from models.tasks.auto_label import Config, Counts, Embed, Event, Finished, Floats, Known, Outcome, Verdict
from models.tasks.export import Answer, Row
from models.tasks.zero_shot import Bars, Decision, Label, Template, TextCache

if TYPE_CHECKING:
    from models.runtime import Model
    from models.spec import ModelSpec

_log = logging.getLogger(__name__)
KEPT_ANSWERS = 3  # what the catalogue and the wide CSV have room for
_LOT = 512
_BLOCK = 64  # a matrix product of another height rounds differently, so rows are scored this many at a time
_DECODERS = 2
_STEP_SECONDS = 0.2
_FEW = 4  # photos that are answered at once rather than after a measurement
_batches: "WeakKeyDictionary[Model, int]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Recipe:
    """What is asked of every photo."""

    labels: tuple[Label, ...]
    templates: tuple[Template, ...]
    prompt_set: str = ""
    bars: Bars = field(default_factory=Bars)
    mode: Literal["single", "multi"] = "single"


def model_key(spec: "ModelSpec") -> str:
    """Under this name the catalogue keeps a model's embeddings and answers: one that was edited is another."""
    return f"{spec.id}@{spec.version}"


class Labeller:
    """One model asked one recipe. ``judge`` gives verdicts for embeddings; ``events`` labels a folder as a job.

    ``texts`` is where text embeddings are kept between edits (see ``zero_shot.embed_labels``).
    """

    def __init__(
        self, catalog: Catalog, model: "Model", recipe: Recipe, texts: TextCache | None = None
    ) -> None:
        self.catalog = catalog
        self.model = model
        self.recipe = recipe
        cache = TextCache() if texts is None else texts
        self._text = zero_shot.embed_labels(model, recipe.labels, recipe.templates, cache)
        self._background = zero_shot.embed_background(model, cache) if recipe.bars.background else None

    @property
    def key(self) -> str:
        """The model's name in the catalogue."""
        return model_key(self.model.spec)

    def judge(self, rows: Floats, keep: int | None = KEPT_ANSWERS) -> list[Verdict]:
        """A verdict for each embedding (n, d), with the best ``keep`` answers (None: all).

        The same embedding gets the same verdict to the last bit, alone or among thousands: a job that was killed
        and goes on ends where an uninterrupted one does.
        """
        names = [label.name for label in self.recipe.labels]
        verdicts: list[Verdict] = []
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            block = np.zeros((_BLOCK, rows.shape[1]), np.float32)
            block[: len(part)] = part
            scores = self._score(block)
            # By logit, as `best` is: several probabilities of a multi-label answer may round to the same number.
            order = np.argsort(-(scores.cosine * np.float32(self.model.scale)), axis=1, kind="stable")[
                :, :keep
            ]
            verdicts += [_verdict(scores, names, i, order[i]) for i in range(len(part))]
        return verdicts

    def _score(self, rows: Floats) -> zero_shot.Scores:
        recipe = self.recipe
        return zero_shot.score(rows, self._text, self.model.scale, recipe.bars, self._background, recipe.mode)

    def events(self, config: Config, run: str = "") -> Iterator[Event]:
        """Label the photos of ``config``; with the id of an earlier ``run``, go on with that one."""
        return _as_run(self, config, run)

    def embed(self, store: "HashingStore") -> Embed:
        """The model's eyes, with the next photos decoded on threads; hashes go to ``store`` on the way."""
        return partial(_embed, self.model, store)


def _verdict(scores: zero_shot.Scores, names: Sequence[str], i: int, order: Any) -> Verdict:
    answers = tuple(
        Answer(names[j], float(scores.probability[i, j]), float(scores.cosine[i, j])) for j in map(int, order)
    )
    best = int(scores.best[i])
    decision = Decision(int(scores.decision[i])).word
    return Verdict(
        names[best], float(scores.probability[i, best]), float(scores.margin[i]), decision, answers
    )


def _as_run(labeller: Labeller, config: Config, run: str) -> Iterator[Event]:
    """The events of auto_label, noted in the catalogue as a run that can be rolled back."""
    catalog, recipe = labeller.catalog, labeller.recipe
    about: dict[str, Any] = {"recipe": asdict(recipe), "paths": [str(path) for path in config.paths[:100]]}
    run = catalog.start_run("label", model=labeller.key, prompt_set=recipe.prompt_set, config=about, id=run)
    alike = _alike(catalog, about["recipe"], labeller.key) if config.only_new else None
    store = HashingStore(catalog, LabelStore(catalog, run, labeller.key, content_hash, alike))
    state, counts = "cancelled", Counts()
    try:
        for event in auto_label.run(config, store=store, embed=labeller.embed(store), judge=labeller.judge):
            if isinstance(event, Finished):
                counts = event.counts
            yield event
        state = "done"
    except Exception:
        state = "failed"
        raise
    finally:
        catalog.end_run(run, state, asdict(counts))


def question_of(recipe: Mapping[str, Any], model: str) -> str:
    """What a run asks, as one text: two runs with the same one give the same answers. ``recipe`` is `asdict` of a
    Recipe, or that read back from the catalogue; the order of the labels and what is not used do not count."""
    labels = sorted((label["name"], list(label["prompts"])) for label in recipe.get("labels", ()))
    used = [
        (one["text"], one["weight"])
        for one in recipe.get("templates", ())
        if one["enabled"] and one["weight"] > 0 and one["text"].strip()
    ]
    asked = [model, recipe.get("mode"), recipe.get("bars"), labels, sorted(used)]
    return json.dumps(asked, sort_keys=True)


def _alike(catalog: Catalog, recipe: Mapping[str, Any], model: str) -> frozenset[str]:
    """The runs whose answers are answers to this very question; those of other versions may not be readable."""
    ours, found = question_of(recipe, model), set()
    for run in catalog.runs():
        try:
            if run.kind == "label" and question_of(run.config.get("recipe", {}), run.model) == ours:
                found.add(run.id)
        except (KeyError, TypeError, AttributeError):
            _log.info("The question of run %s cannot be read", run.id)
    return frozenset(found)


class HashingStore:
    """A LabelStore that also keeps the content hash of what was decoded, while the file is still in memory."""

    def __init__(self, catalog: Catalog, store: LabelStore, *, propose: bool = True) -> None:
        self._catalog = catalog
        self._store = store
        self._propose = propose
        self.hashes: dict[Path, tuple[str, tuple[int, int]]] = {}  # and size and mtime before it was read

    def known(self, paths: Sequence[Path]) -> Sequence[Known]:
        """As LabelStore; where nothing is proposed, no label keeps a photo from being looked at."""
        found = self._store.known(paths)
        return found if self._propose else [replace(one, state=auto_label.State.NEW) for one in found]

    def save(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the hashes, then answers and embeddings: a kill between the two leaves a photo that is looked at again,
        and not one that is never hashed."""
        hashed = []
        for outcome in outcomes:
            digest, seen = self.hashes.pop(outcome.path, ("", None))
            record = self._catalog.photo(outcome.path) if digest else None
            if record is not None and (record.size, record.mtime_ns) == seen:
                hashed.append((record, digest))
        _keep_hashes(self._catalog, hashed)
        self._store.save(outcomes if self._propose else [replace(one, verdict=None) for one in outcomes])


def _keep_hashes(catalog: Catalog, hashed: Sequence[tuple[PhotoRecord, str]]) -> None:
    """Of files that are still as the records were before they were read: of any other the hash may be that of a content
    that its record does not have."""
    same = [(record, digest) for record, digest in hashed if is_as(record)]
    if same:
        seen = {record.id: (record.size, record.mtime_ns) for record, _ in same}
        catalog.put_facts([PhotoFacts(record.id, sha256=digest) for record, digest in same], seen=seen)


def _embed(model: "Model", store: HashingStore, paths: Sequence[Path]) -> Iterator[zero_shot.PhotoResult]:
    batch = batch_for(model) if len(paths) > _FEW else None
    return zero_shot.embed_photos(model, paths, batch=batch, mapper=partial(_map_ahead, store))


def batch_for(model: "Model") -> int:
    """How many photos make a step of about a fifth of a second, measured once for each opened model.

    A processor is as fast with small batches as with large ones, and between two steps sliders get their turn and
    progress is stored; a graphics card wants its full batch, which takes it no longer.
    """
    if model.device != "cpu":
        return model.batch_size
    if model not in _batches:
        pixels = np.zeros((2, 3, *model.preprocess.size), np.float32)
        model.run("image", pixel_values=pixels[:1])  # the first run also allocates
        begun = perf_counter()
        model.run("image", pixel_values=pixels)
        _batches[model] = max(1, int(_STEP_SECONDS / max((perf_counter() - begun) / len(pixels), 1e-6)))
    return min(_batches[model], model.batch_size)


def _map_ahead(store: HashingStore, prepare: Callable[[Path], Any], paths: Iterable[Path]) -> Iterator[Any]:
    def prepare_and_hash(path: Path) -> Any:
        result = prepare(path)
        try:
            seen = stat_of(path)
            store.hashes[path] = content_hash(path), seen
        except UserError:
            pass  # it vanished a moment ago; the next look at the folder will say so
        return result

    return decode_ahead(prepare_and_hash, paths, workers=_DECODERS, ahead=2 * 16)


def look_at(catalog: Catalog, model: "Model", config: Config) -> Iterator[Event]:
    """Embed every photo of ``config`` that is not embedded yet, and propose nothing: the events of auto_label."""
    key = model_key(model.spec)
    store = HashingStore(catalog, LabelStore(catalog, "", key, content_hash), propose=False)
    nothing = Verdict("", 0.0, 0.0, "label")
    embed: Embed = partial(_embed, model, store)
    return auto_label.run(config, store=store, embed=embed, judge=lambda rows: [nothing] * len(rows))


def embeddings_of(catalog: Catalog, key: str, photos: Sequence[Path]) -> tuple[list[Path], Floats]:
    """The photos that have an embedding under this model's key, and the rows (n, d) in that order."""
    ids = {record.id: path for record, path in _records(catalog, photos)}
    found, rows = catalog.load_embeddings(list(ids), key)
    return [ids[photo] for photo in found], rows.astype(np.float32)


def rows_of(
    catalog: Catalog,
    photos: Sequence[Path],
    *,
    keywords: Mapping[str, str] | None = None,
    labeller: Labeller | None = None,
    run: str = "",
) -> Iterator[Row]:
    """What the catalogue holds about each photo, ready for ``export``; ``keywords`` maps a label to what is written.

    With a ``labeller`` every photo brings all its answers (the long form), scored anew from its embedding. With the id
    of a ``run``, what it said counts before what another one has said since.
    """
    words = keywords or {}
    for start in range(0, len(photos), _LOT):
        pairs = _hashed(catalog, list(_records(catalog, photos[start : start + _LOT])))
        held = catalog.answers([record.id for record, _ in pairs], run=run)
        ranked = _ranked(catalog, labeller, pairs) if labeller else {}
        for record, path in pairs:
            yield _row(path, record, held.get(record.id), words, ranked.get(record.id))


def _records(catalog: Catalog, photos: Sequence[Path]) -> Iterator[tuple[PhotoRecord, Path]]:
    for start in range(0, len(photos), _LOT):
        lot = photos[start : start + _LOT]
        for path in lot:
            record = catalog.photo(path)
            yield record or PhotoRecord(-1, path, 0, 0), path


def _hashed(catalog: Catalog, pairs: list[tuple[PhotoRecord, Path]]) -> list[tuple[PhotoRecord, Path]]:
    """The same with the content hash of every photo that can be read, where it was not known before."""
    hashed = []
    for place, (record, path) in enumerate(pairs):
        if record.id < 0 or record.sha256 or record.error:
            continue
        try:
            digest = content_hash(path)
        except UserError:
            continue  # it has vanished since; the next run says so
        hashed.append((record, digest))
        pairs[place] = (replace(record, sha256=digest), path)
    _keep_hashes(catalog, hashed)
    return pairs


def _ranked(
    catalog: Catalog, labeller: Labeller, pairs: Sequence[tuple[PhotoRecord, Path]]
) -> dict[int, tuple[Answer, ...]]:
    found, rows = catalog.load_embeddings([record.id for record, _ in pairs], labeller.key)
    if not found:
        return {}
    verdicts = labeller.judge(rows.astype(np.float32), keep=None)
    return {photo: verdict.answers for photo, verdict in zip(found, verdicts, strict=True)}


def _row(
    path: Path,
    record: PhotoRecord,
    held: Held | None,
    words: Mapping[str, str],
    ranked: tuple[Answer, ...] | None,
) -> Row:
    photo = Row(str(path), width=record.width, height=record.height, sha256=record.sha256, error=record.error)
    # What cannot be read any more has no answer of the model's; a person's word stays true.
    if held is None or not (held.confirmed or (held.proposal and not record.error)):
        return photo
    said = None if record.error else held.proposal
    own = said is not None and held.label == said.label
    # Beside a person's word of their own, the machine's second and third would read as if they came after it.
    answers = ranked if ranked is not None else _stored_answers(held) if own else ()
    return replace(
        photo,
        label=words.get(held.label, held.label),
        probability=said.probability if said and own else None,
        margin=said.margin if said and own else None,
        decision=held.decision,
        answers=tuple(replace(one, label=words.get(one.label, one.label)) for one in answers),
        source="person" if held.confirmed else "model",
        model=held.model,
        prompt_set=held.prompt_set,
    )


def _stored_answers(held: Held) -> tuple[Answer, ...]:
    said = held.proposal
    if said is None:
        return ()
    pairs = (
        (said.label, said.probability),
        (said.label_2, said.probability_2),
        (said.label_3, said.probability_3),
    )
    return tuple(Answer(name, part) for name, part in pairs if name and part is not None)
