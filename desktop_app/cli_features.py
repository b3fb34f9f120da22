"""`pinhole features` and `pinhole explain`: the network's layers on one photo, and why a label."""

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from desktop_app import presets
from desktop_app.cli_model import model_folders, open_for
from desktop_app.cli_output import check_output
from desktop_app.cli_progress import ProgressLine, printable
from models.errors import ModelError, TextError
from models.images import read
from models.registry import find
from models.spec import Capability
from models.tasks import zero_shot
from models.tasks.evaluate import plain_name
from models.tasks.explain import (
    Explanation,
    Method,
    TokenExplainer,
    explain_class,
    explain_text,
    text_explainer,
    top_classes,
)
from models.tasks.feature_maps import FeatureCache, Maps, Order, numbers
from models.tasks.feature_pictures import grid, mosaic, overlay, save_npz
from models.tasks.mask_export import save_png
from models.tasks.view import View, look

if TYPE_CHECKING:
    from models.runtime import Model

_CELL = 64  # px of a channel in the picture of a layer
_SIDE = 512  # px at least of an explained photo


def run_features(arguments: argparse.Namespace) -> int:
    """List a layer's strongest channels; write them as a picture or as numbers where that was asked."""
    if arguments.out:
        check_output(arguments.out, "PNG", [arguments.photo])
    if arguments.npz:
        check_output(arguments.npz, "NPZ", [arguments.photo])
    photo = read(arguments.photo)
    model = open_for(arguments, _with_layers(arguments), ProgressLine())
    cache = FeatureCache.of(model)
    if arguments.layer == "list":
        for layer in cache.layers:
            print(f"{layer.name:<16} {layer.channels:5} channels, every {layer.stride} px")
        return 0
    maps = cache.maps(photo.rgb, arguments.photo)
    name = _layer(arguments.layer, maps)
    order = Order(arguments.order)
    if arguments.out:
        shown = grid(maps, name, by=order, count=arguments.top)
        save_png(mosaic(shown.pictures, cell=_CELL), arguments.out)
    if arguments.npz:
        save_npz(maps, arguments.npz, (name,))
    found = _channels(maps, name, order, arguments.top)
    classes = [(one.label, one.probability) for one in top_classes(maps)] if maps.labels else []
    if arguments.json:
        about = {"photo": str(arguments.photo), "layer": name, "shape": list(maps.outputs[name].shape)}
        print(
            json.dumps({**about, "channels": found, "classes": dict(classes)}, indent=2, ensure_ascii=False)
        )
        return 0
    channels, height, width = maps.outputs[name].shape
    print(f"{name}: {channels} channels of {width}x{height}")
    for one in found:
        figures = f"mean {one['mean']:8.3f}  max {one['max']:8.3f}  active {one['activation']:7.3f}"
        print(f"  channel {one['index']:4}  {figures}")
    for label, probability in classes:
        print(f"{probability:7.1%}  {printable(label)}")
    return 0


def _with_layers(arguments: argparse.Namespace) -> Capability:
    """A ConvNeXt unless another model was named: a CLIP with such an image tower has layers to show as well."""
    if (
        arguments.model
        and Capability.ZERO_SHOT in find(arguments.model, model_folders(arguments)).capabilities
    ):
        return Capability.ZERO_SHOT
    return Capability.FEATURES


def _layer(name: str | None, maps: Maps) -> str:
    names = [layer.name for layer in maps.layers]
    if name is None:
        return names[-1]
    if name not in names:
        raise TextError(f"There is no layer “{name}”", "", f"Take one of: {', '.join(names)}")
    return name


def _channels(maps: Maps, name: str, order: Order, top: int) -> list[dict[str, Any]]:
    found = numbers(maps, name)
    return [
        {
            "index": int(i),
            "mean": float(found.mean[i]),
            "variance": float(found.variance[i]),
            "min": float(found.minimum[i]),
            "max": float(found.maximum[i]),
            "activation": float(found.activation[i]),
        }
        for i in found.order(order)[:top]
    ]


def run_explain(arguments: argparse.Namespace) -> int:
    """Write the photo with what speaks for the label over it."""
    if not arguments.label.strip():
        raise TextError("--label is empty", "", 'Give what to look for, as in --label "a dog"')
    check_output(arguments.out, "PNG", [arguments.photo])
    photo = read(arguments.photo)
    classifier = bool(arguments.model) and (
        Capability.CLASSIFY in find(arguments.model, model_folders(arguments)).capabilities
    )
    model = open_for(arguments, Capability.CLASSIFY if classifier else Capability.ZERO_SHOT, ProgressLine())
    view = look(photo.rgb, model.preprocess)
    if classifier:
        explanation = _why_class(model, photo.rgb, arguments)
    else:
        explanation = _why_words(model, photo.rgb, view, arguments)
    times = max(1, -(-_SIDE // max(view.picture.shape[:2])))
    large = view.picture.repeat(times, axis=0).repeat(times, axis=1)
    save_png(overlay(large, explanation.heat, low=0.0, high=1.0), arguments.out)
    kind = "score" if classifier else "cosine"
    print(
        f"{printable(explanation.label)}: {kind} {explanation.score:.3f}, at {explanation.layer}, {arguments.out}"
    )
    return 0


def _why_class(model: "Model", rgb: Any, arguments: argparse.Namespace) -> Explanation:
    cache = FeatureCache.of(model)
    maps = cache.maps(rgb, arguments.photo)
    wanted = plain_name(arguments.label)
    # A class may have several names, as in “tabby, tabby cat”.
    index = next(
        (i for i, label in enumerate(maps.labels) if wanted in map(plain_name, (label, *label.split(",")))),
        None,
    )
    if index is None:
        some = ", ".join(maps.labels[:8])
        cure = "Leave --model away to ask a CLIP model, which takes any words"
        raise ModelError(f"{model.spec.title} knows no class “{arguments.label}”", f"It knows {some}…", cure)
    return explain_class(cache, maps, index, arguments.layer, Method(arguments.method))


def _why_words(model: "Model", rgb: Any, view: View, arguments: argparse.Namespace) -> Explanation:
    templates = presets.prompt_set_of("photo").templates
    text = zero_shot.embed_labels(model, [zero_shot.Label(arguments.label)], templates)[0].astype(np.float32)
    explainer = text_explainer(model)
    if isinstance(explainer, TokenExplainer):
        return _why_tokens(explainer, view, text, arguments)
    maps = explainer.maps(rgb, arguments.photo)
    return explain_text(explainer, maps, text, arguments.label, arguments.layer, Method(arguments.method))


def _why_tokens(
    explainer: TokenExplainer, view: View, text: Any, arguments: argparse.Namespace
) -> Explanation:
    """A ViT has blocks, counted from 0, and no class activation map."""
    if Method(arguments.method) is Method.CAM:
        raise ModelError(
            f"{explainer.name} has no class activation map",
            "It pools no channels, as a ConvNeXt does",
            "Leave --method away: Grad-CAM works on its blocks",
        )
    number = (arguments.layer or "").removeprefix("block")
    if arguments.layer and not number.isdecimal():
        raise TextError(
            f"There is no layer “{arguments.layer}”", "", f"Take block0 to block{explainer.blocks - 1}"
        )
    return explainer.explain(view, text, arguments.label, int(number) if number else None)
