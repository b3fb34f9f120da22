"""The last step of CLIP: the trunk meets the vectors of the text tower itself, each label in other words every time.

python -m models.training.align --data DIR --out DIR --trunk CHECKPOINT --text FOLDER --tokenizer FILE
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.families.convnext_trunk import TrunkConfig
from models.training.corpus import TEMPLATES, captions, clean, label_synonyms
from models.training.data import PhotoSet
from models.training.everyday import SYNONYMS
from models.training.loop import Run, arguments, averaged_weights, run_of, take_over, train
from models.training.teachers import class_names
from models.training.text import TextNet, encode, load_tokenizer, some_plural, text_config
from models.training.trunk import (
    SIDE,
    SIZES,
    JointNet,
    Signals,
    TrunkRecipe,
    concepts_of,
    middles,
    signals_of,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VARIANTS = 8
"""Sentences that each label is said in."""


class AlignRecipe(TrunkRecipe):
    """A short run at full size; the texts are the tower's, which lie a little beside the places it was taught."""

    rate = 1.5e-4
    average = 0.995

    def __init__(
        self, photos: PhotoSet, signals: Signals, variants: Tensor, run: Run, trunk: TrunkConfig = SIZES
    ) -> None:
        super().__init__(photos, signals, run.seed, trunk, sides=((1.0, SIDE),), device=run.device)
        self.variants = variants  # (variants, labels, d) unit

    def label_vectors(self, rng: np.random.Generator) -> Tensor:
        """See TrunkRecipe; each label in one of its sentences."""
        chosen = torch.from_numpy(rng.integers(len(self.variants), size=self.variants.shape[1]))
        return self.variants[chosen, torch.arange(len(chosen))]


def said_by(text: TextNet, tokenizer: Tokenizer, sentences: Sequence[str], batch: int = 256) -> Tensor:
    """Unit vectors (n, d) of the text tower."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(sentences), batch):
            ids, _ = encode(tokenizer, sentences[first : first + batch])
            found.append(text(ids)[0])
    return torch.cat(found).clone()


def variants_of(photos: PhotoSet, text: TextNet, tokenizer: Tokenizer, seed: int) -> Tensor:
    """(VARIANTS, labels, d): the plain sentence, then synonyms, plurals and templates as they fall."""
    rng = np.random.default_rng([seed, 5])
    words = label_synonyms(photos.labels, photos.folder, frozenset(SYNONYMS.values()))
    rounds = [[TEMPLATES[1].format(group[0]) for group in words]]
    for _ in range(VARIANTS - 1):
        chosen = [group[0] if rng.random() < 0.6 else str(rng.choice(group)) for group in words]
        rounds.append([TEMPLATES[rng.integers(len(TEMPLATES))].format(some_plural(w, rng)) for w in chosen])
    return torch.stack([said_by(text, tokenizer, sentences) for sentences in rounds])


def tower_signals(photos: PhotoSet, signals: Signals, text: TextNet, tokenizer: Tokenizer) -> Signals:
    """The signals with every text where the tower puts it."""

    def places(words: list[tuple[str, ...]]) -> Tensor:
        said = [TEMPLATES[1].format(word) for group in words for word in group]
        return middles(said_by(text, tokenizer, said), words)

    return replace(
        signals,
        label_vectors=said_by(text, tokenizer, [TEMPLATES[1].format(clean(w)) for w in photos.labels]),
        concept_vectors=places(concepts_of(photos)[0]),
        class_vectors=places(class_names(photos.folder)),
        caption_vectors=said_by(text, tokenizer, captions(photos)[0]),
    )


def align(photos: PhotoSet, trunk: JointNet, text: TextNet, tokenizer: Tokenizer, run: Run) -> JointNet:
    """Train `trunk` towards the finished text tower; the net that comes back holds the averaged weights."""
    text = text.cpu().eval()
    signals = tower_signals(photos, signals_of(photos), text, tokenizer)
    recipe = AlignRecipe(photos, signals, variants_of(photos, text, tokenizer, run.seed), run)
    recipe.module.load_state_dict(trunk.state_dict())
    recipe.module.load_state_dict(train(recipe, run))
    return recipe.module.cpu().eval()


def main(argv: Sequence[str] | None = None) -> None:
    """Align, then leave the checkpoint in --out/trunk for models.training.convnext and .clip to export."""
    parser = arguments("Align a trunk with a finished text tower")
    parser.add_argument("--trunk", type=Path, required=True, help="a checkpoint of models.training.convnext")
    parser.add_argument(
        "--text", type=Path, required=True, help="a folder with a finished run of the text tower"
    )
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="the tokenizer.json it was trained with"
    )
    options = parser.parse_args(argv)
    photos = PhotoSet(options.data, options.cache)
    tokenizer = load_tokenizer(options.tokenizer)
    text = TextNet(text_config(tokenizer))
    text.load_state_dict(averaged_weights(options.text / "checkpoint.safetensors"))
    run = run_of(options, "trunk")
    trunk = TrunkRecipe(photos, signals_of(photos), run.seed).module
    take_over(trunk, options.trunk)
    align(photos, trunk, text, tokenizer, run)


if __name__ == "__main__":
    main()
