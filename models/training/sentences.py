"""Sentences around a word that leave its meaning alone: in any of them a label should land where it lands by itself.

A tower that was told 27 of them let any other change a label's place: with the program's own eighty ("a watercolour of
a ...") six of 41 right answers were lost. Told those too, and what can be composed of their words, it still lost one in
six where a person says it as people do ("the ... that I saw yesterday"): so it is told what people write as well.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
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


#: What a word that shows nothing adds to a thing.
_ASIDES = (
    "the {aside} of {it}",
    "{aside} of {it}",
    "{aside}: {it}",
    "{it} of {aside}",
    "{it} for the {aside}",
    "{it} from {aside}",
    "{it} in {aside}",
    "{it} and {aside}",
    "{it}, {aside}",
    "my {aside}'s {word}",
)
#: Words that people write beside a thing, at most.
_REACH = 4


@dataclass(frozen=True)
class Surroundings:
    """What people write around things, and words that show nothing."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    asides: tuple[str, ...] = ()


def surroundings(sentences: Iterable[str], things: Container[str], asides: Sequence[str]) -> Surroundings:
    """What the sentences say just before and just after any of `things`, up to the next thing: that shows none."""
    before, after = set(), set()
    for sentence in sentences:
        words = re.findall(r"[\w'-]+", sentence)
        gap: list[str] = []
        begun = False
        for word, is_thing in zip(words, _of_things(words, things), strict=True):
            if not is_thing:
                gap.append(word)
                continue
            before.add(" ".join(gap[-_REACH:]))
            if begun:
                after.add(" ".join(gap[:_REACH]))
            gap, begun = [], True
        if begun:
            after.add(" ".join(gap[:_REACH]))
    return Surroundings(tuple(sorted(before - {""})), tuple(sorted(after - {""})), tuple(asides))


def _of_things(words: Sequence[str], things: Container[str], longest: int = 3) -> list[bool]:
    """Which words belong to one of `things`, in singular or plural."""
    found = [False] * len(words)
    for count in range(1, longest + 1):
        for first in range(len(words) - count + 1):
            run = " ".join(words[first : first + count])
            if run in things or singular(run) in things:
                found[first : first + count] = [True] * count
    return found


class Sentences:
    """Draws sentences for words; `names` are all words that have a place of their own."""

    def __init__(self, names: Iterable[str], around: Surroundings = Surroundings()) -> None:
        self.names = frozenset(names)
        self.said = around
        every = (template.text for one in shipped_sentences() for template in enabled(one.templates))
        self.shipped = tuple(dict.fromkeys(every))

    def around(self, word: str, plain: float, rng: np.random.Generator) -> str:
        """The word in a sentence: with probability `plain` "a photo of a ...", else in any."""
        kind = rng.random()
        if kind < plain:
            return TEMPLATES[1].replace(HOLE, word)
        kind = (kind - plain) / (1 - plain)
        if kind < 0.5:
            return _any(rng, TEMPLATES if kind < 0.3 else self.shipped).replace(HOLE, word)
        if kind < 0.75 and self.said.before:
            return self._said(word, rng)
        return self._composed(word, rng)

    def _said(self, word: str, rng: np.random.Generator) -> str:
        """The word as people say it, and half of the time beside one that shows nothing."""
        before = _any(rng, self.said.before).split() if rng.random() < 0.7 else [_any(rng, _DETERMINERS)]
        after = _any(rng, self.said.after).split() if rng.random() < 0.5 else []
        before = before[int(rng.integers(len(before))) :]
        after = after[: int(rng.integers(len(after) + 1))]
        # A polar dog is a dog; a polar bear, and a horse chestnut, are other things.
        if self._another(before[-1], word):
            before = ["the"]
        if after and self._another(word, after[0]):
            after = []
        text = " ".join(part for part in (*before, word, *after) if part)
        if self.said.asides and rng.random() < 0.5:
            aside = _any(rng, self.said.asides)
            text = _any(rng, _ASIDES).format(aside=aside, it=text, word=" ".join([word, *after]))
        return text + _any(rng, ("", "", "", ".", "!", "?"))

    def _another(self, first: str, second: str) -> bool:
        return bool({f"{first} {second}", f"{first} {singular(second)}"} & self.names)

    def _composed(self, word: str, rng: np.random.Generator) -> str:
        quality = _any(rng, _OF_THINGS) if rng.random() < 0.5 else ""
        # A toy poodle is no poodle made of plush.
        if self._another(quality, word):
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
