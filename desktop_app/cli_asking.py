"""What a command asks of the photos: labels and templates from words, files and names."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from desktop_app import label_recipe, presets
from desktop_app.cli_progress import printable
from desktop_app.label_files import read_labels, typed_labels
from desktop_app.labelling import Recipe
from desktop_app.settings import Settings
from models.errors import TextError
from models.tasks.zero_shot import Bars, Label, PromptSet, check_prompts, load_prompt_set

if TYPE_CHECKING:
    from models.runtime import Model

_BARS = ("min_probability", "min_margin", "min_known")


def recipe_of(arguments: argparse.Namespace, labels: Sequence[Label] | None = None) -> Recipe:
    """The recipe of --labels, --templates-file and the bars; ``labels`` where the command knows them better.

    The bars are the program's own unless they are given, not those a person last dragged to in the window: a script
    asks the same tomorrow. (The model is the one last chosen in the window unless --model names it.) A --recipe brings
    its own; what is given beside it stands over it.
    """
    recipe = label_recipe.load(arguments.recipe) if arguments.recipe else None  # once: it may be a pipe
    asked = tuple(labels) if labels is not None else _labels_of(arguments, recipe)
    declared = Settings.DECLARED
    usual = Bars(**{name: declared[name].default for name in _BARS})
    base = recipe or Recipe(asked, (), "", usual)
    if recipe is None or arguments.templates_file or arguments.prompt_set:
        chosen = prompt_set_of(arguments)
        base = replace(base, templates=chosen.templates, prompt_set=chosen.name)
    given = {name: getattr(arguments, name) for name in _BARS}
    bars = replace(
        base.bars,
        background=base.bars.background and not arguments.no_background,
        **{name: bar for name, bar in given.items() if bar is not None},
    )
    return replace(base, labels=asked, bars=bars, mode="multi" if arguments.multi else base.mode)


def names_labels(arguments: argparse.Namespace) -> bool:
    """Whether the command line says what the labels are."""
    return bool(arguments.labels or arguments.labels_file or arguments.label_list or arguments.recipe)


def _labels_of(arguments: argparse.Namespace, recipe: Recipe | None) -> tuple[Label, ...]:
    """The labels of the recipe, or that were typed, that a file holds or a list that ships. TextError where there are
    none."""
    if recipe is not None:
        if not recipe.labels:
            raise TextError(f"There is no label in {arguments.recipe.name}", "", "Add one in the window")
        return recipe.labels
    if arguments.labels_file:
        return read_labels(arguments.labels_file)
    if arguments.label_list:
        return presets.labels_of(arguments.label_list)
    labels = typed_labels(arguments.labels or "")
    if not labels:
        raise TextError("There is no label in --labels", "", "Give at least one, as in --labels cat,dog")
    return labels


def prompt_set_of(arguments: argparse.Namespace) -> PromptSet:
    """The templates of a file or of a set by name. TextError where there are none."""
    if not arguments.templates_file:
        return presets.prompt_set_of(arguments.prompt_set or Settings.DECLARED["prompt_set"].default)
    chosen = load_prompt_set(arguments.templates_file)
    if not chosen.templates:
        cure = "Write one sentence a line, with {} for the label"
        raise TextError(f"There is no template in {arguments.templates_file.name}", "", cure)
    return chosen


def remark(recipe: Recipe, model: "Model") -> None:
    """Tell on stderr what will not work well; TextError where a label is empty or there twice."""
    remarks = check_prompts(recipe.labels, recipe.templates, model.tokenizer)
    for one in remarks:
        thing = recipe.labels[one.index].name if one.where == "label" else recipe.templates[one.index].text
        print(
            f"Note: {one.where} {one.index + 1} “{printable(thing)}”: {printable(one.sentence)}",
            file=sys.stderr,
        )
    names = [label.name.strip().casefold() for label in recipe.labels]
    if len(set(names)) < len(names):
        raise TextError("A label is there twice", "", "Name every label once")
