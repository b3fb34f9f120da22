"""Full-size photos of other sources: python -m models.training.full_size FOLDER --data DIR.

The photos of DIR/samples and those that scikit-image and scikit-learn carry, among 36 labels. Too few for a bar; they
show how far the figures on small photos carry.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from models.images import prepare, read
from models.runtime import Model, open_model
from models.training.evaluate import Figure, in_templates
from models.training.everyday import ENSEMBLE

_WORDS = """cat, dog, bird, horse, bear, fox, squirrel, flower, tree, mountain, beach, desert, forest, lake, bridge,
church, temple, house, kitchen, bedroom, bar, shop, street, stop sign, car, truck, motorcycle, bicycle, airplane, boat,
rocket, pizza, cup of coffee, person, coins, fish"""
LABELS = tuple(word.strip() for word in _WORDS.split(","))
#: Where a photo lies -> the labels that are right for it.
TRUTH: dict[str, tuple[str, ...]] = {
    "samples/bar-counter.jpg": ("bar", "person"),
    "samples/bear-cubs.jpg": ("bear",),
    "samples/cat-on-armchair.jpg": ("cat",),
    "samples/cyclists-police.jpg": ("bicycle", "street", "person"),
    "samples/golden-gate-bridge.jpg": ("bridge",),
    "samples/granite-peak.jpg": ("mountain",),
    "samples/ground-squirrel.jpg": ("squirrel",),
    "samples/japanese-shop-night.jpg": ("shop",),
    "samples/mountain-road-truck.jpg": ("truck", "mountain"),
    "samples/prairie-falcon.jpg": ("bird",),
    "samples/sand-dunes.jpg": ("desert",),
    "samples/sleeping-fox.jpg": ("fox",),
    "samples/stop-sign-street.jpg": ("stop sign", "street"),
    "samples/street-carts.jpg": ("street",),
    "samples/therapy-dogs.jpg": ("dog",),
    "samples/water-lily.jpg": ("flower",),
    "skimage/data/chelsea.png": ("cat",),
    "skimage/data/coffee.png": ("cup of coffee",),
    "skimage/data/astronaut.png": ("person",),
    "skimage/data/rocket.jpg": ("rocket",),
    "skimage/data/motorcycle_left.png": ("motorcycle",),
    "skimage/data/coins.png": ("coins",),
    "sklearn/datasets/images/china.jpg": ("temple",),
    "sklearn/datasets/images/flower.jpg": ("flower",),
}


def found(folder: Path) -> dict[Path, tuple[str, ...]]:
    """The photos of TRUTH that are here, in `folder` and in the installed packages."""
    places = {}
    for name, labels in TRUTH.items():
        package = find_spec(name.split("/")[0]) if not name.startswith("samples/") else None
        root = Path(package.origin).parent.parent if package and package.origin else folder
        if (root / name).is_file():
            places[root / name] = labels
    return places


def full_size_figures(model: Model, photos: dict[Path, tuple[str, ...]]) -> list[Figure]:
    """How many come out right, and the mean log-probability of what is right."""
    pixels = np.stack([prepare(read(path, max_side=1600).rgb, model.preprocess) for path in photos])
    logits = model.scale * model.run("image", pixel_values=pixels) @ in_templates(model, LABELS, ENSEMBLE).T
    right = np.array([[label in labels for label in LABELS] for labels in photos.values()])
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    first = right[np.arange(len(right)), logits.argmax(axis=1)]
    return [
        Figure(
            f"right of {len(right)} full-size photos among {len(LABELS)} labels", int(first.sum()), "photos"
        ),
        Figure(
            "mean log-probability of the truth", float(np.log((share * right).sum(axis=1)).mean()), "nats"
        ),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of a CLIP folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args(argv)
    model = open_model(options.folder, device="cpu", engine="torch", precision="float32")
    for figure in full_size_figures(model, found(options.data)):
        print(figure.line())


if __name__ == "__main__":
    main()
