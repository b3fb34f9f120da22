"""The bars that fit what a person has confirmed and rejected so far. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from desktop_app.label_folder import Said, Scored

LEAST_WORDS = 5  # fewer corrections than this teach nothing
_MOST_PLACES = 64


@dataclass(frozen=True)
class Lesson:
    """Bars that decide `fits` of `words` corrections as the person did; `now` is how many the present bars do."""

    min_probability: float
    min_margin: float
    fits: int
    words: int
    now: int


def learn(scored: Scored, said: dict[int, Said], probability: float, margin: float) -> Lesson | None:
    """The lowest pair of bars under which most right answers are labels and most wrong ones are not.

    None while there are fewer than LEAST_WORDS corrections on photos that have answers.
    """
    places, right = _corrections(scored, said)
    if len(places) < LEAST_WORDS:
        return None
    p, m = scored.probability[places], scored.margin[places]
    steps_p, steps_m = _steps(p), _steps(m)
    # (a, b, n): with bars (a, b) correction n would be a label
    named = (p >= steps_p[:, None])[:, None, :] & (m >= steps_m[:, None])[None, :, :]
    fits = (named == right).sum(axis=2)
    best = fits.max()
    now = int((((p >= probability) & (m >= margin)) == right).sum())
    # Among equals the pair nearest to the present bars: what was set by hand is not moved without a gain.
    far = np.abs(steps_p - probability)[:, None] + np.abs(steps_m - margin)[None, :]
    a, b = np.unravel_index(int(np.argmin(np.where(fits == best, far, np.inf))), fits.shape)
    return Lesson(float(steps_p[a]), float(steps_m[b]), int(best), len(places), now)


def _corrections(
    scored: Scored, said: dict[int, Said]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    places, right = [], []
    for place, word in said.items():
        if place >= len(scored.known) or not scored.known[place] or scored.best[place] < 0:
            continue
        name = scored.names[int(scored.best[place])]
        if word.label or name in word.rejected:
            places.append(place)
            right.append(word.label == name)
    return np.asarray(places, np.int64), np.asarray(right, bool)


def _steps(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Bars worth trying: between every two neighbouring values, and none at all."""
    sorted_values = np.unique(values)
    between = (sorted_values[:-1] + sorted_values[1:]) / 2
    if len(between) > _MOST_PLACES:
        between = between[np.linspace(0, len(between) - 1, _MOST_PLACES).astype(int)]
    steps = np.concatenate([np.zeros(1, np.float32), between, sorted_values[-1:] + np.float32(0.001)])
    return np.minimum(np.round(steps, 3), np.float32(1.0)).astype(np.float32)
