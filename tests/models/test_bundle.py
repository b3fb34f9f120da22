"""Model folders: described without torch, written whole or not at all, listed with the bad ones apart."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from models import registry
from models.bundle import count_parameters, files_version, read_spec, weight_files, write_bundle
from models.errors import CheckpointError, ModelError, UserError, WrongModelError
from models.families import FAMILIES, KINDS
from models.families.clip import CLIP, CLIPConfig, TextConfig, ViTConfig
from models.spec import Capability, ModelSpec, Preprocess

CONFIG = CLIPConfig(
    TextConfig(vocab_size=30, width=16, hidden=32, depth=1, heads=2, context=8, eos=29),
    ViTConfig(16, 32, 1, 2, 32, 16),
    12,
)
SEEN = Preprocess(32, (32, 32))


@pytest.fixture
def model() -> CLIP:
    torch.manual_seed(0)
    clip = CLIP(CONFIG)
    clip.initialise()
    return clip.eval()


@pytest.fixture
def folder(tmp_path: Path, model: CLIP) -> Path:
    """A good model folder."""
    card = "---\nlicense: mit\ntags:\n- clip\n---\n\n# Tiny words\n\nFor tests.\n"
    write_bundle(tmp_path / "models" / "tiny", model, CONFIG.to_hf(), SEEN, card=card, dtype="float32")
    return tmp_path / "models" / "tiny"


def change(path: Path, **entries: Any) -> None:
    content = json.loads(path.read_text())
    content.update(entries)
    path.write_text(json.dumps(content))


def test_the_description_of_a_folder(folder: Path, model: CLIP) -> None:
    spec = read_spec(folder)
    assert (spec.id, spec.family, spec.title, spec.licence) == ("tiny", "clip", "Tiny words", "mit")
    assert spec.capabilities == {Capability.ZERO_SHOT}
    assert spec.parameters == sum(p.numel() for p in model.parameters())
    assert spec.size_bytes == (folder / "model.safetensors").stat().st_size
    assert spec.preprocess == SEEN
    assert not spec.bundled
    assert {spec} == {read_spec(folder)}


def test_nothing_but_the_files_of_the_hub_is_left(folder: Path) -> None:
    assert {entry.name for entry in folder.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json", "README.md"
    }  # fmt: skip
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]
    assert os.access(folder, os.R_OK)
    assert (folder / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_the_version_follows_what_answers_follow_from_and_not_the_card(folder: Path, model: CLIP) -> None:
    before = read_spec(folder).version
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: my-terms\n---\nNo heading.")
    spec = read_spec(folder)
    assert (spec.version, spec.licence, spec.title) == (before, "my-terms", "tiny")
    (folder / "README.md").write_text("---\nlicense: other\n---\n")
    assert read_spec(folder).licence == "its own, see its README.md"
    shutil.copytree(folder, folder.parent / "copy")
    assert read_spec(folder.parent / "copy").version == before
    (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text())))
    assert read_spec(folder).version == before, "the same values, laid out otherwise"
    with torch.no_grad():
        model.logit_scale.add_(0.25)
    write_bundle(folder, model, CONFIG.to_hf(), SEEN, dtype="float32")
    assert read_spec(folder).version != before


def test_an_edited_description_is_another_version(folder: Path) -> None:
    versions = [read_spec(folder).version]
    change(folder / "preprocessor_config.json", size={"shortest_edge": 48})
    versions.append(read_spec(folder).version)
    change(folder / "config.json", logit_scale_init_value=1.0)
    versions.append(read_spec(folder).version)
    for words in ("{}", "{ }"):
        (folder / "tokenizer.json").write_text(words)
        versions.append(read_spec(folder).version)
    assert len(set(versions)) == 5


def test_a_hash_is_taken_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = weight_files(folder)
    first = files_version(files)

    def fail(*_: Any) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr("hashlib.file_digest", fail)
    assert files_version(files) == first


def test_a_model_replaces_a_model(folder: Path, model: CLIP) -> None:
    (folder / "note.txt").write_text("of the old one")
    torch.nn.init.ones_(model.text_projection.weight)
    spec = write_bundle(folder, model, CONFIG.to_hf(), SEEN)
    assert not (folder / "note.txt").exists()
    built = registry.build(spec)
    assert isinstance(built, CLIP)
    assert torch.equal(built.text_projection.weight, torch.ones(12, 16))
    assert load_file(folder / "model.safetensors")["text_projection.weight"].dtype == torch.float16
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_other_peoples_folders_are_not_overwritten(tmp_path: Path, model: CLIP) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"y")
    for name in ("photos", "file"):
        with pytest.raises(ModelError, match="not overwritten"):
            write_bundle(tmp_path / name, model, CONFIG.to_hf(), SEEN)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"x"
    assert (tmp_path / "file").read_bytes() == b"y"


def test_a_write_that_fails_leaves_the_old_model(
    folder: Path, model: CLIP, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}

    def fail(self: Preprocess) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Preprocess, "to_hf", fail)
    with pytest.raises(OSError, match="No space"):
        write_bundle(folder, model, CONFIG.to_hf(), SEEN)
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_a_swap_that_fails_brings_the_old_model_back(
    folder: Path, model: CLIP, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = (folder / "model.safetensors").read_bytes(), os.replace

    def fail(source: Any, target: Any) -> None:
        if Path(target) == folder and str(source).endswith(".tmp"):
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_bundle(folder, model, CONFIG.to_hf(), SEEN)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_what_float16_cannot_hold_is_not_written(tmp_path: Path, model: CLIP) -> None:
    torch.nn.init.constant_(model.visual_projection.weight, 1e5)
    with pytest.raises(ModelError, match=r"visual_projection\.weight"):
        write_bundle(tmp_path / "m", model, CONFIG.to_hf(), SEEN, dtype="float16")
    assert list(tmp_path.iterdir()) == []
    write_bundle(tmp_path / "m", model, CONFIG.to_hf(), SEEN, dtype="bfloat16")


def test_sharded_and_torch_weights(folder: Path) -> None:
    whole = load_file(folder / "model.safetensors")
    total = count_parameters(weight_files(folder))
    names = sorted(whole)
    parts = {"model-00001-of-00002.safetensors": names[:10], "model-00002-of-00002.safetensors": names[10:]}
    for part, held in parts.items():
        save_file({name: whole[name] for name in held}, folder / part)
    (folder / "model.safetensors").unlink()
    table = {name: part for part, held in parts.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    spec = read_spec(folder)
    assert spec.parameters == total
    assert torch.equal(registry.build(spec).get_parameter("logit_scale"), whole["logit_scale"])
    for part in parts:
        (folder / part).unlink()
    with pytest.raises(ModelError, match="missing"):
        read_spec(folder)
    (folder / "model.safetensors.index.json").unlink()
    torch.save(whole, folder / "pytorch_model.bin")
    spec = read_spec(folder)
    assert spec.parameters == 0
    assert torch.equal(registry.build(spec).get_parameter("logit_scale"), whole["logit_scale"])


def test_a_shard_outside_of_the_folder_is_not_read(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder.parent / "secret.safetensors")
    for name in ("../secret.safetensors", str(folder.parent / "secret.safetensors"), "..", ""):
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"logit_scale": name}})
        )
        with pytest.raises(ModelError, match="missing"):
            read_spec(folder)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WrongModelError, match=name):
        read_spec(folder)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe\x00", b"null", b"[" * 100_000])
def test_malformed_json_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        read_spec(folder)


@pytest.mark.parametrize("model_type", ["bert", None, 3, ["clip"], {"a": 1}])
def test_another_kind_of_model(folder: Path, model_type: Any) -> None:
    change(folder / "config.json", model_type=model_type)
    with pytest.raises(WrongModelError, match="Known kinds: clip"):
        read_spec(folder)


def test_pipes_and_loops_do_not_hang(folder: Path, tmp_path: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(WrongModelError, match=r"config\.json"):
        read_spec(folder)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "self").symlink_to(tmp_path / "round")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for name in ("loop", "dangling", "gone"):
        with pytest.raises(WrongModelError):
            read_spec(tmp_path / name)
    extra = [tmp_path / "loop", tmp_path / "round", tmp_path / "dangling", tmp_path / "gone"]
    assert registry.list_models(extra) == registry.list_models()


def test_damaged_weights_are_found_when_building_at_the_latest(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        registry.build(read_spec(folder))
    path.write_bytes(whole[:50])
    with pytest.raises(ModelError, match="damaged"):
        read_spec(folder)


def test_weights_of_another_size_do_not_load(folder: Path) -> None:
    change(folder / "config.json", projection_dim=10)
    with pytest.raises(CheckpointError, match=r"text_projection\.weight is 12×16, not 10×16"):
        registry.build(read_spec(folder))


def test_a_configuration_that_cannot_be_built(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(folder / "config.json", vision_config={**config["vision_config"], "hidden_size": "wide"})
    with pytest.raises(WrongModelError, match="hidden_size"):
        registry.build(read_spec(folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2000) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(CONFIG.to_hf())), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from([*CONFIG.to_hf(), *CONFIG.vision.to_hf(), "id2label", "depths"]), JSON)
)
def test_any_configuration_builds_or_is_refused_in_words(config: dict[str, Any]) -> None:
    """Whatever a config.json says, the answer is a CLIP or an error in words, never a crash."""
    try:
        made: Any = CLIPConfig.from_hf(config)
    except UserError as error:
        made = error
    assert isinstance(made, CLIPConfig) or (isinstance(made, WrongModelError) and str(made))


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "vit_mae", "patch_size": 0},
        {"model_type": "vit_mae", "image_size": []},
        {"model_type": "vit_mae", "image_size": 4000, "patch_size": 1},
        {"model_type": "vit_mae", "decoder_num_hidden_layers": 10**9},
        {"model_type": "swin", "depths": [2, 2, 10**9, 2]},
        {"model_type": "convnext", "patch_size": []},
        {"model_type": "convnext", "depths": [10**9, 1, 1, 1]},
        {"model_type": "convnext", "id2label": [1]},
        {"model_type": "clip", "vision_config": {"num_hidden_layers": 1 << 20}},
        {"model_type": "vit_mae", "hidden_size": 5_000_000},
        {"model_type": "vit_mae", "decoder_hidden_size": 10**9},
        {"model_type": "vit_mae", "intermediate_size": 10**9},
        {"model_type": "swin", "embed_dim": 5_000_000},
        {"model_type": "convnext", "hidden_sizes": [96, 192, 384, 5_000_000]},
        {"model_type": "clip", "projection_dim": 5_000_000},
        {"model_type": "clip", "text_config": {"vocab_size": 10**9}},
        {"model_type": "clip", "text_config_dict": {"vocab_size": 10**9}},
    ],
)
def test_sizes_that_make_no_sense_are_refused_before_anything_is_built(config: dict[str, Any]) -> None:
    spec = ModelSpec("x", "", Path("x"), "X", "", 0, 0, frozenset(), config, SEEN, "")
    with pytest.raises(WrongModelError, match="cannot be"):
        registry.build(spec)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("preprocessor_config.json", '{"size": 224, "crop_pct": 0}'),
        ("preprocessor_config.json", '{"size": 1' + "0" * 400 + "}"),
        ("model.safetensors", '{"a": {"shape": [1e999]}}'),
    ],
)
def test_no_number_in_a_folder_keeps_other_models_from_being_listed(
    folder: Path, name: str, content: str
) -> None:
    shutil.copytree(folder, folder.parent / "odd")
    data = content.encode()
    head = len(data).to_bytes(8, "little") if name.endswith(".safetensors") else b""
    (folder.parent / "odd" / name).write_bytes(head + data)
    mine = [spec.id for spec in registry.list_models([folder.parent]) if not spec.bundled]
    assert mine == ["tiny"]
    assert "odd" in [problem.folder.name for problem in registry.scan([folder.parent])[1]]


def test_lists_leave_bad_folders_apart(folder: Path) -> None:
    home = folder.parent
    shutil.copytree(folder, home / "broken")
    (home / "broken" / "config.json").write_text("{")
    shutil.copytree(folder, home / ".hidden")
    (home / "photos").mkdir()
    (home / "file.txt").write_text("x")
    mine = [spec for spec in registry.list_models([home]) if not spec.bundled]
    assert [spec.id for spec in mine] == ["tiny"]
    problems = [problem for problem in registry.scan([home])[1] if problem.folder.parent == home]
    assert [problem.folder.name for problem in problems] == ["broken"]
    assert "damaged" in str(problems[0].error)
    with pytest.raises(ModelError, match="damaged"):
        registry.find("broken", [home])


def test_a_model_folder_itself_may_be_the_extra_folder(folder: Path) -> None:
    ids = [spec.id for spec in registry.list_models([folder, folder.parent, folder]) if not spec.bundled]
    assert ids == ["tiny"]


def test_equal_names_get_ids_of_their_own(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "more" / "tiny")
    extra = [folder.parent, tmp_path / "more"]
    assert [spec.id for spec in registry.list_models(extra) if not spec.bundled] == ["tiny", "tiny~2"]
    assert registry.find("tiny~2", extra).folder == tmp_path / "more" / "tiny"
    assert registry.find(tmp_path / "more" / "tiny", extra).id == "tiny~2"


def test_find_by_id_and_by_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.find("tiny", [folder.parent]) == registry.find(folder)
    monkeypatch.chdir(folder)
    assert registry.find(".").title == "Tiny words"
    assert registry.find(".").id == "tiny"


@pytest.mark.parametrize("name", ["tinny", "no/such/place", "", "\0", "a" * 5000, "/dev/null"])
def test_what_is_not_there_is_said(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match="no model called"):
        registry.find(name, [folder.parent])


def test_a_near_miss_is_suggested(folder: Path) -> None:
    with pytest.raises(ModelError, match="Did you mean tiny"):
        registry.find("tinny", [folder.parent])


def test_bundled_models_are_sound() -> None:
    """Whatever ships with the program is described without a problem."""
    assert registry.scan()[1] == []
    assert all(spec.bundled and spec.licence != "unknown" for spec in registry.list_models())


def test_the_table_of_families_says_what_the_families_say() -> None:
    for row in FAMILIES:
        family = row.load()
        assert (family.name, family.model_types, family.capabilities) == (
            row.family, row.model_types, row.capabilities
        )  # fmt: skip
    assert sum(len(row.model_types) for row in FAMILIES) == len(KINDS)


def test_listing_models_loads_no_torch(folder: Path) -> None:
    code = (
        "import sys, models.errors, models.spec, models.registry; from pathlib import Path; "
        f"assert [m for m in models.registry.list_models([Path({str(folder.parent)!r})]) if not m.bundled]; "
        "print([m for m in ('torch', 'numpy', 'PIL', 'safetensors', 'onnxruntime', 'PySide6') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_spec_is_a_value(folder: Path) -> None:
    spec = read_spec(folder)
    assert isinstance(spec, ModelSpec)
    with pytest.raises(AttributeError):
        spec.title = "x"  # type: ignore[misc]
    assert len({spec, read_spec(folder)}) == 1
