"""A model that a person brings: what is kept of it, what is refused in words, and that nothing is left half done."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from models import adding, importing, registry
from models.adding import STEPS, add_model
from models.errors import CheckpointError, ModelError, UserError, WrongModelError
from models.families.mae import MAE, MAEConfig
from models.runtime import open_model
from models.spec import Capability, ModelSpec
from tests.models.clip_tools import TINY_TEXT, reference, write_tokenizer
from tests.models.test_checkpoint import Bomb
from tests.models.test_clip_original import original_vit, write_script
from tests.models.test_mae import meta_layout
from tests.tiny_models import byte_tokenizer, write_tiny_clip, write_tiny_convnext, write_tiny_mae


def openai_archive(folder: Path) -> Path:
    """A CLIP as OpenAI published it, a TorchScript archive, with its tokenizer beside it."""
    size = write_tokenizer(folder)
    text = {"hidden_size": 128, "num_attention_heads": 2, "vocab_size": size, "eos_token_id": size - 1}
    vision = {"hidden_size": 192, "intermediate_size": 300, "num_hidden_layers": 2, "num_attention_heads": 3}
    with torch.inference_mode():
        theirs = reference({**TINY_TEXT, **text}, {**vision, "image_size": 48, "patch_size": 16}, embed=40)
        write_script(original_vit(theirs), folder / "ViT T-16.pt")
    return folder / "ViT T-16.pt"


def added(source: Path, models: Path, **named: object) -> ModelSpec:
    steps = list(add_model(source, models, **named))  # type: ignore[arg-type]
    assert list(dict.fromkeys(step.done for step in steps)) == list(range(STEPS + 1))
    assert all(step.words for step in steps[:-1])
    spec = steps[-1].spec
    assert spec is not None
    return spec


def left_in(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir()) if models.exists() else []


def test_a_clip_of_the_original_release_answers_after_it_was_added(tmp_path: Path) -> None:
    source = openai_archive(tmp_path / "downloads")
    spec = added(source, tmp_path / "models")
    assert (spec.id, spec.capabilities) == ("ViT-T-16", {Capability.ZERO_SHOT})
    assert registry.find("ViT-T-16", [tmp_path / "models"]).folder == tmp_path / "models" / "ViT-T-16"
    model = open_model(spec, device="cpu", engine="torch")
    ids, mask = model.tokenizer.encode(["a photo of the cat"])
    assert model.run("text", input_ids=ids, attention_mask=mask).shape == (1, 40)
    assert left_in(tmp_path / "models") == ["ViT-T-16"]


def test_a_masked_autoencoder_of_meta_needs_no_tokenizer(tmp_path: Path) -> None:
    spec = write_tiny_mae(tmp_path / "tiny")
    # Meta's widths tell the number of heads: 64 and 32 to a head.
    config = {**spec.config, "hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 256}
    config |= {"decoder_num_attention_heads": 1, "decoder_intermediate_size": 128, "layer_norm_eps": 1e-6}
    torch.manual_seed(1)
    module = MAE(MAEConfig.from_hf(config)).eval()
    torch.save({"model": meta_layout(module.state_dict())}, tmp_path / "mae_visualize.pth")
    found = added(tmp_path / "mae_visualize.pth", tmp_path / "models", name="my mae")
    assert (found.id, found.capabilities) == ("my-mae", {Capability.MASKING})
    pixels = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    mask = np.arange(16)[None] % 2 == 0
    got = open_model(found, device="cpu", engine="torch").run("reconstruct", pixel_values=pixels, mask=mask)
    with torch.no_grad():
        wanted = module.reconstruct(torch.from_numpy(pixels), torch.from_numpy(mask))
    np.testing.assert_allclose(got, wanted.numpy(), atol=1e-5)

    # DINO and timm's plain transformers have these very names.
    alone = {name: value for name, value in meta_layout(module.state_dict()).items() if "decoder" not in name}
    torch.save(alone, tmp_path / "dino_deitsmall16_pretrain.pth")
    with pytest.raises(WrongModelError, match="a vision transformer alone"):
        added(tmp_path / "dino_deitsmall16_pretrain.pth", tmp_path / "models")


@pytest.mark.parametrize("of", ["folder", "weights"])
def test_a_model_folder_is_copied_without_what_does_not_belong_to_it(tmp_path: Path, of: str) -> None:
    folder = tmp_path / "hub" / "models--some--tiny-clip" / "snapshots" / "0123abcd"
    write_tiny_clip(folder)
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    (folder / "README.md").rename(folder.parent / "blob")
    (folder / "README.md").symlink_to(folder.parent / "blob")  # as the hub's cache keeps its files
    spec = added(folder if of == "folder" else folder / "model.safetensors", tmp_path / "models")
    assert spec.id == "tiny-clip"
    kept = left_in(spec.folder)
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"} < set(kept)
    assert "modeling_custom.py" not in kept
    shutil.rmtree(tmp_path / "hub")
    assert open_model(spec, device="cpu", engine="torch").tokenizer.lengths(["a cat"])
    assert registry.find("tiny-clip", [tmp_path / "models"]).title == spec.title


def test_a_pickle_that_is_no_table_of_weights_runs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    for name, content in (
        ("bare.pt", pickle.dumps(Bomb(tmp_path / "mark"))),
        ("old.bin", pickle.dumps(Bomb(tmp_path / "mark"), 2)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError):
            added(tmp_path / name, tmp_path / "models")
    torch.save({"model": Bomb(tmp_path / "mark")}, tmp_path / "zipped.pth")
    with pytest.raises(CheckpointError, match="holds more than weights"):
        added(tmp_path / "zipped.pth", tmp_path / "models")
    folder = tmp_path / "folder"
    write_tiny_mae(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "mark")))
    with pytest.raises(CheckpointError):
        added(folder, tmp_path / "models")
    assert not (tmp_path / "mark").exists()
    assert left_in(tmp_path / "models") == []


def test_words_need_the_tokenizer_of_the_same_model(tmp_path: Path) -> None:
    source = openai_archive(tmp_path / "downloads")
    right = (source.parent / "tokenizer.json").rename(tmp_path / "right.json")
    with pytest.raises(ModelError, match=r"without the tokenizer.*no tokenizer\.json in"):
        added(source, tmp_path / "models")
    (tmp_path / "wrong.json").write_text(byte_tokenizer()[0])
    with pytest.raises(WrongModelError, match="belongs to another model"):
        added(source, tmp_path / "models", tokenizer=tmp_path / "wrong.json")
    (tmp_path / "torn.json").write_bytes(right.read_bytes()[:200])
    with pytest.raises(ModelError, match="is no tokenizer"):
        added(source, tmp_path / "models", tokenizer=tmp_path / "torn.json")
    assert left_in(tmp_path / "models") == []
    assert added(source, tmp_path / "models", tokenizer=right).id == "ViT-T-16"


def test_nothing_takes_the_place_of_what_is_there(tmp_path: Path) -> None:
    spec = write_tiny_mae(tmp_path / "downloads" / "mine")
    first = added(spec.folder, tmp_path / "models")
    for source in (spec.folder, first.folder):
        with pytest.raises(ModelError, match="called mine already"):
            added(source, tmp_path / "models")
    assert added(spec.folder, tmp_path / "models", name="../second").folder == tmp_path / "models" / "second"
    assert left_in(tmp_path / "models") == ["mine", "second"]


@pytest.mark.parametrize("what", ["folder", "file"])
def test_the_id_of_what_was_added_leads_to_it(tmp_path: Path, what: str) -> None:
    models = tmp_path / "models"
    source = write_tiny_mae(tmp_path / "mae").folder if what == "folder" else openai_archive(tmp_path)
    spec = added(source, models, name="pinhole-clip")
    assert registry.find(spec.id, [models]).folder == models / "pinhole-clip"
    assert registry.find("pinhole-clip", [models]).bundled


def test_weights_that_do_not_fit_and_names_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    spec = write_tiny_mae(tmp_path / "torn")
    whole = (spec.folder / "model.safetensors").read_bytes()
    (spec.folder / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="damaged or cut short"):
        added(spec.folder, tmp_path / "models")
    with pytest.raises(CheckpointError, match="no file of weights"):
        added(tmp_path / "nowhere.pt", tmp_path / "models")
    (tmp_path / "photos").mkdir()
    with pytest.raises(WrongModelError, match="not a complete model folder"):
        added(tmp_path / "photos", tmp_path / "models")
    assert left_in(tmp_path / "models") == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = write_tiny_clip(tmp_path / "a").folder if whole else openai_archive(tmp_path / "a")
    if whole:
        monkeypatch.setattr(adding.os, "fsync", full)
    else:
        monkeypatch.setattr(importing, "write_bundle", full)
    with pytest.raises(UserError, match=r"could not be kept. No space left"):
        added(source, tmp_path / "models")
    assert left_in(tmp_path / "models") == []


def test_a_path_that_cannot_be_followed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="File name too long"):
        list(add_model(Path("a" * 300), tmp_path))

    def refuse(path: Path, **_: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refuse)
        with pytest.raises(UserError, match="Permission denied"):
            list(add_model(Path("locked/model"), tmp_path))


def test_stopping_halfway_leaves_nothing(tmp_path: Path) -> None:
    folder = write_tiny_mae(tmp_path / "mine").folder
    for stop in range(STEPS):
        steps = add_model(folder, tmp_path / "models")
        for _ in range(stop + 1):
            next(steps)
        steps.close()
        assert left_in(tmp_path / "models") == []


def test_a_copy_can_be_stopped_within_a_file_and_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_mae(tmp_path / "mine").folder
    monkeypatch.setattr(adding, "_BLOCK", 4096)
    words = [step.words for step in add_model(folder, tmp_path / "models")]
    blocks = [line for line in words if "model.safetensors" in line]
    assert len(blocks) > (folder / "model.safetensors").stat().st_size // 4096
    shutil.rmtree(tmp_path / "models")
    steps = add_model(folder, tmp_path / "models")
    while next(steps).words != blocks[3]:
        pass
    steps.close()
    assert left_in(tmp_path / "models") == []


def test_what_a_killed_copy_left_goes_when_the_next_model_comes(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name, age in ((".old-model.abc.tmp", 48), (".being-copied.def.tmp", 0)):
        (models / name).mkdir(parents=True)
        (models / name / "model.safetensors").write_bytes(b"half")
        then = time.time() - 3600 * age
        os.utime(models / name, (then, then))
    list(add_model(write_tiny_mae(tmp_path / "mine").folder, models))
    assert sorted(path.name for path in models.iterdir()) == [".being-copied.def.tmp", "mine"]


@pytest.mark.parametrize("entry", [None, [1]])
def test_a_clip_whose_config_says_nothing_of_its_words_is_refused_in_words(
    tmp_path: Path, entry: object
) -> None:
    spec = write_tiny_clip(tmp_path / "mine")
    config = json.loads((spec.folder / "config.json").read_text())
    config["text_config"] = {**config["text_config"], "vocab_size": None} if entry is None else entry
    (spec.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        added(spec.folder, tmp_path / "models")
    assert left_in(tmp_path / "models") == []


def test_classes_may_be_called_as_sizes_are(tmp_path: Path) -> None:
    spec = write_tiny_convnext(tmp_path / "mine")
    config = json.loads((spec.folder / "config.json").read_text())
    config["label2id"] = {"cat": 0, "layers": 100_000, "window_size": 2}
    (spec.folder / "config.json").write_text(json.dumps(config))
    assert added(spec.folder, tmp_path / "models").id == "mine"
