"""Label lists and prompt sets by name: those that ship, and the person's own, as readable files. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from desktop_app import paths
from models.errors import TextError
from models.tasks.prompts import Label, PromptSet, load_labels, load_prompt_set, save_prompt_set

SAMPLES = "samples"  # the label list that fits the sample photos
_NUMBER = re.compile(r"^\d+-")  # shipped sets are numbered, which gives their order
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


class NameTaken(TextError):
    """One of the person's own files has this name already; it was left as it is."""


@dataclass(frozen=True)
class Preset:
    """A file with a name: `key` is what one types (photo), `title` what one reads (its first line)."""

    key: str
    title: str
    path: Path
    own: bool = False


def label_lists() -> list[Preset]:
    """The label lists, the person's own last. Reads the first line of each file."""
    return _presets(paths.resource("labels"), _own("labels"))


def prompt_sets() -> list[Preset]:
    """The prompt sets, the person's own last; one that is called like a shipped one takes its place."""
    return _presets(paths.resource("prompts"), _own("prompt_sets"))


def labels_of(key: str) -> tuple[Label, ...]:
    """The labels of a list. TextError where there is none of this name."""
    return load_labels(_find(label_lists(), key, "label list").path)


def prompt_set_of(key: str) -> PromptSet:
    """The prompt set of this name. TextError names those there are."""
    return load_prompt_set(_find(prompt_sets(), key, "prompt set").path)


def save_own_set(chosen: PromptSet, *, replaces: bool = False) -> Path:
    """Keep a prompt set under the person's own. NameTaken unless `replaces`; TextError where that cannot be."""
    path = _place(chosen.name, replaces)
    save_prompt_set(path, chosen)
    return path


def forget(preset: Preset) -> None:
    """Delete one of the person's own files. TextError where that cannot be."""
    if not preset.own:
        raise TextError(f"“{preset.title}” ships with the program", "", "Only your own can be deleted")
    try:
        preset.path.unlink(missing_ok=True)
    except OSError as error:
        raise TextError(f"“{preset.title}” could not be deleted", error.strerror or str(error)) from error


def _own(kind: str) -> Path:
    return paths.config_dir() / kind


def _place(title: str, replaces: bool) -> Path:
    """The file for the prompt set of this title: the one that has it, else a free one."""
    folder = _own("prompt_sets")
    files = sorted(folder.glob("*.txt"))
    for path in files:
        if _same(_title(path) or path.stem, title):
            if not replaces:
                raise NameTaken(f"There is a “{title}” already", "", "Take another name, or replace it")
            return path
    # Titles that differ only in what no file name can hold, or beyond its length, must not share a file.
    taken = {path.stem.casefold() for path in files}
    stem = name = _file_name(title)
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} {number}"
    return folder / f"{name}.txt"


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _presets(shipped: Path, own: Path) -> list[Preset]:
    found: dict[str, Preset] = {}
    for folder, is_own in ((shipped, False), (own, True)):
        for path in sorted(folder.glob("*.txt")) if folder.is_dir() else []:
            key = path.stem if is_own else _NUMBER.sub("", path.stem)
            found.pop(key, None)
            found[key] = Preset(key, _title(path) or key, path, is_own)
    return list(found.values())


def _title(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first = file.readline(1000).strip()
    except OSError:
        return ""
    return first[1:].strip() if first.startswith("#") else ""


def _find(presets: list[Preset], key: str, kind: str) -> Preset:
    word = key.strip().casefold()
    # The keys first: the title of one may be the key of another.
    for preset in [one for one in presets if one.key.casefold() == word] + presets:
        if word in (preset.key.casefold(), preset.title.casefold()):
            return preset
    known = ", ".join(preset.key for preset in presets)
    raise TextError(f"There is no {kind} “{key}”", "", f"Take one of: {known}")


def _file_name(title: str) -> str:
    return _UNSAFE.sub(" ", title).strip(" .")[:80] or "unnamed"
