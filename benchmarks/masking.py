"""What a tick of the mask slider costs, how the encoder's cost falls with the ratio, and that features are run once."""

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.photos import SMALL, variants
from benchmarks.table import Row, at_least, at_most

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.tasks.masking import Painter


def _milliseconds(call: Callable[[], object], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


def measure() -> list[Row]:
    """Rows for the bundled masked autoencoder, a ViT-B one with random weights, and the bundled ConvNeXt."""
    import numpy as np

    from models.families.mae import MAE, MAEConfig
    from models.registry import build, find
    from models.spec import Preprocess
    from models.tasks.masking import Painter

    rgb = np.asarray(next(iter(variants(1, SMALL))))
    spec = find("pinhole-mae")
    bundled = Painter(build(spec), spec.preprocess, spec.title)
    base = Painter(MAE(MAEConfig.named("base")).eval(), Preprocess(resize=224, crop=(224, 224)), "ViT-B")
    rows = _ticks(bundled, rgb, "bundled", 20, 80)
    rows += _ticks(base, rgb, "ViT-B", 4, 500)
    return rows + _features(rgb)


def _ticks(painter: "Painter", rgb: "NDArray[np.uint8]", name: str, repeats: int, bar: float) -> list[Row]:
    from models.tasks.masking import MaskRequest

    painter.view(rgb, "photo")
    seeds = iter(range(10_000))
    rows, medians = [], {}
    for ratio in (0.0, 0.25, 0.5, 0.75, 0.9):

        def tick(ratio: float = ratio) -> object:
            return painter.reconstruct(MaskRequest(rgb, "photo", painter.mask(ratio, seed=next(seeds))))

        tick()
        taken = _milliseconds(tick, repeats)
        medians[ratio] = statistics.median(taken)
        late = taken[min(len(taken) - 1, int(0.95 * len(taken)))]
        rows.append(at_most(f"{name}: a tick at {ratio:.0%}, 95th percentile", late, bar, "ms"))
    rows.append(
        at_least(f"{name}: a tick with nothing hidden over one with 75 %", medians[0.0] / medians[0.75], 1.5)
    )
    return rows


def _features(rgb: "NDArray[np.uint8]") -> list[Row]:
    from models.registry import build, find
    from models.tasks.feature_maps import FeatureCache, Order, principal
    from models.tasks.feature_pictures import grid

    spec = find("pinhole-convnext")
    cache = FeatureCache(build(spec), spec.preprocess, spec.title)
    first = _milliseconds(lambda: cache.maps(rgb, "photo"), 1)[0]
    maps = cache.maps(rgb, "photo")

    def walk() -> None:
        for layer in cache.layers:
            grid(cache.maps(rgb, "photo"), layer.name, Order.ACTIVATION, "magma")
            principal(maps, layer.name)

    each = statistics.median(_milliseconds(walk, 5)) / len(cache.layers)
    return [
        Row("ConvNeXt: all layers of a new photo", first, "ms"),
        at_most("ConvNeXt: another layer of the same photo, grid and components", each, 80, "ms"),
        at_most("ConvNeXt: runs of the network for all of that", cache.runs, 1, "runs"),
    ]
