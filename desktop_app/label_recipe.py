"""A recipe as a file: labels, templates, bars and mode in one readable JSON, for the window and the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from desktop_app.labelling import Recipe
from models.errors import TextError
from models.tasks.export import write_text_whole
from models.tasks.prompts import Label, Template
from models.tasks.scoring import Bars

_VERSION = 1
_MOST_BYTES = 16 << 20


def to_text(recipe: Recipe) -> str:
    """The recipe as JSON; what says nothing new (a prompt that is the name, a weight of 1) is left out."""
    bars = recipe.bars
    return json.dumps(
        {
            "pinhole_recipe": _VERSION,
            "mode": recipe.mode,
            "bars": {
                "min_probability": bars.min_probability,
                "min_margin": bars.min_margin,
                "background": bars.background,
                "min_known": bars.min_known,
            },
            "labels": [_label_out(label) for label in recipe.labels],
            "prompt_set": recipe.prompt_set,
            "templates": [_template_out(item) for item in recipe.templates],
        },
        indent=2,
        ensure_ascii=False,
    )


def from_text(text: str, name: str = "The recipe") -> Recipe:
    """The recipe of such a text. TextError says what does not fit."""
    try:
        found = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise TextError(f"{name} cannot be read", f"It is no JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("pinhole_recipe"), int):
        raise TextError(f"{name} is no recipe of Pinhole", "It has no entry “pinhole_recipe”")
    if found["pinhole_recipe"] > _VERSION:
        raise TextError(f"{name} is from a newer version of Pinhole", "", "Update Pinhole to read it")
    try:
        return _recipe(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TextError(
            f"{name} cannot be read", f"An entry is missing or of the wrong kind ({error})"
        ) from error


def load(path: Path) -> Recipe:
    """The recipe of a file. TextError where it cannot be read."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TextError(f"{path.name} is no recipe of Pinhole", "It is far too long")
        recipe = from_text(path.read_text("utf-8-sig"), path.name)
        to_text(recipe).encode()  # JSON can write half a character, which the catalogue cannot hold
        return recipe
    except OSError as error:
        raise TextError(
            f"{path.name} cannot be read", error.strerror or os.strerror(error.errno or 0)
        ) from error
    except UnicodeError as error:
        raise TextError(f"{path.name} cannot be read", "It is not UTF-8 text") from error


def save(path: Path, recipe: Recipe) -> None:
    """Write a file that `load` reads, whole or not at all. DataError where that cannot be."""
    write_text_whole(path, [to_text(recipe) + "\n"])


def _label_out(label: Label) -> Any:
    out: dict[str, Any] = {"name": label.name}
    if label.prompts != (label.name,):
        out["prompts"] = list(label.prompts)
    if label.keyword != label.name:
        out["keyword"] = label.keyword
    return label.name if len(out) == 1 else out


def _template_out(item: Template) -> Any:
    out: dict[str, Any] = {"text": item.text}
    if item.weight != 1:
        out["weight"] = item.weight
    if not item.enabled:
        out["enabled"] = False
    return item.text if len(out) == 1 else out


def _recipe(found: dict[str, Any]) -> Recipe:
    bars, default = found.get("bars", {}), Bars()
    mode: Literal["single", "multi"] = "multi" if found.get("mode") == "multi" else "single"
    return Recipe(
        tuple(_label(item) for item in found["labels"]),
        tuple(_template(item) for item in found["templates"]),
        str(found.get("prompt_set", "")),
        Bars(
            _part(bars.get("min_probability", default.min_probability)),
            _part(bars.get("min_margin", default.min_margin)),
            bool(bars.get("background", True)),
            _part(bars.get("min_known", default.min_known)),
        ),
        mode,
    )


def _label(item: Any) -> Label:
    if isinstance(item, str):
        return Label(item)
    prompts = item.get("prompts", [])
    if not isinstance(prompts, list):
        raise TypeError(f"the prompts of {item['name']!r} are no list")
    return Label(str(item["name"]), tuple(map(str, prompts)), str(item.get("keyword", "")))


def _template(item: Any) -> Template:
    if isinstance(item, str):
        return Template(item)
    weight = float(item.get("weight", 1.0))
    if not 0 <= weight < 1e6:
        raise ValueError(f"the weight {weight:g} is out of range")
    return Template(str(item["text"]), weight, bool(item.get("enabled", True)))


def _part(value: Any) -> float:
    part = float(value)
    if not 0 <= part <= 1:
        raise ValueError(f"{part:g} is not between 0 and 1")
    return part
