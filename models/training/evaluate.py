"""Measure a model folder: python -m models.training.evaluate FOLDER --data DIR [--card]."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import DataError
from models.images import prepare
from models.runtime import Model, open_model
from models.tasks.prompts import HOLE, enabled
from models.tasks.scoring import Decision, score
from models.tasks.zero_shot import embed_background
from models.training.calibrate import calibration_error, offers
from models.training.corpus import captions, clean, labels_own
from models.training.data import Bytes, Floats, PhotoSet, as_small_jpeg, default_cache, unit
from models.training.everyday import ENSEMBLE, EVERYDAY, ONE_TEMPLATE, STRANGE, SYNONYMS, UNTOLD
from models.training.label_head import label_shares, leads_of
from models.training.sentences import shipped_sentences

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

BATCH = 64
SHOTS = 5
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Inverse strengths of the probe's regularisation."""
#: How the name of the first figure of a CLIP begins.
BY_WORDS = "zero-shot top-1 over"
#: A lead (see leads_of) below which a label is rare among large photos: a third of its share.
RARE = -1.0
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """One number beside what it must reach; `at_least` None where it is for information."""

    name: str
    value: float
    unit: str = "%"
    at_least: float | None = None
    at_least_gpu: float | None = None

    @property
    def reached(self) -> bool:
        return self.at_least is None or self.value >= self.at_least

    def line(self) -> str:
        """A row of the card's table."""
        space = "" if self.unit == "%" else " "
        bar = "" if self.at_least is None else f"{self.at_least:g}{space}{self.unit}"
        verdict = "" if self.at_least is None else ("yes" if self.reached else "no")
        return f"| {self.name} | {self.value:.2f}{space}{self.unit} | {bar} | {verdict} |"


def run_photos(
    model: Model, photos: PhotoSet, rows: Ints, entry: str, look: Callable[[Bytes], Bytes] | None = None
) -> Floats:
    """The answers of an entry for photos `rows`, after `look`, prepared as the folder's own preprocessing says."""
    found = []
    for first in range(0, len(rows), BATCH):
        shown = (photos.rgb(int(i)) for i in rows[first : first + BATCH])
        pixels = np.stack([prepare(look(rgb) if look else rgb, model.preprocess) for rgb in shown])
        found.append(model.run(entry, pixel_values=pixels))
    return np.concatenate(found)


def embed_texts(model: Model, texts: Sequence[str]) -> Floats:
    """Unit vectors (n, d) of texts."""
    found = []
    for first in range(0, len(texts), 256):
        ids, mask = model.tokenizer.encode(list(texts[first : first + 256]))
        found.append(model.run("text", input_ids=ids, attention_mask=mask))
    return np.concatenate(found)


def in_templates(model: Model, names: Sequence[str], templates: Sequence[str]) -> Floats:
    """Unit vectors (n, d) of names, averaged over templates (arXiv 2103.00020, section 3.1.4)."""
    mean = np.mean([embed_texts(model, [t.replace(HOLE, n) for n in names]) for t in templates], axis=0)
    return unit(mean)


def top(scores: Floats, truth: Ints, k: int = 1) -> float:
    """Share in per cent of rows whose true column is among the k highest."""
    own = scores[np.arange(len(truth)), truth][:, None]
    return 100 * float(np.mean((scores > own).sum(axis=1) < k))


def clip_figures(model: Model, photos: PhotoSet) -> list[Figure]:
    """Zero-shot over all labels with val photos, templates, everyday labels, synonyms, captions."""
    rows = photos.val
    images = run_photos(model, photos, rows, "image")
    label_ids = photos.label_ids[rows]
    shown = np.unique(label_ids[label_ids >= 0])
    names = [clean(photos.labels[i]) for i in shown]
    known = label_ids >= 0
    truth = np.searchsorted(shown, label_ids[known])
    texts = {t: in_templates(model, names, [t]) for t in ENSEMBLE}
    single = {t: images[known] @ v.T for t, v in texts.items()}
    best = max(top(s, truth) for s in single.values())
    together = images[known] @ unit(np.mean(list(texts.values()), axis=0)).T
    one = single[ONE_TEMPLATE]
    figures = [
        Figure(f"{BY_WORDS} {len(names)} labels, one template", top(one, truth), "%", 20, 38),
        Figure(f"zero-shot top-5 over {len(names)} labels, one template", top(one, truth, 5), "%", 45, 65),
        Figure(
            f"ensemble of {len(ENSEMBLE)} templates minus the best single one",
            top(together, truth) - best,
            "%",
            0,
        ),
    ]
    offered = {f"“{one.name}”": [t.text for t in enabled(one.templates)] for one in shipped_sentences()}
    for what, sentences in offered.items():
        if len(sentences) > 1:
            value = top(images[known] @ in_templates(model, names, sentences).T, truth) - top(one, truth)
            figures.append(Figure(f"{what} together, minus one template", value))
    strange = [in_templates(model, names, [t]) for t in STRANGE]
    all_of_them = top(images[known] @ unit(np.mean(strange, axis=0)).T, truth)
    alone = float(np.mean([top(images[known] @ v.T, truth) for v in strange]))
    what = f"{len(STRANGE)} sentences that the text tower was never told"
    figures += [
        Figure(f"{what} together, minus one template", all_of_them - top(one, truth)),
        Figure("these sentences, each alone, in the mean, minus one template", alone - top(one, truth)),
    ]
    chosen = offers(images[known], texts[ONE_TEMPLATE], truth)
    figures += [
        Figure(
            f"top-1 when {chosen.shape[1]} labels are offered", 100 * float(np.mean(chosen.argmax(1) == 0))
        ),
        Figure(
            "the same: how far its probabilities are off (temperature fitted on val too)",
            calibration_error(chosen, model.scale),
        ),
    ]
    own = labels_own(photos)
    figures += _sizes(model, photos, rows[known], one, texts[ONE_TEMPLATE], shown, own)
    figures += _everyday(model, photos, images, own)
    figures += _synonyms(model, photos, images, names, shown)
    figures += _captions(model, photos, images)
    figures.append(Figure(f"linear probe, {SHOTS} photos a class", probe(model, photos, "image", images)))
    return figures


def _sizes(
    model: Model,
    photos: PhotoSet,
    rows: Ints,
    scores: Floats,
    texts: Floats,
    shown: Ints,
    own: Sequence[tuple[int, ...]],
) -> list[Figure]:
    """Whether a label is told by how sharp its photos happen to be: large photos, and the same reduced."""
    large = photos.large[rows]
    if not large.any():
        return []
    truth = np.searchsorted(shown, photos.label_ids[rows[large]])
    rare = leads_of(photos, label_shares(photos, own))[shown] < RARE
    found = []
    for what, seen in (
        (f"the {large.sum()} val photos of 112 px", scores[large]),
        ("the same, reduced to 64 px", run_photos(model, photos, rows[large], "image", reduced) @ texts.T),
    ):
        given = 100 * float(rare[seen.argmax(axis=1)].mean())
        found += [
            Figure(f"{what}: top-1", top(seen, truth)),
            Figure(f"{what}: given one of the {rare.sum()} labels that few large photos have", given),
        ]
    return [*found, Figure("of these photos, such a label is true of", 100 * float(rare[truth].mean()))]


def reduced(rgb: Bytes) -> Bytes:
    """A photo of 112 px as the small ones are."""
    image = Image.fromarray(rgb)
    scale = 64 / min(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return np.asarray(as_small_jpeg(small))


def _everyday(model: Model, photos: PhotoSet, images: Floats, own: Sequence[tuple[int, ...]]) -> list[Figure]:
    """Twenty labels alone, and what the program's own bars then say of photos of them, and of other things."""
    places = {
        label: number
        for label, group in {(row.label, row.group) for row in photos.rows}
        for number, (groups, labels) in enumerate(EVERYDAY.values())
        if (group and group in groups) or label in labels
    }
    truth = np.array([places.get(photos.rows[i].label, -1) for i in photos.val], np.int64)
    known = truth >= 0
    texts = in_templates(model, list(EVERYDAY), [ONE_TEMPLATE])
    value = top(images[known] @ texts.T, truth[known])
    decision = score(images, texts, model.scale, background=embed_background(model)).decision
    # What photos with captions alone show, nobody has said in one word.
    others = ~known & (photos.label_ids[photos.val] >= 0)
    found = [Figure(f"20 everyday labels, top-1 on {known.sum()} photos", value, "%", 70, 88)]
    # Larger photos than most of those that have labels, and what five people said of each.
    told = [{places[photos.labels[k]] for k in own[i] if photos.labels[k] in places} for i in photos.val]
    spoken = np.array([bool(t) for t in told]) & (photos.label_ids[photos.val] < 0)
    if spoken.any():
        best = (images @ texts.T).argmax(axis=1)
        right = [best[i] in told[i] for i in np.flatnonzero(spoken)]
        dogs = sum(told[i] == {places.get("dog")} for i in np.flatnonzero(spoken))
        what = f"the same on {spoken.sum()} photos whose captions name one ({dogs} of them a dog)"
        found.append(Figure(what, 100 * float(np.mean(right))))
    for what, rows in (("these", known), (f"{others.sum()} photos of other labels", others)):
        if rows.any():
            called, named = decision[rows] != Decision.UNKNOWN, decision[rows] == Decision.LABEL
            found += [
                Figure(f"of {what}, not called unknown", 100 * float(called.mean())),
                Figure(f"of {what}, given one of the twenty, right or wrong", 100 * float(named.mean())),
            ]
    return found


def _synonyms(model: Model, photos: PhotoSet, images: Floats, names: list[str], shown: Ints) -> list[Figure]:
    clash = sorted(set(SYNONYMS.values()) & {clean(label) for label in photos.labels})
    if clash:
        raise DataError("The synonyms are among the labels", f"these are labels: {', '.join(clash)}")
    changed = [i for i, name in enumerate(names) if name in SYNONYMS]
    if not changed:
        return []
    truth = np.searchsorted(shown, photos.label_ids[photos.val])
    inside = np.isin(photos.label_ids[photos.val], shown[changed])
    # All labels stay on offer; only the words for these sixty change.
    plain = in_templates(model, names, [ONE_TEMPLATE])
    other = in_templates(model, [SYNONYMS.get(name, name) for name in names], [ONE_TEMPLATE])
    before, after = (top(images[inside] @ t.T, truth[inside]) for t in (plain, other))
    among = np.array(changed)
    small_truth = np.searchsorted(among, truth[inside])
    untold = np.isin(truth[inside], [i for i, name in enumerate(names) if name in UNTOLD])
    near, far = (top(images[inside] @ t[among].T, small_truth) for t in (plain, other))
    found = [
        Figure(f"own words, top-1 among the {len(changed)} labels", near),
        Figure("synonyms that are no label, top-1 among the same", far, "%", 0.75 * near, 0.75 * near),
        Figure("own words, all labels on offer", before),
        Figure("synonyms that are no label, all labels on offer", after, "%", 0.75 * before, 0.75 * before),
    ]
    if untold.any():
        for what, t in (("own words", plain), ("synonyms", other)):
            value = top(images[inside][untold] @ t.T, truth[inside][untold])
            found.append(
                Figure(f"the same for the {len(UNTOLD)} that no list puts with their label, {what}", value)
            )
    return found


def _captions(model: Model, photos: PhotoSet, images: Floats) -> list[Figure]:
    said, owner = captions(photos)
    place = {int(i): p for p, i in enumerate(photos.val) if photos.rows[i].source == "flickr8k"}
    kept = [(text, int(photo)) for text, photo in zip(said, owner, strict=True) if int(photo) in place]
    if not kept:
        return []
    order = {photo: number for number, photo in enumerate(place)}
    texts = embed_texts(model, [text for text, _ in kept])
    of = np.array([order[photo] for _, photo in kept])
    scores = texts @ images[list(place.values())].T
    to_photo = top(scores, of, 10)
    ranked = np.argsort(-scores, axis=0)[:10]
    to_text = 100 * float(np.mean([np.any(of[ranked[:, c]] == c) for c in range(len(order))]))
    what = f"{len(kept)} captions and {len(order)} photos"
    return [
        Figure(f"text to photo, recall at 10 ({what})", to_photo, "%", 12, 30),
        Figure(f"photo to text, recall at 10 ({what})", to_text, "%", 12, 30),
    ]


def probe(model: Model, photos: PhotoSet, entry: str, val: Floats | None = None) -> float:
    """Top-1 in per cent of a linear classifier on 5 train photos a class, over the labels with val photos."""
    rng = np.random.default_rng(0)
    ids = photos.label_ids
    shown = np.unique(ids[photos.val])
    rows = np.concatenate(
        [rng.permutation(photos.train[ids[photos.train] == label])[:SHOTS] for label in shown[shown >= 0]]
    )
    known = ids[photos.val] >= 0
    if val is None:
        val = run_photos(model, photos, photos.val, entry)
    features = run_photos(model, photos, rows, entry)
    mean, spread = features.mean(0), features.std(0) + 1e-6
    said = fitted_probe((features - mean) / spread, ids[rows]).predict((val[known] - mean) / spread)
    return 100 * float(np.mean(said == ids[photos.val][known]))


def fitted_probe(features: Floats, labels: Ints) -> LogisticRegression:
    """Logistic regression of features (n, d), as CLIP's authors probe theirs (arXiv 2103.00020, appendix A.3).

    Its strength is the one of STRENGTHS that is best on every class's first photo when the others teach it.
    """
    from sklearn.linear_model import LogisticRegression

    def fit(strength: float, chosen: NDArray[np.bool_]) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=300).fit(features[chosen], labels[chosen])

    _, first, count = np.unique(labels, return_index=True, return_counts=True)
    held = np.zeros(len(labels), bool)
    held[first[count > 1]] = True
    right = [fit(c, ~held).score(features[held], labels[held]) for c in STRENGTHS] if held.any() else [0.0]
    return fit(STRENGTHS[int(np.argmax(right))], np.ones(len(labels), bool))


def convnext_figures(model: Model, photos: PhotoSet) -> list[Figure]:
    """Top-1 and top-5 over its own classes, and a probe of its features."""
    names = {clean(str(v)): int(k) for k, v in model.spec.config["id2label"].items()}
    rows = np.array([i for i in photos.val if clean(photos.rows[i].label) in names], np.int64)
    truth = np.array([names[clean(photos.rows[i].label)] for i in rows], np.int64)
    scores = run_photos(model, photos, rows, "logits")
    return [
        Figure(f"top-1 over {len(names)} classes, {len(rows)} photos", top(scores, truth), "%", 25, 45),
        Figure(f"top-5 over {len(names)} classes", top(scores, truth, 5)),
        Figure(
            f"linear probe, {SHOTS} photos a class (bar: pinhole-clip by words)",
            probe(model, photos, "embed"),
            "%",
            by_words(model.spec.folder.parent / "pinhole-clip"),
        ),
    ]


def by_words(folder: Path) -> float | None:
    """The zero-shot top-1 over all labels that was measured of a CLIP folder; None where none was."""
    path = folder / "figures.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return next((float(one["value"]) for one in kept if one["name"].startswith(BY_WORDS)), None)


def _kinds() -> dict[str, Callable[[Model, PhotoSet], list[Figure]]]:
    from models.training.evaluate_mae import mae_figures

    return {"clip": clip_figures, "convnext": convnext_figures, "mae": mae_figures}


def evaluate(folder: Path, photos: PhotoSet) -> list[Figure]:
    """Every figure of a model folder; DataError for a family that has none."""
    model = open_model(folder, device="cpu", engine="torch", precision="float32")
    kinds = _kinds()
    if model.spec.family not in kinds:
        raise DataError(f"There is no measure for {model.spec.family}", "", f"Known: {', '.join(kinds)}")
    return kinds[model.spec.family](model, photos)


START, END = "<!-- figures -->", "<!-- /figures -->"


def write_card(folder: Path, figures: Sequence[Figure], command: str) -> None:
    """Put the table between the two marks of the folder's README.md (at its end where there are none)."""
    table = ["| measured on val | value | bar | reached |", "|---|---|---|---|", *(f.line() for f in figures)]
    block = "\n".join([START, *table, "", f"Measured with `{command}`.", END])
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# {folder.name}\n"
    if START in text and END in text:
        text = text[: text.index(START)] + block + text[text.index(END) + len(END) :]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    path.write_text(text, encoding="utf-8")
    (folder / "figures.json").write_text(
        json.dumps([asdict(f) for f in figures], indent=1) + "\n", encoding="utf-8"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print every figure beside its bar; 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--card", action="store_true", help="write the figures into the folder's README.md")
    options = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    figures = evaluate(options.folder, PhotoSet(options.data, options.cache))
    for figure in figures:
        print(figure.line())
    if options.card:
        shown = options.folder.name if options.folder.is_absolute() else options.folder.as_posix()
        command = f"python -m models.training.evaluate {shown} --data DIR --card"
        write_card(options.folder, figures, command)
    return 0 if all(f.reached for f in figures) else 1


def square(rgb: Bytes) -> Bytes:
    """The central square of a photo."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top_row, left = (height - side) // 2, (width - side) // 2
    return rgb[top_row : top_row + side, left : left + side]


if __name__ == "__main__":
    raise SystemExit(main())
