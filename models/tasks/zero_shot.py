"""Zero-shot labels with CLIP (arXiv 2103.00020, section 3.1): photos and sentences in one space, compared by cosine.

Text embeddings are cached one by one, so that an edit embeds only what is new; scoring ten thousand photos is one
matrix product.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError, UserError, no_numbers
from models.families.base import Entry
from models.images import prepare_file
from models.onnx_export import sample
from models.tasks.prompts import (
    BARE,
    Label,
    PromptSet,
    Remark,
    Template,
    check_prompts,
    enabled,
    format_labels,
    format_prompt_set,
    load_labels,
    load_prompt_set,
    parse_labels,
    parse_prompt_set,
    render,
    save_prompt_set,
)
from models.tasks.scoring import Bars, Decision, Scores, score

if TYPE_CHECKING:
    from models.runtime import Model

__all__ = [
    "BACKGROUND",
    "BARE",
    "Bars",
    "Decision",
    "Label",
    "PhotoResult",
    "PromptSet",
    "Remark",
    "Scores",
    "Template",
    "TextCache",
    "check_prompts",
    "embed_background",
    "embed_labels",
    "embed_photos",
    "embed_texts",
    "enabled",
    "format_labels",
    "format_prompt_set",
    "load_labels",
    "load_prompt_set",
    "parse_labels",
    "parse_prompt_set",
    "render",
    "save_prompt_set",
    "score",
]

Floats = NDArray[np.float32]
# Runs a function over items, in order and perhaps ahead of the reader, as desktop_app.work.decode_ahead does.
Mapper = Callable[[Callable[[Path], "_Decoded"], Iterable[Path]], Iterator["_Decoded"]]

# What a label must fit better than to be known: sentences that say nothing, and broad kinds of things, since a photo
# of none of the labels fits one of those. (Measured on 1,629 labelled photos and labels drawn at random: the area
# under the curve of known against none is 0.76 with both, 0.72 with the empty sentences alone.)
BACKGROUND = (
    "a photo",
    "a picture",
    "an image",
    "a photo of something",
    "a photo of something else",
    "a picture of a thing",
    "a photo of a place",
    "a photo of an object",
    "a photo of a person",
    "a photo of an animal",
    "a photo of an animal in the water",
    "a photo of a bird",
    "a photo of a fish",
    "a photo of an insect",
    "a photo of a plant",
    "a photo of a flower",
    "a photo of a tree",
    "a photo of food",
    "a photo of a drink",
    "a photo of fruit",
    "a photo of a vehicle",
    "a photo of a building",
    "a photo of a room",
    "a photo of furniture",
    "a photo of a street",
    "a photo of a landscape",
    "a photo of the sea",
    "a photo of the sky",
    "a photo of a mountain",
    "a photo of a machine",
    "a photo of a tool",
    "a photo of a toy",
    "a photo of a household object",
    "a photo of a container",
    "a photo of clothing",
    "a photo of a book",
    "a photo of text",
    "a photo of a sign",
    "a photo of a screen",
    "a photo of an instrument",
    "a photo of a ball",
    "a photo of sport",
)
_SIGHT = Entry("embed_image", ("pixel_values",))
_TEXT_BATCH = 64
_KEPT_TEXTS = 50_000


class TextCache:
    """Unit text embeddings (d,) by model version and sentence; the ones used longest ago go first when it is full."""

    def __init__(self, most: int = _KEPT_TEXTS) -> None:
        self._rows: OrderedDict[tuple[str, str, str], Floats] = OrderedDict()
        self._most = most
        self.embedded = 0  # sentences that a model was run for

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: tuple[str, str, str]) -> Floats | None:
        """The embedding, or None."""
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: tuple[str, str, str], row: Floats) -> None:
        """Keeps an embedding."""
        self.embedded += 1
        self._rows[key] = row
        while len(self._rows) > self._most:
            self._rows.popitem(last=False)


def embed_texts(model: "Model", texts: Sequence[str], cache: TextCache | None = None) -> Floats:
    """Unit embeddings (n, d) float32 of sentences; the model runs only for those that are not in the cache.

    ModelError where it gives no numbers for them.
    """
    cache = TextCache() if cache is None else cache
    if not texts:
        raise ModelError("There is no text to embed")
    rows: dict[str, Floats] = {}
    for text in texts:
        row = cache.get((model.spec.version, model.precision, text))
        if row is not None:
            rows[text] = row
    # Sentences of like length share a batch, so that little of it is padding.
    new = sorted({text for text in texts if text not in rows}, key=lambda text: (len(text), text))
    for at in range(0, len(new), _TEXT_BATCH):
        part = new[at : at + _TEXT_BATCH]
        ids, mask = model.tokenizer.encode(part)
        embedded = _unit(model.run("text", input_ids=ids, attention_mask=mask))
        if not np.isfinite(embedded).all():
            raise no_numbers(model.spec.title, "Its answer to the words")
        for text, row in zip(part, embedded, strict=True):
            rows[text] = row
            cache.put((model.spec.version, model.precision, text), row)
    return np.stack([rows[text] for text in texts])


def embed_labels(
    model: "Model", labels: Sequence[Label], templates: Sequence[Template], cache: TextCache | None = None
) -> Floats:
    """Unit rows (k, d) float32: each the normalised weighted mean of its sentences' unit embeddings (section 3.1.4)."""
    if not labels:
        raise ModelError("There are no labels", "", "Type at least one label")
    used = enabled(templates)
    weights = [t.weight for t in used]
    sentences = [render(label, used) for label in labels]
    rows = embed_texts(model, [text for part in sentences for text in part], cache)
    means = np.empty((len(labels), rows.shape[1]), dtype=np.float32)
    at = 0
    for index, (label, part) in enumerate(zip(labels, sentences, strict=True)):
        shares = np.repeat(np.asarray(weights, dtype=np.float32), len(label.prompts))
        means[index] = shares @ rows[at : at + len(part)]
        at += len(part)
    return _unit(means)


def embed_background(model: "Model", cache: TextCache | None = None) -> Floats:
    """Unit rows (b, d) float32 of the sentences that stand for everything else."""
    return embed_texts(model, BACKGROUND, cache)


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    out: Floats = rows / np.maximum(norms, 1e-12)
    return out


@dataclass(frozen=True, eq=False)
class PhotoResult:
    """One photo: a unit embedding (d,) float32, or the error that says why there is none."""

    path: Path
    embedding: Floats | None
    full_size: tuple[int, int] | None
    error: UserError | None


@dataclass(frozen=True, eq=False)
class _Decoded:
    path: Path
    pixels: Floats | None
    full_size: tuple[int, int] | None
    error: UserError | None


def embed_photos(
    model: "Model",
    paths: Iterable[Path],
    *,
    batch: int | None = None,
    mapper: Mapper | None = None,
    scaled: bool = True,
) -> Iterator[PhotoResult]:
    """A result for each path, in order; what is wrong with a photo is in its result, what fails in the model is raised.

    `mapper` decodes ahead on threads of the application's (default: one after the other); `scaled` decodes JPEG small.
    """
    preprocess = model.preprocess

    def decode(path: Path) -> _Decoded:
        try:
            pixels, size = prepare_file(path, preprocess, scaled=scaled)
            return _Decoded(Path(path), pixels, size, None)
        except UserError as error:
            return _Decoded(Path(path), None, None, error)

    decoded = mapper(decode, paths) if mapper is not None else map(decode, paths)
    waiting: list[_Decoded] = []
    readable = 0
    try:
        for photo in decoded:
            waiting.append(photo)
            readable += photo.pixels is not None
            if readable >= (batch or model.batch_size) or len(waiting) >= 256:
                yield from _finish(model, waiting)
                waiting, readable = [], 0
        yield from _finish(model, waiting)
    finally:
        if hasattr(decoded, "close"):
            decoded.close()  # stops the threads of a mapper when the reader stops early


def _finish(model: "Model", photos: Sequence[_Decoded]) -> Iterator[PhotoResult]:
    pixels = [photo.pixels for photo in photos if photo.pixels is not None]
    found = (
        _unit(model.run("image", pixel_values=np.stack(pixels))) if pixels else np.empty((0, 0), np.float32)
    )
    if not np.isfinite(found).all():
        _check_sight(model)
    rows = iter(found)
    for photo in photos:
        if photo.pixels is None:
            yield PhotoResult(photo.path, None, None, photo.error)
            continue
        row = next(rows)
        if np.isfinite(row).all():
            yield PhotoResult(photo.path, row, photo.full_size, None)
        else:
            error = ModelError(
                f"{model.spec.title} gave no number for this photo", "", "Try another precision"
            )
            yield PhotoResult(photo.path, None, photo.full_size, error)


def _check_sight(model: "Model") -> None:
    """ModelError where even an ordinary picture gives no numbers: then no photo is to blame for it."""
    if not np.isfinite(model.run("image", **sample(model.spec, _SIGHT, 1))).all():
        raise no_numbers(model.spec.title, "Its answer to a photo")
