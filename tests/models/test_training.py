"""The recipes that made the bundled models, on a handful of drawn photos: they run, resume, and are measured."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models.errors import DataError
from models.families.clip import CLIP
from models.families.convnext_trunk import TrunkConfig
from models.families.mae import MAEConfig
from models.families.vit import Attention
from models.runtime import open_model
from models.spec import IMAGENET_MEAN, IMAGENET_STD
from models.training import clip, convnext, evaluate, mae, trunk, trunk_run
from models.training.attention import speed_up_attention
from models.training.calibrate import SCALES
from models.training.corpus import REACH, Space, clean, label_synonyms, labels_own
from models.training.data import PhotoSet, as_small_jpeg, batch_places
from models.training.depthwise import speed_up, weight_gradient
from models.training.everyday import EVERYDAY, ONE_TEMPLATE, STRANGE
from models.training.label_head import LabelHeads, label_heads, label_shares, leads_of, shares_right
from models.training.loop import Run, averaged_weights, schedule, take_over, train
from models.training.mixture import Mixture
from models.training.pixels import colour_jitter, to_tensor
from models.training.sentences import TEMPLATES, Sentences, Surroundings, surroundings
from models.training.text import (
    LabelPlaces,
    TextRecipe,
    Texts,
    encode,
    spoken,
    text_config,
    train_tokenizer,
)

LABELS = ("dog", "pizza", "beach", "car")
TINY = TrunkConfig(
    hidden_sizes=(16, 16, 32, 32),
    depths=(1, 1, 1, 1),
    image_size=112,
    layer_norm_eps=1e-6,
    layer_scale_init_value=0.2,
)
TINY_MAE = MAEConfig(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    layer_norm_eps=1e-6,
    image_size=112,
    patch_size=16,
    decoder_num_attention_heads=2,
    decoder_hidden_size=16,
    decoder_num_hidden_layers=1,
    decoder_intermediate_size=32,
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen photos of four plain colours, one shard, every fourth one val; the first two with captions."""
    data = tmp_path / "data"
    (data / "teachers").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (
        (data / "index.csv").open("w", newline="", encoding="utf-8") as file,
        (data / "shard-00.bin").open("wb") as shard,
    ):
        table = csv.writer(file)
        table.writerow(
            [
                "shard",
                "filename",
                "source",
                "licence",
                "label",
                "caption",
                "split",
                "offset",
                "size",
                "width",
                "height",
            ]
        )
        offset = 0
        for i in range(16):
            number = i % 4
            height, width = (112, 140) if i % 3 else (64, 64)
            colour = np.array([[40, 90, 160, 220][number], 60 * number, 255 - 60 * number])
            rgb = np.clip(colour + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)
            stream = io.BytesIO()
            Image.fromarray(rgb).save(stream, "JPEG")
            said = f"A {LABELS[number]} outside . | The {LABELS[number]} again" if i in (0, 1, 12) else ""
            split = "val" if i >= 12 else "train"
            name = "flickr8k" if said else "drawn"
            size = len(stream.getvalue())
            table.writerow(
                [
                    "shard-00.bin",
                    f"{i}.jpg",
                    name,
                    "MIT",
                    LABELS[number],
                    said,
                    split,
                    offset,
                    size,
                    width,
                    height,
                ]
            )
            shard.write(stream.getvalue())
            offset += size
    (data / "labels.csv").write_text("label,group\ndog,dog\npizza,food\nbeach,\ncar,car\n", encoding="utf-8")
    with gzip.open(data / "teachers" / "wordnet_nouns.txt.gz", "wt", encoding="utf-8") as out:
        out.write("n1\tdog, domestic dog\nn2\tbeach\nn3\tcar, motorcar\nn4\tcar, cable car\n")
    classes = ["tench, Tinca tinca", "puppy", "quokka, dog", *(f"class {i}" for i in range(997))]
    (data / "teachers" / "imagenet_labels.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return data


@pytest.fixture
def photos(folder: Path, tmp_path: Path) -> PhotoSet:
    return PhotoSet(folder, tmp_path / "cache")


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Rows of unit length, always the same."""
    return nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def drawn_signals(photos: PhotoSet) -> trunk.Signals:
    """Signals in the shapes of the real ones; the first features of a photo are those of its label."""
    rng = np.random.default_rng(1)
    n = len(photos)
    features = rng.random((2, n, 2, 1280)).astype(np.float16) / 100
    features[:, np.arange(n), :, photos.label_ids] = 1
    return trunk.Signals(
        features=tuple(features),
        labels_seen=LabelHeads(
            9 * torch.eye(len(photos.labels), 1280).expand(2, -1, -1),
            torch.tensor([[0.0, 0, 0, 0], [4, 0, 0, 0]]),
            torch.arange(n) % 2,
        ),
        labels_own=labels_own(photos),
        leads=np.array([0.2, -0.4, 0, 0], np.float32),
        feature_mean=torch.zeros(1280),
        feature_std=torch.ones(1280),
        head_weight=unit(1000, 1280),
        head_bias=torch.zeros(1000),
        classes=np.tile(np.arange(32), (n, 1)),
        log_probabilities=np.full((n, 32), -3.5, np.float32),
        label_vectors=unit(len(photos.labels), 384),
        concept_vectors=unit(2, 384, seed=2),
        concept_of=F.one_hot(torch.arange(len(photos.labels)) % 2, 2).float(),
        label_shares=torch.tensor([0.4, 0.3, 0.2, 0.1]),
        class_vectors=unit(1000, 384, seed=3),
        caption_vectors=unit(6, 384, seed=1),
        caption_of=[np.arange(2) if row.captions else np.empty(0, np.int64) for row in photos.rows],
    )


def drawn_texts() -> tuple[Texts, object]:
    """A vocabulary and the places of a few words."""
    names = ["dog", "puppy", "pizza", "beach", "car", "quokka"]
    sentences = ["a dog runs on the beach", "two cars and a pizza"] * 70
    # Room for every word: where merges are left out, the trainer breaks ties differently from run to run.
    tokenizer = train_tokenizer(names + sentences, 800)
    texts = Texts(
        names=names,
        raw_vectors=unit(len(names), 384),
        name_vectors=unit(len(names), 384),
        clip_vectors=unit(len(names), 512),
        common=np.arange(3),
        sentences=sentences,
        sentence_vectors=unit(len(sentences), 384),
        label_vectors=unit(4, 384, seed=5),
        token_vectors=unit(tokenizer.get_vocab_size(), 384),
    )
    return texts, tokenizer


def test_all_sentences_that_the_program_ships_are_told() -> None:
    sentences, rng = Sentences(["dog"]), np.random.default_rng(0)
    drawn = [sentences.around("dog", 0.1, rng) for _ in range(3000)]
    assert len(sentences.shipped) > 80
    assert {text.replace("{}", "dog") for text in (*TEMPLATES, *sentences.shipped)} <= set(drawn)
    assert all(text.count("dog") == 1 for text in drawn)
    # Hundreds are neither listed nor shipped, so that any other is understood, too.
    assert len(set(drawn)) > 600
    assert not {text.replace("{}", "dog") for text in STRANGE} & set(drawn)


def test_no_sentence_makes_another_word_of_it() -> None:
    rng = np.random.default_rng(0)
    drawn = [
        Sentences(["poodle", "toy poodle"]).around(word, 0, rng) for word in ("poodle", "poodles") * 1000
    ]
    assert any("plush poodle" in text for text in drawn)
    assert not any("toy poodle" in text for text in drawn)


def test_words_around_things_come_from_what_people_write() -> None:
    said = ["a man walks with his two dogs along the very old bridge in june", "nothing to see here"]
    found = surroundings(said, {"dog", "bridge", "man"}, ["irony"])
    assert found.before == ("a", "along the very old", "walks with his two")
    assert found.after == ("along the very old", "in june", "walks with his two")
    rng = np.random.default_rng(0)
    sentences = Sentences(
        ["dog", "horse", "sea horse"], Surroundings(("in the deep sea",), ("in june",), ("irony",))
    )
    drawn = {word: [sentences.around(word, 0, rng) for _ in range(2000)] for word in ("dog", "horse")}
    assert any("sea dog in june" in text for text in drawn["dog"])
    assert any("irony" in text for text in drawn["dog"])
    assert all(text.count("dog") == 1 for text in drawn["dog"])
    # What would be another animal is not said of a horse.
    assert not any("sea horse" in text for text in drawn["horse"])


def test_words_that_show_nothing_are_told_from_things() -> None:
    names, labels = ["hound", "irony", "hologram", "sort", "dog"], np.eye(3, dtype=np.float32)[:1]
    near = np.array([0.9, 0.1, 0.1, 0.4, 1.0], np.float32)
    vectors = np.stack([near, np.sqrt(1 - near**2), 0 * near], axis=1)
    found = spoken(names, vectors, labels, ["one sort of hound with irony"])
    assert found == Surroundings(before=("one sort of",), after=("with irony",), asides=("irony",))


def text_recipe() -> TextRecipe:
    texts, tokenizer = drawn_texts()
    recipe = TextRecipe(texts, tokenizer, 0, replace(text_config(tokenizer, width=64, depth=1)))  # type: ignore[arg-type]
    recipe.size = 8
    return recipe


class Killed(Exception):
    """What a test raises where a kill would come."""


def killed_at(recipe: object, step: int) -> object:
    """The recipe, ending the process (as it seems) when `step` begins."""
    kind = type(recipe)

    def ending(self: object, number: int, progress: float) -> object:
        if number == step:
            raise Killed
        return kind.batch(self, number, progress)  # type: ignore[attr-defined]

    # Its class, not the recipe alone, so that a shard of it ends as well.
    recipe.__class__ = type("Ending", (kind,), {"batch": ending})
    return recipe


def test_the_photos_are_decoded_once_and_read_back(photos: PhotoSet, folder: Path) -> None:
    assert len(photos) == 16
    assert photos.labels == sorted(LABELS)
    assert photos.rgb(1).shape == (112, 140, 3)
    assert photos.rows[0].captions == ("A dog outside .", "The dog again")
    assert list(photos.val) == [12, 13, 14, 15]
    written = (photos.cache / "pixels.bin").stat().st_mtime_ns
    again = PhotoSet(folder, photos.cache)
    assert (photos.cache / "pixels.bin").stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.rgb(7), photos.rgb(7))


def test_crops_lie_inside_the_photo_and_have_the_side_asked_for(photos: PhotoSet) -> None:
    boxes = photos.crop_boxes()
    height, width = photos.sizes[:, :1], photos.sizes[:, 1:]
    assert (boxes[..., 0] >= 0).all()
    assert (boxes[..., 2] <= width + 1e-3).all()
    assert (boxes[..., 3] <= height + 1e-3).all()
    assert (boxes[..., 2] - boxes[..., 0] > 10).all()
    assert photos.crop(1, boxes[1, 1], 48).shape == (48, 48, 3)
    np.testing.assert_array_equal(photos.crop_boxes(), boxes)


def test_an_epoch_meets_every_photo_once_and_depends_on_seed_and_step_alone() -> None:
    met = np.concatenate([batch_places(12, 4, 7, step)[0] for step in range(3)])
    assert sorted(met) == list(range(12))
    np.testing.assert_array_equal(batch_places(12, 4, 7, 1)[0], batch_places(12, 4, 7, 1)[0])
    assert not np.array_equal(batch_places(12, 4, 7, 3)[0], met[:4])
    assert batch_places(12, 4, 7, 3)[1] == 1


def test_the_schedule_warms_up_and_ends_at_nothing() -> None:
    assert schedule(0.0) < 0.01
    assert schedule(0.02) == pytest.approx(1.0)
    assert schedule(1.0) == pytest.approx(0.0)


@pytest.mark.parametrize("side", [2, 5, 8])
def test_the_depthwise_gradient_is_that_of_pytorch(side: int) -> None:
    layer = nn.Conv2d(16, 16, 7, padding=3, groups=16)
    conv = nn.Sequential(layer)
    generator = torch.Generator().manual_seed(0)
    x = (
        torch.randn(3, 16, side, side, generator=generator)
        .bfloat16()
        .contiguous(memory_format=torch.channels_last)
    )
    weight, bias = layer.weight, layer.bias
    expected = torch.autograd.grad(
        nn.functional.conv2d(x.float(), weight, bias, padding=3, groups=16).square().sum() / 2, weight
    )[0]
    out = nn.functional.conv2d(x.float(), weight, bias, padding=3, groups=16).detach()
    with torch.autocast("cpu", torch.bfloat16):
        changed = speed_up(conv)
        got = conv(x)
    got.float().square().sum().div(2).backward()
    assert weight.grad is not None
    scale = float(expected.abs().max())
    torch.testing.assert_close(weight.grad, expected, rtol=0.05, atol=0.03 * scale)
    if changed:
        torch.testing.assert_close(weight_gradient(x, out.bfloat16()), expected, rtol=0.02, atol=0.01 * scale)


def tiny_trunk(photos: PhotoSet) -> trunk.TrunkRecipe:
    recipe = trunk.TrunkRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),))
    # Eight photos, since they are small.
    recipe.size = 4
    return recipe


def test_a_killed_run_resumed_ends_in_the_same_weights(photos: PhotoSet, tmp_path: Path) -> None:
    whole = train(tiny_trunk(photos), Run(tmp_path / "whole", steps=5, save_every=0))
    run = Run(tmp_path / "cut", steps=5, save_every=0, resume=True)
    with pytest.raises(Killed):
        train(killed_at(tiny_trunk(photos), 3), run)  # type: ignore[arg-type]
    resumed = train(tiny_trunk(photos), run)
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    kept = averaged_weights(tmp_path / "cut" / "checkpoint.safetensors")
    assert torch.equal(kept["logit_scale"], resumed["logit_scale"])


class Numbers:
    """A recipe whose batch is `size` numbers, each met once; the loss pulls a weight towards them."""

    rate, weight_decay, average, size = 1e-2, 0.0, 0.9, 6

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(1, 1)
        self.met: list[float] = []

    def batch(self, step: int, progress: float) -> Tensor:
        return torch.arange(step * self.size, (step + 1) * self.size, dtype=torch.float32)[:, None]

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        assert self.module.training
        self.met.extend(batch[:, 0].tolist())
        return {"total": (self.module(torch.ones(1, 1)) - batch.sin()).square().mean()}


def test_a_batch_in_shards_is_learned_as_a_whole_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients: list[float] = []

    def clipped(parameters: Iterable[nn.Parameter], norm: float) -> None:
        gradients.extend(float(p.grad.sum()) for p in parameters if p.grad is not None)

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", clipped)
    whole, parts = Numbers(), Numbers()
    parts.module.eval()
    one = train(whole, Run(tmp_path / "one", steps=4, log_every=1))
    three = train(parts, Run(tmp_path / "three", steps=4, log_every=1, shards=3))
    assert sorted(parts.met) == whole.met == list(range(24))
    assert len(gradients) == 16
    assert gradients[:8] == pytest.approx(gradients[8:])
    for name, value in one.items():
        torch.testing.assert_close(three[name], value)
    lines = [
        [json.loads(line)["total"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "three")
    ]
    assert lines[0] == pytest.approx(lines[1], abs=1e-3)
    # The recipe itself is left as it was.
    assert parts.size == 6


def test_shards_can_have_batches_of_several_kinds(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = recipe_on("text", photos, "cpu")
    recipe.size = 8
    train(recipe, Run(tmp_path / "run", steps=8, log_every=8, shards=2))  # type: ignore[arg-type]
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {"told_apart", "parted", "away", "mix"} <= json.loads(line).keys()


def test_a_label_stands_in_two_sentences_side_by_side(photos: PhotoSet) -> None:
    recipe = recipe_on("text", photos, "cpu")
    batches = [recipe.batch(step, 0.0) for step in range(8)]
    pairs = [batch.places for batch in batches if getattr(batch, "places", None) is not None]
    assert pairs
    assert all(torch.equal(places[::2], places[1::2]) for places in pairs)


def test_a_run_by_steps_goes_on_in_as_many_shards(photos: PhotoSet, tmp_path: Path) -> None:
    train(tiny_trunk(photos), Run(tmp_path / "run", steps=2))
    with pytest.raises(DataError, match="as many threads"):
        train(tiny_trunk(photos), Run(tmp_path / "run", steps=4, shards=2, resume=True))
    # By minutes it may.
    train(tiny_trunk(photos), Run(tmp_path / "run", minutes=0.001, shards=2, resume=True))


def test_a_killed_run_in_shards_resumed_ends_in_the_same_weights(photos: PhotoSet, tmp_path: Path) -> None:
    whole = train(tiny_trunk(photos), Run(tmp_path / "whole", steps=5, save_every=0, shards=2))
    run = Run(tmp_path / "cut", steps=5, save_every=0, resume=True, shards=2)
    first = tiny_trunk(photos)
    with pytest.raises(Killed):
        train(killed_at(first, 6), run)  # type: ignore[arg-type]
    resumed = train(tiny_trunk(photos), run)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def recipe_on(kind: str, photos: PhotoSet, device: str) -> TextRecipe | mae.MAERecipe | trunk.TrunkRecipe:
    if kind == "trunk":
        return trunk.TrunkRecipe(photos, drawn_signals(photos), 0, TINY, sides=((1.0, 32),), device=device)
    if kind == "mae":
        return mae.MAERecipe(photos, 0, TINY_MAE, device=device)
    texts, tokenizer = drawn_texts()
    places = LabelPlaces([("dog", "puppy"), ("car",)], unit(2, 384), np.array([0.5, 0.5]))
    config = text_config(tokenizer, width=64, depth=1)  # type: ignore[arg-type]
    return TextRecipe(texts, tokenizer, 0, config, places, device=device)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["trunk", "mae", "text"])
def test_a_step_is_computed_on_the_device_alone(kind: str, photos: PhotoSet) -> None:
    # The meta device computes shapes, and refuses a tensor that was left on the CPU as a GPU would.
    recipe = recipe_on(kind, photos, "meta")
    for step in range(4):
        found = recipe.losses(recipe.batch(step, 0.0))  # type: ignore[arg-type]
        assert {value.device.type for value in found.values()} == {"meta"}
        found["total"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or p.grad.device.type == "meta" for p in recipe.module.parameters())


def test_batches_prepared_ahead_are_those_of_their_steps(photos: PhotoSet, tmp_path: Path) -> None:
    met = []
    recipe = SimpleNamespace(module=nn.Linear(1, 1), rate=1e-3, weight_decay=0.0, average=0.9, size=1)
    recipe.batch = lambda step, progress: (step, progress)

    def losses(batch: tuple[int, float]) -> dict[str, Tensor]:
        met.append(batch)
        return {"total": recipe.module(torch.ones(1, 1)).square().sum()}

    recipe.losses = losses
    # Any name but "cpu" prepares ahead; the module here stays where it is.
    train(recipe, Run(tmp_path / "run", steps=9, device="elsewhere"))
    assert met == [(step, step / 9) for step in range(9)]


def test_a_run_writes_metrics_that_can_be_plotted(photos: PhotoSet, tmp_path: Path) -> None:
    train(tiny_trunk(photos), Run(tmp_path / "run", steps=4, log_every=2))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert all(np.isfinite(line["total"]) for line in lines)
    assert {"features", "crop_classes", "labels", "label_texts", "captions"} <= lines[0].keys()


def test_a_mixture_shows_two_photos_and_answers_for_both_by_their_shares() -> None:
    rng = np.random.default_rng(0)
    photos = torch.arange(12.0).reshape(12, 1, 1, 1).expand(12, 3, 20, 20)
    mixed = Mixture.draw(12, 20, 0.5, rng)
    shown = mixed.pixels(photos)
    assert torch.equal(shown[:6], photos[:6])
    assert mixed.pure.tolist() == [True] * 6 + [False] * 6
    values = torch.arange(12.0)[:, None]
    # The mean of what is shown is the mean of the two photos by their shares, however they are mixed.
    assert torch.allclose(shown.mean((1, 2, 3)), mixed.mean(values)[:, 0], atol=1e-4)
    assert {window is None for window in mixed.windows[6:]} == {True, False}


def test_some_photos_lose_their_colours() -> None:
    factors = colour_jitter(400, np.random.default_rng(0))
    grey = factors[2] == 0
    assert 20 < int(grey.sum()) < 80
    rgb = np.random.default_rng(1).integers(60, 180, (400, 4, 4, 3)).astype(np.uint8)
    means, stds = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = to_tensor(rgb, factors) * stds + means
    spread = (pixels.amax(1) - pixels.amin(1)).amax((1, 2))
    assert float(spread[grey].max()) < 1e-5
    assert float(spread[~grey].min()) > 0.1


def test_a_photo_is_its_own_label_and_what_the_teacher_sees_in_it(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    rows = photos.train[batch_places(len(photos.train), 8, 0, 0)[0]]
    own, leads = torch.zeros(8, 4), torch.zeros(8, 4)
    own[0, 2], own[1, 0], own[2, :2] = 1, 1, 0.5
    # Where the lead outweighs what the head says.
    leads[3, photos.label_ids[rows[3]]] = -20
    batch = replace(recipe.batch(0, 0.0), own=own, leads=leads)
    every = np.concatenate(recipe.signals.features, axis=1)[rows].astype(np.float32).mean(1)
    torch.testing.assert_close(batch.photo_features, torch.from_numpy(every), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(batch.photo_features, batch.features, atol=1e-3)
    heads, features = recipe.signals.labels_seen, (batch.features + batch.photo_features) / 2
    seen = (features @ heads.weight[0].T + heads.bias[torch.from_numpy(rows) % 2] + leads).softmax(-1)
    found = recipe._labels(batch)
    assert float(found[3, photos.label_ids[rows[3]]]) < 1e-3
    # bfloat16 keeps three digits.
    torch.testing.assert_close(found[3:], seen[3:], atol=0.01, rtol=0.05)
    rest = found[:3] - trunk.OWN_LABEL * own[:3]
    torch.testing.assert_close(rest, (1 - trunk.OWN_LABEL) * seen[:3], atol=0.01, rtol=0.05)
    torch.testing.assert_close(found.sum(1), torch.ones(8))


def test_what_a_mixture_shows_holds_for_both_of_its_photos() -> None:
    mixed = Mixture(torch.tensor([1, 0]), torch.tensor([0.75, 0.25]), (None, None))
    assert mixed.both(torch.tensor([True, False])).tolist() == [False, False]
    assert mixed.both(torch.tensor([True, True])).tolist() == [True, True]


def test_label_heads_know_labels_from_features_and_are_fitted_once(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The photos of a head make one step of an epoch.
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    features = drawn_signals(photos).features
    heads = label_heads(photos, features)
    crops = torch.from_numpy(features[0][photos.val, 1].astype(np.float32))
    said = heads.logits(crops, torch.from_numpy(photos.val))
    assert said.argmax(1).tolist() == photos.label_ids[photos.val].tolist()
    assert list(shares_right(photos, features).values()) == [100, 100, 100, 100]
    kept = list(photos.cache.glob("label-heads-*"))
    again = label_heads(photos, features)
    assert torch.equal(again.weight, heads.weight)
    assert torch.equal(again.bias, heads.bias)
    assert torch.equal(again.strange, heads.strange)
    assert list(photos.cache.glob("label-heads-*")) == kept
    # Other features need other heads.
    label_heads(photos, tuple(f * 0 for f in features))
    assert len(list(photos.cache.glob("label-heads-*"))) == 2


def test_a_photo_is_asked_about_at_a_head_that_has_not_met_it(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    features = np.stack(drawn_signals(photos).features)
    # One photo that looks like nothing else, so that only a head that has met it can know its label.
    row = int(photos.train[3])
    features[:, row] = 0
    features[:, row, :, 700] = 1
    heads = label_heads(photos, tuple(features))
    seen, rows = torch.from_numpy(features[0, [row], 0].astype(np.float32)), torch.tensor([row])
    own = int(photos.label_ids[row])
    sure = [
        float(
            replace(heads, strange=torch.full_like(heads.strange, k)).logits(seen, rows).softmax(-1)[0, own]
        )
        for k in range(len(heads.weight))
    ]
    own_head = int(heads.strange[row])
    assert float(heads.logits(seen, rows).softmax(-1)[0, own]) == pytest.approx(sure[own_head])
    assert sure[own_head] < min(p for k, p in enumerate(sure) if k != own_head) - 0.1


def test_a_photo_without_a_label_has_those_that_most_of_its_captions_name(
    folder: Path, tmp_path: Path
) -> None:
    table = (folder / "index.csv").read_text(encoding="utf-8").splitlines()
    said = (
        "A Dog and an orange | two dogs on the beach | some dogs, one beach | the pizza | no beaches",
        "Orange | an orange | oranges | dogs | dog",
    )
    for line, captions in enumerate(said, 1):
        cells = table[line].split(",")
        table[line] = ",".join([*cells[:4], "", f'"{captions}"', *cells[6:]])
    table[3] = table[3].replace(",beach,", ",orange,")
    (folder / "index.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    photos = PhotoSet(folder, tmp_path / "other")
    found = [[photos.labels[i] for i in own] for own in labels_own(photos)]
    # "Orange" is a colour more often than a fruit.
    assert found[:4] == [["beach", "dog"], [], ["orange"], ["car"]]


def test_a_label_s_lead_is_how_much_more_of_the_large_photos_have_it(photos: PhotoSet) -> None:
    small = photos.label_ids[1]
    photos.large[:] = np.arange(16) % 4 != 1
    shares = label_shares(photos, labels_own(photos))
    np.testing.assert_allclose(shares, 0.25)
    leads = leads_of(photos, shares)
    # Three of nine large train photos are each other label's, three of twelve in all.
    others = [i for i in range(4) if i != small]
    np.testing.assert_allclose(leads[others], np.log(4 / 3), rtol=1e-5)
    np.testing.assert_allclose(leads[small], np.log(1e-4 / 0.25), rtol=1e-5)


def test_heads_do_not_learn_that_large_photos_have_other_labels(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.label_head.EPOCHS", 300)
    small = photos.label_ids[1]
    photos.large[:] = photos.label_ids != small
    # All that features tell is the size.
    features = np.zeros((1, len(photos), 2, 1280), np.float16)
    features[..., :200] = photos.large[:, None, None]
    seen = torch.zeros(1, 1280)
    seen[0, :200] = 1

    def sure() -> float:
        said = label_heads(photos, tuple(features)).logits(seen, torch.tensor([0]))
        return float(said.softmax(-1)[0, small])

    led = sure()
    monkeypatch.setattr("models.training.label_head.leads_of", lambda photos, shares: np.zeros(4, np.float32))
    assert led > 2 * sure()


def test_a_large_photo_is_now_and_then_shown_as_a_small_one_is(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_trunk(photos)
    row = next(i for i in photos.train if photos.large[i])
    box = np.array([0, 0, 112, 112], np.float32)

    def detail(side: int, *look: float) -> float:
        rgb = recipe._look(row, box, side, *look).astype(float)
        assert rgb.shape == (side, side, 3)
        return float(np.abs(np.diff(rgb, axis=1)).mean())

    # The photo is noise: what is reduced loses most of it, what is sharpened has more.
    assert detail(112, 0.5, 0) < 0.6 * detail(112, 1, 0) < 0.6 * detail(112, 1, 100)
    np.testing.assert_array_equal(recipe._look(row, box, 112, 1, 0), photos.crop(row, box, 112))
    # JPEG tells, too, where a crop is shown no larger than it was kept.
    plain = photos.crop(row, box, 56)
    kept = recipe._look(row, box, 56, 0.5, 0)
    np.testing.assert_array_equal(kept, np.asarray(as_small_jpeg(Image.fromarray(plain))))
    assert np.abs(kept.astype(int) - plain).mean() > 1


def test_which_photos_are_reduced_which_sharpened_and_which_know_that_they_are_large(
    photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    rows = photos.train[batch_places(len(photos.train), 8, 0, 0)[0]]
    photos.label_ids[rows[photos.large[rows]][0]] = -1
    large, labelled = photos.large[rows], photos.label_ids[rows] >= 0
    assert 0 < (large & labelled).sum() < large.sum() < 8

    def batch(reduced: float, sharpened: float) -> trunk.TrunkBatch:
        monkeypatch.setattr(trunk, "REDUCED", reduced)
        monkeypatch.setattr(trunk, "SHARPENED", sharpened)
        return recipe.batch(0, 1.0)

    plain, small, sharp = batch(0, 0), batch(1, 0), batch(0, 1)

    def unlike(other: trunk.TrunkBatch) -> list[bool]:
        return (plain.pixels != other.pixels).flatten(1).any(1).tolist()

    assert unlike(small) == large.tolist()
    assert unlike(sharp) == (~large).tolist()
    leading = (plain.leads == torch.from_numpy(recipe.signals.leads)).all(1)
    assert leading.tolist() == (large & labelled).tolist()
    assert not small.leads.any()


def test_of_a_mixture_a_label_s_share_is_the_mean_of_its_shares(photos: PhotoSet) -> None:
    leads = torch.tensor([[0.0, -5, 1, 0], [0, 0, 0, 0]])
    mixed = Mixture(torch.tensor([1, 0]), torch.tensor([0.5, 1]), (None, None))
    batch = replace(tiny_trunk(photos).batch(0, 0.0), leads=leads, mixed=mixed)
    torch.testing.assert_close(batch.lead[0].exp(), (leads[0].exp() + 1) / 2)
    torch.testing.assert_close(batch.lead[1], leads[1])


def test_the_classifier_is_given_the_lead_too(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    with torch.no_grad():
        recipe.module.classifier.classifier.bias.copy_(torch.tensor([0.0, 9, 0, 0]))
        recipe.module.classifier.classifier.weight.zero_()
        batch = replace(recipe.batch(0, 0.0), own=F.one_hot(torch.zeros(8).long(), 4).float())
        plain, led = (
            recipe.losses(replace(batch, leads=torch.tensor([0, lead, 0, 0]).expand(8, -1)))["labels"]
            for lead in (0.0, -20.0)
        )
    # What keeps the first label from coming first is that the second leads.
    assert float(led) < float(plain) - 2


def test_a_sharp_photo_does_not_learn_that_it_is_not_what_only_small_photos_show(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    batch, labels = recipe.batch(0, 0.0), F.one_hot(torch.full((8,), 2), 4).float()
    vectors = unit(8, 384, seed=9)

    def push(lead: float) -> list[Tensor]:
        leads = torch.tensor([0, lead, 0, 0]).expand(8, -1)
        read = recipe.signals.label_vectors.clone().requires_grad_()
        groups = recipe.signals.concept_vectors.clone().requires_grad_()
        recipe.signals = replace(recipe.signals, label_vectors=read, concept_vectors=groups)
        found = recipe._text_losses(vectors, labels, torch.full((8, 1000), 1e-3), replace(batch, leads=leads))
        return list(torch.autograd.grad(found["label_texts"] + found["group_texts"], (read, groups)))

    plain, led = push(0.0), push(-9.0)
    assert float(led[0][1].norm()) < 1e-3 * float(plain[0][1].norm())
    assert float(led[0][0].norm()) > float(plain[0][0].norm())
    # The second group is that label's and a rarer one's.
    assert float(led[1][1].norm()) < 0.5 * float(plain[1][1].norm())


def test_the_trunk_learns_the_labels(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = tiny_trunk(photos)
    recipe.rate = 4e-3
    with torch.no_grad():
        before = recipe.losses(recipe.batch(1000, 0.5))["labels"]
    train(recipe, Run(tmp_path / "run", steps=30))
    with torch.no_grad():
        after = recipe.losses(recipe.batch(1000, 0.5))["labels"]
    assert float(after) < 0.7 * float(before)


@pytest.mark.parametrize(
    "text", ["A photo of a dog.", "Bœuf à la café", "犬と猫", "собака 1999", "two\n\n  kids' toys", "🙂"]
)
def test_every_script_becomes_tokens_and_none_is_unknown(text: str) -> None:
    _, tokenizer = drawn_texts()
    ids = tokenizer.encode(text).ids  # type: ignore[attr-defined]
    assert ids[0] == 0
    assert ids[-1] == 1
    assert 1 not in ids[:-1]


def test_texts_are_padded_with_the_end_and_cut_at_the_context() -> None:
    _, tokenizer = drawn_texts()
    ids, mask = encode(tokenizer, ["dog", "a dog runs on the beach"], context=6)  # type: ignore[arg-type]
    assert ids.shape == mask.shape == (2, 6)
    assert ids[0].tolist()[2:] == [1, 1, 1, 1]
    assert int(ids[1, -1]) == 1
    assert mask.sum(1).tolist() == [3, 6]


def test_the_text_tower_comes_nearer_to_the_teacher(tmp_path: Path) -> None:
    recipe = text_recipe()
    run = Run(tmp_path / "text", steps=100)
    first = float(recipe.losses(recipe.batch(0, 0.0))["away"].detach())
    recipe.module.load_state_dict(train(recipe, run))
    recipe.module.eval()
    ids, _ = encode(recipe.tokenizer, recipe.texts.names[:3])
    with torch.no_grad():
        vectors, _ = recipe.module(ids)
    away = 1 - (vectors * recipe.texts.name_vectors[:3]).sum(-1)
    assert float(away.mean()) < 0.5 * first


def test_synonyms_come_from_the_one_synset_of_a_word(folder: Path) -> None:
    words = label_synonyms(["dog", "car", "pizza"], folder, frozenset({"motorcar"}))
    assert words == [("dog", "domestic dog"), ("car",), ("pizza",)]


def test_the_space_is_centred_between_the_sets() -> None:
    one, two = (unit(40, 384, seed=s).numpy().astype(np.float16) + np.float16(s) for s in (1, 2))
    space = Space.of(one, two)
    np.testing.assert_allclose(
        space.mean, (one.astype(np.float32).mean(0) + two.astype(np.float32).mean(0)) / 2, 1e-5
    )
    np.testing.assert_allclose(np.linalg.norm(space.place(one), axis=1), 1, rtol=1e-5)


def test_the_space_has_as_many_directions_as_the_text_tower_can_reach() -> None:
    drawn = unit(400, 384, seed=1).numpy()
    # Most of the spread is in the first ten directions.
    vectors = (drawn * np.where(np.arange(384) < 10, 9, 1)).astype(np.float16)
    placed = Space.of(vectors, reach=10).place(vectors)
    assert np.linalg.matrix_rank(placed, tol=1e-3) == 10
    assert np.square(placed[:, :10]).sum() > 9 * np.square(placed[:, 10:]).sum()
    assert np.linalg.matrix_rank(Space.of(vectors).place(vectors), tol=1e-3) == REACH
    assert text_config(drawn_texts()[1]).width == REACH  # type: ignore[arg-type]


def aligned(photos: PhotoSet) -> tuple[trunk.JointNet, CLIP]:
    """A small CLIP by the recipe's own road, and the net it was made of."""
    joint = tiny_trunk(photos).module.eval()
    recipe = text_recipe()
    return joint, clip.assemble(joint, recipe.module)


def write_pair(joint: trunk.JointNet, whole: CLIP, folder: Path) -> None:
    """The classifier and the CLIP of one trunk, as finished models."""
    from models.bundle import write_bundle

    convnext.export(joint, folder / "pinhole-convnext")
    tokenizer = drawn_texts()[1].to_str()  # type: ignore[attr-defined]
    write_bundle(
        folder / "pinhole-clip", whole, whole.config.to_hf(), trunk.PREPROCESS, tokenizer, "# clip\n"
    )


@pytest.fixture
def bundles(photos: PhotoSet, tmp_path: Path) -> dict[str, Path]:
    """One small folder of each kind, by the recipes' own roads."""
    write_pair(*aligned(photos), tmp_path)
    painter = mae.MAERecipe(photos, 0, TINY_MAE)
    painter.module.load_state_dict(train(painter, Run(tmp_path / "mae", steps=2)))
    mae.export(painter.module, tmp_path / "pinhole-mae")
    return {name: tmp_path / f"pinhole-{name}" for name in ("clip", "convnext", "mae")}


def test_the_assembled_model_sees_with_the_trunk(photos: PhotoSet) -> None:
    joint, whole = aligned(photos)
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = whole.visual_projection(joint.classifier.embed(pixels))
        torch.testing.assert_close(whole.embed_image(pixels), nn.functional.normalize(seen, dim=-1))


def with_words(texts: Texts, *words: str) -> Texts:
    """The same vocabulary with more names, all of them drawn anew."""
    names = [*texts.names, *words]
    return replace(
        texts,
        names=names,
        raw_vectors=unit(len(names), 384, seed=6),
        name_vectors=unit(len(names), 384, seed=7),
    )


def test_groups_and_classes_have_places_of_their_own_and_withheld_words_none(photos: PhotoSet) -> None:
    known = with_words(drawn_texts()[0], "domestic dog", "food")
    moved, places = clip.label_places(photos, known)
    # "puppy" is one of the synonyms that the evaluation withholds, "tench" no word of the vocabulary.
    assert places.words[4:] == [("food",), ("quokka",)]
    at = {name: i for i, name in enumerate(known.names)}
    torch.testing.assert_close(places.vectors[4], known.raw_vectors[at["food"]])
    both = known.raw_vectors[at["quokka"]] + known.raw_vectors[at["dog"]]
    torch.testing.assert_close(places.vectors[5], nn.functional.normalize(both, dim=-1))
    assert torch.equal(moved.name_vectors[at["food"]], places.vectors[4])
    assert torch.equal(moved.name_vectors[at["puppy"]], known.name_vectors[at["puppy"]])
    assert places.odds.sum() == pytest.approx(1.0)


def test_the_second_run_of_the_text_tower_tells_labels_apart(photos: PhotoSet, tmp_path: Path) -> None:
    texts, tokenizer = drawn_texts()
    known = with_words(texts, "domestic dog")
    moved, places = clip.label_places(photos, known)
    assert torch.equal(
        moved.name_vectors[known.names.index("domestic dog")], places.vectors[photos.labels.index("dog")]
    )
    config = text_config(tokenizer, width=64, depth=1)  # type: ignore[arg-type]
    recipe = TextRecipe(texts, tokenizer, 0, config, places)  # type: ignore[arg-type]
    recipe.size = 8
    names = [
        losses for step in range(6) if "told_apart" in (losses := recipe.losses(recipe.batch(step, 0.0)))
    ]
    before = float(names[0]["told_apart"].detach())
    # The trainer numbers its tokens anew in every process: 150 steps were enough for most of the numberings only.
    recipe.module.load_state_dict(train(recipe, Run(tmp_path / "again", steps=300)))
    step = next(s for s in range(100, 120) if "told_apart" in recipe.losses(recipe.batch(s, 0.0)))
    assert float(recipe.losses(recipe.batch(step, 0.0))["told_apart"].detach()) < 0.5 * before


def test_every_kind_of_folder_is_measured_and_its_card_written(
    bundles: dict[str, Path], photos: PhotoSet
) -> None:
    from models.training.evaluate import write_card

    wanted = {
        "clip": "20 everyday labels",
        "convnext": "top-1 over 4 classes",
        "mae": "PSNR of hidden patches",
    }
    for name, folder in bundles.items():
        figures = evaluate.evaluate(folder, photos)
        assert any(figure.name.startswith(wanted[name]) for figure in figures)
        assert all(np.isfinite(figure.value) for figure in figures)
        write_card(folder, figures, "measured")
        write_card(folder, figures, "measured again")
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert text.count(figures[0].line()) == 1
        assert "measured again" in text


def test_the_command_trains_an_autoencoder_from_start_to_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.bundle import read_spec

    monkeypatch.setattr(mae, "CONFIG", TINY_MAE)
    options = [
        "--data",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--cache",
        str(tmp_path / "c"),
        "--steps",
        "2",
    ]
    mae.main(options)
    spec = read_spec(tmp_path / "out" / "pinhole-mae")
    assert spec.family == "mae"
    assert spec.preprocess.size == (112, 112)


def test_a_photo_whose_captions_name_an_everyday_label_is_measured_by_it(
    photos: PhotoSet, bundles: dict[str, Path]
) -> None:
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    row = int(photos.val[0])
    photos.label_ids[row] = -1
    photos.rows[row] = replace(photos.rows[row], label="", captions=("A dog .",) * 3)
    everyday = evaluate.in_templates(model, list(EVERYDAY), [ONE_TEMPLATE])

    def right(word: str) -> float:
        images = np.repeat(everyday[[list(EVERYDAY).index(word)]], len(photos.val), axis=0)
        found = [
            f for f in evaluate._everyday(model, photos, images, labels_own(photos)) if "captions" in f.name
        ]
        assert [f.name for f in found] == ["the same on 1 photos whose captions name one (1 of them a dog)"]
        return found[0].value

    assert right("dog") == 100
    assert right("pizza") == 0


def test_large_photos_are_measured_as_they_are_and_reduced(
    photos: PhotoSet, bundles: dict[str, Path]
) -> None:
    small = evaluate.reduced(photos.rgb(1))
    assert small.shape == (64, 80, 3)
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    shown = np.unique(photos.label_ids)
    # None of the label's train photos is large; of the val photos all but the first and the last are.
    photos.large[(photos.label_ids == 0) & (np.arange(16) < 12)] = False
    truth = photos.label_ids[photos.val]
    large = photos.large[photos.val]
    assert sorted(truth[large]) == [0, 3]
    # All pizza is taken for that label.
    scores = np.eye(4, dtype=np.float32)[np.where(truth == 3, 0, truth)]
    texts = np.eye(4, 384, dtype=np.float32)
    figures = evaluate._sizes(model, photos, photos.val, scores, texts, shown, labels_own(photos))
    values = [f.value for f in figures]
    assert f"{large.sum()} val photos" in figures[0].name
    assert "one of the 1 labels" in figures[1].name
    assert values[:2] == [50, 100]
    assert values[4] == 50


def test_top_counts_rows_whose_own_column_is_high() -> None:
    from models.training.evaluate import top

    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2]], np.float32)
    truth = np.array([0, 1, 2])
    assert top(scores, truth) == pytest.approx(100 / 3)
    assert top(scores, truth, 2) == pytest.approx(100)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_the_probe_takes_the_strength_that_holds_on_photos_it_was_not_taught() -> None:
    from sklearn.linear_model import LogisticRegression

    from models.training.evaluate import STRENGTHS, fitted_probe

    rng = np.random.default_rng(0)
    labels, middles = np.repeat(np.arange(30), 5), rng.normal(0, 1, (30, 16))
    chosen = []
    # The noisier the photos, the more a probe has to be held back.
    for noise in (1.5, 2.0):
        features = (middles[labels] + rng.normal(0, noise, (150, 16))).astype(np.float32)
        held = np.arange(150) % 5 == 0
        tried = [LogisticRegression(C=c, max_iter=300).fit(features[~held], labels[~held]) for c in STRENGTHS]
        right = [one.score(features[held], labels[held]) for one in tried]
        found = fitted_probe(features, labels)
        assert pytest.approx(STRENGTHS[int(np.argmax(right))]) == found.C
        assert found.score(features, labels) > 0.6
        chosen.append(found.C)
    assert chosen[0] > chosen[1]
    # One photo of each class leaves none to choose by.
    alone = fitted_probe(middles.astype(np.float32), np.arange(30))
    assert alone.predict(middles).tolist() == list(range(30))


def test_full_size_photos_of_the_packages_are_measured(bundles: dict[str, Path], tmp_path: Path) -> None:
    from models.training.full_size import LABELS, TRUTH, found, full_size_figures

    assert all(set(labels) <= set(LABELS) for labels in TRUTH.values())
    photos = found(tmp_path)
    assert {path.name for path in photos} >= {"coffee.png", "china.jpg"}
    model = open_model(bundles["clip"], device="cpu", engine="torch", precision="float32")
    right, truth = full_size_figures(model, photos)
    assert 0 <= right.value <= len(photos)
    # No better and hardly worse than chance: it has learned nothing.
    assert truth.value < 0


def test_interpolation_repairs_a_ramp_and_the_mean_does_not() -> None:
    from models.training.evaluate_mae import as_pixels, fill_bilinear, fill_mean, psnr

    y, x = np.mgrid[0:32, 0:32] / 64
    ramp = np.stack([x, y, (x + y) / 2], axis=-1)[None].astype(np.float32)
    mask = np.zeros((1, 16), bool)
    mask[0, [5, 6, 9]] = True
    hidden = as_pixels(mask, (4, 4), 8)
    assert hidden.sum() == 3 * 64
    smooth = fill_bilinear(ramp, mask, (4, 4), 8)
    np.testing.assert_allclose(smooth, ramp, atol=1e-5)
    flat = fill_mean(ramp, hidden)
    assert psnr(float(np.mean((flat - ramp)[hidden] ** 2))) < 40


def test_no_synonym_of_the_evaluation_is_taught_with_photos(folder: Path) -> None:
    from models.training.everyday import EVERYDAY, SYNONYMS

    assert len(SYNONYMS) == 60
    assert not set(SYNONYMS.values()) & set(SYNONYMS)
    assert len(EVERYDAY) == 20
    assert all(clean(word) == word for word in SYNONYMS.values())


def test_the_answer_to_missing_options_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mae.main([])
    assert "--data" in capsys.readouterr().err


def test_a_run_needs_an_end(photos: PhotoSet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steps or of minutes"):
        train(tiny_trunk(photos), Run(tmp_path / "run"))


def test_the_budget_ends_a_run_by_time(photos: PhotoSet, tmp_path: Path) -> None:
    recipe = SimpleNamespace(
        module=nn.Linear(1, 1), rate=1e-3, weight_decay=0.0, average=0.9, size=1, batch=None, losses=None
    )
    seen: list[float] = []

    def batch(step: int, progress: float) -> Tensor:
        seen.append(progress)
        return torch.ones(1, 1)

    recipe.batch = batch
    recipe.losses = lambda ones: {"total": recipe.module(ones).square().sum()}
    train(recipe, Run(tmp_path / "run", minutes=0.001))
    assert seen[0] == 0.0
    assert seen == sorted(seen)
    assert max(seen) < 1.0


def test_a_run_takes_over_what_fits_of_a_smaller_one(photos: PhotoSet, tmp_path: Path) -> None:
    first = tiny_trunk(photos)
    train(first, Run(tmp_path / "run", steps=2))
    wider = replace(TINY, hidden_sizes=(16, 16, 32, 48))
    second = trunk.TrunkRecipe(photos, drawn_signals(photos), 5, wider, sides=((1.0, 32),))
    fresh = {k: v.clone() for k, v in second.module.state_dict().items()}
    kept = averaged_weights(tmp_path / "run" / "checkpoint.safetensors")
    lacking = take_over(second.module, kept)
    now = second.module.state_dict()
    same = [k for k, v in now.items() if v.shape == kept[k].shape]
    assert same
    assert set(lacking) == set(now) - set(same)
    assert all(torch.equal(now[k], kept[k]) for k in same)
    assert all(torch.equal(now[k], fresh[k]) for k in now if k not in same)


def test_a_run_begins_from_finished_models(
    photos: PhotoSet, bundles: dict[str, Path], tmp_path: Path
) -> None:
    first, second = tiny_trunk(photos), trunk.TrunkRecipe(photos, drawn_signals(photos), 5, TINY)
    batch = second.batch(0, 1.0)
    with torch.no_grad():
        before = second.losses(batch)["features"]
        trunk_run.begin(second, tmp_path)
        after = second.losses(batch)["features"]
    kept = first.module.state_dict()
    for name, value in second.module.state_dict().items():
        if not name.startswith("teacher_head"):
            torch.testing.assert_close(value, kept[name], atol=1e-3, rtol=1e-3)
    # No head for the teacher's features is kept: it has been fitted, not left to chance.
    assert float(after) < 0.5 * float(before)
    # A deeper trunk begins where the finished one stands.
    train(second, Run(tmp_path / "run", steps=1))
    for start in (tmp_path, tmp_path / "run" / "checkpoint.safetensors"):
        seen = []
        for depth in (1, 3):
            one = trunk.TrunkRecipe(photos, drawn_signals(photos), 5, replace(TINY, depths=(1, 1, depth, 1)))
            trunk_run.begin(one, start)
            with torch.no_grad():
                seen.append(one.module.classifier.embed(batch.pixels))
        torch.testing.assert_close(seen[1], seen[0])
    with pytest.raises(DataError, match="other labels"):
        trunk_run.finished(tmp_path, ["cat", *photos.labels[1:]])
    with pytest.raises(DataError, match="nothing to begin from"):
        trunk_run.begin(second, tmp_path / "nowhere")
    wider = trunk.TrunkRecipe(photos, drawn_signals(photos), 5, replace(TINY, hidden_sizes=(16, 16, 32, 48)))
    with pytest.raises(DataError, match="another network"):
        trunk_run.begin(wider, tmp_path)
    tower = clip.kept_text(bundles["clip"])
    lacking, unknown = text_recipe().module.load_state_dict(tower, strict=False)
    assert set(lacking) == {"clip_head.weight", "clip_head.bias"}
    assert not unknown


def test_the_text_tower_is_taken_from_a_run_or_from_a_finished_model(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    run, recipe = Run(tmp_path / "text", steps=1), text_recipe()
    with pytest.raises(DataError, match="nothing to begin from"):
        clip._train_or_take(recipe, [tmp_path / "nowhere"], run)
    clip._train_or_take(recipe, [bundles["clip"]], run)
    kept = clip.kept_text(bundles["clip"])
    assert all(torch.equal(recipe.module.state_dict()[name], tensor) for name, tensor in kept.items())
    with torch.no_grad():
        for parameter in recipe.module.parameters():
            parameter.add_(0.25)
    clip._train_or_take(recipe, [], run)
    after = text_recipe()
    trained = averaged_weights(run.checkpoint)
    clip._train_or_take(after, [run.out], run)
    for name, tensor in trained.items():
        torch.testing.assert_close(after.module.state_dict()[name], tensor)
    clip._train_or_take(after, [run.out, bundles["clip"]], run)
    for name, tensor in kept.items():
        torch.testing.assert_close(after.module.state_dict()[name], (trained[name] + tensor) / 2)
        assert not torch.equal(trained[name], tensor)


def test_a_run_begins_once_and_goes_on_where_it_was(
    photos: PhotoSet, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, sides = [], []
    monkeypatch.setattr(trunk_run, "signals_of", drawn_signals)
    monkeypatch.setattr(trunk_run, "begin", lambda recipe, start: begun.append(start))
    monkeypatch.setattr(
        trunk_run, "train", lambda recipe, run: sides.append(recipe.sides) or recipe.module.state_dict()
    )
    run = Run(tmp_path / "run", steps=2, resume=True)
    trunk_run.train_trunk(photos, run, TINY)
    trunk_run.train_trunk(photos, run, TINY, tmp_path)
    run.out.mkdir()
    run.checkpoint.touch()
    trunk_run.train_trunk(photos, run, TINY, tmp_path)
    assert begun == [tmp_path]
    assert sides == [trunk_run.FROM_CHANCE, trunk_run.FROM_WEIGHTS, trunk_run.FROM_WEIGHTS]


def test_the_mean_of_a_run_and_of_finished_models_is_taken(photos: PhotoSet, tmp_path: Path) -> None:
    first, run = tiny_trunk(photos), Run(tmp_path / "run", steps=3)
    after = train(first, run)
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.add_(0.25)
    write_pair(first.module.eval(), clip.assemble(first.module, text_recipe().module), tmp_path)
    before = {name: tensor.clone() for name, tensor in first.module.state_dict().items()}
    mean = trunk_run.kept_trunk(photos, [tmp_path, run.checkpoint], TINY).state_dict()
    for name, tensor in mean.items():
        # The teacher's head is no part of finished models, and of no use here. These are float16.
        if not name.startswith("teacher_head."):
            torch.testing.assert_close(tensor, (before[name] + after[name]) / 2, atol=1e-3, rtol=1e-3)
    wider = replace(TINY, hidden_sizes=(16, 16, 32, 48))
    with pytest.raises(DataError, match="another network"):
        trunk_run.kept_trunk(photos, [run.checkpoint], wider)


def test_a_run_can_train_the_projection_alone(
    photos: PhotoSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk_run, "signals_of", drawn_signals)
    first = tiny_trunk(photos)
    run = Run(tmp_path / "run", steps=2)
    train(first, run)
    before = averaged_weights(run.checkpoint)
    again = Run(tmp_path / "again", steps=2)
    net = trunk_run.train_trunk(photos, again, TINY, run.checkpoint, only="visual_projection")
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"visual_projection.weight"}
    # Its checkpoint is whole all the same, and a run that goes on from it does not forget the rest.
    kept = trunk_run.kept_trunk(photos, [again.checkpoint], TINY).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in net.state_dict().items())
    later = replace(again, steps=4, resume=True)
    net = trunk_run.train_trunk(photos, later, TINY, run.checkpoint, only="visual_projection")
    changed = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, kept[name])}
    assert changed == {"visual_projection.weight"}


def test_what_is_frequent_is_no_more_likely_for_it(photos: PhotoSet) -> None:
    recipe = tiny_trunk(photos)
    recipe.mixed_share = 0.0
    batch = replace(recipe.batch(0, 0.0), leads=torch.zeros(8, 4))
    vectors, s = unit(8, 384, seed=9), recipe.signals
    labels = torch.full((8, 4), 0.25)

    def losses(shares: list[float]) -> dict[str, Tensor]:
        recipe.signals = replace(s, label_shares=torch.tensor(shares))
        return recipe._text_losses(vectors, labels, torch.full((8, 1000), 1e-3), batch)

    even, uneven = losses([0.25] * 4), losses([0.7, 0.1, 0.1, 0.1])
    scores = recipe.module.logit_scale.exp() * vectors @ s.label_vectors.T
    plain = F.cross_entropy(scores, labels)
    lead = trunk.EVEN_LABELS * torch.tensor([0.7, 0.1, 0.1, 0.1]).log()
    torch.testing.assert_close(even["label_texts"], plain)
    torch.testing.assert_close(uneven["label_texts"], F.cross_entropy(scores + lead, labels))
    scores = recipe.module.logit_scale.exp() * vectors @ s.concept_vectors.T
    lead = trunk.EVEN_GROUPS * torch.tensor([0.8, 0.2]).log()
    torch.testing.assert_close(uneven["group_texts"], F.cross_entropy(scores + lead, torch.full((8, 2), 0.5)))


@pytest.mark.parametrize("causal", [False, True])
def test_plain_attention_gives_the_answers_and_gradients_of_torch(causal: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(32, 2, causal=causal)
    x = torch.randn(2, 9, 32)
    want = torch.autograd.grad(attention(x).square().sum(), tuple(attention.parameters()))
    assert speed_up_attention(attention) == 1
    found = torch.autograd.grad(attention(x).square().sum(), tuple(attention.parameters()))
    for mine, theirs in zip(found, want, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_a_deeper_painter_begins_where_the_shallow_one_ended(photos: PhotoSet, tmp_path: Path) -> None:
    shallow = mae.MAERecipe(photos, 0, TINY_MAE)
    shallow.module.load_state_dict(train(shallow, Run(tmp_path / "run", steps=2)))
    deeper = mae.MAERecipe(photos, 3, replace(TINY_MAE, decoder_num_hidden_layers=3))
    new = mae.grow(deeper.module, tmp_path / "run" / "checkpoint.safetensors")
    assert new
    assert all(".layers.1." in name or ".layers.2." in name for name in new)
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    mask = mae.random_mask(2, 49, 0.75, np.random.default_rng(0))
    with torch.no_grad():
        torch.testing.assert_close(deeper.module(pixels, mask), shallow.module(pixels, mask))
    # A finished model is as good a beginning as a run's checkpoint.
    mae.export(shallow.module, tmp_path / "finished")
    again = mae.MAERecipe(photos, 4, TINY_MAE)
    assert not mae.grow(again.module, tmp_path / "finished")
    with torch.no_grad():
        torch.testing.assert_close(
            again.module(pixels, mask), shallow.module(pixels, mask), atol=1e-2, rtol=1e-2
        )


def test_a_wider_painter_begins_where_the_narrow_one_ended_and_its_halves_come_apart(
    photos: PhotoSet, tmp_path: Path
) -> None:
    narrow = mae.MAERecipe(photos, 0, TINY_MAE)
    narrow.module.load_state_dict(train(narrow, Run(tmp_path / "run", steps=2)))
    c = TINY_MAE
    wider = mae.MAERecipe(
        photos,
        3,
        replace(
            c,
            hidden_size=2 * c.hidden_size,
            num_attention_heads=2 * c.num_attention_heads,
            intermediate_size=2 * c.intermediate_size,
            decoder_hidden_size=2 * c.decoder_hidden_size,
            decoder_num_attention_heads=2 * c.decoder_num_attention_heads,
            decoder_intermediate_size=2 * c.decoder_intermediate_size,
        ),
    )
    assert not mae.grow(wider.module, tmp_path / "run" / "checkpoint.safetensors")
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    mask = mae.random_mask(2, 49, 0.75, np.random.default_rng(0))
    with torch.no_grad():
        torch.testing.assert_close(
            wider.module(pixels, mask), narrow.module(pixels, mask), atol=1e-4, rtol=1e-4
        )
    # Twice the same gradient would keep the two halves the same for ever.
    wider.module.loss(pixels, wider.module(pixels, mask), mask).backward()
    gradient = wider.module.decoder.decoder_pred.weight.grad
    assert gradient is not None
    first = wider.module.decoder.decoder_encoder.layers[0].mlp.fc1.weight.grad
    assert first is not None
    top, bottom = first.chunk(2)
    assert not torch.allclose(top, bottom, rtol=0.1, atol=0)


def test_the_temperature_is_what_val_bears_out_and_nothing_else_changes(photos: PhotoSet) -> None:
    _, whole = aligned(photos)
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    tokenizer = drawn_texts()[1]
    scale = clip.calibrate(whole, tokenizer, photos)  # type: ignore[arg-type]
    assert float(whole.logit_scale.detach().exp()) == pytest.approx(scale, rel=1e-5)
    assert scale in SCALES
    assert all(torch.equal(before[k], v) for k, v in whole.state_dict().items() if k != "logit_scale")
