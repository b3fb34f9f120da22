"""Why this label: Grad-CAM against hooks and autograd, CAM adding up to the score, prompts on both kinds of tower."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from models.errors import ModelError, WrongModelError
from models.families.clip import CLIP, CLIPConfig, TextConfig, ViTConfig
from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import TrunkConfig
from models.spec import Preprocess
from models.tasks.explain import (
    Explanation,
    Method,
    TokenExplainer,
    explain_class,
    explain_text,
    top_classes,
)
from models.tasks.feature_maps import FeatureCache, Maps
from models.tasks.view import look

PREPROCESS = Preprocess(resize=96, crop=(96, 96))
TRUNK = TrunkConfig((8, 12, 16, 24), (1, 1, 2, 1))


def spread(module: Any) -> Any:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.eval()


def clip(vision: TrunkConfig | ViTConfig) -> CLIP:
    text = TextConfig(vocab_size=50, width=16, hidden=32, depth=1, heads=2, context=8)
    module: CLIP = spread(CLIP(CLIPConfig(text, vision, 16)))
    return module


def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)


def direction() -> NDArray[np.float32]:
    vector = np.random.default_rng(1).normal(size=16).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module")
def cache() -> FeatureCache:
    return FeatureCache(spread(ConvNeXt(ConvNeXtConfig(TRUNK, ("cat", "dog", "hat")))), PREPROCESS)


@pytest.fixture(scope="module")
def maps(cache: FeatureCache) -> Maps:
    return cache.maps(photo(), "photo")


@pytest.fixture(scope="module")
def towers() -> tuple[FeatureCache, Maps]:
    cache = FeatureCache(clip(TRUNK), PREPROCESS)
    return cache, cache.maps(photo(), "photo")


def test_top_classes_are_the_likeliest(cache: FeatureCache, maps: Maps) -> None:
    module: Any = cache.module
    with torch.no_grad():
        logits = module(cache.tensor(maps.view))[0]
    found = top_classes(maps, 2)
    assert [score.index for score in found] == logits.argsort(descending=True)[:2].tolist()
    assert [score.label for score in found] == [maps.labels[score.index] for score in found]
    assert found[0].probability == pytest.approx(float(logits.softmax(0).max()), abs=1e-4)
    assert sum(score.probability for score in top_classes(maps, 9)) == pytest.approx(1.0)


def reference_grad_cam(module: ConvNeXt, pixels: torch.Tensor, layer: str, index: int) -> torch.Tensor:
    """Grad-CAM the long way: one run of the whole network with its gradients kept."""
    outputs = module.features(pixels)
    for output in outputs.values():
        output.retain_grad()
    module.head(outputs["stage4.block0"])[0, index].backward()
    gradient = outputs[layer].grad
    assert gradient is not None
    return (outputs[layer] * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1)[0].detach()


@pytest.mark.parametrize("layer", ["stem", "stage2.down", "stage3.block1", "stage4.block0"])
@pytest.mark.parametrize("index", [0, 2])
def test_grad_cam_at_any_layer_is_the_textbooks(
    cache: FeatureCache, maps: Maps, layer: str, index: int
) -> None:
    module: Any = cache.module
    expected = reference_grad_cam(module, cache.tensor(maps.view), layer, index).numpy()
    runs = cache.runs
    with torch.inference_mode():
        found = explain_class(cache, maps, index, layer)
    assert cache.runs == runs
    assert (found.label, found.layer) == (maps.labels[index], layer)
    # The kept maps are float16.
    np.testing.assert_allclose(found.values, expected, atol=0.02 * np.abs(expected).max())
    assert found.score == pytest.approx(float(maps.logits[index]), abs=0.02)  # type: ignore[index]


def test_a_class_activation_map_adds_up_to_the_logit(cache: FeatureCache, maps: Maps) -> None:
    module: Any = cache.module
    for index in range(3):
        found = explain_class(cache, maps, index, method=Method.CAM)
        weights = module.classifier.weight[index].detach()
        offset = float(
            weights @ module.trunk.layernorm.bias.detach() + module.classifier.bias[index].detach()
        )
        assert found.values.shape == (3, 3)
        assert float(found.values.mean()) + offset == pytest.approx(found.score, abs=0.02)
    with pytest.raises(ModelError, match="last layer alone"):
        explain_class(cache, maps, 0, "stem", Method.CAM)


def test_a_class_activation_map_adds_up_where_places_are_normalised_before_pooling() -> None:
    trunk = replace(TRUNK, head_norm_first=True)
    module: Any = spread(ConvNeXt(ConvNeXtConfig(trunk, ("cat", "dog"))))
    cache = FeatureCache(module, PREPROCESS)
    found = explain_class(cache, cache.maps(photo(), "photo"), 1, method=Method.CAM)
    offset = module.classifier.weight[1] @ module.trunk.layernorm.bias + module.classifier.bias[1]
    assert float(found.values.mean()) + float(offset.detach()) == pytest.approx(found.score, abs=0.02)


def test_a_hidden_layer_before_the_classes_leaves_no_class_activation_map() -> None:
    module: Any = spread(ConvNeXt(ConvNeXtConfig(TRUNK, ("cat", "dog"), head_hidden_size=10)))
    cache = FeatureCache(module, PREPROCESS)
    maps = cache.maps(photo(), "photo")
    assert explain_class(cache, maps, 1).values.any()
    with pytest.raises(ModelError, match="class activation map"):
        explain_class(cache, maps, 1, method=Method.CAM)


def test_a_prompt_is_explained_on_a_convnext_tower(towers: tuple[FeatureCache, Maps]) -> None:
    cache, maps = towers
    text, module = direction(), cache.module
    assert isinstance(module, CLIP)
    with torch.no_grad():
        cosine = float(module.embed_image(cache.tensor(maps.view))[0] @ torch.from_numpy(text))
    for layer in (None, "stage2.block0"):
        found = explain_text(cache, maps, text, "a cat", layer)
        assert found.score == pytest.approx(cosine, abs=5e-3)
        assert np.abs(found.values).max() > 0
    exact = explain_text(cache, maps, text, "a cat", method=Method.CAM)
    with torch.no_grad():
        feature = module.visual_projection(module.vision_model(cache.tensor(maps.view)))[0]
        bias = module.visual_projection(cache.trunk.layernorm.bias) @ torch.from_numpy(text) / feature.norm()
    assert float(exact.values.mean()) + float(bias) == pytest.approx(cosine, abs=5e-3)
    opposite = explain_text(cache, maps, -text, "no cat")
    same = explain_text(cache, maps, text, "a cat")
    np.testing.assert_allclose(opposite.values, -same.values, atol=1e-5)


def test_a_prompt_is_explained_on_a_vit_tower() -> None:
    module = clip(ViTConfig(width=16, hidden=32, depth=3, heads=2, image_size=96, patch=16))
    explainer = TokenExplainer(module, PREPROCESS)
    view, text = look(photo(), PREPROCESS), direction()
    with torch.no_grad():
        embedding = module.embed_image(torch.from_numpy(view.pixels.copy())[None])[0]
    assert explainer.blocks == 3
    with torch.inference_mode():
        maps = [explainer.explain(view, text, "a cat", block) for block in (0, 1, None)]
    for found in maps:
        assert found.values.shape == (6, 6)
        assert found.score == pytest.approx(float(embedding @ torch.from_numpy(text)), abs=1e-5)
        assert np.abs(found.values).max() > 0
    assert maps[2].layer == "block2"
    with pytest.raises(ModelError, match="no block 3"):
        explainer.explain(view, text, "a cat", 3)


def test_gradients_of_tokens_are_the_slopes_of_the_score() -> None:
    """First order: removing a little of one patch's token changes the cosine by its share."""
    module = clip(ViTConfig(width=16, hidden=32, depth=2, heads=2, image_size=96, patch=32))
    view, text = look(photo(), PREPROCESS), direction()
    found = TokenExplainer(module, PREPROCESS).explain(view, text, "a cat")
    tower: Any = module.vision_model
    with torch.no_grad():
        x = tower.pre_layrnorm(tower.embeddings(torch.from_numpy(view.pixels.copy())[None]))
        tokens = tower.encoder.layers[0](x).double()
        last, post, projection = (
            part.double()
            for part in (tower.encoder.layers[1], tower.post_layernorm, module.visual_projection)
        )

        def cosine(given: torch.Tensor) -> float:
            unit = F.normalize(projection(post(last(given)[:, 0])), dim=-1)[0]
            return float(unit @ torch.from_numpy(text).double())

        for patch in range(9):
            less = tokens.clone()
            less[0, 1 + patch] *= 1 - 1e-4
            change = (cosine(tokens) - cosine(less)) / 1e-4
            assert change == pytest.approx(float(found.values.flat[patch]), abs=1e-4, rel=1e-2)


def test_heat_is_what_speaks_for_the_label() -> None:
    values = np.array([[-2.0, 1.0], [4.0, 0.0]], np.float32)
    assert Explanation("a", Method.CAM, "x", values, 0.0).heat.tolist() == [[0.0, 0.25], [1.0, 0.0]]
    assert (Explanation("a", Method.CAM, "x", -np.ones((2, 2), np.float32), 0.0).heat == 0).all()


def test_a_map_is_read_at_a_place_of_the_picture() -> None:
    found = Explanation("a", Method.CAM, "x", np.arange(6, dtype=np.float32).reshape(2, 3), 0.0)
    assert [found.at(0, 0), found.at(0.5, 0.2), found.at(1, 1), found.at(0.99, 0.6)] == [0.0, 1.0, 5.0, 5.0]


def test_what_cannot_be_explained_is_told_in_words(
    cache: FeatureCache, maps: Maps, towers: tuple[FeatureCache, Maps]
) -> None:
    with pytest.raises(ModelError, match="no class number 7"):
        explain_class(cache, maps, 7)
    with pytest.raises(ModelError, match="no layer 'stage9'"):
        explain_class(cache, maps, 0, "stage9")
    with pytest.raises(ModelError, match="names no classes"):
        top_classes(towers[1])
    with pytest.raises(WrongModelError, match="no pictures with words"):
        explain_text(cache, maps, direction(), "a cat")
    with pytest.raises(WrongModelError, match="no ViT image tower"):
        TokenExplainer(cache.module, PREPROCESS)
