"""Errors that a person reads: what went wrong, why, and what to do about it."""

import shlex
import subprocess
import sys
from typing import Literal, get_args

ImageProblem = Literal[
    "missing", "permission", "empty", "not_image", "truncated", "too_large", "memory", "needs_extra", "other"
]
IMAGE_PROBLEMS: frozenset[str] = frozenset(get_args(ImageProblem))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?…。!?" else text + "."


def install_cure(*packages: str) -> str:
    """What to do where a package is missing: a bare `pip` in a person's shell may be that of another Python."""
    command = [sys.executable, "-m", "pip", "install", *packages]
    words = subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)
    return f"Type “{words}” into a terminal, then start Pinhole again"


class UserError(Exception):
    """A failure told in words: a title (what), a cause (why) and a cure (what to do); str() joins the three."""

    def __init__(self, title: str, cause: str = "", cure: str = "") -> None:
        # The three go to Exception itself, so that copying and pickling need no help.
        super().__init__(title, cause, cure)
        self.title = title
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        return " ".join(filter(None, map(_sentence, (self.title, self.cause, self.cure))))


class ImageError(UserError):
    """A photo that cannot be read; `kind` is the machine-readable reason, one of IMAGE_PROBLEMS."""

    def __init__(self, title: str, cause: str = "", cure: str = "", *, kind: ImageProblem = "other") -> None:
        super().__init__(title, cause, cure)
        if kind not in IMAGE_PROBLEMS:
            raise ValueError(f"unknown kind of image problem: {kind!r}")
        self.kind: ImageProblem = kind


class ModelError(UserError):
    """A model cannot be found, opened, or run."""


def no_numbers(model: str, what: str) -> ModelError:
    """The error for a network (by its title) of which `what`, such as “Its answer to a photo”, is NaN or infinite."""
    return ModelError(
        f"{model} gives no numbers",
        f"{what} is not a number (NaN). Its weights or its config.json are damaged, "
        "or its numbers are too large for this precision",
        "Choose the precision float32; if that does not help, download or copy the model again",
    )


class CheckpointError(ModelError):
    """A file of weights is damaged, unsafe to open, or does not fit the network it is meant for."""


class WrongModelError(ModelError):
    """A folder or file holds something else than a model of a kind that is known here."""


class TextError(UserError):
    """Labels, templates or other typed text cannot be used as they stand."""


class DataError(UserError):
    """A data set, a table or a stored result cannot be read or does not hold what was expected."""


class DeviceError(UserError):
    """The device or precision asked for is not there or failed."""
