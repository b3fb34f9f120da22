"""A model that a person brings joins their own: a folder in the hub's layout, or a bare file of published weights.

Nothing in what is brought is run, it is tried before it is kept, and it is kept whole or not at all.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import CARD, CONFIG, PREPROCESSOR, SHARDS, TOKENIZER, read_spec, weight_files
from models.errors import ModelError, UserError, WrongModelError, no_numbers
from models.families.config import section, whole
from models.open_clip import weights_in
from models.spec import Capability, ModelSpec

STEPS = 3
_MOST_NAME = 80
_BLOCK = 32 << 20  # bytes
_FORGOTTEN = 24 * 3600.0  # seconds
# What a model folder may hold besides its weights; everything else in a downloaded one stays where it is.
_KEPT = (CONFIG, PREPROCESSOR, TOKENIZER, "tokenizer_config.json", CARD, "LICENSE", SHARDS)


@dataclass(frozen=True)
class Step:
    """How far it is, `done` of `total`, and what comes next; the last one brings the model, under the id that leads to
    it: its name may be that of a bundled one."""

    done: int
    words: str
    spec: ModelSpec | None = None
    total: int = STEPS


def add_model(source: Path, models: Path, *, name: str = "", tokenizer: Path | None = None) -> Iterator[Step]:
    """Put the model at `source` (a folder, or a file of weights) into the folder `models`, under `name` or its own.

    `tokenizer` is the tokenizer.json for weights that come without one (CLIP); one beside the file is found. Raises
    UserError in words where the model cannot be opened, does not fit its own description, or is there already.
    """
    source = Path(source)
    folder = _folder_of(source)
    if folder is not None and (weights := weights_in(folder)):
        name, source, folder = name or _name_of(folder), weights, None
    target = models / (_clean(name) or _clean(_name_of(folder) if folder else source.stem) or "model")
    if os.path.exists(target) or (folder is not None and folder.resolve().parent == models.resolve()):
        raise ModelError(
            f"There is a model called {target.name} already",
            f"It lies in {models}",
            "Give this one another name, or take that folder away first",
        )
    try:
        yield from _add_folder(folder, target, tokenizer) if folder else _add_file(source, target, tokenizer)
    except UserError:
        raise
    except Exception as problem:
        # The disk may fill up or go away; the library under the weights tells that by an exception of its own.
        if not isinstance(problem, OSError) and type(problem).__name__ != "SafetensorError":
            raise
        raise ModelError(
            f"{target.name} could not be kept",
            f"{getattr(problem, 'strerror', None) or problem} ({models})",
            "Make room there, or allow writing in that folder, and try again",
        ) from problem


def _folder_of(source: Path) -> Path | None:
    """The model folder that is meant: `source` itself, or the one whose weights it is; None for a bare file."""
    try:
        if source.is_dir():
            return source
        return source.parent if source in weight_files(source.parent) and read_spec(source.parent) else None
    except UserError:
        return None
    except OSError as problem:
        cure = "Check the path, and that you may read what lies there"
        raise ModelError(f"{source} cannot be read", problem.strerror or str(problem), cure) from problem


def _name_of(folder: Path) -> str:
    """What a model folder is called; the hub's cache calls it by a number, and the folder above that by its name."""
    above = folder.resolve().parents
    if len(above) > 1 and above[0].name == "snapshots" and above[1].name.startswith("models--"):
        return above[1].name.rpartition("--")[2]
    return folder.resolve().name


def _clean(name: str) -> str:
    """The name as a folder can be called on every system, and typed on a command line."""
    return re.sub(r"[^\w.+-]+", "-", name)[:_MOST_NAME].strip(".-")


def _add_folder(folder: Path, target: Path, tokenizer: Path | None) -> Iterator[Step]:
    from models.registry import find

    yield Step(0, f"Reading {folder.name}")
    spec = read_spec(folder)
    words = tokenizer or folder / TOKENIZER
    text = (
        _tokenizer_text(words, spec.config, exact=False) if Capability.ZERO_SHOT in spec.capabilities else ""
    )
    yield Step(1, "Trying whether it works")
    _try(spec)
    _sweep(target.parent)
    with _place_beside(target) as temporary:
        before = 0
        for path in weight_files(folder):
            for copied in _copied(path, temporary / path.name):
                done, total = (before + copied) / 1e6, spec.size_bytes / 1e6
                yield Step(2, f"Copying {path.name}, {done:,.0f} of {total:,.0f} MB")
            before += copied
        for path in (folder / kept for kept in _KEPT):
            if path.is_file():
                shutil.copyfile(path, temporary / path.name)
        if text:
            (temporary / TOKENIZER).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(target)
    yield Step(STEPS, "", find(target, [target.parent]))


def _add_file(source: Path, target: Path, tokenizer: Path | None) -> Iterator[Step]:
    from models.importing import open_checkpoint
    from models.registry import find

    yield Step(0, f"Reading {source.name}")
    opened = open_checkpoint(source)
    text = None
    if Capability.ZERO_SHOT in opened.family.capabilities:
        text = _tokenizer_text(tokenizer or source.with_name(TOKENIZER), opened.config, exact=True)
    yield Step(1, "Writing the model folder")
    card = f"---\nlicense: unknown\n---\n\n# {target.name}\n\nMade by Pinhole from the file {source.name}.\n"
    with _place_beside(target) as temporary:
        folder = temporary / target.name
        spec = opened.write(folder, text, card)
        yield Step(2, "Trying whether it works")
        _try(spec)
        folder.rename(target)
    yield Step(STEPS, "", find(target, [target.parent]))


def _copied(source: Path, target: Path) -> Iterator[int]:
    """Copy a file block by block, telling how many bytes there are: whoever asks may stop between two of them."""
    with source.open("rb") as old, target.open("xb") as new:
        yield 0
        while block := old.read(_BLOCK):
            new.write(block)
            yield new.tell()
        new.flush()
        os.fsync(new.fileno())


def _sweep(models: Path) -> None:
    """Delete what a program that was killed while it copied has left here, and nobody works on any more."""
    for place in models.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - place.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _place_beside(target: Path) -> Iterator[Path]:
    """A new hidden folder on the disk of `target`; what is left in it at the end goes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _try(spec: ModelSpec) -> None:
    """Run each of the model's entries once; ModelError where that cannot be done or gives no numbers."""
    from models.onnx_export import sample
    from models.runtime import entries_of, open_model

    model = open_model(spec, device="cpu", precision="float32", engine="torch")
    for name, entry in entries_of(spec).items():
        if not np.isfinite(model.run(name, **sample(spec, entry, 1))).all():
            raise no_numbers(spec.title, f"What its entry “{name}” gives")
    if Capability.ZERO_SHOT in spec.capabilities:
        _ = model.scale  # what words are compared by; it may be NaN as well


def _tokenizer_text(path: Path, config: Mapping[str, Any], *, exact: bool) -> str:
    """The text of a tokenizer.json that can belong to this configuration; ModelError where it cannot. `exact`: the
    model has no other tokens, as is so where sizes were read off the weights (a config.json may round them up)."""
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ModelError(
            "The model comes without the tokenizer that its words need",
            f"There is no {path.name} in {path.parent}",
            f"Put the {TOKENIZER} published with the same model (the hub has one beside every CLIP) there",
        )
    try:
        text = path.read_text(encoding="utf-8")
        found = Tokenizer.from_str(text)
        found.encode("Any words?")  # some know no token for what they do not know
        size = found.get_vocab_size()
    except Exception as problem:  # the library raises bare Exception
        raise ModelError(f"{path.name} is no tokenizer", str(problem)[:300], "Download it again") from problem
    known = whole(section(config, "text_config"), "vocab_size", 49408, most=1 << 24)
    if size > known or (exact and size != known):
        raise WrongModelError(
            f"{path.name} belongs to another model",
            f"It knows {size:,} tokens, the model {known:,}",
            f"Take the {TOKENIZER} that was published with this model",
        )
    return text
