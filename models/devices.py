"""Which processor or graphics card really runs, and why not the one that was asked for."""

import ctypes
import os
import platform
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from models.engines import threads

FALLBACK = "Pinhole runs on the processor instead"
# How Linux calls the instructions that multiply these numbers at more than float32's pace.
_BFLOAT16 = ("amx_bf16", "avx512_bf16")
_INT8 = ("amx_int8", "avx512_vnni", "avx_vnni")


def resolve(wanted: str) -> tuple[str, str]:
    """(torch device that works, note) for auto, cpu, cuda, cuda:N or mps; the note says why it is another, else ""."""
    if wanted == "cpu":
        return "cpu", ""
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            problem = _trial("cuda:0")
            return ("cpu", problem) if problem else ("cuda:0", "")
        if sys.platform == "darwin" and torch.backends.mps.is_available() and not _trial("mps"):
            return "mps", ""
        missing = "" if not has_nvidia() else f"There is an NVIDIA GPU, but {_why_no_cuda()}. {FALLBACK}."
        return "cpu", missing
    if wanted.startswith("cuda"):
        index = int(wanted[5:]) if wanted[5:].isdecimal() else 0
        if not torch.cuda.is_available():
            return "cpu", f"A GPU was asked for, but {_why_no_cuda()}. {FALLBACK}."
        if index >= torch.cuda.device_count():
            return (
                "cpu",
                f"GPU {index} was asked for, but only {torch.cuda.device_count()} can be used. {FALLBACK}.",
            )
        problem = _trial(f"cuda:{index}")
        return ("cpu", problem) if problem else (f"cuda:{index}", "")
    if wanted == "mps":
        if sys.platform == "darwin" and torch.backends.mps.is_available():
            problem = _trial("mps")
            return ("cpu", problem) if problem else ("mps", "")
        return "cpu", f"Apple's GPU was asked for, but this machine has none. {FALLBACK}."
    return "cpu", f"The device {wanted!r} is unknown (auto, cpu, cuda, mps). {FALLBACK}."


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        reason = "the installed PyTorch was built without CUDA"
        return reason if has_nvidia() else f"this machine shows no NVIDIA GPU and {reason}"
    if not has_nvidia():
        return "this machine shows no NVIDIA GPU"
    return f"its driver does not work with CUDA {torch.version.cuda}, which PyTorch needs"


def _trial(device: str) -> str:
    """ "" when the device can really compute, else why not: an old card is listed but has no kernels."""
    import torch

    try:
        torch.ones(8, 8, device=device).matmul(torch.ones(8, 8, device=device)).sum().item()
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"The GPU was found but does not work ({first}). {FALLBACK}."
    return ""


@lru_cache(maxsize=1)
def has_nvidia() -> bool:
    """Whether an NVIDIA driver shows itself; asked without loading torch, which takes a second."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    if sys.platform == "win32":
        try:
            ctypes.WinDLL("nvcuda.dll")
        except OSError:
            return False
        return True
    return any(Path(p).exists() for p in ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg"))


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name, with its matrix units where it has them (they change which precision is fastest)."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = "".join(f" {f}" for f in (*_BFLOAT16, *_INT8) if f in value.split())
                break
    except OSError:
        pass
    return name + flags


def has_bfloat16() -> bool:
    """Whether the processor itself multiplies bfloat16; others emulate it."""
    return any(flag in processor().split() for flag in _BFLOAT16)


def has_int8() -> bool:
    """Whether the processor sums 8-bit products without overflow; older ones do it slowly or wrongly."""
    return any(flag in processor().split() for flag in _INT8)


def fingerprint() -> str:
    """One line for this machine and its libraries: a measurement made under another one says nothing here."""
    versions = []
    for package in ("torch", "onnxruntime", "onnxruntime-gpu"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    gpu = "nvidia" if has_nvidia() else "no nvidia"
    return " | ".join([platform.system(), processor(), f"{threads()} threads", gpu, *versions])
