"""Opens picture files of any kind without trusting them: safe opening, kind by content, errors in words, memory."""

import contextlib
import errno
import importlib
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from models.errors import ImageError, install_cure

# Only these readers of Pillow are let near a foreign file; its EPS reader, for one, starts Ghostscript.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF", "HEIF", "JPEG2000", "PPM")
HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
RAW_SUFFIXES = frozenset(
    {".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".dng", ".orf", ".rw2"}
    | {".raf", ".pef", ".srw", ".3fr", ".erf", ".kdc", ".mrw", ".x3f"}
)
HUGE_PIXELS = 100_000_000  # above this a photo is decoded small where its format can
_MOST_PIXELS = 1_000_000_000
_FALLBACK_MEMORY = 2 << 30
_NEUTRAL = (128, 128, 128)  # what shows through transparent places

# Pillow's guard knows pixels but not this machine's memory, and it stops photos that can be decoded small;
# `check_memory` below stands in its place for every picture that is opened here.
Image.MAX_IMAGE_PIXELS = None

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")


def shown(path: str | os.PathLike[str]) -> str:
    """The last part of a path as one printable line: control characters and lone surrogates are escaped."""
    name = os.path.basename(os.fspath(path)) or os.fspath(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def sniff(head: bytes) -> str | None:
    """The kind of picture that a file's first 32 bytes announce, in capitals, or None."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(_RAW_MAGIC) or head[8:10] == b"CR" or head[4:11] == b"ftypcrx":
        return "RAW"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:2] == b"BM":
        return "BMP"
    if head[4:8] == b"ftyp":
        brands = {head[8:12]} | {head[i : i + 4] for i in range(16, len(head) - 3, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIC_BRANDS or head[8:12] in (b"mif1", b"msf1"):
            return "HEIC"
    if head.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")):
        return "JPEG 2000"
    return "PPM" if head[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6") and head[2:3].isspace() else None


@contextlib.contextmanager
def explained(name: str, kind: str | None = None) -> Iterator[None]:
    """Turns whatever reading the picture `name` raises into an ImageError with its reason."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise _memory(name, "The machine ran out of memory while it was decoded") from error
    except OSError as error:
        raise _from_os(name, kind, error) from error
    except (
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        LookupError,
        RuntimeError,
        struct.error,
        zlib.error,
    ) as error:
        raise _damaged(name, kind, error) from error
    except Exception as error:
        raise ImageError(
            f"{name} cannot be read", f"{type(error).__name__}: {error}", kind="other"
        ) from error


def _from_os(name: str, kind: str | None, error: OSError) -> ImageError:
    code = error.errno
    if code in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV):
        return ImageError(
            f"{name} is not there", "It was moved or deleted, or its drive is gone", kind="missing"
        )
    if code in (errno.EACCES, errno.EPERM):
        cure = "Change the permissions of the file or of its folder"
        return ImageError(
            f"{name} may not be opened", "This account has no permission to read it", cure, kind="permission"
        )
    if code == errno.ELOOP:
        return ImageError(f"{name} cannot be opened", "Its symbolic links lead in a circle", kind="missing")
    if code == errno.ENOMEM:
        return _memory(name, "The machine ran out of memory while it was decoded")
    if code is not None:
        return ImageError(f"{name} cannot be read", error.strerror or str(error), kind="other")
    return _damaged(name, kind, error)


def _damaged(name: str, kind: str | None, error: Exception) -> ImageError:
    """What a decoder's complaint means: nothing known at all, or a known kind cut short or damaged."""
    if kind is None:
        cause = "Its content is none of the kinds of picture that can be read here"
        return ImageError(f"{name} is not a picture", cause, kind="not_image")
    if isinstance(error, UnidentifiedImageError):
        # Cut off in its head, or sound and of a variety that Pillow does not know, as TIFF of floating-point colours.
        cause = f"The file begins as {kind} but is damaged, cut off (truncated), or a variety unknown here"
        cure = (
            "If another program opens it, save it there as PNG or JPEG; else copy it again from where it came"
        )
        return ImageError(f"{name} cannot be read", cause, cure, kind="truncated")
    words = (
        "cut off"
        if "truncated" in str(error).lower() or isinstance(error, EOFError)
        else "damaged or cut off"
    )
    cause = f"The file begins as {kind} but is {words} (truncated)"
    return ImageError(f"{name} is incomplete", cause, "Copy it again from where it came", kind="truncated")


def _memory(name: str, cause: str) -> ImageError:
    return ImageError(
        f"{name} is too large for this machine", cause, "Make a smaller copy of it", kind="memory"
    )


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Opens a regular file for reading and never blocks; folders, pipes, devices and empty files raise ImageError."""
    name = shown(path)
    try:
        # Looked at before it is opened, because opening a device or a pipe can already do something.
        _refuse_irregular(name, os.stat(path))
        flags = (
            os.O_RDONLY
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_CLOEXEC", 0)
            | getattr(os, "O_BINARY", 0)
        )
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL or a lone surrogate in the name: no such file can exist
        raise ImageError(f"{name} is not there", "No file can have this name", kind="missing") from error
    except OSError as error:
        raise _from_os(name, None, error) from error
    try:
        status = os.fstat(descriptor)
        _refuse_irregular(name, status)
        if status.st_size == 0:
            raise ImageError(f"{name} is empty", "The file has no bytes in it", kind="empty")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_irregular(name: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{name} is a folder", "A photo was expected here", kind="not_image")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(
            f"{name} is not a regular file", "It is a pipe, a socket or a device", kind="not_image"
        )


def open_picture(stream: IO[bytes], name: str) -> tuple[Image.Image, str]:
    """(lazy Pillow image, kind) from an open file; HEIC and RAW need an extra and say so. Raises ImageError."""
    head = stream.read(32)
    stream.seek(0)
    kind = sniff(head)
    suffix = os.path.splitext(name)[1].lower()
    if kind == "RAW" or (kind == "TIFF" and suffix in RAW_SUFFIXES):
        return _open_raw(stream, name), "RAW"
    if kind == "HEIC":
        heif = _extra(name, "pillow_heif", "HEIC", "pillow-heif")
        heif.register_heif_opener()
    with explained(name, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; the pixels are what is wanted
        try:
            return Image.open(stream, formats=_known_formats()), kind or "picture"
        except UnidentifiedImageError as error:
            raise _damaged(name, kind, error) from error


def read_exif(stream: IO[bytes], name: str) -> Image.Exif:
    """What the camera wrote beside the pixels, which are not decoded: nothing where it cannot be had without them."""
    head = stream.read(32)
    stream.seek(0)
    exif = Image.Exif()
    if head[:4] in (b"II*\0", b"MM\0*"):  # most cameras' raw files are TIFF on the outside
        exif.load_from_fp(stream)
    elif sniff(head) != "RAW":
        image, kind = open_picture(stream, name)
        if kind != "PNG" or "exif" in image.info:  # Pillow decodes a PNG to look for it behind the pixels
            exif = image.getexif()
    return exif


def _known_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(f for f in FORMATS if f in Image.OPEN)


def _extra(name: str, module: str, what: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImageError(
            f"{name} is {what}, which needs an extra",
            f"The package {package} is not installed",
            install_cure(package),
            kind="needs_extra",
        ) from error


def _open_raw(stream: IO[bytes], name: str) -> Image.Image:
    """A camera's raw file as a picture: its embedded preview where it is large, else developed at half size."""
    rawpy = _extra(name, "rawpy", "a camera's raw file", "rawpy")
    with explained(name, "a camera's raw file"), rawpy.imread(io.BytesIO(stream.read())) as raw:
        try:
            preview = raw.extract_thumb()
            if preview.format == rawpy.ThumbFormat.JPEG:
                picture = Image.open(io.BytesIO(preview.data), formats=("JPEG",))
                if max(picture.size) >= 1000:
                    return picture
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            pass
        return Image.fromarray(raw.postprocess(half_size=True))


_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that a decode may plan with: what the system calls available, held to a container's limit."""
    free = _FALLBACK_MEMORY
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        limit = (_CGROUP / "memory.max").read_text("ascii").strip()
        if limit == "max":
            return free
        used = int((_CGROUP / "memory.current").read_text("ascii"))
        # Files that were read count as used until the kernel wants the room for something else.
        kept = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("ascii").splitlines())
        used -= int(kept.get("inactive_file", 0)) + int(kept.get("active_file", 0))
        return max(0, min(free, int(limit) - used))
    except (OSError, ValueError):
        return free


def check_memory(image: Image.Image, name: str, stored: tuple[int, int]) -> None:
    """Refuses, before a pixel is decoded, a picture that would not fit into half of the free memory.

    `stored` is the (w, h) in the file, which a scaled decode makes smaller.
    """
    width, height = image.size
    pixels = width * height
    if pixels > _MOST_PIXELS:
        cause = f"It has {pixels / 1e6:,.0f} megapixels and its kind cannot be decoded small"
        raise ImageError(f"{name} is too large", cause, "Make a smaller copy of it", kind="too_large")
    # Pillow keeps 4 bytes a pixel for colour; conversion, turning and the final array hold copies for a moment.
    need = pixels * 10
    if image.info.get("progressive"):  # libjpeg keeps every coefficient of the full-size picture
        need += stored[0] * stored[1] * 6
    if need > 64_000_000 and need > available_memory() // 2:
        raise _memory(name, f"Decoding {width} × {height} pixels takes about {need / 2**30:.1f} GB of memory")


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGB: 16-bit and float scaled to 8, transparency laid over neutral grey."""
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode.startswith("I;16") or mode in ("I", "F"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        # La and RGBa (premultiplied) only convert by way of their plain twins.
        plain = {"La": "LA", "RGBa": "RGBA"}.get(mode)
        rgba = (image.convert(plain) if plain else image).convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (*_NEUTRAL, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        turned = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return turned if turned is not None else image.convert("RGB")
    return image.convert("RGB")


def _to_8_bit(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Deep greyscale (h, w) to uint8: 16-bit by its full range, floats in 0..1 by 255, all else stretched."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    sane = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(sane.min()), float(sane.max())
    if values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        sane /= 257.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        sane *= 255.0
    elif low < 0 or high > 255:
        sane = (sane - low) * (255.0 / max(high - low, 1e-20))
    eight: np.ndarray[Any, np.dtype[np.uint8]] = np.clip(np.rint(sane), 0, 255).astype(np.uint8)
    return eight


def turned(image: Image.Image) -> Image.Image:
    """The picture itself, now upright as its EXIF orientation says; damaged EXIF leaves it as it is."""
    # Not by way of a copy, which a picture that is upright already would be too.
    with contextlib.suppress(Exception):  # a photo is worth more than its metadata
        ImageOps.exif_transpose(image, in_place=True)
    return image


def is_sideways(image: Image.Image) -> bool:
    """Whether the EXIF orientation swaps width and height."""
    try:
        return int(image.getexif().get(0x0112, 1)) in (5, 6, 7, 8)
    except Exception:  # noqa: BLE001
        return False
