"""A model as a folder in the layout of the Hugging Face hub: reading its description, and writing one."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.digests import DIGESTS
from models.errors import ModelError, WrongModelError
from models.families import KINDS, Kind
from models.spec import ModelSpec, Preprocess

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CARD = "README.md"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
TORCH_WEIGHTS = "pytorch_model.bin"

# No description of a model is longer; a longer file is something else under its name.
MAX_JSON = 64 << 20
MAX_HEADER = 100 << 20

DType = Literal["float16", "bfloat16", "float32"]
# Running statistics and single numbers weigh nothing, and the former leave the range of float16.
_KEPT = ("running_mean", "running_var", "logit_scale")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; ModelError in words where it is missing, unreadable, malformed or no object."""
    # A pipe under this name would never end: only plain files (and links to them) are read.
    if not path.is_file():
        raise WrongModelError(
            f"{path.parent.name} is not a complete model folder",
            f"{path.name} is missing",
            "Copy the whole folder",
        )
    try:
        if path.stat().st_size > MAX_JSON:
            raise ModelError(f"{path.name} in {path.parent.name} is far too long to be read")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise ModelError(f"{path} cannot be read", problem.strerror or str(problem)) from problem
    except (ValueError, RecursionError) as problem:
        raise ModelError(
            f"{path.name} in {path.parent.name} is damaged", str(problem), "Download or copy the model again"
        ) from problem
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} in {path.parent.name} is damaged", "It holds no JSON object")
    return content


def kind_of(config: Mapping[str, Any], name: str) -> Kind:
    """The family that a config.json names; WrongModelError lists the known ones where it is none of them."""
    model_type = config.get("model_type")
    kind = KINDS.get(model_type) if isinstance(model_type, str) else None
    if kind is None:
        what = f"Its config.json says {model_type!r}" if model_type else "Its config.json has no model_type"
        raise WrongModelError(
            f"{name} is a model of a kind that Pinhole does not know",
            what,
            f"Known kinds: {', '.join(sorted(KINDS))}",
        )
    return kind


def weight_files(folder: Path) -> list[Path]:
    """The files of weights in a model folder: model.safetensors, its shards, or pytorch_model.bin."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / SHARDS).is_file():
        table = read_json(folder / SHARDS).get("weight_map")
        names = sorted(set(map(str, table.values()))) if isinstance(table, dict) else []
        # A shard lies in the folder itself: nothing that a downloaded file says leads out of it.
        if names and all(Path(name).name == name and (folder / name).is_file() for name in names):
            return [folder / name for name in names]
        raise ModelError(
            f"{folder.name} is not complete", f"Parts named in {SHARDS} are missing", "Download it again"
        )
    if (folder / TORCH_WEIGHTS).is_file():
        return [folder / TORCH_WEIGHTS]
    raise WrongModelError(
        f"{folder.name} is not a complete model folder",
        "It has no weights (model.safetensors)",
        "Copy the whole folder",
    )


def files_version(files: list[Path]) -> str:
    """First 12 hex digits of the sha256 over the files; see `digests` for what is remembered of them."""
    found = [DIGESTS.of(path) for path in files]
    return (found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest())[:12]


def _version(folder: Path, weights: list[Path], config: Mapping[str, Any], preprocess: Preprocess) -> str:
    """12 hex digits that change with everything an answer follows from, and with nothing else in the folder.

    Weights alone would give the embeddings and graphs of before to a model whose preprocessing, config.json or
    tokenizer was edited, and those of a stranger to another folder of the same name. Values count, not the layout of
    the JSON.
    """
    words = folder / TOKENIZER
    files = [*weights, *([words] if words.is_file() else [])]
    about = json.dumps([config, asdict(preprocess)], sort_keys=True)
    return hashlib.sha256(f"{files_version(files)} {about}".encode()).hexdigest()[:12]


def count_parameters(files: list[Path]) -> int:
    """Numbers in .safetensors files, read off their headers; 0 where that cannot be told without opening them."""
    total = 0
    for path in files:
        if path.suffix != ".safetensors":
            return 0
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length)) if length < MAX_HEADER else {}
            for name, entry in header.items():
                if name != "__metadata__":
                    numbers = 1
                    for side in entry["shape"]:
                        numbers *= int(side)
                    total += numbers
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as problem:
            raise ModelError(
                f"{path.name} in {path.parent.name} is damaged or cut short", "", "Download or copy it again"
            ) from problem
    return total


def _front_matter(folder: Path) -> tuple[dict[str, str], str]:
    """The plain `key: value` lines that open a model card, and its first heading; empty where there is no card."""
    path = folder / CARD
    if not path.is_file():
        return {}, ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 16).splitlines()
    except OSError:
        return {}, ""
    entries: dict[str, str] = {}
    body = lines
    if lines and lines[0].strip() == "---":
        end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), len(lines))
        body = lines[end + 1 :]
        for line in lines[1:end]:
            key, colon, value = line.partition(":")
            if colon and key.strip() == key and value.strip():
                entries[key] = value.strip().strip("'\"")
    heading = next((line[2:].strip() for line in body if line.startswith("# ")), "")
    return entries, heading


def read_spec(folder: Path, *, bundled: bool = False) -> ModelSpec:
    """Describe a model folder without opening its weights (but for their hash).

    Raises WrongModelError where it is no model of a known kind, ModelError where it is one but damaged.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            raise WrongModelError(
                f"There is no model folder at {folder}", "", "Choose a folder with a config.json in it"
            )
        config = read_json(folder / CONFIG)
        kind = kind_of(config, folder.name)
        preprocess = Preprocess.from_hf(read_json(folder / PREPROCESSOR))
        files = weight_files(folder)
        entries, heading = _front_matter(folder)
        return ModelSpec(
            id=folder.name or folder.resolve().name,
            family=kind.family,
            folder=folder,
            title=heading or entries.get("model_name") or folder.name,
            licence=_licence(entries),
            size_bytes=sum(path.stat().st_size for path in files),
            parameters=count_parameters(files),
            capabilities=kind.capabilities,
            config=config,
            preprocess=preprocess,
            version=_version(folder, files, config, preprocess),
            bundled=bundled,
        )
    except OSError as problem:
        raise ModelError(
            f"The model in {folder} cannot be read", problem.strerror or str(problem)
        ) from problem


def _licence(entries: Mapping[str, str]) -> str:
    """The licence as its card calls it; the hub writes "other" for what has no name there."""
    licence = entries.get("license", "")
    if licence != "other":
        return licence or "unknown"
    return entries.get("license_name", "") or "its own, see its README.md"


def write_bundle(
    folder: Path,
    module: "nn.Module",
    config: Mapping[str, Any],
    preprocess: Preprocess,
    tokenizer_json: str | None = None,
    card: str = "",
    dtype: DType = "float16",
) -> ModelSpec:
    """Write a model folder in the hub's layout, whole or not at all; an older model at `folder` is replaced.

    `config` is the config.json (with its model_type), `tokenizer_json` the text of a tokenizer.json. ModelError where
    the folder holds something else, or a weight is out of the range of `dtype`.
    """
    folder = Path(folder)
    kind = kind_of(config, folder.name)
    if folder.exists() and not (folder / CONFIG).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(
            f"{folder} is not overwritten",
            "It exists and is no model folder",
            "Choose a new or an empty folder",
        )
    tensors = hub_tensors(module, kind, dtype)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        from models.checkpoint import save_tensors

        save_tensors(temporary / WEIGHTS, tensors)
        _write_text(temporary / CONFIG, _json({**config, "torch_dtype": dtype}))
        _write_text(temporary / PREPROCESSOR, _json(preprocess.to_hf()))
        if tokenizer_json is not None:
            _write_text(temporary / TOKENIZER, tokenizer_json)
            _write_text(temporary / TOKENIZER_CONFIG, _json(_tokenizer_config(config, tokenizer_json)))
        _write_text(temporary / CARD, card or f"---\nlicense: unknown\n---\n\n# {folder.name}\n")
        temporary.chmod(0o755)
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return read_spec(folder)


def hub_tensors(module: "nn.Module", kind: Kind, dtype: DType) -> "dict[str, Tensor]":
    """The module's weights under the hub's names, floating point ones in `dtype`; ModelError where one overflows."""
    import torch

    state: dict[str, Tensor] = {name: value.detach().cpu() for name, value in module.state_dict().items()}
    to_hub = kind.load().to_hub
    target: torch.dtype = getattr(torch, dtype)
    out = {}
    for name, value in (to_hub(state) if to_hub else state).items():
        if value.is_floating_point() and not name.endswith(_KEPT):
            cast = value.to(target)
            if bool(torch.isfinite(value).all()) and not bool(torch.isfinite(cast).all()):
                raise ModelError(
                    "The model cannot be written",
                    f"{name} is out of the range of {dtype}",
                    "Write it as float32",
                )
            value = cast
        # A copy of its own: files of safetensors share no memory between tensors.
        out[name] = value.contiguous().clone()
    return out


def _tokenizer_config(config: Mapping[str, Any], tokenizer_json: str) -> dict[str, Any]:
    """What `transformers` needs besides tokenizer.json: the longest text, and which tokens are special."""
    text = config.get("text_config")
    text = text if isinstance(text, Mapping) else {}
    added = {entry["id"]: entry["content"] for entry in json.loads(tokenizer_json).get("added_tokens", [])}
    out: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": text.get("max_position_embeddings", 77),
    }
    for name in ("bos_token", "eos_token", "pad_token"):
        number = text.get(f"{name}_id")
        if number in added:
            out[name] = added[number]
    return out


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _swap(new: Path, folder: Path) -> None:
    """Give `new` the name of `folder`; an older folder goes aside first and comes back if that fails."""
    if not folder.exists():
        os.replace(new, folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    os.replace(folder, aside / "old")
    try:
        os.replace(new, folder)
    except OSError:
        os.replace(aside / "old", folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
