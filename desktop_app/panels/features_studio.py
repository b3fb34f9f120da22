"""What the features panel computes beside the GUI thread: a run of the network a photo, then arithmetic on maps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from desktop_app.panels.per_model import PerModel, PhotoKeys
from models.tasks import colours
from models.tasks.explain import (
    ClassScore,
    Explanation,
    Method,
    TokenExplainer,
    explain_class,
    explain_text,
    text_explainer,
    top_classes,
)
from models.tasks.feature_maps import Channel, FeatureCache, Maps, Order, channel
from models.tasks.feature_pictures import Grid, grid
from models.tasks.view import View, look
from models.tasks.zero_shot import embed_texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.images import Photo
    from models.runtime import Model


@dataclass(frozen=True, eq=False)
class Walked:
    """A photo, a model, and everything the network said about it; `picture` is what it saw, as fine as the photo is."""

    photo: "Photo"
    model: "Model"
    cache: FeatureCache
    maps: Maps
    classes: tuple[ClassScore, ...]
    picture: "NDArray[np.uint8]"


@dataclass(frozen=True)
class Sheet:
    """A layer's channels as pictures."""

    layer: str
    grid: Grid


@dataclass(frozen=True)
class Closeup:
    """One channel: its numbers, its picture (h,w,3), a pixel a place, and the values of the darkest and lightest."""

    layer: str
    channel: Channel
    picture: "NDArray[np.uint8]"
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Explained:
    """What speaks for a label, on the picture (h,w,3) that this model saw."""

    found: Explanation
    view: View
    picture: "NDArray[np.uint8]"


class Studio:
    """Feature caches of the opened models. Used by the model lane and by jobs, which the device gate keeps apart."""

    def __init__(self) -> None:
        self._caches = PerModel(FeatureCache.of)
        self._keys = PhotoKeys()

    def walk(self, model: "Model", photo: "Photo") -> Walked:
        """Every layer's output, from one run (none where the photo was looked at before)."""
        cache = self._caches.of(model)
        maps = cache.maps(photo.rgb, self._keys.of(photo))
        classes = top_classes(maps, 5) if maps.logits is not None and maps.labels else ()
        return Walked(photo, model, cache, maps, classes, maps.view.cut(photo.rgb))

    def explain_text(
        self, model: "Model", photo: "Photo", text: str, layer: str, method: Method
    ) -> Explained:
        """What speaks for a text on a CLIP's image tower; a ViT has no such layers, so its last block answers."""
        vector = embed_texts(model, [text])[0]
        explainer = text_explainer(model, self._caches.of)
        if isinstance(explainer, TokenExplainer):
            view = look(photo.rgb, explainer.preprocess)
            return Explained(explainer.explain(view, vector, text), view, view.cut(photo.rgb))
        maps = explainer.maps(photo.rgb, self._keys.of(photo))
        known = {one.name for one in maps.layers}
        at = None if method == "cam" or layer not in known else layer
        return Explained(
            explain_text(explainer, maps, vector, text, at, method), maps.view, maps.view.cut(photo.rgb)
        )


def sheet(walked: Walked, layer: str, order: Order, colour_map: str, shared: bool) -> Sheet:
    """All channels of a layer, in order and painted."""
    maps = walked.maps
    return Sheet(layer, grid(maps, layer, order, colour_map, shared=shared))


def closeup(walked: Walked, layer: str, index: int, colour_map: str, shared: bool) -> Closeup:
    """One channel, over its own range or that of the whole layer."""
    found = channel(walked.maps, layer, index)
    low, high = found.minimum, found.maximum
    if shared:
        whole = walked.maps.outputs[layer]
        low, high = float(whole.min()), float(whole.max())
    return Closeup(layer, found, colours.paint(found.values, colour_map, low, high), low, high)


def explain(walked: Walked, index: int, layer: str, method: Method) -> Explained:
    """What speaks for a class at a layer."""
    at = None if method == "cam" else layer
    found = explain_class(walked.cache, walked.maps, index, at, method)
    return Explained(found, walked.maps.view, walked.picture)
