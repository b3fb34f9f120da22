"""The models that are measured: ViT-B/32 of random weights as the hub has it, and the bundled CLIP."""

from collections.abc import Iterable
from pathlib import Path

from models.errors import ModelError
from models.registry import list_models
from models.spec import Capability, ModelSpec


def write_vit_b32(folder: Path, words: Iterable[str] = ("a", "photo")) -> Path:
    """A hub folder of ViT-B/32 with random weights and a tokenizer that knows these words whole."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    from tests.models.clip_tools import write_folder, write_tokenizer

    size = write_tokenizer(folder, sorted(set(words)))
    torch.manual_seed(0)
    marks = {"bos_token_id": size - 2, "eos_token_id": size - 1}
    vision = {"hidden_size": 768, "num_hidden_layers": 12, "patch_size": 32, "image_size": 224}
    return write_folder(folder, CLIPModel(CLIPConfig(text_config=marks, vision_config=vision)))


def bundled_clip() -> ModelSpec:
    """The first model that compares photos with words; ModelError where none is bundled."""
    able = [spec for spec in list_models() if Capability.ZERO_SHOT in spec.capabilities]
    if not able:
        raise ModelError("No bundled CLIP is here to measure")
    return able[0]
