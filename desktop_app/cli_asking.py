"""What a command asks of the photos: labels and templates from words, files and names."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app import paths
from desktop_app.cli_progress import printable
from desktop_app.labelling import Recipe
from desktop_app.settings import Settings
from models.errors import TextError
from models.tasks.zero_shot import (
    Bars,
    Label,
    PromptSet,
    Template,
    check_prompts,
    load_labels,
    load_prompt_set,
)

if TYPE_CHECKING:
    from models.runtime import Model

DEFAULT_SET = "photo"
# What holds where the shipped files are missing (a copy of the source alone).
_BUILT_IN = {
    "plain": PromptSet("plain", (Template("{}"),)),
    "photo": PromptSet("photo", (Template("a photo of a {}."),)),
}


def recipe_of(arguments: argparse.Namespace, labels: Sequence[Label] | None = None) -> Recipe:
    """The recipe of --labels, --templates-file and the bars; ``labels`` where the command knows them better.

    The bars are the program's own unless they are given, not those a person last dragged to in the window: a script
    gives the same answers tomorrow.
    """
    chosen = prompt_set_of(arguments)
    asked = tuple(labels) if labels is not None else labels_of(arguments)
    declared = Settings.DECLARED
    probability, margin = arguments.min_probability, arguments.min_margin
    bars = Bars(
        min_probability=declared["min_probability"].default if probability is None else probability,
        min_margin=declared["min_margin"].default if margin is None else margin,
        background=not arguments.no_background,
    )
    return Recipe(asked, chosen.templates, chosen.name, bars, "multi" if arguments.multi else "single")


def labels_of(arguments: argparse.Namespace) -> tuple[Label, ...]:
    """The labels that were typed or that a file holds. TextError where there are none."""
    if arguments.labels_file:
        labels = _labels_in(arguments.labels_file)
        where = arguments.labels_file.name
    else:
        labels = tuple(Label(word.strip()) for word in (arguments.labels or "").split(",") if word.strip())
        where = "--labels"
    if not labels:
        raise TextError(f"There is no label in {where}", "", "Give at least one, as in --labels cat,dog")
    return labels


def _labels_in(path: Path) -> tuple[Label, ...]:
    """Lines `name | synonyms | keyword`, or a CSV with these columns (the name alone will do)."""
    if path.suffix.lower() != ".csv":
        return load_labels(path)
    # The same reading and refusing as for text, before the columns are looked at.
    text = "\n".join(" | ".join(_columns(row)) for row in _rows(path))
    from models.tasks.zero_shot import parse_labels

    return parse_labels(text)


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = (error.strerror if isinstance(error, OSError) else "It is not UTF-8 text") or str(error)
        raise TextError(
            f"{path.name} cannot be read", cause, "Check the path, or save it as “CSV UTF-8”"
        ) from error
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    header = rows[0][0].strip().casefold() if rows else ""
    return rows[1:] if header in ("label", "name", "class", "category") else rows


def _columns(row: list[str]) -> list[str]:
    return [" ".join(cell.replace("|", " ").split()) for cell in row[:3]]


def prompt_set_of(arguments: argparse.Namespace) -> PromptSet:
    """The templates of a file or of a set by name. TextError names the sets there are."""
    if arguments.templates_file:
        chosen = load_prompt_set(arguments.templates_file)
        if not chosen.templates:
            cure = "Write one sentence a line, with {} for the label"
            raise TextError(f"There is no template in {arguments.templates_file.name}", "", cure)
        return chosen
    name = arguments.prompt_set or DEFAULT_SET
    known = prompt_sets()
    if name in known:
        found = known[name]
        return load_prompt_set(found) if isinstance(found, Path) else found
    raise TextError(f"There is no prompt set “{name}”", "", f"Take one of: {', '.join(sorted(known))}")


def prompt_sets() -> dict[str, Path | PromptSet]:
    """Every set by name: the person's own first, then those that ship with the program."""
    known: dict[str, Path | PromptSet] = dict(_BUILT_IN)
    for folder in (paths.resource("prompt_sets"), paths.config_dir() / "prompt_sets"):
        if folder.is_dir():
            known.update({path.stem: path for path in sorted(folder.glob("*.txt"))})
    return known


def remark(recipe: Recipe, model: "Model") -> None:
    """Tell on stderr what will not work well; TextError where a label is empty or there twice."""
    remarks = check_prompts(recipe.labels, recipe.templates, model.tokenizer)
    for one in remarks:
        thing = recipe.labels[one.index].name if one.where == "label" else recipe.templates[one.index].text
        print(f"Note: {one.where} {one.index + 1} “{printable(thing)}”: {one.sentence}", file=sys.stderr)
    names = [label.name.strip().casefold() for label in recipe.labels]
    if len(set(names)) < len(names):
        raise TextError("A label is there twice", "", "Name every label once")
