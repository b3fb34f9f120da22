"""What open_clip says of a CLIP in a file of its own, beside weights whose names and shapes do not tell it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bundle import CONFIG, read_json
from models.errors import ModelError
from models.families.config import section, whole, wrong
from models.spec import Preprocess

OPEN_CLIP = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
# How files are called that may have been trained with either activation.
_EITHER = re.compile(r"open_clip|laion|datacomp|commonpool", re.IGNORECASE)


def weights_in(folder: Path) -> Path | None:
    """The weights of a folder that has open_clip's description and not the hub's; None for another one."""
    if (folder / CONFIG).is_file() or not (folder / OPEN_CLIP).is_file():
        return None
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def told(source: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], Preprocess | None]:
    """The config.json of a CLIP and its preprocessing, by the open_clip_config.json beside its weights.

    ModelError where there is none and the weights may be of a kind that gives other answers without it.
    """
    path, seen = source.with_name(OPEN_CLIP), dict(section(config, "vision_config"))
    convolutional = seen.get("model_type") == "convnext"
    if not path.is_file():
        if convolutional or (_EITHER.search(source.name) and "quickgelu" not in source.name.lower()):
            raise ModelError(
                f"{source.name} does not say all that its answers follow from",
                "open_clip trained such weights with two activations and at several sizes",
                f"Put the {OPEN_CLIP} that was published with it beside it",
            )
        return dict(config), None
    said = read_json(path)
    model, looks = section(said, "model_cfg"), section(said, "preprocess_cfg")
    vision, text = section(model, "vision_cfg"), dict(section(config, "text_config"))
    if looks.get("resize_mode", "shortest") != "shortest":
        raise wrong(f"“resize_mode” is {looks['resize_mode']!r}, not 'shortest'")
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    text |= {"hidden_act": activation}
    text["num_attention_heads"] = whole(section(model, "text_cfg"), "heads", text["num_attention_heads"])
    if seen.get("model_type") == "clip_vision_model":
        head = whole(vision, "head_width", 64)
        seen |= {"hidden_act": activation, "num_attention_heads": max(1, seen["hidden_size"] // head)}
    if convolutional:
        seen["image_size"] = whole(vision, "image_size", seen["image_size"])
    side = seen["image_size"]
    photo: dict[str, Any] = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    photo |= {f"image_{name}": looks[name] for name in ("mean", "std") if name in looks}
    return {**config, "text_config": text, "vision_config": seen}, Preprocess.from_hf(photo)
