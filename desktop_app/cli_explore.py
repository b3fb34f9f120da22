"""`pinhole mask`, `pinhole features` and `pinhole explain`: one photo, looked at closely."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.cli_model import add_model_options, number, open_for, path, positive, share, words
from desktop_app.cli_output import check_output
from desktop_app.cli_progress import ProgressLine
from desktop_app.figures import percent
from models.errors import TextError
from models.spec import Capability

if TYPE_CHECKING:
    from models.tasks.masking import MaskResult

COMMANDS = ("mask", "features", "explain")


def _parser(commands: Any, name: str, what: str) -> Any:
    return commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")


def add_commands(commands: Any) -> None:
    """Declare the commands."""
    mask = _parser(commands, "mask", "hide parts of a photo and let a model paint them back")
    mask.add_argument("photo", metavar="PHOTO", type=path)
    mask.add_argument(
        "--ratio", metavar="R", type=share, default=0.75, help="how much is hidden, 0 to 1 (0.75)"
    )
    mask.add_argument(
        "--strategy", default="random", help="random (usual), block, grid, centre, checkerboard…"
    )
    mask.add_argument("--seed", metavar="N", type=_seed, default=0, help="another seed, another mask (0)")
    mask.add_argument(
        "--unit", metavar="PX", type=int, help="side of a hidden cell in pixels (the model's usual)"
    )
    mask.add_argument(
        "--out", metavar="PNG", type=path, help="write original, masked, painted, both and error in a row"
    )
    mask.add_argument("--raw", action="store_true", help="write them in the few pixels that the model sees")
    mask.add_argument("--json", action="store_true", help="the numbers for other programs")
    add_model_options(mask)
    mask.set_defaults(run=run_mask)

    features = _parser(commands, "features", "what fires where in a ConvNeXt")
    features.add_argument("photo", metavar="PHOTO", type=path)
    features.add_argument("--layer", metavar="L", help="a layer by name (the last); “list” shows them all")
    features.add_argument("--top", metavar="N", type=positive, default=16, help="how many channels (16)")
    features.add_argument(
        "--order",
        choices=("activation", "variance", "index"),
        default="activation",
        help="which channels come first: the strongest (activation), those that differ most over the photo (variance), "
        "or as the network has them (index)",
    )
    features.add_argument("--out", metavar="PNG", type=path, help="write these channels as one picture")
    features.add_argument("--npz", metavar="FILE", type=path, help="write the layer's numbers for numpy")
    features.add_argument("--json", action="store_true", help="for other programs")
    add_model_options(features)
    features.set_defaults(run=_run_features)

    explain = _parser(commands, "explain", "which places of a photo speak for a label")
    explain.add_argument("photo", metavar="PHOTO", type=path)
    explain.add_argument(
        "--label",
        metavar="L",
        type=words,
        required=True,
        help="any words; a class with a classifier's --model",
    )
    explain.add_argument(
        "--out", metavar="PNG", type=path, required=True, help="write the photo with the map over it"
    )
    explain.add_argument("--layer", metavar="L", help="at this layer (the last)")
    explain.add_argument(
        "--method",
        choices=("grad_cam", "cam"),
        default="grad_cam",
        help="by the gradient at that layer (grad_cam), or by the weights of the last one alone (cam)",
    )
    add_model_options(explain)
    explain.set_defaults(run=_run_explain)


def _run_features(arguments: argparse.Namespace) -> int:
    from desktop_app.cli_features import run_features

    return run_features(arguments)


def _run_explain(arguments: argparse.Namespace) -> int:
    from desktop_app.cli_features import run_explain

    return run_explain(arguments)


def _seed(text: str) -> int:
    value = int(number(text))
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def run_mask(arguments: argparse.Namespace) -> int:
    """Mask, paint back, measure."""
    from models.images import read
    from models.tasks.mask_export import enlarged
    from models.tasks.masking import MaskRequest, Painter
    from models.tasks.masks import Strategy

    known = [one.value for one in Strategy]
    if arguments.strategy not in known:
        raise TextError(
            f"There is no strategy “{arguments.strategy}”", "", f"Take one of: {', '.join(known)}"
        )
    if arguments.out:
        check_output(arguments.out, "PNG", [arguments.photo])
    photo = read(arguments.photo)
    painter = Painter.of(open_for(arguments, Capability.MASKING, ProgressLine()))
    if arguments.unit is not None and arguments.unit not in painter.units:
        sizes = ", ".join(map(str, painter.units))
        raise TextError(f"A unit of {arguments.unit} px does not fit this model", "", f"Take one of: {sizes}")
    mask = painter.mask(arguments.ratio, arguments.strategy, arguments.seed, arguments.unit)
    result = painter.reconstruct(MaskRequest(photo.rgb, arguments.photo, mask))
    if arguments.out:
        view = painter.view(photo.rgb, arguments.photo)
        _save_panes(result if arguments.raw else enlarged(result, view.cut(photo.rgb)), arguments.out)
    numbers = _mask_numbers(result, arguments)
    if arguments.json:
        print(json.dumps(numbers, indent=2))
    else:
        print(_mask_words(result))
    return 0


def _save_panes(result: "MaskResult", path: Path) -> None:
    from models.tasks.mask_export import Pane, picture, save_png, side_by_side

    panes = (Pane.ORIGINAL, Pane.MASKED, Pane.RECONSTRUCTION, Pane.PASTED, Pane.ERROR)
    save_png(side_by_side([picture(result, pane) for pane in panes]), path)


def _mask_numbers(result: "MaskResult", arguments: argparse.Namespace) -> dict[str, Any]:
    scores = {"model": result.score, "mean_fill": result.mean_fill, "bilinear": result.bilinear}
    numbers: dict[str, Any] = {
        "photo": str(arguments.photo), "ratio": result.mask.ratio, "strategy": arguments.strategy,
        "seed": arguments.seed, "unit": result.mask.unit, "hidden_patches": int(result.patches.sum()),
        "patches": int(result.patches.size), "tokens_seen": result.tokens_seen, "compute_saved": result.compute_saved,
    }  # fmt: skip
    for name, score in scores.items():
        psnr = score.psnr if math.isfinite(score.psnr) else None  # JSON knows no infinity
        numbers[name] = {"mse": score.mse, "psnr_db": psnr}
    return numbers


def _mask_words(result: "MaskResult") -> str:
    rows = [("painted by the model", result.score), ("filled with the mean", result.mean_fill)]
    rows.append(("interpolated", result.bilinear))
    hidden, total = int(result.patches.sum()), result.patches.size
    head = f"{hidden} of {total} patches hidden; the encoder saw {result.tokens_seen}"
    saved = f" and was spared {percent(result.compute_saved)} of its work" if result.compute_saved else ""
    lines = [
        f"{name:<24} mean squared error {score.mse:.5f}   PSNR {score.psnr:5.1f} dB" for name, score in rows
    ]
    return "\n".join([head + saved + ".", *lines])
