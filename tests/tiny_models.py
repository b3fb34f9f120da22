"""Tiny random models as real folders on disk: milliseconds to run, answers that differ from photo to photo."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

from models.bundle import write_bundle
from models.families.clip import CLIP, CLIPConfig, TextConfig, ViTConfig
from models.families.clip_resnet import ResNetConfig
from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.mae import MAE, MAEConfig
from models.spec import IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Preprocess

START, END = "<|startoftext|>", "<|endoftext|>"
CARD = "---\nlicense: mit\n---\n\n# {title}\n\nRandom weights, for tests.\n"


def byte_tokenizer() -> tuple[str, int]:
    """(tokenizer.json, size of the vocabulary): every byte is a token, framed as CLIP frames a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*letters, START, END])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens([START, END])
    special = [(START, vocabulary[START]), (END, vocabulary[END])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=special
    )
    return tokenizer.to_str(), len(vocabulary)


def write_tiny_clip(folder: Path, seed: int = 0, vision: ViTConfig | ResNetConfig | None = None) -> ModelSpec:
    """A CLIP with an image tower of 32 px, or this one; the same weights for the same seed."""
    vision = vision or ViTConfig(width=32, hidden=64, depth=2, heads=2, image_size=32, patch=8)
    tokenizer_json, size = byte_tokenizer()
    config = CLIPConfig(
        TextConfig(
            vocab_size=size, width=32, hidden=64, depth=2, heads=2, bos=size - 2, eos=size - 1, pad=size - 1
        ),
        vision,
        embed_dim=24,
        logit_scale_init=3.0,
    )
    torch.manual_seed(seed)  # what is not scattered is drawn, too
    module = CLIP(config)
    _scatter(module, seed, kept=("logit_scale",))
    return write_bundle(
        folder,
        module,
        config.to_hf(),
        Preprocess(vision.image_size, (vision.image_size, vision.image_size)),
        tokenizer_json,
        CARD.format(title="Tiny CLIP"),
        "float32",
    )


def write_tiny_mae(folder: Path, seed: int = 0) -> ModelSpec:
    """A masked autoencoder of 64 px in patches of 16."""
    config = MAEConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=64, patch_size=16,
        decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=64,
    )  # fmt: skip
    torch.manual_seed(seed)
    preprocess = Preprocess(64, (64, 64), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    card = CARD.format(title="Tiny MAE")
    return write_bundle(folder, MAE(config), config.to_hf(), preprocess, None, card, "float32")


def write_tiny_convnext(folder: Path, seed: int = 0) -> ModelSpec:
    """A ConvNeXt of four one-block stages that tells cats, dogs and foxes apart (at random)."""
    config = ConvNeXtConfig.from_hf(
        {
            "model_type": "convnext", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "image_size": 64,
            "id2label": {"0": "cat", "1": "dog", "2": "fox"}, "label2id": {"cat": 0, "dog": 1, "fox": 2},
        }
    )  # fmt: skip
    torch.manual_seed(seed)
    module = ConvNeXt(config)
    _scatter(module, seed, kept=("gamma", "layer_scale_parameter"))
    preprocess = Preprocess(64, (64, 64), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    card = CARD.format(title="Tiny ConvNeXt")
    return write_bundle(folder, module, config.to_hf(), preprocess, None, card, "float32")


def _scatter(module: nn.Module, seed: int, kept: tuple[str, ...] = ()) -> None:
    """Large enough random weights that photos and words spread over the space instead of all lying in one place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.rsplit(".", 1)[-1] in kept:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
            if parameter.dim() > 1:
                parameter.copy_(noise * fan_in**-0.5 * 1.5)
            else:
                parameter.add_(noise * 0.1)


def labels_of(folder: Path) -> list[str]:
    """The class names in a model folder's config.json."""
    return list(json.loads((folder / "config.json").read_text())["id2label"].values())
