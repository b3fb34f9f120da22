"""The bundled classifier: python -m models.training.convnext --data DIR --out DIR.

First the trunk that it and CLIP's image tower have in common, then the classifier's own run from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.families.convnext import ConvNeXt
from models.training.cards import card
from models.training.classes import kept_classes, train_classes
from models.training.data import PhotoSet
from models.training.loop import arguments, run_of
from models.training.trunk import PREPROCESS
from models.training.trunk_run import kept_trunk, train_trunk


def export(classifier: ConvNeXt, folder: Path) -> None:
    """Write a model folder."""
    from models.bundle import write_bundle

    write_bundle(folder, classifier, classifier.config.to_hf(), PREPROCESS, card=card("pinhole-convnext"))


def main(argv: Sequence[str] | None = None) -> None:
    """Train what --trunk and --classes do not give, then write the model folder to --out/pinhole-convnext."""
    parser = arguments("Train the bundled ConvNeXt classifier")
    parser.add_argument(
        "--trunk",
        type=Path,
        nargs="+",
        help="begin the classifier's own run from this checkpoint, or from models/bundled, or the mean of several",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        nargs="+",
        help="export this checkpoint of the classifier's own run, or a model folder, or the mean of several",
    )
    options = parser.parse_args(argv)
    photos = PhotoSet(options.data, options.cache)
    whole = run_of(options)
    if options.classes is not None:
        classifier = kept_classes(photos, options.classes)
    elif options.trunk is not None:
        classifier = train_classes(photos, whole.part("classes", 1.0), kept_trunk(photos, options.trunk))
    else:
        trunk = train_trunk(photos, whole.part("trunk", 0.65), start=options.start)
        classifier = train_classes(photos, whole.part("classes", 0.35), trunk)
    export(classifier, options.out / "pinhole-convnext")


if __name__ == "__main__":
    main()
