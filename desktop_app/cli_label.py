"""`pinhole label`, `pinhole samples` and `pinhole evaluate`: the main job without a window."""

import argparse
from typing import Any

from desktop_app.cli_model import add_model_options, given, path, positive, share, words

COMMANDS = ("label", "samples", "evaluate")


def add_commands(commands: Any) -> None:
    """Declare the three commands."""
    label = commands.add_parser(
        "label",
        help="label photos and folders, and write a CSV",
        description="Label every photo under the paths. Progress is kept: run it again and it goes on.",
    )
    label.add_argument("paths", metavar="PATH", nargs="+", type=path, help="photos and folders")
    _add_asking(label, required=True)
    _add_output(label)
    label.add_argument("--no-recursive", action="store_true", help="leave sub-folders alone")
    label.add_argument(
        "--only-new", action="store_true", help="leave photos alone that have an answer already"
    )
    label.add_argument(
        "--retry-skipped", action="store_true", help="only photos that could not be read before"
    )
    add_model_options(label)
    label.set_defaults(run=_run_label)

    samples = commands.add_parser("samples", help="label the sample photos that come with Pinhole")
    _add_asking(samples, required=False)
    _add_output(samples)
    add_model_options(samples)
    samples.set_defaults(run=_run_samples)

    evaluate = commands.add_parser(
        "evaluate",
        help="how often the labels are right, where the truth is known",
        description="Compare answers with the truth: sub-folders named like their labels, or a table path,label.",
    )
    evaluate.add_argument(
        "path", metavar="PATH", type=path, help="a folder with one sub-folder for each label"
    )
    evaluate.add_argument(
        "--truth", metavar="CSV", type=path, help="a table with the columns path and label instead"
    )
    evaluate.add_argument(
        "--confusions", metavar="N", type=int, default=10, help="show the N commonest mistakes (10)"
    )
    evaluate.add_argument("--json", action="store_true", help="for other programs")
    evaluate.add_argument("--quiet", action="store_true", help="no progress")
    _add_asking(evaluate, required=False)
    add_model_options(evaluate)
    evaluate.set_defaults(run=_run_evaluate)


def _add_asking(parser: argparse.ArgumentParser, *, required: bool) -> None:
    group = parser.add_argument_group("what is asked")
    labels = group.add_mutually_exclusive_group(required=required)
    labels.add_argument("--labels", metavar="A,B,C", type=words, help="the labels, separated by commas")
    labels.add_argument(
        "--labels-file", metavar="FILE", type=path, help="a text file, one label a line, or a CSV"
    )
    labels.add_argument("--label-list", metavar="NAME", help="everyday, animals, food, …, or your own")
    labels.add_argument(
        "--recipe", metavar="FILE", type=path, help="labels, templates and bars as the window saves them"
    )
    templates = group.add_mutually_exclusive_group()
    templates.add_argument(
        "--templates-file", metavar="FILE", type=path, help="sentences with {} for the label"
    )
    templates.add_argument("--prompt-set", metavar="NAME", help="plain, photo (usual), eighty, or your own")
    group.add_argument("--multi", action="store_true", help="judge every label by itself")
    group.add_argument("--min-probability", metavar="P", type=share, help="below it a photo is unsure (0.3)")
    group.add_argument(
        "--min-margin", metavar="M", type=share, help="nearer to the second label it is unsure (0.1)"
    )
    group.add_argument(
        "--min-known",
        metavar="K",
        type=share,
        help="where the best label fits less well than this, against neutral sentences, the photo is unknown (0.7)",
    )
    group.add_argument("--no-background", action="store_true", help="do not compare with neutral sentences")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is written")
    group.add_argument("--csv", metavar="OUT", type=given, help="write a CSV here; - is standard output")
    group.add_argument("--long", action="store_true", help="one CSV line for each photo and label")
    group.add_argument("--bom", action="store_true", help="mark the CSV for Excel")
    group.add_argument("--absolute", action="store_true", help="whole paths in the CSV")
    group.add_argument(
        "--top-k",
        metavar="K",
        type=positive,
        help="how many labels of a photo are shown (1), and are in a --long CSV (all)",
    )
    group.add_argument("--quiet", action="store_true", help="no progress and no list of answers")


# The work itself needs numpy and the models, which `pinhole --help` does not.


def _run_label(arguments: argparse.Namespace) -> int:
    from desktop_app.cli_run import run_label

    return run_label(arguments)


def _run_samples(arguments: argparse.Namespace) -> int:
    from desktop_app import cli_asking, presets, samples
    from desktop_app.cli_run import run_label
    from models.atomic import failure_in_words

    with failure_in_words(samples.folder()):
        arguments.paths = samples.gather()
    if not cli_asking.names_labels(arguments):
        arguments.label_list = presets.SAMPLES
    arguments.no_recursive = arguments.only_new = arguments.retry_skipped = False
    return run_label(arguments)


def _run_evaluate(arguments: argparse.Namespace) -> int:
    from desktop_app.cli_evaluate import run_evaluate

    return run_evaluate(arguments)
