"""From embeddings to answers: probabilities, margins, and label, unsure or unknown, for ten thousand photos at once."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float32]
TOP = 3
SAME = 0.93  # cosine of two sentences from which on they mean the same


class Decision(IntEnum):
    """What is said of a photo. The numbers are those of Scores.decision."""

    LABEL = 0
    UNSURE = 1
    UNKNOWN = 2

    @property
    def word(self) -> str:
        """label, unsure or unknown: the word of the CSV."""
        return self.name.lower()


@dataclass(frozen=True)
class Bars:
    """What an answer must reach: probability, lead over the second, and (with `background`) how far it is known.

    `min_known` is the least share of the best label against the neutral prompts; below it nothing is named. With the
    bundled model 97 of 100 photos that show a label pass 0.7, and 72 of those that show none.
    """

    min_probability: float = 0.5
    min_margin: float = 0.1
    background: bool = True
    min_known: float = 0.7


@dataclass(frozen=True, eq=False)
class Scores:
    """Answers for n photos among k labels.

    probability, cosine (n, k) float32; top (n, min(3, k)) int32, best first; best, second (n,) int32, second -1 where
    k is 1; margin (n,) between the two; known (n,) the share of the best against the neutral prompts (1 without);
    decision (n,) uint8 of Decision.
    """

    probability: Floats
    cosine: Floats
    top: NDArray[np.int32]
    best: NDArray[np.int32]
    second: NDArray[np.int32]
    margin: Floats
    known: Floats
    decision: NDArray[np.uint8]


def score(
    embeddings: Floats,
    text: Floats,
    scale: float,
    bars: Bars | None = None,
    background: Floats | None = None,
    mode: str = "single",
) -> Scores:
    """Scores of unit rows (n, d) against unit label rows (k, d), `scale` being the model's temperature.

    single: softmax over the labels. multi: each label alone against the neutral prompts, sigmoid of the difference.
    unknown: the best label does not stand out from the neutral prompts (b, d). unsure: a bar is not reached.
    """
    bars = bars or Bars()
    if not len(text):
        raise ModelError("There are no labels", "", "Type at least one label")
    cosine = np.asarray(embeddings, dtype=np.float32) @ np.asarray(text, dtype=np.float32).T
    n, k = cosine.shape
    logits = cosine * np.float32(scale)
    top = _top(logits, min(TOP, k))
    best = top[:, 0]
    rows = np.arange(n)
    level = None if background is None else _level(embeddings, _others(background, text), scale)
    if mode == "multi":
        probability = _sigmoid(logits - (_mean_exp(logits) if level is None else level)[:, None])
    else:
        probability = _softmax(logits)
    first = probability[rows, best]
    margin = first - probability[rows, top[:, 1]] if k > 1 else first.copy()
    known = np.ones(n, dtype=np.float32) if level is None else _sigmoid(logits[rows, best] - level)
    return Scores(
        probability=probability,
        cosine=cosine,
        top=top,
        best=best,
        second=top[:, 1] if k > 1 else np.full(n, -1, dtype=np.int32),
        margin=margin,
        known=known,
        decision=_decide(first, margin, known, bars, mode),
    )


def holding(scores: Scores, bars: Bars) -> NDArray[np.bool_]:
    """(n, k) which labels a photo is given where each is judged by itself (mode "multi"): all that reach the bar of
    probability. A photo that is unsure, or whose best label does not stand out from the neutral prompts, has none."""
    given: NDArray[np.bool_] = scores.probability >= np.float32(bars.min_probability)
    given[scores.decision != Decision.LABEL] = False
    return given


def _decide(first: Floats, margin: Floats, known: Floats, bars: Bars, mode: str) -> NDArray[np.uint8]:
    sure = first >= bars.min_probability
    if mode != "multi":  # where several labels may hold at once, a close second is no doubt
        sure &= margin >= bars.min_margin
    decision = np.where(sure, np.uint8(Decision.LABEL), np.uint8(Decision.UNSURE))
    if bars.background:
        decision[known < bars.min_known] = Decision.UNKNOWN
    return decision


def _top(logits: Floats, count: int) -> NDArray[np.int32]:
    """(n, count) indices of the largest, best first, the earlier label first among equals."""
    left = logits if count == 1 else logits.copy()
    rows = np.arange(len(logits))
    top = np.empty((len(logits), count), dtype=np.int32)
    for place in range(count):
        # As often as places are wanted: three passes are quicker than sorting or partitioning a hundred.
        top[:, place] = left.argmax(axis=1) if left.size else 0
        if place + 1 < count:
            left[rows, top[:, place]] = -np.inf
    return top


def _softmax(logits: Floats) -> Floats:
    out: Floats = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


def _sigmoid(x: Floats) -> Floats:
    # exp of minus the size never overflows, whichever side of zero x is on.
    small = np.exp(-np.abs(x))
    out: Floats = np.where(x >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return out


def _others(background: Floats, text: Floats) -> Floats:
    """The neutral prompts but for those that say the same as a label: “a person” is no doubt of the label “person”."""
    other: Floats = background[(background @ text.T).max(axis=1) < SAME]
    return other if len(other) else background


def _level(embeddings: Floats, background: Floats, scale: float) -> Floats:
    """(n,) how well the neutral prompts fit, as one logit."""
    return _mean_exp((embeddings @ background.T) * np.float32(scale))


def _mean_exp(logits: Floats) -> Floats:
    """(n,) log of the mean of the exponentials of each row."""
    highest = logits.max(axis=1)
    out: Floats = highest + np.log(np.exp(logits - highest[:, None]).mean(axis=1))
    return out
