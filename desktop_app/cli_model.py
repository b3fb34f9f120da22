"""Opening the model a command needs: the one that was named, else the one last used in the window, else the first."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app import paths
from desktop_app.cli_progress import ProgressLine, printable
from desktop_app.settings import MODEL_SETTINGS, Settings
from models.errors import ModelError, UserError
from models.spec import Capability

if TYPE_CHECKING:
    from models.runtime import Model
    from models.spec import ModelSpec

_WORDS = {
    Capability.ZERO_SHOT: "compare photos with words",
    Capability.MASKING: "paint hidden patches",
    Capability.FEATURES: "show its features",
    Capability.CLASSIFY: "name what it sees",
}


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --device, --precision and --engine."""
    group = parser.add_argument_group("how it runs")
    group.add_argument(
        "--model",
        metavar="ID_OR_FOLDER",
        type=given,
        help="see pinhole models (the one last chosen in the window)",
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="where it runs (the setting)")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
        help="in which numbers it computes (the setting; auto is the fastest whose answers hold); photos that were "
        "looked at before are not computed again",
    )
    group.add_argument(
        "--engine", choices=("auto", "torch", "onnxruntime"), help="what computes (the setting)"
    )


def number(text: str, kind: type[int] | type[float] = int) -> int | float:
    """An argument that is a number; of a ValueError argparse would say “invalid”, and a name out of the source."""
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"“{printable(text)}” is not {what}") from error


def positive(text: str) -> int:
    """An argument that is 1 or more."""
    value = int(number(text))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def share(text: str) -> float:
    """An argument that is a share of something, 0 to 1."""
    value = number(text, float)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def given(text: str) -> str:
    """An argument that is not empty, as an unset variable of a script would leave it."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; is a variable not set?")
    return text


def path(text: str) -> Path:
    """A path that was given; of an empty one Path would make the current folder."""
    return Path(given(text))


def words(text: str) -> str:
    """An argument that is text, which the bytes of another encoding than the system's are not."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"“{printable(text)}” is not written in UTF-8") from error
    return text


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings as the window left them, read once a command; what is wrong with them is told on stderr."""
    if "settings" not in arguments:
        arguments.settings = Settings(paths.settings_file(), only_read=True)
        for problem in arguments.settings.problems:
            print(f"Note: {printable(str(problem))}", file=sys.stderr)
    settings: Settings = arguments.settings
    return settings


def model_folders(arguments: argparse.Namespace, more: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Where models are looked for besides the bundled ones: the person's own, those of the settings, and ``more``."""
    return (*settings_of(arguments).model_places(), *more)


def spec_for(arguments: argparse.Namespace, capability: Capability) -> "ModelSpec":
    """The model's description; ModelError where the one that was named cannot do this, or none can."""
    from models.registry import find, list_models

    extra = model_folders(arguments)
    if arguments.model:
        spec = find(arguments.model, extra)
        if capability not in spec.capabilities:
            able = [one.id for one in list_models(extra) if capability in one.capabilities]
            cure = f"Take one of: {', '.join(able)}" if able else "“pinhole models” lists what there is"
            raise ModelError(
                f"{spec.title} cannot {_WORDS[capability]}", f"It is of the family {spec.family}", cure
            )
        return spec
    able_specs = [one for one in list_models(extra) if capability in one.capabilities]
    if not able_specs:
        cure = "Name a model folder with --model; “pinhole models” lists what there is"
        raise ModelError(f"No model here can {_WORDS[capability]}", "", cure)
    chosen = settings_of(arguments).get(MODEL_SETTINGS[capability])
    return next((one for one in able_specs if chosen in (one.id, str(one.folder))), able_specs[0])


def open_for(
    arguments: argparse.Namespace, capability: Capability, line: ProgressLine, *, many: bool = False
) -> "Model":
    """The opened model; a device that is not the one asked for is told on stderr. ``many`` photos are worth a
    measurement of which setting is fastest on this machine, made once and kept."""
    spec = spec_for(arguments, capability)
    settings = settings_of(arguments)
    wish: dict[str, Any] = {
        name: getattr(arguments, name) or settings.get(name) for name in ("device", "precision", "engine")
    }
    line.say(f"Opening {spec.title}…")
    from models.runtime import open_model

    if many and wish["precision"] == wish["engine"] == "auto":
        _measure_once(spec, wish["device"], line)
    model = open_model(spec, **wish, cache=paths.cache_dir(), progress=lambda words, _: line.say(f"{words}…"))
    line.clear()
    if model.note:
        print(f"Note: {printable(model.note)}", file=sys.stderr)
    return model


def _measure_once(spec: "ModelSpec", device: str, line: ProgressLine) -> None:
    from models import choices
    from models.tuning import choose

    if choices.recall(paths.cache_dir(), spec, device) is None:
        line.say("Measuring once what is fastest on this machine…")
        try:
            choose(spec, device=device, cache=paths.cache_dir())
        except (OSError, UserError) as error:
            # The photos can be labelled all the same, at most a little slower.
            line.clear()
            print(
                f"Note: What is fastest here could not be measured: {printable(str(error))}", file=sys.stderr
            )
