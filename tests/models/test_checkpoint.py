"""Files of weights are data: whatever is in one, it loads whole, or is refused in words and runs nothing."""

import contextlib
import os
import pickle
import struct
import sys
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoint import (
    load_strict,
    load_tensors,
    save_tensors,
)
from models.errors import CheckpointError
from models.families.base import Remap, rename


def weights() -> dict[str, Tensor]:
    return {"a.weight": torch.randn(4, 3), "a.bias": torch.randn(4), "count": torch.tensor(3)}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Bomb:
    """Unpickling it leaves a file behind, which shows that code ran."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin", "legacy.pth", "no_suffix"])
def test_every_format_that_is_read(tmp_path: Path, name: str) -> None:
    wanted, path = weights(), tmp_path / name
    if name in ("w.safetensors", "no_suffix"):
        save_file(wanted, path)
    else:
        torch.save(wanted, path, _use_new_zipfile_serialization=name != "legacy.pth")
    assert same(load_tensors(path), wanted)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "module", "teacher"])
def test_wrappers_and_the_prefix_of_parallel_training_come_off(tmp_path: Path, wrapper: str) -> None:
    wanted = weights()
    content = {wrapper: {f"module.{name}": value for name, value in wanted.items()}, "epoch": 4, "note": "x"}
    torch.save(content, tmp_path / "w.pt")
    assert same(load_tensors(tmp_path / "w.pt"), wanted)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_bomb_does_not_go_off(tmp_path: Path, zipped: bool) -> None:
    mark = tmp_path / "mark"
    torch.save(
        {"a": torch.ones(2), "b": Bomb(mark)}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(CheckpointError, match="refused") as caught:
        load_tensors(tmp_path / "w.pt")
    assert not mark.exists()
    assert "torch.save" in caught.value.cure
    # The bomb is real: opened without care it goes off.
    torch.load(tmp_path / "w.pt", weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_the_cure_for_a_file_that_holds_more_makes_one_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrapper: str
) -> None:
    wanted = weights()
    torch.save({wrapper: wanted, "config": types.SimpleNamespace(epochs=800)}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="more than weights") as caught:
        load_tensors(tmp_path / "w.pt")
    monkeypatch.chdir(tmp_path)
    exec(caught.value.cure.partition("in Python: ")[2], {"torch": torch})
    assert same(load_tensors(tmp_path / "weights.pt"), wanted)


def test_a_bare_pickle_bomb_under_any_name(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin", "w.pt"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
        with pytest.raises(CheckpointError):
            load_tensors(tmp_path / name)
    assert not (tmp_path / "mark").exists()


class Scripted(nn.Module):
    """Nested modules, a transposed parameter, half precision, a shared parameter, a list of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.light = nn.Linear(2, 2).half()
        self.turned = nn.Parameter(torch.randn(2, 5).T)
        self.single = nn.Parameter(torch.tensor(3.0))
        self.tied = self.blocks[0]
        self.sizes = [1, 2]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.blocks(x) * self.sizes[0] * self.single
        return out


def write_script(path: Path) -> dict[str, Tensor]:
    """A TorchScript archive as torch writes it; gives its state dict."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # TorchScript is deprecated, which does not unmake the files there are
        module = torch.jit.script(Scripted().eval())
        module.save(str(path))
    return dict(module.state_dict())


def rewrite(path: Path, entry: str, content: bytes) -> None:
    """The zip with one entry replaced."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in held if name.endswith(entry))
    with zipfile.ZipFile(path, "w") as archive:
        for other, value in {**held, name: content}.items():
            archive.writestr(other, value)


def test_a_torchscript_archive_is_read_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = write_script(tmp_path / "RN50.pt")

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the archive was run")

    monkeypatch.setattr(torch.jit, "load", fail)
    monkeypatch.setattr(torch, "load", fail)
    assert same(load_tensors(tmp_path / "RN50.pt"), wanted)


def test_a_torchscript_archive_that_hides_a_bomb(tmp_path: Path) -> None:
    write_script(tmp_path / "RN50.pt")
    rewrite(tmp_path / "RN50.pt", "/data.pkl", pickle.dumps(Bomb(tmp_path / "mark"), 2))
    with pytest.raises(CheckpointError, match=r"torch\.jit\.load\('RN50\.pt'"):
        load_tensors(tmp_path / "RN50.pt")
    assert not (tmp_path / "mark").exists()


@given(st.data())
def test_a_torchscript_archive_with_wrong_bytes(tmp_path: Path, data: st.DataObject) -> None:
    write_script(tmp_path / "RN50.pt")
    with zipfile.ZipFile(tmp_path / "RN50.pt") as archive:
        tree = bytearray(archive.read("RN50/data.pkl"))
    for _ in range(data.draw(st.integers(1, 5))):
        tree[data.draw(st.integers(0, len(tree) - 1))] = data.draw(st.integers(0, 255))
    rewrite(tmp_path / "RN50.pt", "/data.pkl", bytes(tree))
    # Some changes only touch numbers or names: the file then reads as another table of tensors.
    with contextlib.suppress(CheckpointError):
        assert all(isinstance(value, Tensor) for value in load_tensors(tmp_path / "RN50.pt").values())


def test_a_torchscript_tensor_does_not_reach_outside_of_its_storage(tmp_path: Path) -> None:
    write_script(tmp_path / "RN50.pt")
    with zipfile.ZipFile(tmp_path / "RN50.pt") as archive:
        storage = next(
            name for name in archive.namelist() if "/data/" in name and archive.getinfo(name).file_size > 8
        )
    rewrite(tmp_path / "RN50.pt", storage, bytes(8))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_tensors(tmp_path / "RN50.pt")


def test_modules_that_share_others_level_by_level_do_not_take_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = types.ModuleType("__torch__")
    node_type = type("Node", (), {"__module__": "__torch__"})
    foreign.Node = node_type  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__torch__", foreign)
    node = node_type()
    for _ in range(60):  # 2**60 names from sixty modules
        parent = node_type()
        parent.left = parent.right = node
        node = parent
    write_script(tmp_path / "RN50.pt")
    rewrite(tmp_path / "RN50.pt", "/data.pkl", pickle.dumps(node, 2))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_tensors(tmp_path / "RN50.pt")


def test_an_archive_that_unpacks_to_far_too_much(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", pickle.dumps({}, 2))
        archive.writestr("w/data/0", bytes(64 << 20))
    with pytest.raises(CheckpointError, match="unpack"):
        load_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@given(share=st.floats(0.0, 0.999))
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    save_file(weights(), path) if name == "w.safetensors" else torch.save(weights(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError):
        load_tensors(path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x10\0\0\0\0\0\0\0{"]),
)
def test_random_bytes_are_refused_in_words(tmp_path: Path, name: str, content: bytes, head: bytes) -> None:
    (tmp_path / name).write_bytes(head + content)
    with pytest.raises(CheckpointError) as caught:
        load_tensors(tmp_path / name)
    assert str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[4,4],"data_offsets":[0,1000000]}}',
        b'{"a":{"dtype":"F32","shape":[99999999,99999999],"data_offsets":[0,16]}}',
        b'{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}',
        b"[1, 2]",
        b"not json at all",
    ],
)
def test_a_lying_header(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(CheckpointError):
        load_tensors(tmp_path / "w.safetensors")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.pt")
    for name, words in (
        ("empty.pt", "empty"),
        ("text.pt", "no file of weights"),
        ("pipe.pt", "no file"),
        ("gone.pt", "no file"),
        (".", "no file"),
    ):
        with pytest.raises(CheckpointError, match=words):
            load_tensors(tmp_path / name)


@pytest.mark.parametrize(
    "content", [[1, 2], {"epoch": 3}, torch.ones(2), {"a": torch.ones(2, 2).to_sparse()}]
)
def test_tables_without_weights(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(CheckpointError):
        load_tensors(tmp_path / "w.pt")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_a_network_on_the_meta_device_gets_every_value() -> None:
    source = network()
    with torch.device("meta"):
        target = network()
    half = {name: v.half() if v.is_floating_point() else v for name, v in source.state_dict().items()}
    load_strict(target, half)
    assert all(v.dtype == source.state_dict()[n].dtype for n, v in target.state_dict().items())
    for name, value in target.state_dict().items():
        torch.testing.assert_close(value, half[name].to(value.dtype))
    assert all(parameter.requires_grad for parameter in target.parameters())


def test_everything_that_does_not_fit_is_named_and_nothing_changes() -> None:
    target = network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    given_tensors = {
        "0.weight": torch.zeros(4, 5),
        "1.weight": torch.zeros(4),
        "1.bias": torch.zeros(4, dtype=torch.int64),
        "1.running_mean": torch.zeros(4),
        "1.running_var": torch.zeros(4),
        "extra.thing": torch.zeros(1),
    }
    with pytest.raises(CheckpointError) as caught:
        load_strict(target, given_tensors)
    for words in (
        "Missing: 0.bias",
        "Not expected: extra.thing",
        "0.weight is 4×5, not 4×3",
        "1.bias holds int64",
    ):
        assert words in str(caught.value)
    assert caught.value.cure
    assert same(dict(target.state_dict()), before)


def test_a_long_list_is_cut() -> None:
    with pytest.raises(CheckpointError, match="and 4 more"):
        load_strict(
            nn.Linear(1, 1),
            {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)}
            | {f"x{i}": torch.zeros(1) for i in range(10)},
        )


def test_derived_buffers_of_older_releases_are_no_surprise() -> None:
    tensors = {
        "weight": torch.zeros(1, 1),
        "bias": torch.zeros(1),
        "embeddings.position_ids": torch.arange(3),
    }
    load_strict(nn.Linear(1, 1), tensors)


def test_a_counter_that_a_file_lacks_starts_at_nought() -> None:
    target = network()
    state = {name: value for name, value in target.state_dict().items() if "num_batches" not in name}
    load_strict(target, state)
    assert int(target.get_buffer("1.num_batches_tracked")) == 0


def test_a_buffer_left_without_values_is_a_bug_that_shows() -> None:
    with torch.device("meta"):
        module = nn.Linear(1, 1)
        module.register_buffer("table", torch.arange(3), persistent=False)
    with pytest.raises(RuntimeError, match="table"):
        load_strict(module, {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)})


def test_the_first_remap_that_matches_is_used() -> None:
    def never(tensors: Any) -> dict[str, Tensor]:
        raise AssertionError("this layout does not match")

    remaps = (
        Remap("other", lambda tensors: "zzz" in tensors, never),
        Remap(
            "old", lambda tensors: "old.weight" in tensors, lambda tensors: rename(tensors, [("old.", "")])
        ),
    )
    target = nn.Linear(1, 1)
    load_strict(target, {"old.weight": torch.full((1, 1), 5.0), "old.bias": torch.zeros(1)}, remaps)
    assert target.weight.item() == 5.0


def test_views_and_shared_memory_are_written_apart(tmp_path: Path) -> None:
    base = torch.arange(12.0).view(3, 4)
    save_tensors(tmp_path / "w.safetensors", {"t": base.T, "row": base[1].clone()})
    again = load_tensors(tmp_path / "w.safetensors")
    assert torch.equal(again["t"], base.T)
