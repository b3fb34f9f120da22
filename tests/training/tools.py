"""Small networks, signals and texts for the tests of the recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families.clip import CLIP
from models.families.convnext_trunk import TrunkConfig
from models.families.mae import MAEConfig
from models.training import clip, convnext, mae, trunk
from models.training.classes import ClassRecipe
from models.training.corpus import labels_own
from models.training.data import PhotoSet
from models.training.label_head import LabelHeads
from models.training.text import (
    LabelPlaces,
    TextRecipe,
    Texts,
    text_config,
    train_tokenizer,
)

LABELS = ("dog", "pizza", "beach", "car")


TINY = TrunkConfig(
    hidden_sizes=(16, 16, 32, 32),
    depths=(1, 1, 1, 1),
    image_size=112,
    layer_norm_eps=1e-6,
    layer_scale_init_value=0.2,
)


TINY_MAE = MAEConfig(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    layer_norm_eps=1e-6,
    image_size=112,
    patch_size=16,
    decoder_num_attention_heads=2,
    decoder_hidden_size=16,
    decoder_num_hidden_layers=1,
    decoder_intermediate_size=32,
)


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Rows of unit length, always the same."""
    return nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def drawn_signals(photos: PhotoSet) -> trunk.Signals:
    """Signals in the shapes of the real ones; the first features of a photo are those of its label."""
    rng = np.random.default_rng(1)
    n = len(photos)
    features = rng.random((2, n, 2, 1280)).astype(np.float16) / 100
    features[:, np.arange(n), :, photos.label_ids] = 1
    return trunk.Signals(
        features=tuple(features),
        labels_seen=LabelHeads(
            9 * torch.eye(len(photos.labels), 1280).expand(2, -1, -1),
            torch.tensor([[0.0, 0, 0, 0], [4, 0, 0, 0]]),
            torch.arange(n) % 2,
        ),
        labels_own=labels_own(photos),
        leads=np.array([0.2, -0.4, 0, 0], np.float32),
        feature_mean=torch.zeros(1280),
        feature_std=torch.ones(1280),
        head_weight=unit(1000, 1280),
        head_bias=torch.zeros(1000),
        classes=np.tile(np.arange(32), (n, 1)),
        log_probabilities=np.full((n, 32), -3.5, np.float32),
        label_vectors=unit(len(photos.labels), 384),
        concept_vectors=unit(2, 384, seed=2),
        concept_of=F.one_hot(torch.arange(len(photos.labels)) % 2, 2).float(),
        label_shares=torch.tensor([0.4, 0.3, 0.2, 0.1]),
        class_vectors=unit(1000, 384, seed=3),
        caption_vectors=unit(6, 384, seed=1),
        caption_of=[np.arange(2) if row.captions else np.empty(0, np.int64) for row in photos.rows],
    )


def drawn_texts() -> tuple[Texts, object]:
    """A vocabulary and the places of a few words."""
    names = ["dog", "puppy", "pizza", "beach", "car", "quokka"]
    sentences = ["a dog runs on the beach", "two cars and a pizza"] * 70
    # Room for every word: where merges are left out, the trainer breaks ties differently from run to run.
    tokenizer = train_tokenizer(names + sentences, 800)
    texts = Texts(
        names=names,
        raw_vectors=unit(len(names), 384),
        name_vectors=unit(len(names), 384),
        clip_vectors=unit(len(names), 512),
        common=np.arange(3),
        sentences=sentences,
        sentence_vectors=unit(len(sentences), 384),
        label_vectors=unit(4, 384, seed=5),
        token_vectors=unit(tokenizer.get_vocab_size(), 384),
    )
    return texts, tokenizer


def text_recipe() -> TextRecipe:
    texts, tokenizer = drawn_texts()
    recipe = TextRecipe(texts, tokenizer, 0, replace(text_config(tokenizer, width=64, depth=1)))  # type: ignore[arg-type]
    recipe.size = 8
    return recipe


class Killed(Exception):
    """What a test raises where a kill would come."""


def killed_at(recipe: object, step: int) -> object:
    """The recipe, ending the process (as it seems) when `step` begins."""
    kind = type(recipe)

    def ending(self: object, number: int, progress: float) -> object:
        if number == step:
            raise Killed
        return kind.batch(self, number, progress)  # type: ignore[attr-defined]

    # Its class, not the recipe alone, so that a shard of it ends as well.
    recipe.__class__ = type("Ending", (kind,), {"batch": ending})
    return recipe


def tiny_trunk(photos: PhotoSet) -> trunk.TrunkRecipe:
    recipe = trunk.TrunkRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),))
    # Eight photos, since they are small.
    recipe.size = 4
    return recipe


def recipe_on(kind: str, photos: PhotoSet, device: str) -> TextRecipe | mae.MAERecipe | trunk.TrunkRecipe:
    if kind == "trunk":
        return trunk.TrunkRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),), device=device)
    if kind == "classes":
        return ClassRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),), device=device)
    if kind == "mae":
        return mae.MAERecipe(photos, 0, TINY_MAE, device=device)
    texts, tokenizer = drawn_texts()
    places = LabelPlaces([("dog", "puppy"), ("car",)], unit(2, 384), np.array([0.5, 0.5]))
    config = text_config(tokenizer, width=64, depth=1)  # type: ignore[arg-type]
    return TextRecipe(texts, tokenizer, 0, config, places, device=device)  # type: ignore[arg-type]


def aligned(photos: PhotoSet) -> tuple[trunk.JointNet, CLIP]:
    """A small CLIP by the recipe's own road, and the net it was made of."""
    joint = tiny_trunk(photos).module.eval()
    recipe = text_recipe()
    return joint, clip.assemble(joint, recipe.module)


def write_pair(joint: trunk.JointNet, whole: CLIP, folder: Path) -> None:
    """The classifier and the CLIP of one trunk, as finished models."""
    from models.bundle import write_bundle

    convnext.export(joint.classifier, folder / "pinhole-convnext")
    tokenizer = drawn_texts()[1].to_str()  # type: ignore[attr-defined]
    write_bundle(
        folder / "pinhole-clip", whole, whole.config.to_hf(), trunk.PREPROCESS, tokenizer, "# clip\n"
    )


def with_words(texts: Texts, *words: str) -> Texts:
    """The same vocabulary with more names, all of them drawn anew."""
    names = [*texts.names, *words]
    return replace(
        texts,
        names=names,
        raw_vectors=unit(len(names), 384, seed=6),
        name_vectors=unit(len(names), 384, seed=7),
    )
