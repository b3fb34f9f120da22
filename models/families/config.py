"""Reading values out of a config.json with errors in words: shared by the families."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from models.errors import WrongModelError


def wrong(what: str) -> WrongModelError:
    """The error for a configuration that describes no network that can be built."""
    return WrongModelError(
        "The configuration of this model cannot be understood",
        what,
        "Compare its config.json with the one published with the model",
    )


def whole(config: Mapping[str, Any], key: str, default: int, *, least: int = 1, most: int = 1 << 20) -> int:
    """A whole number of the configuration, in [least, most]; `default` where the key is absent or null."""
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, (list, tuple)) and value and all(v == value[0] for v in value):
        value = value[0]
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value % 1
    ):
        raise wrong(f"“{key}” is {value!r}, not a whole number")
    if not least <= value <= most:
        raise wrong(f"“{key}” is {value}, outside of {least} to {most}")
    return int(value)


def wholes(
    config: Mapping[str, Any], key: str, default: tuple[int, ...], *, count: int | None = None
) -> tuple[int, ...]:
    """A list of whole numbers of the configuration, each at least 1, `count` of them where that is given."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, (list, tuple)) or (count is not None and len(value) != count):
        raise wrong(f"“{key}” is {value!r}, not a list of {count or 'some'} whole numbers")
    return tuple(whole({key: v}, key, 0) for v in value)


def real(config: Mapping[str, Any], key: str, default: float) -> float:
    """A number of the configuration; `default` where the key is absent or null."""
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise wrong(f"“{key}” is {value!r}, not a number")
    return float(value)


def entries(config: Mapping[str, Any], described: type) -> dict[str, Any]:
    """What the configuration says of the fields of a dataclass, each of its default's kind; null counts as absent."""
    found: dict[str, Any] = {}
    for field in fields(described):
        key, usual, value = field.name, field.default, config.get(field.name)
        if value is None:
            continue
        if isinstance(usual, bool):
            if not isinstance(value, bool):
                raise wrong(f"“{key}” is {value!r}, neither true nor false")
        elif isinstance(usual, int):
            value = whole(config, key, usual, least=0)
        elif isinstance(usual, float):
            value = real(config, key, usual)
        elif isinstance(usual, tuple):
            value = wholes(config, key, usual)
        found[key] = value
    return found


def choice(config: Mapping[str, Any], key: str, default: str, known: Mapping[str, Any]) -> str:
    """One of the names in `known`; `default` where the key is absent or null."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, str) or value not in known:
        raise wrong(f"“{key}” is {value!r}, which is none of {', '.join(known)}")
    return value


def section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A nested object of the configuration, empty where absent; the hub's older `{key}_dict` goes over it."""
    merged: dict[str, Any] = {}
    for name in (key, f"{key}_dict"):
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise wrong(f"“{name}” is {value!r}, not an object")
        merged.update(value)
    return merged
