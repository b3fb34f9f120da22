"""Small CLIP folders as `transformers` writes them, tokenizer and image processor included."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = ("photo", "cat", "dog", "the", "of", "straße", "it's", "a")


def byte_letters() -> list[str]:
    """The 256 printable letters that stand for bytes in byte-level BPE (as GPT-2 and CLIP use them)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (256 + number for number in range(256 - len(printable)))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def small_vocabulary(words: Sequence[str] = WORDS) -> tuple[dict[str, int], list[str]]:
    """Letters, letters that end a word, merges that build a few words, and the two special tokens last."""
    letters = byte_letters()
    tokens = [*sorted(letters), *(letter + "</w>" for letter in sorted(letters))]
    merges: list[str] = []
    for word in words:
        parts = [letters[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        left = parts[0]
        for right in parts[1:]:
            if f"{left} {right}" not in merges:
                merges.append(f"{left} {right}")
                tokens.append(left + right)
            left += right
    return {token: number for number, token in enumerate(dict.fromkeys([*tokens, START, END]))}, merges


def write_tokenizer(folder: Path, words: Sequence[str] = WORDS) -> int:
    """Write a small CLIP tokenizer as the hub has it (vocab, merges, tokenizer.json); gives the vocabulary's size."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = small_vocabulary(words)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    CLIPTokenizerFast.from_pretrained(folder, model_max_length=77).save_pretrained(folder)
    return len(vocabulary)


def reference(
    text: dict[str, Any] | None = None, vision: dict[str, Any] | None = None, embed: int = 32, seed: int = 0
) -> CLIPModel:
    """A CLIPModel of `transformers` with random weights, large enough that nothing hides in rounding."""
    torch.manual_seed(seed)
    model = CLIPModel(
        CLIPConfig(text_config=text or {}, vision_config=vision or {}, projection_dim=embed)
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Norms and biases start at ones and zeros, which would hide a mix-up of names.
            if name.endswith("bias") or "norm" in name or "layrnorm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


TINY_TEXT: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "max_position_embeddings": 77,
}
TINY_VISION: dict[str, Any] = {
    "hidden_size": 40,
    "intermediate_size": 70,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 48,
    "patch_size": 8,
}


def write_folder(folder: Path, model: CLIPModel) -> Path:
    """The model and its image processor in a folder, as the hub has them."""
    model.save_pretrained(folder)
    side = model.config.vision_config.image_size
    CLIPImageProcessor(size={"shortest_edge": side}, crop_size=side).save_pretrained(folder)
    return folder


def write_tiny(folder: Path, seed: int = 0, **text: Any) -> CLIPModel:
    """A whole tiny CLIP folder: weights, image processor, tokenizer."""
    size = write_tokenizer(folder)
    eos: dict[str, Any] = {"vocab_size": size, "bos_token_id": size - 2, "eos_token_id": size - 1, **text}
    model = reference({**TINY_TEXT, **eos}, TINY_VISION, seed=seed)
    write_folder(folder, model)
    return model
