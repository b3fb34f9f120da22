"""What runs a model: engines agree, choices are kept, small memory and missing GPUs are survived and told."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizerFast

from models import choices, devices, onnx_export, tuning
from models.bundle import kind_of, write_bundle
from models.choices import Trial
from models.engines import OnnxEngine, TorchEngine, is_out_of_memory
from models.errors import DeviceError, ModelError
from models.families.base import Entry
from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.onnx_export import export, least_cosine, sample
from models.registry import build, find
from models.runtime import Model, entries_of, open_model
from models.spec import ModelSpec, Preprocess
from tests.models.clip_tools import write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelSpec, CLIPModel]:
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    hub = write_tiny(folder)
    return find(folder), hub


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    torch.manual_seed(1)
    config = ConvNeXtConfig.named(
        "atto", ("cat", "dog", "tree"), hidden_sizes=(8, 16, 24, 32), depths=(1, 1, 2, 1), image_size=64
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-convnext"
    preprocess = Preprocess(resize=64, crop=(64, 64))
    return write_bundle(folder, ConvNeXt(config), config.to_hf(), preprocess, dtype="float32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "has_nvidia", lambda: False)
    monkeypatch.setattr(devices, "has_int8", lambda: False)  # another candidate to measure on some machines


def pixels(model: Model | ModelSpec, n: int, seed: int = 0) -> np.ndarray:
    spec = model.spec if isinstance(model, Model) else model
    return np.random.default_rng(seed).normal(size=(n, 3, *spec.preprocess.size)).astype(np.float32)


def test_torch_agrees_with_transformers(tiny: tuple[ModelSpec, CLIPModel], no_gpu: None) -> None:
    spec, hub = tiny
    model = open_model(spec)
    assert (model.device, model.precision, model.engine, model.note) == ("cpu", "float32", "torch", "")
    texts = ["a photo of the cat", "dog", "it's a dog of the straße, a dog, a dog"]
    ids, mask = model.tokenizer.encode(texts)
    reference = CLIPTokenizerFast.from_pretrained(spec.folder)
    theirs = reference(texts, padding=True, return_tensors="pt")
    np.testing.assert_array_equal(mask, theirs["attention_mask"].numpy())
    np.testing.assert_array_equal(ids * mask, (theirs["input_ids"] * theirs["attention_mask"]).numpy())
    images = pixels(model, 3)
    with torch.no_grad():
        expected = hub(**theirs, pixel_values=torch.from_numpy(images))
    np.testing.assert_allclose(
        model.run("image", pixel_values=images), expected.image_embeds.numpy(), atol=1e-5
    )
    text = model.run("text", input_ids=ids, attention_mask=mask)
    np.testing.assert_allclose(text, expected.text_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        model.scale * model.run("image", pixel_values=images) @ text.T,
        expected.logits_per_image.numpy(),
        atol=1e-4,
    )


def test_a_temperature_in_bfloat16_is_read(tmp_path: Path) -> None:
    """In a process of its own: libraries that other tests load teach numpy these numbers."""
    write_tiny(tmp_path / "clip")
    path = tmp_path / "clip" / "model.safetensors"
    save_file({k: v.to(torch.bfloat16) for k, v in load_file(path).items()}, path, metadata={"format": "pt"})
    program = "import sys; from models.runtime import open_model; print(open_model(sys.argv[1], device='cpu').scale)"
    command = [sys.executable, "-c", program, str(tmp_path / "clip")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(float(load_file(path)["logit_scale"].float().exp()), rel=1e-5)


def test_texts_over_the_context_are_cut_and_counted(tiny: tuple[ModelSpec, CLIPModel], no_gpu: None) -> None:
    tokenizer = open_model(tiny[0]).tokenizer
    long = "cat " * 200
    assert tokenizer.context == 77
    assert tokenizer.lengths(["cat", long]) == [3, 202]
    ids, mask = tokenizer.encode([long, "half a \ud800 surrogate"])
    assert ids.shape == (2, 77)
    assert ids[0, -1] == tokenizer.eos
    assert mask[1].sum() < 77
    assert tokenizer.encode([])[0].shape == (0, 0)


def test_onnxruntime_agrees_with_torch(
    tiny: tuple[ModelSpec, CLIPModel], classifier: ModelSpec, cache: Path, no_gpu: None
) -> None:
    for spec in (tiny[0], classifier):
        torch_model = open_model(spec)
        onnx_model = open_model(spec, engine="onnxruntime", cache=cache)
        assert onnx_model.engine == "onnxruntime"
        assert onnx_model.note == ""
        assert set(onnx_model._engine.entries) == set(entries_of(spec)), "an entry fell back to torch"
        for name, entry in entries_of(spec).items():
            for n in (1, 5):
                arrays = sample(spec, entry, n, seed=n)
                one, other = torch_model.run(name, **arrays), onnx_model.run(name, **arrays)
                assert least_cosine(one, other) > 0.99999
                np.testing.assert_allclose(one, other, atol=1e-4)


def test_bfloat16_runs_and_says_so(tiny: tuple[ModelSpec, CLIPModel], cache: Path, no_gpu: None) -> None:
    model = open_model(tiny[0], precision="bfloat16")
    assert (model.precision, model.note) == ("bfloat16", "")
    images = pixels(model, 4)
    out = model.run("image", pixel_values=images)
    assert out.dtype == np.float32
    exact = open_model(tiny[0]).run("image", pixel_values=images)
    assert least_cosine(exact, out) > 0.99
    assert not np.array_equal(exact, out)
    assert "float32" in open_model(tiny[0], precision="float16").note
    mixed = open_model(tiny[0], engine="onnxruntime", precision="bfloat16", cache=cache)
    assert mixed.precision == "float32"
    assert "bfloat16" in mixed.note


def test_an_asked_for_gpu_that_is_not_there_is_said(tiny: tuple[ModelSpec, CLIPModel], no_gpu: None) -> None:
    for wish in ("cuda", "cuda:3"):
        model = open_model(tiny[0], device=wish)
        assert model.device == "cpu"
        assert "GPU" in model.note
        assert "processor" in model.note
        assert model.run("image", pixel_values=pixels(model, 1)).shape == (1, 32)
    assert open_model(tiny[0], device="auto").note == ""
    assert "unknown" in open_model(tiny[0], device="quantum").note


def test_why_a_gpu_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "has_nvidia", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "without CUDA" in devices.resolve("cuda")[1]
    assert "without CUDA" in devices.resolve("auto")[1], "a GPU that lies idle is told even when nobody asked"
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert "driver" in devices.resolve("cuda")[1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "only 1" in devices.resolve("cuda:1")[1]
    monkeypatch.setattr(devices, "_trial", lambda device: "no kernel image")
    assert devices.resolve("auto") == ("cpu", "no kernel image")
    monkeypatch.setattr(devices, "_trial", lambda device: "")
    assert devices.resolve("auto") == ("cuda:0", "")
    assert devices.resolve("cuda") == ("cuda:0", "")


def test_what_was_measured_runs_also_where_a_card_cannot_be_used(
    classifier: ModelSpec, tmp_path: Path, no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_nvidia", lambda: True)  # and torch cannot use it
    slow = tuning.choose(classifier, device="cpu", cache=tmp_path, seconds=0.01)
    choice = replace(slow, engine="onnxruntime", precision="float32", entries=("logits", "embed"))
    export(classifier, build(classifier), entries_of(classifier), tmp_path)
    for wish in ("auto", "cuda"):
        choices.keep(tmp_path, classifier, wish, choice)
    for wish in ("auto", "cuda"):
        model = open_model(classifier, device=wish, cache=tmp_path)
        assert (model.engine, model.device) == ("onnxruntime", "cpu")
        assert "GPU" in model.note
        assert model.run("logits", pixel_values=pixels(model, 2)).shape == (2, 3)


class Cramped(torch.nn.Module):
    """A network in whose memory only so many rows fit."""

    def __init__(self, fits: int, error: type[Exception], words: str) -> None:
        super().__init__()
        self.fits, self.error, self.words, self.sizes = fits, error, words, list[int]()

    def double(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        if len(x) > self.fits:
            raise self.error(self.words)
        return x * 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate 2.00 GiB"),
        (RuntimeError, "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        (RuntimeError, "[ONNXRuntimeError] : Failed to allocate memory for requested buffer of size 7"),
        (MemoryError, ""),
    ],
)
def test_a_batch_that_does_not_fit_is_halved(
    tiny: tuple[ModelSpec, CLIPModel], error: type[Exception], words: str
) -> None:
    network = Cramped(3, error, words)
    model = Model(tiny[0], TorchEngine(network, {"double": Entry("double", ("x",))}, "cpu", "float32"))
    rows = np.arange(22, dtype=np.float32).reshape(11, 2)
    np.testing.assert_array_equal(model.run("double", x=rows), rows * 2)
    assert network.sizes[:3] == [11, 5, 2]
    assert model.batch_size == 2, "later batches start with what fitted"
    network.fits = 0
    with pytest.raises(DeviceError):
        model.run("double", x=rows)


def test_other_failures_are_told_in_words(tiny: tuple[ModelSpec, CLIPModel], no_gpu: None) -> None:
    network = Cramped(0, RuntimeError, "mat1 and mat2 shapes cannot be multiplied")
    model = Model(tiny[0], TorchEngine(network, {"double": Entry("double", ("x",))}, "cpu", "float32"))
    with pytest.raises(ModelError, match="mat1 and mat2") as caught:
        model.run("double", x=np.zeros((4, 2), np.float32))
    assert network.sizes == [4], "only a lack of memory is tried again"
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ModelError, match="reconstruct"):
        open_model(tiny[0]).run("reconstruct", pixel_values=pixels(tiny[0], 1))
    with pytest.raises(ModelError):
        open_model(tiny[0]).run("image")
    with pytest.raises(ModelError):
        open_model(tiny[0], engine="tensorflow")  # type: ignore[arg-type]
    assert not is_out_of_memory(ValueError("shape mismatch"))


def test_choice_is_measured_kept_and_used(
    tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path, no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny[0]
    told: list[float] = []
    choice = tuning.choose(spec, cache=tmp_path, seconds=0.01, progress=lambda what, part: told.append(part))
    assert [(t.engine, t.precision) for t in choice.trials] == [
        ("torch", "float32"),
        ("onnxruntime", "float32"),
        ("torch", "bfloat16"),
    ]
    assert told[-1] == 1.0
    assert all(t.speed > 0 for t in choice.trials)
    assert choices.recall(tmp_path, spec, "auto") == choice
    assert choices.recall(tmp_path, replace(spec, version="other"), "auto") is None
    assert choices.recall(tmp_path, spec, "cuda") is None
    model = open_model(spec, cache=tmp_path)
    assert (model.engine, model.precision) == (choice.engine, choice.precision)
    monkeypatch.setattr(devices, "fingerprint", lambda: "another machine")
    assert choices.recall(tmp_path, spec, "auto") is None
    assert open_model(spec, cache=tmp_path).precision == "float32"
    (tmp_path / choices.FILE).write_text('{"broken')
    assert choices.recall(tmp_path, spec, "auto") is None


def test_remembered_onnx_opens_without_torch(
    tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path, no_gpu: None
) -> None:
    spec = tiny[0]
    graphs = onnx_export.export(spec, build(spec), entries_of(spec), tmp_path)
    choices.keep(tmp_path, spec, "cpu", choices.Choice("onnxruntime", "float32", "cpu", tuple(graphs), ()))
    program = (
        "import sys; from pathlib import Path; from models.runtime import open_model; import numpy as np\n"
        "m = open_model(Path(sys.argv[1]), device='cpu', cache=Path(sys.argv[2]))\n"
        "ids, mask = m.tokenizer.encode(['a cat'])\n"
        "m.run('text', input_ids=ids, attention_mask=mask), m.scale\n"
        "x = m.run('image', pixel_values=np.zeros((1, 3, *m.preprocess.size), np.float32))\n"
        "print(m.engine, x.shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(spec.folder), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[0] == "onnxruntime (1, 32) False"
    model = open_model(spec, device="cpu", cache=tmp_path)
    assert model.engine == "onnxruntime"
    assert model.module.embed_image(torch.zeros(1, 3, 48, 48)).shape == (1, 32), (
        "panels still get the network"
    )
    next(iter(graphs.values())).unlink()
    assert open_model(spec, device="cpu", cache=tmp_path).engine == "torch"


def test_a_setting_below_the_bar_is_never_taken() -> None:
    plain = Trial("torch", "float32", "cpu", 10.0, 1.0)
    wrong = Trial(
        "torch", "bfloat16", "cpu", 90.0, 0.998, "Its embeddings stray from float32 (cosine 0.9980)"
    )
    slightly = Trial("onnxruntime", "float32", "cpu", 10.2, 1.0)
    faster = Trial("onnxruntime", "float32", "cpu", 14.0, 1.0)
    assert tuning.pick([plain, wrong]) == plain
    assert tuning.pick([plain, slightly, wrong]) == plain
    assert tuning.pick([plain, wrong, faster]) == faster


def test_where_float32_outruns_the_decoder_no_precision_is_given_up() -> None:
    slow = Trial("torch", "float32", "cpu", speed=20.0)
    half = Trial("torch", "bfloat16", "cpu", speed=40.0, cosine=0.9999)
    assert tuning.pick([slow, half]) == half
    quick, graph = replace(slow, speed=350.0), Trial("onnxruntime", "float32", "cpu", speed=500.0)
    assert tuning.pick([quick, graph, replace(half, speed=690.0)]) == graph


def test_measuring_finds_a_precision_that_strays(
    tiny: tuple[ModelSpec, CLIPModel], cache: Path, no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TorchEngine.run

    def coarse(self: TorchEngine, entry: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
        out = run(self, entry, arrays)
        return out if self._dtype == torch.float32 else out + np.float32(0.1) * np.sign(out[::-1])

    monkeypatch.setattr(TorchEngine, "run", coarse)
    trials = list(tuning.measure(tiny[0], "cpu", entries_of(tiny[0]), cache, seconds=0.001, batch=2))
    assert [bool(t.problem) for t in trials] == [False, False, True]
    assert trials[2].cosine < 0.999


def test_the_device_is_used_within_a_turn_alone(
    tiny: tuple[ModelSpec, CLIPModel], cache: Path, no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    used: list[str] = []

    @contextlib.contextmanager
    def turn() -> Iterator[None]:
        assert not held, "turns do not nest: the second would wait for the first"
        held.append(True)
        yield
        held.pop()

    class Watched(TorchEngine):
        def __init__(self, *given: Any) -> None:
            assert held, "the weights went to the device outside of a turn"
            super().__init__(*given)
            used.append(given[3])

        def run(self, *given: Any) -> Any:
            assert held
            return super().run(*given)

    monkeypatch.setattr(tuning, "TorchEngine", Watched)
    choice = None
    for step in tuning.steps(tiny[0], device="cpu", cache=cache, seconds=0.001, batch=2, turn=turn):
        assert not held, "a turn was kept between two steps"
        choice = step.choice
    assert choice is not None
    assert [trial.problem for trial in choice.trials] == ["", "", ""]
    assert used == ["float32", "float32", "bfloat16"]


def test_a_masked_autoencoder_is_measured_on_every_engine(cache: Path, tmp_path: Path, no_gpu: None) -> None:
    size = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "num_hidden_layers": 1}
    decoder = {f"decoder_{name}": value for name, value in size.items()}
    config = {"model_type": "vit_mae", **size, **decoder, "image_size": 32, "patch_size": 8}
    module = kind_of(config, "tiny-mae").load().build(config)
    spec = write_bundle(tmp_path / "tiny-mae", module, config, Preprocess(resize=32, crop=(32, 32)))
    assert not tuning.is_measured(spec, cache=cache)
    choice = tuning.choose(spec, cache=cache, seconds=0.001, batch=2)
    assert tuning.is_measured(spec, cache=cache)
    assert [trial.engine for trial in choice.trials] == ["torch", "onnxruntime", "torch"]
    assert (choice.trials[1].problem, choice.trials[1].cosine) == ("", pytest.approx(1, abs=1e-5))
    # Whatever is fastest on this machine is what opens, and callers pass the same.
    model = open_model(spec, cache=cache)
    assert (model.engine, model.precision) == (choice.engine, choice.precision)
    painted = model.run("reconstruct", **sample(spec, entries_of(spec)["reconstruct"], 3))
    assert painted.shape == (3, 3, 32, 32)


def test_a_graph_that_differs_is_not_used(
    tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None
) -> None:
    run = OnnxEngine.run
    monkeypatch.setattr(OnnxEngine, "run", lambda self, entry, arrays: run(self, entry, arrays)[:, ::-1])
    model = open_model(tiny[0], engine="onnxruntime", cache=tmp_path)
    assert model.engine == "torch"
    assert "PyTorch" in model.note
    assert list((tmp_path / "onnx").iterdir()) == [], "nothing half made is left"


def test_an_update_of_the_networks_leaves_no_old_graph(
    tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None
) -> None:
    spec = tiny[0]
    module, entries = build(spec), {"image": entries_of(spec)["image"]}

    def files() -> set[str]:
        return {path.name for path in (tmp_path / "onnx").iterdir()}

    before = onnx_export.export(spec, module, entries, tmp_path)
    choices.keep(tmp_path, spec, "cpu", choices.Choice("onnxruntime", "float32", "cpu", tuple(before), ()))
    assert tuning.is_measured(spec, device="cpu", cache=tmp_path)
    ancient, stranger = f"{spec.version}-image-17.onnx", before["image"].name.replace("-", "0-", 1)[1:]
    for name in (ancient, stranger, "notes.onnx"):
        (tmp_path / "onnx" / name).write_bytes(b"x")
    monkeypatch.setattr(onnx_export, "_networks", lambda: "0123abcd")
    assert not tuning.is_measured(spec, device="cpu", cache=tmp_path), "its graph is not to be trusted"
    (corrected,) = onnx_export.export(spec, module, entries, tmp_path).values()
    assert len(files()) == 5, "what was made today may be in use"
    corrected.unlink()
    for path in (tmp_path / "onnx").iterdir():
        os.utime(path, (0, 0))
    onnx_export.export(spec, module, entries, tmp_path)
    assert files() == {corrected.name, stranger, "notes.onnx"}


def test_an_edited_config_gets_a_graph_of_its_own(tmp_path: Path, cache: Path, no_gpu: None) -> None:
    write_tiny(tmp_path / "clip")
    before = open_model(tmp_path / "clip", engine="onnxruntime", cache=cache)
    image = pixels(before, 2)
    path = tmp_path / "clip" / "config.json"
    config = json.loads(path.read_text())
    config["vision_config"]["layer_norm_eps"] = 0.5
    path.write_text(json.dumps(config))
    after = open_model(tmp_path / "clip", engine="onnxruntime", cache=cache)
    torch_says = open_model(tmp_path / "clip", engine="torch").run("image", pixel_values=image)
    assert after.engine == "onnxruntime"
    np.testing.assert_allclose(after.run("image", pixel_values=image), torch_says, atol=1e-4)
    assert not np.allclose(before.run("image", pixel_values=image), torch_says, atol=1e-3)


def test_two_exports_at_once_do_not_meet_in_the_exporter(
    tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement in the background, and a person who asks for ONNX Runtime meanwhile."""
    spec, _ = tiny
    module, entries = build(spec), entries_of(spec)
    first, second = threading.Event(), threading.Event()

    class Watched:
        lock = threading.Lock()

        def __enter__(self) -> None:
            (second if first.is_set() else first).set()
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    made: list[Path] = []

    def make(spec: ModelSpec, module: object, name: str, entry: Entry, path: Path) -> None:
        assert second.wait(60)
        made.append(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr(onnx_export, "_ONE_AT_A_TIME", Watched())
    monkeypatch.setattr(onnx_export, "_export_one", make)
    name = next(iter(entries))
    found: list[dict[str, Path]] = []

    def run() -> None:
        found.append(onnx_export.export(spec, module, {name: entries[name]}, tmp_path))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1, "the second takes what the first has made"
    assert found == [{name: made[0]}] * 2


def test_cosine_of_broken_outputs_is_the_lowest() -> None:
    good = np.eye(3, dtype=np.float32)
    assert least_cosine(good, good) == 1.0
    assert least_cosine(good, good[:2]) == -1.0
    assert least_cosine(good, good * np.nan) == -1.0


def test_choices_survive_nonsense(tiny: tuple[ModelSpec, CLIPModel], tmp_path: Path) -> None:
    key = choices._key(tiny[0], "auto")
    for nonsense in (
        {},
        [],
        {"engine": "abacus", "precision": "float32", "device": "cpu", "entries": [], "trials": []},
    ):
        (tmp_path / choices.FILE).write_text(json.dumps({key: nonsense}))
        assert choices.recall(tmp_path, tiny[0], "auto") is None
