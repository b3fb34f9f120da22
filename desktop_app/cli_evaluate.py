"""`pinhole evaluate`: accuracy in all, per label and per template, and the commonest mistakes."""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from desktop_app import cli_asking, paths
from desktop_app.catalog import open_catalog
from desktop_app.cli_model import open_for
from desktop_app.cli_progress import ProgressLine, printable
from desktop_app.cli_run import follow, tell_problems
from desktop_app.figures import percent
from desktop_app.labelling import Recipe, embeddings_of, look_at, model_key
from models.errors import DataError
from models.images import walk
from models.spec import Capability
from models.tasks import evaluate, zero_shot
from models.tasks.auto_label import Config
from models.tasks.evaluate import Report, TemplateAccuracy
from models.tasks.export import Truth, read_truth
from models.tasks.zero_shot import Label


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Embed the photos whose truth is known and compare. 1 when some could not be read."""
    root = Path(os.path.abspath(arguments.path))
    truths = (
        read_truth(arguments.truth, root if os.path.isdir(root) else root.parent) if arguments.truth else []
    )
    if machine := sum(truth.machine for truth in truths):
        print(
            f"Note: for {machine:,} photos the table says that a model said so, and no person.",
            file=sys.stderr,
        )
    told = None if cli_asking.names_labels(arguments) else _labels(root, truths)
    recipe = cli_asking.recipe_of(arguments, told)
    known = _truth(root, truths, recipe)
    line = ProgressLine(quiet=arguments.quiet)
    with open_catalog(paths.catalog_file()) as catalog:
        tell_problems(catalog)
        model = open_for(arguments, Capability.ZERO_SHOT, line)
        cli_asking.remark(recipe, model)
        watched = follow(look_at(catalog, model, Config(tuple(known))), line)
        if watched.interrupted:
            return watched.tell_interrupted()
        photos, rows = embeddings_of(catalog, model_key(model.spec), list(known))
    if not photos:
        watched.tell(quiet=True)
        raise DataError("No photo could be compared", "None of them could be read", "Check the folder")
    cache, names = zero_shot.TextCache(), [label.name for label in recipe.labels]
    truth = np.array([known[photo] for photo in photos])
    text = zero_shot.embed_labels(model, recipe.labels, recipe.templates, cache)
    report = evaluate.evaluate(rows, truth, text, names)
    alone = {
        one.text: zero_shot.embed_labels(model, recipe.labels, [one], cache)
        for one in zero_shot.enabled(recipe.templates)
    }
    templates = evaluate.per_template(rows, truth, alone, names, report)
    if arguments.json:
        print(json.dumps(_as_json(report, templates, photos), indent=2, ensure_ascii=False))
    else:
        _print(report, templates, arguments.confusions)
    return watched.tell(quiet=True)


def _labels(root: Path, truths: Sequence[Truth]) -> tuple[Label, ...]:
    """Those the truth speaks of."""
    if truths:
        return tuple(Label(name) for name in dict.fromkeys(truth.label for truth in truths))
    return tuple(Label(name, (_spoken(name),)) for name in evaluate.folder_labels(root))


def _spoken(name: str) -> str:
    """A folder's name as one would say it: golden_retriever is asked for as golden retriever."""
    return " ".join(name.replace("_", " ").split()) or name


def _truth(root: Path, truths: Sequence[Truth], recipe: Recipe) -> dict[Path, int]:
    names, synonyms = [label.name for label in recipe.labels], [label.prompts for label in recipe.labels]
    if truths:
        return evaluate.truth_from_table(truths, names, synonyms)
    if not os.path.isdir(root):
        raise DataError(
            f"{root} is no folder", "", "Give a folder with a sub-folder for each label, or --truth"
        )
    known = evaluate.truth_from_folders(walk(root), root, names, synonyms)
    if not known:
        raise DataError(
            f"No folder in {root.name} is named like a label",
            f"The labels are {', '.join(names[:10])}",
            "Name the folders like the labels, or give a table with --truth",
        )
    return known


def _print(report: Report, templates: Sequence[TemplateAccuracy], confusions: int) -> None:
    print(f"{report.photos} photos, {len(report.labels)} labels")
    parts = (
        ("accuracy", report.accuracy),
        ("top 5", report.top5),
        ("mean over labels", report.mean_accuracy),
    )
    print("   ".join(f"{name} {percent(part, 1)}" for name, part in parts))
    print("\nper label")
    width = max(len(printable(one.label)) for one in report.per_label)
    for one in report.per_label:
        part = f"{percent(one.accuracy, 1):>7}" if one.photos else "     no"
        print(f"  {printable(one.label):<{width}} {part}  {one.correct} of {one.photos}")
    print("\nper template, each alone")
    for each in templates:
        print(f"  {percent(each.accuracy, 1):>7}  {each.gain * 100:+6.1f}  {printable(each.template)}")
    worst = report.worst(confusions)
    if worst:
        print("\ncommonest mistakes")
        for truth, answer, count in worst:
            print(
                f"  {count:5}  {printable(report.labels[truth])} taken for {printable(report.labels[answer])}"
            )


def _as_json(report: Report, templates: Sequence[TemplateAccuracy], photos: Sequence[Path]) -> dict[str, Any]:
    return {
        "photos": report.photos,
        "accuracy": report.accuracy,
        "top5": report.top5,
        "mean_accuracy": report.mean_accuracy,
        "labels": [
            {**asdict(one), "accuracy": None if math.isnan(one.accuracy) else one.accuracy}
            for one in report.per_label
        ],
        "templates": [asdict(one) for one in templates],
        "confusion": report.confusion.tolist(),
        "wrong": [
            {
                "path": os.fspath(photos[i]),
                "truth": report.labels[report.truth[i]],
                "answer": report.labels[report.answer[i]],
            }
            for i in map(int, np.flatnonzero(report.rank > 0))
        ],
    }
