"""A model that runs: device, precision and engine settled, one `run` for all, with a note where a wish was not met."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models import choices, devices
from models.choices import Choice
from models.engines import Engine, EngineName, OnnxEngine, Precision, TorchEngine, is_out_of_memory
from models.errors import CheckpointError, DeviceError, ModelError, UserError, no_numbers
from models.families.base import Arrays, Entry
from models.families.config import section
from models.onnx_export import export, outlier_sample
from models.registry import build, find
from models.spec import ModelSpec, Preprocess
from models.tokens import Tokenizer
from models.weightless import open_weightless

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[str, float], None]  # what is being done, and how much of it (0 to 1)
MAX_SCALE = 100.0  # the paper clips the temperature here


def entries_of(spec: ModelSpec) -> Mapping[str, Entry]:
    """The calls that this model's family offers, by name, the one that `auto` measures first. Loads torch."""
    from models.bundle import kind_of

    return kind_of(spec.config, spec.id).load().entries


class Model:
    """An opened model: `device`, `precision` and `engine` are what really runs, `note` says why not what was asked."""

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        *,
        device: str = "cpu",
        precision: Precision = "float32",
        note: str = "",
    ) -> None:
        self.spec = spec
        self.device = device
        self.precision = precision
        self.note = note
        self._engine = engine
        self._spare: TorchEngine | None = None
        self._most: dict[str, int] = {}

    @property
    def engine(self) -> EngineName:
        """The library that runs the network."""
        return self._engine.name

    @property
    def preprocess(self) -> Preprocess:
        """How a photo becomes this model's tensor."""
        return self.spec.preprocess

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer; ModelError for a model that reads no text."""
        return Tokenizer(self.spec.folder, section(self.spec.config, "text_config"))

    @property
    def module(self) -> "nn.Module":
        """The torch network in evaluation mode: the one that runs, or a float32 twin beside ONNX Runtime."""
        engine = self._engine if isinstance(self._engine, TorchEngine) else self._torch_beside()
        return engine.module

    @cached_property
    def scale(self) -> float:
        """exp(logit_scale), at most 100: what cosine similarities are multiplied by before the softmax."""
        value = _stored_scale(self.spec.folder)
        if value is None:
            parameter = getattr(self.module, "logit_scale", None)
            if parameter is None:
                raise ModelError(f"{self.spec.title} compares no pictures with words")
            value = float(parameter)
        if not np.isfinite(value):
            raise no_numbers(self.spec.title, "Its temperature (logit_scale)")
        return min(float(np.exp(value)), MAX_SCALE)

    @property
    def batch_size(self) -> int:
        """A batch that keeps the device busy, halved since if one did not fit."""
        return min([16 if self.device == "cpu" else 64, *self._most.values()])

    def run(self, entry: str, **arrays: NDArray[Any]) -> NDArray[np.float32]:
        """float32 output of an entry over a batch; a batch that does not fit into memory is halved until it does.

        Raises DeviceError when not even one fits, ModelError when the network fails otherwise.
        """
        count = len(next(iter(arrays.values()))) if arrays else 0
        if count == 0:
            raise ModelError(f"{entry!r} was called on {self.spec.title} without any input")
        done: list[NDArray[np.float32]] = []
        at = 0
        while at < count:
            size = min(count - at, self._most.get(entry, count))
            part = {name: array[at : at + size] for name, array in arrays.items()}
            try:
                done.append(self._run_once(entry, part))
                at += size
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001  (torch and ONNX Runtime share no base class)
                self._halve(entry, size, error)
        return done[0] if len(done) == 1 else np.concatenate(done)

    def _run_once(self, entry: str, arrays: Arrays) -> NDArray[np.float32]:
        engine: Engine = self._engine
        if entry not in engine.entries and not isinstance(engine, TorchEngine):
            engine = self._torch_beside()
        if entry not in engine.entries:
            known = ", ".join(engine.entries)
            raise ModelError(f"{self.spec.title} has no entry {entry!r}", f"It has {known}")
        return engine.run(entry, arrays)

    def _halve(self, entry: str, size: int, error: Exception) -> None:
        if not is_out_of_memory(error):
            raise ModelError(f"{self.spec.title} failed on {self.device}", _first_line(error)) from error
        self._engine.forget()
        if size <= 1:
            raise DeviceError(
                f"{self.spec.title} does not fit into the memory of {self.device}",
                "Not even one photo at a time fits",
                "Close other programs, choose a smaller model, or run on the processor",
            ) from error
        self._most[entry] = size // 2

    def _torch_beside(self) -> TorchEngine:
        if self._spare is None:
            self._spare = TorchEngine(build(self.spec), entries_of(self.spec), "cpu", "float32")
        return self._spare


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _stored_scale(folder: Path) -> float | None:
    """logit_scale straight from the file, so that asking for it does not load torch; None where only torch can tell.

    CheckpointError where it is no single number.
    """
    from safetensors import safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        return None
    with safe_open(str(path), framework="numpy") as file:
        if "logit_scale" not in file.keys():  # noqa: SIM118
            return None
        part = file.get_slice("logit_scale")
        if part.get_shape() not in ([], [1]):
            raise CheckpointError(
                "The weights do not fit the network",
                f"logit_scale in {path} has the shape {part.get_shape()}; it should be a single number",
                "Download or copy the model again",
            )
        if part.get_dtype() == "BF16":
            return None  # numpy has no such numbers, torch has
        return float(file.get_tensor("logit_scale").item())


def open_model(
    spec_or_id: ModelSpec | str | Path,
    *,
    device: str = "auto",
    precision: Literal["auto"] | Precision = "auto",
    engine: Literal["auto"] | EngineName = "auto",
    cache: Path | None = None,
    progress: Progress | None = None,
    extra: Sequence[Path] = (),
) -> Model:
    """Opens a model at once: with the choice that `tuning.choose` has kept for this machine, else in float32.

    What cannot be had (a GPU, a precision, an engine) becomes a `note`, not an error; a broken model raises ModelError.
    """
    tell = progress or (lambda what, part: None)
    spec = spec_or_id if isinstance(spec_or_id, ModelSpec) else find(spec_or_id, extra)
    if precision not in ("auto", *get_args(Precision)) or engine not in ("auto", *get_args(EngineName)):
        raise ModelError(f"Precision {precision!r} with engine {engine!r} is not known")
    free = engine == precision == "auto"
    remembered = choices.recall(cache, spec, device) if free else None
    if free and _is_processor(device, remembered):
        tell(f"Opening {spec.title}", 0.1)
        without = _without_torch(spec, remembered, cache)
        if without is not None:
            return without
    tell("Loading PyTorch", 0.1)
    place, note = devices.resolve(device)
    if remembered is not None and remembered.device == place:
        graphs = choices.graphs(cache, spec, remembered)
        if graphs:
            return Model(spec, OnnxEngine(graphs, place), device=place, note=note)
        precision = remembered.precision
    if engine == "onnxruntime":
        return _open_onnx(spec, place, precision, note, cache, tell)
    tell(f"Loading {spec.title}", 0.4)
    settled, doubt = _settle(place, "float32" if precision == "auto" else precision)
    entries = entries_of(spec)
    model = Model(
        spec,
        TorchEngine(build(spec), entries, place, settled, outlier_sample(spec, entries, settled)),
        device=place,
        precision=settled,
        note=" ".join(filter(None, (note, doubt))),
    )
    tell(spec.title, 1.0)
    return model


def _is_processor(device: str, measured: Choice | None) -> bool:
    """Whether the processor is meant, as far as that can be told without torch, which is slow to import.

    An NVIDIA card may be one that torch cannot use; of Apple's GPU a measurement alone tells that there is none.
    """
    if device != "auto":
        return device == "cpu"
    known = sys.platform != "darwin" or (measured is not None and measured.device == "cpu")
    return known and not devices.has_nvidia()


def _without_torch(spec: ModelSpec, measured: Choice | None, cache: Path | None) -> Model | None:
    """The model in ONNX Runtime on the processor, where that was measured to be best or nothing was; else None.

    No import of torch on this road: that is a second of the start.
    """
    if measured is None:
        weightless = open_weightless(spec)
        return None if weightless is None else Model(spec, weightless)
    graphs = choices.graphs(cache, spec, measured) if measured.device == "cpu" else {}
    return Model(spec, OnnxEngine(graphs, "cpu")) if graphs else None


def _settle(device: str, precision: Precision) -> tuple[Precision, str]:
    """(precision that works on this device, why it is not the one asked for)."""
    if device == "cpu" and precision == "float16":
        return "float32", "float16 is for graphics cards; the processor runs float32."
    if precision == "int8" and not (device == "cpu" and devices.has_int8()):
        return "float32", "int8 is for processors with 8-bit products (VNNI); float32 runs."
    if device.startswith("cuda") and precision == "bfloat16":
        import torch

        if not torch.cuda.is_bf16_supported():
            return "float16", "This GPU has no bfloat16; it runs float16."
    return precision, ""


def _open_onnx(
    spec: ModelSpec, device: str, precision: str, note: str, cache: Path | None, tell: Progress
) -> Model:
    """ONNX Runtime as asked for, exporting the graphs first where they are missing."""
    if cache is None:
        raise ModelError("ONNX Runtime needs a cache folder for its graphs", "", "Pass `cache`")
    if device == "mps":
        device, note = "cpu", f"{note} ONNX Runtime runs on the processor here.".strip()
    if precision not in ("auto", "float32"):
        note = f"{note} ONNX Runtime runs float32, not {precision}.".strip()
    entries = entries_of(spec)
    tell(f"Exporting {spec.title} to ONNX", 0.4)
    graphs = export(spec, build(spec), entries, cache)
    if not graphs:
        note = f"{note} {spec.title} cannot run in ONNX Runtime; it runs in PyTorch.".strip()
        return Model(spec, TorchEngine(build(spec), entries, device, "float32"), device=device, note=note)
    engine = OnnxEngine(graphs, device)
    if device != "cpu":
        try:
            engine.prepare()
        except DeviceError as error:
            device, note = "cpu", f"{note} {error} {devices.FALLBACK}.".strip()
            engine = OnnxEngine(graphs, "cpu")
    tell(spec.title, 1.0)
    return Model(spec, engine, device=device, note=note)
