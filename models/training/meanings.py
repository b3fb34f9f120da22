"""Which words lie together in the text space although the sentence encoder puts them apart.

It was trained on sentences, where "pail" and "bucket" or "mug" and "cup" stand in other company.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.training.data import Floats, unit

#: Cosine in CLIP's space (its mean taken out) at which a noun begins to look like a label, and where it does most.
ALIKE = (0.45, 0.7)
LOOK = 0.7
"""How far a noun is moved at most towards the labels it looks like."""
#: How much more the nearest of several labels draws a noun than the others do: by looks, and by the words' places.
_SHARPNESS, _SHARPNESS_NEAR = 20.0, 40.0
#: Cosine in the shared space at which a noun begins to move towards the labels near it, and from which on it moves by
#: NEAR; chosen on 178 synonyms of WordNet and LVIS, the sixty that the evaluation asks for not among them.
NEIGHBOURS = (0.2, 0.5)
NEAR = 0.7
"""How far a noun is moved at most towards the labels near it."""


def singular(word: str) -> str:
    """English, by the regular endings alone; the word itself where it ends like none."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    regular = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if regular else word


def plural(word: str) -> str:
    """English, by the regular endings alone; words that end in s stay, since most of them are plurals."""
    if word.endswith(("ch", "sh", "x")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return word[:-1] + "ies"
    return word if word.endswith("s") else word + "s"


def in_either_number(labels: Sequence[str]) -> dict[str, str]:
    """Every label by its own name and, unless another label has it, by its singular."""
    found = {label: label for label in labels}
    for label in labels:
        found.setdefault(singular(label), label)
    return found


def pull_together(
    vectors: Floats,
    synsets: Sequence[tuple[str, ...]],
    place: Mapping[str, int],
    labels: Sequence[str],
    everyday: Sequence[tuple[str, ...]] = (),
) -> Floats:
    """Move words (words, d) towards those that mean the same; `labels` stay, since photos are trained towards them.

    A word goes to the label of its synset where there is one, else to the synset's middle: most of the way when it
    has that meaning alone, half of it when there is another one, and not at all when there are more. `everyday` are
    synsets of what photos show: a word of theirs has no other meaning here (a hog is no motorcycle).
    """
    label_of, fixed = in_either_number(labels), set(labels)
    meanings = {**_meanings(synsets), **_meanings([group for group in everyday if len(group) > 1])}
    moved = vectors.copy()
    for word, own in meanings.items():
        anchored = [synset for synset in own if any(w in label_of for w in synset)]
        synset = (anchored or own)[0]
        if word in fixed or len(synset) == 1 or len(own) > 2 or (len(own) == 2 and not anchored):
            continue
        towards = [place[label_of[w]] for w in synset if w in label_of] or [place[w] for w in synset]
        pull = (0.8 if len(own) == 1 else 0.5) if anchored else 0.5
        moved[place[word]] = _between(vectors[place[word]], vectors[towards].mean(axis=0), pull)
    return unit(moved)


def _meanings(synsets: Sequence[tuple[str, ...]]) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for synset in synsets:
        for word in synset:
            found[word].append(synset)
    return found


def pull_to_neighbours(vectors: Floats, label_vectors: Floats, fixed: NDArray[np.int64]) -> Floats:
    """Move words (words, d) towards the labels (labels, d) that they lie near already; words `fixed` (m,) stay.

    Photos are trained towards labels alone. What a word has of its own beside a label (where "washroom" differs from
    "bathroom" for a reader of sentences) points where no photo lies, and any other label is then nearer.
    """
    moved = vectors.copy()
    free = np.setdiff1d(np.arange(len(vectors)), fixed)
    for part in np.array_split(free, max(1, len(free) // 4096)):
        likeness = vectors[part] @ label_vectors.T
        nearest = likeness.max(axis=1, keepdims=True)
        middles = unit(np.exp(_SHARPNESS_NEAR * (likeness - nearest)) @ label_vectors)
        pulls = NEAR * np.clip((nearest - NEIGHBOURS[0]) / (NEIGHBOURS[1] - NEIGHBOURS[0]), 0, 1)
        moved[part] += pulls * (middles - moved[part])
    return unit(moved)


def pull_to_look_alikes(
    vectors: Floats,
    clip_vectors: Floats,
    place: Mapping[str, int],
    labels: Sequence[str],
    settled: NDArray[np.bool_],
) -> Floats:
    """Move nouns (words, d) that CLIP knows towards the labels they look like to it; `settled` ones (words,) stay.

    `clip_vectors` (words, 512) are zero for the nouns that it was not asked about.
    """
    label_of = in_either_number(labels)
    known = np.abs(clip_vectors).sum(axis=1) > 0
    seen = clip_vectors - clip_vectors[known].mean(axis=0)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    anchors = [(place[w], place[label]) for w, label in label_of.items() if w in place and known[place[w]]]
    nouns = [i for w, i in place.items() if known[i] and not settled[i] and w not in label_of]
    if not anchors or not nouns:
        return vectors
    looks, targets = (np.array(v) for v in zip(*anchors, strict=True))
    likeness = seen[nouns] @ seen[looks].T
    share = np.exp(_SHARPNESS * (likeness - likeness.max(axis=1, keepdims=True)))
    middles = share @ vectors[targets]
    pulls = LOOK * np.clip((likeness.max(axis=1) - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1)
    moved = vectors.copy()
    for noun, middle, pull in zip(nouns, middles, pulls, strict=True):
        moved[noun] = _between(vectors[noun], middle, float(pull))
    return unit(moved)


def _between(start: Floats, end: Floats, share: float) -> Floats:
    return np.asarray((1 - share) * start + share * end / np.linalg.norm(end), np.float32)
