"""The bundled classifier, and the trunk that CLIP shares: python -m models.training.convnext --data DIR --out DIR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.training.cards import card
from models.training.data import PhotoSet
from models.training.loop import arguments, run_of
from models.training.trunk import PREPROCESS, JointNet
from models.training.trunk_run import kept_trunk, train_trunk


def export(trunk: JointNet, folder: Path) -> None:
    """Write the classifier of a joint net as a model folder."""
    from models.bundle import write_bundle

    classifier = trunk.classifier
    write_bundle(folder, classifier, classifier.config.to_hf(), PREPROCESS, card=card("pinhole-convnext"))


def main(argv: Sequence[str] | None = None) -> None:
    """Train (or take over --trunk), then write the model folder to --out/pinhole-convnext."""
    parser = arguments("Train the bundled ConvNeXt classifier")
    parser.add_argument(
        "--trunk",
        type=Path,
        nargs="+",
        help="export this checkpoint instead of training, or the mean of several (and of models/bundled)",
    )
    parser.add_argument(
        "--only", default="", help="train what begins with this name alone (visual_projection)"
    )
    options = parser.parse_args(argv)
    photos = PhotoSet(options.data, options.cache)
    run = run_of(options, "trunk")
    if options.trunk is None:
        trunk = train_trunk(photos, run, start=options.start, only=options.only)
    else:
        trunk = kept_trunk(photos, options.trunk)
    export(trunk, options.out / "pinhole-convnext")


if __name__ == "__main__":
    main()
