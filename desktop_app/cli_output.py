"""Where a command writes: what cannot be written, and what must not be overwritten, is told before the work."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from models.atomic import failure_in_words
from models.errors import DataError

Kind = Literal["CSV", "PNG", "NPZ"]
_HEAD = 4096  # bytes that tell what a file holds


def check_output(target: Path, kind: Kind, inputs: Iterable[Path | None]) -> None:
    """DataError before the work begins, rather than after hours of it.

    An earlier file of the same kind may be overwritten; what the command reads (``inputs``, None where an option was
    not given), files of another kind and pictures that are not Pinhole's may not: a shell that fills in --csv *.jpg, or
    a name that was completed wrongly, must not cost a photo.
    """
    with failure_in_words(target):
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            _check_folder(target)
            return
        if stat.S_ISDIR(mode):
            example = target / f"pinhole.{kind.lower()}"
            raise DataError(f"{target} is a folder", f"The {kind} needs a file name", f"Write to {example}")
        if not stat.S_ISREG(mode):
            return  # a pipe or a device keeps nothing that could be lost
        if any(one and os.path.exists(one) and target.samefile(one) for one in inputs):
            cause = f"The {kind} would take the place of what is read"
            raise DataError(f"{target} cannot be written", cause, "Give another file name")
        with target.open("rb") as stream:
            head = stream.read(_HEAD)
    if head and not _is_kind(kind, head, target.suffix.lower()):
        cause = f"There is a file of that name already, and it is no {kind} of Pinhole's"
        raise DataError(
            f"{target} cannot be written", cause, "Give another name, or take that file away first"
        )


def _check_folder(target: Path) -> None:
    parent = target.absolute().parent
    if not parent.is_dir():
        raise DataError(
            f"{target} cannot be written", f"There is no folder {parent}", "Make the folder first"
        )
    if not os.access(parent, os.W_OK):
        raise DataError(
            f"{target} cannot be written", f"You may not write in {parent}", "Choose another folder"
        )


def _is_kind(kind: Kind, head: bytes, suffix: str) -> bool:
    """Whether a file that begins like this is an earlier one of ours, or of its kind."""
    match kind:
        case "PNG":
            from models.tasks.mask_export import wrote_png

            return wrote_png(head)
        case "NPZ":  # a ZIP of arrays; other ZIPs are a person's documents
            return head.startswith(b"PK\x03\x04") and b".npy" in head[:256]
        case "CSV":  # a text of another suffix may be a list of labels
            ours = head.removeprefix(b"\xef\xbb\xbf").startswith(b"path,")
            return ours or (suffix == ".csv" and b"\0" not in head)
