"""Graphs without weights: the bundled CLIP answers without torch, as torch would; where they do not fit, torch does."""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import devices, weightless
from models.engines import TorchEngine
from models.onnx_export import LEAST_COSINE, least_cosine, sample
from models.registry import build, find
from models.runtime import entries_of, open_model
from models.spec import ModelSpec
from models.weightless import graphs_path, open_weightless, write
from tests.models.clip_tools import write_tiny


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    monkeypatch.setattr(weightless, "FOLDER", tmp_path / "graphs")
    write_tiny(tmp_path / "tiny-clip")
    return find(tmp_path / "tiny-clip")


@pytest.fixture
def bundled() -> ModelSpec:
    spec = find("pinhole-clip")
    assert graphs_path(spec).is_file(), "its config.json has changed: run python -m models.weightless"
    return spec


def agree(spec: ModelSpec) -> None:
    engine = open_weightless(spec)
    assert engine is not None
    entries = entries_of(spec)
    torch_engine = TorchEngine(build(spec), entries, "cpu", "float32")
    assert set(engine.entries) == set(entries)
    for name, entry in entries.items():
        for n in (1, 3):  # not as it was traced: a size frozen into the graph shows
            arrays = sample(spec, entry, n, seed=n)
            assert least_cosine(torch_engine.run(name, arrays), engine.run(name, arrays)) > LEAST_COSINE


def test_the_bundled_clip_answers_as_torch_does(bundled: ModelSpec) -> None:
    agree(bundled)
    archives = list(weightless.FOLDER.glob("*"))
    assert archives == [graphs_path(bundled)], "graphs of a config.json that is gone are left over"
    with zipfile.ZipFile(graphs_path(bundled)) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) < 300_000, "there are weights in it"


def test_its_first_answer_needs_no_torch(bundled: ModelSpec) -> None:
    program = (
        "import sys; from models.runtime import open_model; import numpy as np\n"
        "m = open_model('pinhole-clip', device='cpu')\n"
        "ids, mask = m.tokenizer.encode(['a cat'])\n"
        "m.run('text', input_ids=ids, attention_mask=mask), m.scale\n"
        "x = m.run('image', pixel_values=np.zeros((1, 3, *m.preprocess.size), np.float32))\n"
        "print(m.engine, m.precision, len(x), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "onnxruntime float32 1 False"


def test_other_weights_of_the_same_shape_need_no_other_graph(tiny: ModelSpec, tmp_path: Path) -> None:
    assert open_weightless(tiny) is None
    write(tiny)
    agree(tiny)
    other = tmp_path / "other"
    write_tiny(other)
    from safetensors.numpy import load_file, save_file

    path = other / "model.safetensors"
    grown = {
        name: (value * 1.5 if value.ndim else value).astype(value.dtype)
        for name, value in load_file(path).items()
    }
    save_file(grown, path, metadata={"format": "pt"})
    again = find(other)
    assert again.version != tiny.version
    assert graphs_path(again) == graphs_path(tiny)
    agree(again)
    pixels = sample(tiny, entries_of(tiny)["image"], 2)
    one, two = (open_model(spec, device="cpu").run("image", **pixels) for spec in (tiny, again))
    assert not np.allclose(one, two)


def test_what_does_not_fit_is_left_to_torch(tiny: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_nvidia", lambda: False)
    write(tiny)
    assert open_model(tiny, device="cpu").engine == "onnxruntime"
    assert open_model(tiny, device="cpu", engine="torch").engine == "torch"
    assert open_model(tiny, device="cpu", precision="float32").engine == "torch"
    assert open_weightless(replace(tiny, config={**tiny.config, "projection_dim": 3})) is None
    graphs_path(tiny).write_bytes(b"PK no archive")
    assert open_model(tiny, device="cpu").engine == "torch"
    write(tiny)
    shutil.move(tiny.folder / "model.safetensors", tiny.folder / "elsewhere")
    assert open_weightless(tiny) is None
