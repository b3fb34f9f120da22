"""The loop that all recipes share: it resumes, shards, averages and ends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.errors import DataError
from models.families.vit import Attention
from models.training import mae, trunk, trunk_run
from models.training.attention import speed_up_attention
from models.training.data import PhotoSet
from models.training.depthwise import speed_up, weight_gradient
from models.training.loop import Run, averaged_weights, schedule, take_over, train
from tests.training.tools import TINY, Killed, drawn_signals, killed_at, recipe_on, tiny_trunk


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


@pytest.mark.parametrize("kind", ["trunk", "classes", "mae", "text"])
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
