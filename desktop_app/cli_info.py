"""`pinhole models` (and `models add`) and `pinhole doctor`: what is there and what works."""

import argparse
import json
import sys
from typing import Any

from desktop_app import paths
from desktop_app.cli_model import model_folders, path
from desktop_app.cli_progress import ProgressLine, printable
from models.errors import ModelError
from models.registry import scan

COMMANDS = ("models", "doctor")


def add_commands(commands: Any) -> None:
    """Declare both commands."""
    models = commands.add_parser("models", help="list the models: licence, size, what each can do")
    models.add_argument(
        "--models", metavar="FOLDER", type=path, action="append", default=[], help="look here too"
    )
    models.add_argument("--json", action="store_true", help="for other programs")
    models.set_defaults(run=show_models)
    _add_adding(models.add_subparsers(metavar="[add]", title="your own models"))
    doctor = commands.add_parser("doctor", help="what works on this machine, and why the rest does not")
    doctor.add_argument("--json", action="store_true", help="for other programs")
    doctor.set_defaults(run=show_doctor)


def _add_adding(commands: Any) -> None:
    add = commands.add_parser(
        "add",
        help="take a published model into your own models",
        description="Copy a model folder, or make one of a file of published weights (OpenAI's CLIP, Meta's MAE, "
        "SimMIM, ...), into your models folder. Nothing in the file is run.",
    )
    add.add_argument(
        "path", metavar="PATH", type=path, help="a model folder, or a .pt, .pth, .bin or .safetensors"
    )
    add.add_argument("--name", default="", help="what it is called here (default: as the file or folder is)")
    add.add_argument(
        "--tokenizer", metavar="FILE", type=path, help="tokenizer.json for a CLIP that has none beside it"
    )
    add.set_defaults(run=add_model)


def add_model(arguments: argparse.Namespace) -> int:
    """Add one model and say what it is called."""
    from models import adding

    line = ProgressLine()
    spec = None
    try:
        for step in adding.add_model(
            arguments.path, paths.models_dir(), name=arguments.name, tokenizer=arguments.tokenizer
        ):
            line.say(f"{step.words}…")
            spec = step.spec
    finally:
        line.clear()
    assert spec is not None  # the last step brings it
    can = ", ".join(sorted(one.value.replace("_", "-") for one in spec.capabilities))
    print(f"Added {printable(spec.id)} ({can}) in {printable(str(spec.folder))}")
    print(f"Choose it in the window, or with --model {printable(spec.id)}")
    return 0


def show_models(arguments: argparse.Namespace) -> int:
    """Print every model; those that cannot be used with the reason."""
    for folder in arguments.models:
        if not folder.is_dir():
            raise ModelError(f"There is no folder {folder} to look for models in", "", "Check the path")
    folders = model_folders(arguments, arguments.models)
    specs, problems = scan(folders)
    if arguments.json:
        print(json.dumps([_as_json(spec) for spec in specs], indent=2, ensure_ascii=False))
        return 0
    rows: list[tuple[str, ...]] = [("ID", "CAN", "LICENCE", "SIZE", "PARAMETERS", "TITLE")]
    for spec in specs:
        can = ", ".join(sorted(one.value.replace("_", "-") for one in spec.capabilities))
        size = f"{spec.size_bytes / 1e6:.1f} MB"
        parameters = f"{spec.parameters / 1e6:.1f} M"
        # What stands in a downloaded folder may hold anything.
        rows.append(tuple(map(printable, (spec.id, can, spec.licence, size, parameters, spec.title))))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    for problem in problems:
        print(
            f"cannot be used: {printable(str(problem.folder))}: {printable(str(problem.error))}",
            file=sys.stderr,
        )
    if not specs:
        print("There is no model. Install Pinhole again, or name a folder with --models.", file=sys.stderr)
    return 0 if specs else 1


def _as_json(spec: Any) -> dict[str, Any]:
    return {
        "id": spec.id,
        "title": spec.title,
        "family": spec.family,
        "folder": str(spec.folder),
        "licence": spec.licence,
        "size_bytes": spec.size_bytes,
        "parameters": spec.parameters,
        "capabilities": sorted(one.value for one in spec.capabilities),
        "version": spec.version,
        "bundled": spec.bundled,
    }


def show_doctor(arguments: argparse.Namespace) -> int:
    """Print every finding as soon as it is known; 1 when something does not work that should."""
    from desktop_app.doctor import Status, examine

    marks = {Status.GOOD: "ok   ", Status.NOTE: "note ", Status.BAD: "BAD  "}
    found = []
    for finding in examine():
        found.append(finding)
        if not arguments.json:
            print(
                f"{marks[finding.status]} {printable(finding.name):<22} {printable(finding.words)}",
                flush=True,
            )
            if finding.cure:
                print(f"{'':<28} {printable(finding.cure)}", flush=True)
    bad = sum(one.status is Status.BAD for one in found)
    if arguments.json:
        print(json.dumps([one.as_dict() for one in found], indent=2, ensure_ascii=False))
    else:
        print("Everything works." if not bad else f"{bad} thing{'s do' if bad > 1 else ' does'} not work.")
    return 1 if bad else 0
