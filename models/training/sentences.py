"""Sentences around a word that leave its meaning alone: in any of them a label should land where it lands by itself.

A tower that was told 27 of them let any other change a label's place: with the program's own eighty ("a watercolour of
a ...") six of 41 right answers were lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from models.tasks.prompts import HOLE, PromptSet, enabled, load_prompt_set
from models.training.meanings import singular

TEMPLATES = (
    "{}",
    "a photo of a {}",
    "a photo of the {}",
    "a photo of {}",
    "a picture of a {}",
    "an image of a {}",
    "a {}",
    "the {}",
    "a close-up photo of a {}",
    "a blurry photo of a {}",
    "a bright photo of a {}",
    "a dark photo of a {}",
    "a cropped photo of a {}",
    "a good photo of a {}",
    "a photo of a small {}",
    "a photo of a large {}",
    "a photo of my {}",
    "a photo of one {}",
    "a photo of many {}",
    "a snapshot of a {}",
    "a black and white photo of a {}",
    "there is a {} in the photo",
    "this is a {}",
    "a low resolution photo of a {}",
    "itap of a {}",
    "a photo of a {} outdoors",
    "a photo of a {}.",
)


def _words(line: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in line.split(","))


_DETERMINERS = ("a", "a", "the", "the", "my", "one", "this", "some", "")
_PICTURES = _words(
    "photo, photo, photo, picture, image, photograph, snapshot, shot, close-up, view, drawing, sketch, doodle, "
    "painting, watercolour, print, poster, postcard, stamp, sculpture, statue, figurine, model, toy, cartoon, "
    "illustration, icon, logo, rendering, rendition, 3d model, tattoo, mural, graffiti, mosaic, embroidery, collage, "
    "screenshot, scan"
)
_OF_PICTURES = _words(
    "good, bad, nice, beautiful, ugly, strange, weird, funny, old, new, blurry, sharp, bright, dark, cropped, grainy, "
    "faded, low resolution, high resolution, pixelated, compressed, black and white, grey, colourful, close-up, "
    "tilted, simple, detailed, professional, amateur"
)
_OF_THINGS = _words(
    "large, small, big, little, tiny, huge, clean, dirty, nice, cool, weird, strange, old, new, beautiful, ugly, "
    "plastic, wooden, paper, origami, plush, toy, embroidered, stuffed, famous, typical, ordinary, single, lonely, "
    "broken, hard to see, half hidden"
)
_AFTER = (
    "in the picture",
    "in a video game",
    "in a film",
    "in a book",
    "up close",
    "from afar",
    "on a white background",
)


def shipped_sentences() -> tuple[PromptSet, ...]:
    """The sets that the program offers: who picks one is not to be worse off than with a plain sentence."""
    folder = Path(str(files("resources").joinpath("prompts")))
    return tuple(load_prompt_set(path) for path in sorted(folder.glob("*.txt")))


class Sentences:
    """Draws sentences for words; `names` are all words that have a place of their own."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        every = (template.text for one in shipped_sentences() for template in enabled(one.templates))
        self.shipped = tuple(dict.fromkeys(every))

    def around(self, word: str, plain: float, rng: np.random.Generator) -> str:
        """The word in a sentence: with probability `plain` "a photo of a ...", else in any."""
        kind = rng.random()
        if kind < plain:
            return TEMPLATES[1].replace(HOLE, word)
        kind = (kind - plain) / (1 - plain)
        if kind < 0.65:
            return _any(rng, TEMPLATES if kind < 0.4 else self.shipped).replace(HOLE, word)
        return self._composed(word, rng)

    def _composed(self, word: str, rng: np.random.Generator) -> str:
        quality = _any(rng, _OF_THINGS) if rng.random() < 0.5 else ""
        # A toy poodle is no poodle made of plush.
        if {f"{quality} {word}", f"{quality} {singular(word)}"} & self.names:
            quality = ""
        text = _phrase(rng, quality, word)
        if rng.random() < 0.75:
            quality = _any(rng, _OF_PICTURES) if rng.random() < 0.5 else ""
            text = f"{_phrase(rng, quality, _any(rng, _PICTURES))} of {text}"
        if rng.random() < 0.15:
            text += f" {_any(rng, _AFTER)}"
        return text + "." if rng.random() < 0.5 else text


def _phrase(rng: np.random.Generator, quality: str, noun: str) -> str:
    words = [_any(rng, _DETERMINERS), quality, noun]
    if words[0] == "a" and (quality or noun)[0] in "aeiou":
        words[0] = "an"
    return " ".join(word for word in words if word)


def _any(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]
