"""Whether the fast road changes answers: scaled decoding and the chosen precision against full decoding in float32."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import bundled_clip
from benchmarks.photos import LARGE, write
from benchmarks.table import Row, at_least, main
from models.runtime import Model, open_model
from models.tasks.zero_shot import (
    Bars,
    Decision,
    Template,
    embed_background,
    embed_labels,
    embed_photos,
    load_labels,
    score,
)
from models.tuning import choose

COUNT = 200
SIZE = (1600, 1200)  # large enough for a scaled decode; those of 12 megapixels take long to make
PRESETS = Path(__file__).parents[1] / "resources" / "labels"


def _rows(model: Model, paths: list[Path], *, scaled: bool) -> NDArray[np.float32]:
    rows = [r.embedding for r in embed_photos(model, paths, scaled=scaled)]
    return np.stack([row for row in rows if row is not None])


def measure() -> list[Row]:
    """Photos in a hundred whose best label is the same, for each list of labels, and the least cosine."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        paths = write(Path(place) / "photos", COUNT, SIZE)
        paths += write(Path(place) / "large", 12, LARGE)
        spec = bundled_clip()
        choose(spec, cache=Path(place) / "cache")
        exact = open_model(spec, device="cpu", precision="float32")
        fast = open_model(spec, cache=Path(place) / "cache")
        full, quick = _rows(exact, paths, scaled=False), _rows(fast, paths, scaled=True)
        scaled_alone = _rows(exact, paths, scaled=True)
        how = f"{spec.id}, {fast.engine} {fast.precision}"
        background = embed_background(exact)
        for name in ("everyday", "animals", "scenes", "food"):
            text = embed_labels(exact, load_labels(PRESETS / f"{name}.txt"), (Template("a photo of a {}."),))
            before = score(full, text, exact.scale, Bars(), background)
            same = before.best == score(quick, text, exact.scale, Bars(), background).best
            given = before.decision == Decision.LABEL
            what = f"same best label of {len(same)} photos, list “{name}”"
            found.append(at_least(what, 100 * float(same.mean()), 99, "in 100", how))
            if given.any():
                what = f"same label of the {given.sum()} that are given one, list “{name}”"
                found.append(at_least(what, 100 * float(same[given].mean()), 99, "in 100", how))
        found.append(
            Row("least cosine, scaled decode alone", float((full * scaled_alone).sum(1).min()), "cosine")
        )
        found.append(
            Row(
                "least cosine, scaled decode and chosen precision",
                float((full * quick).sum(1).min()),
                "cosine",
            )
        )
    return found


if __name__ == "__main__":
    main("agreement", measure)
