"""The one training loop: AdamW, warm-up and cosine, moving average, checkpoints that survive a kill, a metrics file.

Every random draw of a step comes from (seed, step) alone, so nothing but tensors and two numbers has to be kept:
with --steps a run that was killed and resumed ends in the very weights of one that was not.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor  # noqa: TID251 - a program of its own, without a window
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.errors import DataError
from models.registry import build, find
from models.training.data import default_cache


@dataclass(frozen=True)
class Run:
    """How long and where. `steps` wins over `minutes`; only a run by steps is repeatable to the bit."""

    out: Path
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    resume: bool = False
    save_every: float = 120.0
    """Seconds between checkpoints."""
    log_every: int = 50
    device: str = "cpu"
    """Where the network trains; batches are prepared on the CPU."""
    shards: int = 1
    """Into how many parts a batch is cut, each computed by a thread of its own (on a CPU). Other parts are other
    batches: a run by steps is repeated by one of as many."""

    @property
    def checkpoint(self) -> Path:
        """Where the run keeps its state."""
        return self.out / "checkpoint.safetensors"

    @property
    def goes_on(self) -> bool:
        """Whether there is a state to go on from, and it is wanted."""
        return self.resume and self.checkpoint.exists()

    def part(self, name: str, share: float) -> Run:
        """A part of it, with a folder of its own and its share of the minutes; each has all of the steps."""
        minutes = None if self.minutes is None else self.minutes * share
        return replace(self, out=self.out / name, minutes=minutes)


#: What a recipe calls a batch.
B = TypeVar("B")


class Recipe(Protocol[B]):
    """What a model brings: the module to train, its rates, the photos and texts of a step, and their loss."""

    @property
    def module(self) -> nn.Module:
        """What is trained."""
        ...

    rate: float
    weight_decay: float
    average: float
    """Decay of the moving average of the weights."""
    size: int
    """Photos or texts of a batch."""

    def batch(self, step: int, progress: float) -> B:
        """All that step `step` needs but the network, on the CPU: a pure function of its arguments and `size`.

        Where steps are cut into shards, these are counted, and `size` is a shard's.
        """
        ...

    def losses(self, batch: B) -> dict[str, Tensor]:
        """Named losses of a batch; `total` is the one that is minimised. Shards, being threads, must draw nothing."""
        ...


def half_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where the device has it: matrix products cost half, and weights stay float32."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, torch.bfloat16) if available else nullcontext()


def schedule(progress: float, warm_up: float = 0.02) -> float:
    """Factor of the learning rate at `progress` in [0, 1]: linear warm-up, then a half cosine to zero."""
    if progress < warm_up:
        return max(progress / warm_up, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))


def train(recipe: Recipe[B], run: Run) -> dict[str, Tensor]:
    """Run to the end of the budget; returns the averaged weights by name (trained ones and buffers alike)."""
    state = _State(recipe, run)
    metrics = run.out / "metrics.jsonl"
    sums: dict[str, float] = {}
    saved = time.monotonic()
    with _computing(recipe, run, state) as gradients:
        while (progress := state.progress()) < 1.0:
            began = time.monotonic()
            torch.manual_seed(run.seed * 1_000_003 + state.step)
            losses = gradients()
            state.update(recipe.rate * schedule(progress))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            state.elapsed += time.monotonic() - began
            if state.step % run.log_every == 0:
                line = {
                    "step": state.step,
                    "seconds": round(state.elapsed, 1),
                    "progress": round(progress, 4),
                }
                _append(metrics, {**line, **{k: round(v / run.log_every, 4) for k, v in sums.items()}})
                sums = {}
            if time.monotonic() - saved > run.save_every:
                state.save()
                saved = time.monotonic()
    state.save()
    return state.averaged()


@contextmanager
def _computing(recipe: Recipe[B], run: Run, state: _State) -> Iterator[Callable[[], dict[str, float]]]:
    """Gives what computes the next step's gradients, leaves them in the module, and returns the losses.

    A small network keeps two cores busier by half a batch each than by sharing every operation: in two processes
    forward and backward of a trunk made 366 photos a second, by two threads 203.
    """
    shards = [_shard(recipe, run.shards, place) for place in range(run.shards)]
    with ExitStack() as stack:
        batches = [stack.enter_context(_ahead(shard, run, state, i)) for i, shard in enumerate(shards)]
        pool = stack.enter_context(
            ThreadPoolExecutor(len(shards), initializer=torch.set_num_threads, initargs=(1,))
        )

        def of_shard(place: int) -> dict[str, float]:
            shards[place].module.train()
            losses = shards[place].losses(next(batches[place]))
            (losses["total"] / len(shards)).backward()  # type: ignore[no-untyped-call]
            return {name: float(value.detach()) for name, value in losses.items()}

        def gradients() -> dict[str, float]:
            # One shard has all the threads that it was given.
            found = [of_shard(0)] if len(shards) == 1 else list(pool.map(of_shard, range(len(shards))))
            for shard in shards[1:]:
                for own, other in zip(recipe.module.parameters(), shard.module.parameters(), strict=True):
                    if other.grad is not None:
                        own.grad = other.grad if own.grad is None else own.grad.add_(other.grad)
                        other.grad = None
            # Not every shard has every loss: batches can be of several kinds.
            names = dict.fromkeys(name for losses in found for name in losses)
            return {name: sum(losses.get(name, 0.0) for losses in found) / len(found) for name in names}

        yield gradients


def _shard(recipe: Recipe[B], count: int, place: int) -> Recipe[B]:
    """The recipe with a `count`th of its batch; but for the first, with a module that has the very weights of the
    recipe's and gradients of its own."""
    shard = copy.copy(recipe)
    shard.size = max(1, recipe.size // count)
    if place:
        module = copy.deepcopy(recipe.module)
        for own, other in zip(recipe.module.parameters(), module.parameters(), strict=True):
            other.data = own.data
        vars(shard)["module"] = module
    return shard


@contextmanager
def _ahead(recipe: Recipe[B], run: Run, state: _State, shard: int) -> Iterator[Iterator[B]]:
    """A shard's batches from the state's step on; where a GPU computes, the processor's cores prepare the next ones."""
    workers = 0 if run.device == "cpu" else max(1, (os.cpu_count() or 1) - 1)
    if not workers:
        yield (recipe.batch(state.step * run.shards + shard, state.progress()) for _ in iter(int, 1))
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[B]] = deque()

        def batches() -> Iterator[B]:
            step = state.step
            while True:
                while len(waiting) < 2 * workers:
                    # A step that is counted knows its own progress; by time it is at most these few steps off.
                    progress = state.progress() if run.steps is None else min(1.0, step / run.steps)
                    waiting.append(pool.submit(recipe.batch, step * run.shards + shard, progress))
                    step += 1
                yield waiting.popleft().result()

        try:
            yield batches()
        finally:
            for future in waiting:
                future.cancel()


class _State:
    """All that a checkpoint holds."""

    def __init__(self, recipe: Recipe[Any], run: Run) -> None:
        self.recipe, self.run = recipe, run
        self.step, self.elapsed = 0, 0.0
        run.out.mkdir(parents=True, exist_ok=True)
        self.path = run.checkpoint
        self.trained = {k: p for k, p in recipe.module.named_parameters() if p.requires_grad}
        matrices = [p for p in self.trained.values() if p.ndim > 1]
        rest = [p for p in self.trained.values() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ],
            lr=recipe.rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.ema = {k: p.detach().clone() for k, p in self.trained.items()}
        if run.goes_on:
            self._load()

    def progress(self) -> float:
        if self.run.steps is not None:
            return self.step / self.run.steps
        if self.run.minutes is None:
            raise ValueError("a run needs a number of steps or of minutes")
        return self.elapsed / (60 * self.run.minutes)

    def update(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.values()), list(self.trained.values()), 1 - keep)

    def averaged(self) -> dict[str, Tensor]:
        whole = {**self.recipe.module.state_dict(), **self.ema}
        return {k: v.detach().cpu().clone() for k, v in whole.items()}

    def save(self) -> None:
        tensors = {f"weight.{k}": p.detach() for k, p in self.trained.items()}
        # Whole, what is not trained included: a model can be made of it.
        tensors |= {f"average.{k}": v for k, v in self.averaged().items()}
        for name, parameter in self.trained.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = value
        contiguous = {
            k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()
        }
        place = json.dumps({"step": self.step, "elapsed": self.elapsed, "shards": self.run.shards})
        partial = self.path.with_suffix(".partial")
        save_file(contiguous, str(partial), {"place": place})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self.path)

    def _load(self) -> None:
        with safe_open(str(self.path), framework="pt") as file:
            place = json.loads(file.metadata()["place"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        begun = int(place.get("shards", 1))
        if self.run.steps is not None and begun != self.run.shards:
            raise DataError(
                "A run by steps goes on with as many threads as it was begun with", f"--threads {begun}"
            )
        self.step, self.elapsed = int(place["step"]), float(place["elapsed"])
        rest = {
            name: tensors[f"average.{name}"]
            for name in self.recipe.module.state_dict()
            if name not in self.trained and f"average.{name}" in tensors
        }
        self.recipe.module.load_state_dict(rest, strict=False)
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(tensors[f"weight.{name}"])
                self.ema[name].copy_(tensors[f"average.{name}"])
                moments = {
                    key: torch.empty_like(parameter).copy_(tensors[f"adam.{key}.{name}"])
                    for key in ("exp_avg", "exp_avg_sq")
                    if f"adam.{key}.{name}" in tensors
                }
                if moments:
                    # The fused optimizer counts where the parameter lies.
                    step = tensors[f"adam.step.{name}"].to(parameter.device)
                    self.optimizer.state[parameter] = {"step": step, **moments}


def averaged_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The moving average kept in a checkpoint, by parameter name; to look at a run while it goes on."""
    with safe_open(str(checkpoint), framework="pt") as file:
        return {
            key.removeprefix("average."): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118 (not a dict)
            if key.startswith("average.")
        }


def kept_weights(start: Path) -> dict[str, Tensor]:
    """Weights by name, float32: of a model folder, or the moving average in the checkpoint of a run.

    DataError where there is neither.
    """
    if not start.exists():
        raise DataError(f"There is nothing to begin from at {start}")
    if not start.is_dir():
        return averaged_weights(start)
    return {name: tensor.float() for name, tensor in build(find(start)).state_dict().items()}


def take_over(module: nn.Module, kept: Mapping[str, Tensor]) -> list[str]:
    """Begin from tensors wherever name and shape agree; names of those that are trained and lacking there."""
    own = module.state_dict()
    fit = {k: v for k, v in kept.items() if k in own and own[k].shape == v.shape}
    module.load_state_dict(fit, strict=False)
    return [
        name for name, parameter in module.named_parameters() if name not in fit and parameter.requires_grad
    ]


def take_all(module: nn.Module, kept: Mapping[str, Tensor], but: str | tuple[str, ...]) -> None:
    """`take_over`, where only names that begin with (one of) `but` may be lacking; DataError where others are."""
    if lacking := [name for name in take_over(module, kept) if not name.startswith(but)]:
        raise DataError(
            "These weights are of another network than this recipe trains", f"No {lacking[0]} of its size"
        )


def take_mean(module: nn.Module, kept: Sequence[Mapping[str, Tensor]], but: str | tuple[str, ...]) -> None:
    """`take_all` of the mean of several weights.

    Runs that were begun from one another lie in one basin: the mean of two knows what either learned (Wortsman et al.
    2022, arXiv 2203.05482).
    """
    states = []
    for one in kept:
        take_all(module, one, but)
        states.append({name: tensor.clone() for name, tensor in module.state_dict().items()})
    module.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})


def arguments(title: str) -> argparse.ArgumentParser:
    """The options that all recipes share."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with index.csv, labels.csv and the shards"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints, metrics and the finished model"
    )
    parser.add_argument(
        "--budget-minutes", type=float, default=60.0, help="training time; the schedule follows it"
    )
    parser.add_argument(
        "--steps", type=int, help="a number of steps instead of minutes (repeatable to the bit)"
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="begin from an earlier run's checkpoint, or from finished models (mae: a model folder, clip and convnext: "
        "the folder that holds both of theirs), instead of chance; say it again with --resume",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=1, help="processor cores; each learns its share of every batch"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="decoded photos and teacher features"
    )
    return parser


def run_of(options: argparse.Namespace, folder: str = "") -> Run:
    """The run that parsed `arguments` describe, in a folder of its own below --out."""
    torch.set_num_threads(options.threads)
    return Run(
        out=options.out / folder,
        minutes=options.budget_minutes,
        steps=options.steps,
        seed=options.seed,
        resume=options.resume,
        device=options.device,
        shards=options.threads if options.device == "cpu" else 1,
    )


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
