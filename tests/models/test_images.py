"""Photos in the wild: all that should open does, what is broken is told apart, and tensors equal the hub's."""

import io
import os
import shlex
import socket
import stat
import struct
import sys
import tempfile
import types
import zlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from models import decode, images
from models.errors import ImageError
from models.images import Photo, content_hash, prepare, prepare_file, read, taken, thumbnail, walk
from models.spec import Preprocess


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth picture, red to the right and green to the bottom, so that turns and scales can be checked."""
    across = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    down = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([across, down, np.full_like(across, 90)], -1).astype(np.uint8))


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read_bytes(data: bytes, max_side: int | None = None) -> Photo:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "picture").write_bytes(data)
        return read(Path(folder) / "picture", max_side=max_side)


def problem(path: Path | str) -> str:
    with pytest.raises(ImageError) as caught:
        read(path)
    assert caught.value.title
    assert "\n" not in str(caught.value)
    return caught.value.kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM", "JPEG2000"])
def test_every_format_opens_whatever_its_suffix(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.txt"
    path.write_bytes(encoded(scene(), kind))
    photo = read(path)
    assert photo.full_size == (96, 64)
    assert photo.rgb.shape == (64, 96, 3)
    assert photo.rgb.dtype == np.uint8
    assert not photo.rgb.flags.writeable
    np.testing.assert_allclose(photo.rgb[32, 80], np.asarray(scene())[32, 80], atol=24)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_everywhere(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = scene(1200, 800)
    path = tmp_path / "turned.jpg"
    stored.save(path, exif=exif, quality=95)
    upright = np.asarray(
        {
            1: stored,
            2: stored.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            3: stored.rotate(180),
            4: stored.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
            5: stored.transpose(Image.Transpose.TRANSPOSE),
            6: stored.rotate(-90, expand=True),
            7: stored.transpose(Image.Transpose.TRANSVERSE),
            8: stored.rotate(90, expand=True),
        }[orientation]
    )
    photo = read(path)
    assert photo.full_size == upright.shape[1::-1]
    assert np.abs(photo.rgb.astype(int) - upright).mean() < 3
    small = read(path, max_side=150)
    assert max(small.rgb.shape) == 150
    assert small.full_size == photo.full_size
    tensor, full = prepare_file(path, Preprocess(resize=32, crop=(32, 32)))
    assert full == photo.full_size
    assert np.abs(tensor - prepare(upright, Preprocess(resize=32, crop=(32, 32)))).mean() < 0.05


def test_colour_modes_become_rgb() -> None:
    grey = Image.fromarray(np.full((8, 8), 200, np.uint8))
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    palette = scene(8, 8).quantize(8)
    masked = Image.new("P", (8, 8), 1)
    masked.putpalette([9, 9, 9, 255, 0, 0])
    deep = np.full((8, 8), 200 * 257, np.uint16)
    cases = {
        "L": (encoded(grey, "PNG"), (200, 200, 200)),
        "LA": (encoded(Image.merge("LA", [grey, Image.new("L", (8, 8), 255)]), "PNG"), (200, 200, 200)),
        "1": (encoded(Image.new("1", (8, 8), 1), "PNG"), (255, 255, 255)),
        "clear RGBA": (encoded(clear, "PNG"), (128, 128, 128)),
        "clear palette": (encoded(masked, "PNG", transparency=1), (128, 128, 128)),
        "clear RGB": (
            encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
            (128, 128, 128),
        ),
        "I;16": (encoded(Image.fromarray(deep), "PNG"), (200, 200, 200)),
        "I;16B": (encoded(Image.fromarray(deep.astype(">u2")), "TIFF"), (200, 200, 200)),
        "I": (encoded(Image.fromarray(deep.astype(np.int32)), "TIFF"), (200, 200, 200)),
        "F": (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), (128, 128, 128)),
        "CMYK": (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        "CMYK JPEG": (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=98), (255, 0, 0)),
        "YCbCr": (encoded(Image.new("RGB", (8, 8), (40, 90, 200)).convert("YCbCr"), "TIFF"), (40, 90, 200)),
        "LAB": (encoded(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF"), (255, 255, 255)),
    }
    for mode, (data, expected) in cases.items():
        rgb = read_bytes(data).rgb
        assert rgb.shape == (8, 8, 3), mode
        np.testing.assert_allclose(rgb[4, 4], expected, atol=4, err_msg=mode)
    assert read_bytes(encoded(palette, "GIF")).rgb.shape == (8, 8, 3)


def test_float_pictures_with_holes_and_any_range_are_stretched() -> None:
    values = np.linspace(-500, 3000, 64, dtype=np.float32).reshape(8, 8)
    values[0, 3] = np.nan
    values[0, 4] = np.inf
    rgb = read_bytes(encoded(Image.fromarray(values), "TIFF")).rgb
    assert rgb[0, 0, 0] == 0
    assert rgb[7, 7, 0] == 255


def test_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        rgb = read_bytes(encoded(frames[0], kind, save_all=True, append_images=frames[1:])).rgb
        np.testing.assert_allclose(rgb[4, 4], (255, 0, 0), atol=3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7])
def test_cut_off_files_are_truncated(tmp_path: Path, kind: str, part: float) -> None:
    data = encoded(Image.fromarray(noise(96, 64)), kind)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: max(40, int(len(data) * part))])
    assert problem(path) == "truncated"
    with pytest.raises(ImageError) as caught:
        prepare_file(path, Preprocess(resize=16, crop=(16, 16)))
    assert caught.value.kind == "truncated"


def test_files_that_hold_no_picture(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    assert problem(bad) == "empty"
    bad.write_bytes(b"This is a letter, not a photo. " * 20)
    assert problem(bad) == "not_image"
    bad.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert problem(bad) == "not_image"
    bad.write_bytes(b"\xff\xd8\xff" + os.urandom(300))
    assert problem(bad) == "truncated"
    assert problem(tmp_path) == "not_image"
    assert problem(tmp_path / "gone.jpg") == "missing"
    assert problem(tmp_path / "bad.jpg" / "below.jpg") == "missing"
    assert problem("nul\0byte.jpg") == "missing"
    assert problem("half\ud800surrogate.jpg") == "missing"


def test_pipes_sockets_and_devices_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert problem(tmp_path / "pipe.jpg") == "not_image"
    assert problem("/dev/zero") == "not_image"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert problem(tmp_path / "s") == "not_image"


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(scene(), "PNG"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything, so the refusal is the system's in name only

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(decode.os, "open", refuse)
    assert problem(path) == "permission"
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def test_a_loop_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    assert problem(tmp_path / "a.jpg") == "missing"


def test_a_photo_that_vanishes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "drive.png"
    path.write_bytes(encoded(Image.fromarray(noise(200, 200)), "PNG"))

    class Unplugged(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    monkeypatch.setattr(images, "open_regular", lambda p: Unplugged(Path(p).read_bytes()))
    assert problem(path) == "other"


def test_heic_and_raw_name_the_extra_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "rawpy", None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    raw = b"II*\0\x10\0\0\0CR\x02\0" + bytes(64)
    nikon = encoded(scene(), "TIFF")
    monkeypatch.setattr(sys, "executable", "/home/me/my photos/.venv/bin/python")
    for name, data, package in [
        ("a.heic", heic, "pillow-heif"),
        ("b.jpg", heic, "pillow-heif"),
        ("c", raw, "rawpy"),
        ("d.nef", nikon, "rawpy"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ImageError, match="start Pinhole again") as caught:
            read(path)
        words = shlex.split(caught.value.cure.split("“")[1].split("”")[0])
        assert words == ["/home/me/my photos/.venv/bin/python", "-m", "pip", "install", package]
        assert caught.value.kind == "needs_extra"
    renamed = tmp_path / "really_a_jpeg.nef"
    renamed.write_bytes(encoded(scene(), "JPEG"))
    assert read(renamed).full_size == (96, 64)


def test_raw_uses_a_large_preview_and_else_develops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raw:
        def __init__(self, side: int) -> None:
            self.preview = encoded(scene(side, side // 2), "JPEG")

        def __enter__(self) -> "Raw":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def extract_thumb(self) -> types.SimpleNamespace:
            return types.SimpleNamespace(format="jpeg", data=self.preview)

        def postprocess(self, half_size: bool) -> np.ndarray:
            assert half_size
            return np.full((30, 40, 3), 7, np.uint8)

    side = 1200
    fake = types.ModuleType("rawpy")
    fake.imread = lambda stream: Raw(side)
    fake.ThumbFormat = types.SimpleNamespace(JPEG="jpeg")
    fake.LibRawNoThumbnailError = fake.LibRawUnsupportedThumbnailError = KeyError
    monkeypatch.setitem(sys.modules, "rawpy", fake)
    path = tmp_path / "shot.nef"
    path.write_bytes(encoded(scene(), "TIFF"))
    assert read(path).full_size == (1200, 600)
    side = 160
    assert read(path).full_size == (40, 30)


def test_huge_jpeg_is_decoded_small_and_huge_png_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "HUGE_PIXELS", 1_000_000)
    path = tmp_path / "huge.jpg"
    Image.new("L", (1200, 900), 90).save(path, quality=30)
    photo = read(path)
    assert photo.full_size == (1200, 900)
    assert photo.rgb.shape == (450, 600, 3)
    assert thumbnail(path, 128).shape == (96, 128, 3)
    bomb = bytearray(encoded(scene(), "PNG"))
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    fake = tmp_path / "bomb.png"
    # The header's checksum must fit, or the file would only count as damaged.
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    fake.write_bytes(bytes(bomb))
    assert problem(fake) == "too_large"
    big = tmp_path / "big.png"
    big.write_bytes(encoded(Image.new("1", (3000, 3000)), "PNG"))
    monkeypatch.setattr(decode, "available_memory", lambda: 100 << 20)
    assert problem(big) == "memory"
    monkeypatch.setattr(decode, "available_memory", lambda: 64 << 30)
    assert read(big).full_size == (3000, 3000)


def test_a_strip_of_one_by_thirty_thousand_pixels_stays_small() -> None:
    for shape in [(1, 30000, 3), (30000, 1, 3)]:
        strip = np.full(shape, 77, np.uint8)
        tensor = prepare(strip, Preprocess())
        assert tensor.shape == (3, 224, 224)
        np.testing.assert_allclose(tensor, prepare(np.full((9, 9, 3), 77, np.uint8), Preprocess()))


def test_names_in_any_script_and_with_newlines(tmp_path: Path) -> None:
    names = [
        "猫.jpg",
        "صورة.jpg",
        "zwei\nZeilen.jpg",
        "naïve é.JPG",
        " leading.jpg",
        "emoji 📷.jpg",
        "-rf.jpg",
    ]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"latin1-\xe9\xff.jpg"))
    for name in names:
        (tmp_path / name).write_bytes(encoded(scene(), "JPEG"))
    found = list(walk(tmp_path))
    assert sorted(p.name for p in found) == sorted(names)
    for path in found:
        assert read(path).full_size == (96, 64)
        path.write_bytes(b"now broken")
        assert problem(path) == "not_image"


def test_walk_is_natural_and_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    for name in [
        "img10.jpg",
        "img2.jpg",
        "IMG1.jpg",
        "notes.txt",
        ".hidden.jpg",
        "._img2.jpg",
        "b/10.png",
        "b/9.png",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for folder in [
        "@eaDir",
        "node_modules",
        ".git",
        "System Volume Information",
        "$RECYCLE.BIN",
        "__MACOSX",
        ".cache",
    ]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "thumb.jpg").write_bytes(b"x")
    (tmp_path / "suffixless").write_bytes(encoded(scene(), "JPEG"))
    (tmp_path / "README").write_bytes(b"BM is how this text begins")
    names = [str(p.relative_to(tmp_path)) for p in walk(tmp_path)]
    assert names == ["IMG1.jpg", "img2.jpg", "img10.jpg", "suffixless", "b/9.png", "b/10.png"]
    assert [p.name for p in walk(tmp_path, recursive=False)] == names[:4]
    assert [p.name for p in walk([tmp_path / "b", tmp_path, tmp_path / "gone.jpg"])] == [
        "9.png",
        "10.png",
        *names[:4],
        "gone.jpg",
    ]
    assert [p.name for p in walk(tmp_path / ".cache")] == ["thumb.jpg"], "a folder that was named is walked"


def test_walk_survives_loops_and_broken_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "1.jpg").write_bytes(b"x")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "b" / "self").symlink_to(tmp_path / "a" / "b" / "self")
    (tmp_path / "a" / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = [p.name for p in walk(tmp_path)]
    assert found == ["1.jpg", "dangling.jpg"], "a broken link is listed, so that its reason is"


def test_walk_reports_folders_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.jpg").write_bytes(b"x")
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("models.walk.os.scandir", scandir)
    refused: list[Path] = []
    assert [p.name for p in walk(tmp_path, refused=lambda p, e: refused.append(p))] == ["open.jpg"]
    assert refused == [tmp_path / "closed"]


def test_content_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert content_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ImageError):
        content_hash(tmp_path / "b")


SIZES = [(300, 200), (200, 300), (224, 224), (97, 512), (1000, 61), (31, 17), (225, 224)]


@pytest.mark.parametrize("size", SIZES)
def test_prepare_equals_transformers(size: tuple[int, int]) -> None:
    photo = noise(*size)
    cases = [
        (CLIPImageProcessorPil(), Preprocess()),
        (
            CLIPImageProcessorPil(size={"shortest_edge": 60}, crop_size={"height": 75, "width": 41}),
            Preprocess(resize=60, crop=(75, 41)),
        ),
        (
            CLIPImageProcessorPil(size={"height": 50, "width": 70}, do_center_crop=False, resample=2),
            Preprocess(resize=(50, 70), crop=None, interpolation="bilinear"),
        ),
    ]
    for make in (ConvNextImageProcessorPil, ViTImageProcessorPil):
        hub = make(size={"shortest_edge": 224}) if make is ConvNextImageProcessorPil else make()
        cases.append((hub, Preprocess.from_hf(hub.to_dict())))
    warped = ConvNextImageProcessorPil(size={"shortest_edge": 384})
    cases.append((warped, Preprocess.from_hf(warped.to_dict())))
    for hub, ours in cases:
        expected = hub(images=Image.fromarray(photo), return_tensors="np")["pixel_values"][0]
        actual = prepare(photo, ours)
        assert actual.dtype == np.float32
        assert actual.shape == (3, *ours.size)
        np.testing.assert_allclose(actual, expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(8, 64), st.integers(8, 64))
def test_prepare_always_makes_the_models_size(width: int, height: int, resize: int, crop: int) -> None:
    tensor = prepare(noise(width, height), Preprocess(resize=resize, crop=(crop, resize)))
    assert tensor.shape == (3, crop, resize)
    assert np.isfinite(tensor).all()


def test_scaled_decoding_stays_close_to_full_decoding(tmp_path: Path) -> None:
    from skimage import data

    path = tmp_path / "photo.jpg"
    photo = Image.fromarray(data.astronaut()).resize((2400, 1800), Image.Resampling.BICUBIC)
    photo.save(path, quality=92)
    fast, size = prepare_file(path, Preprocess())
    full, _ = prepare_file(path, Preprocess(), scaled=False)
    assert size == (2400, 1800)
    np.testing.assert_allclose(full, prepare(read(path).rgb, Preprocess()), atol=1e-6)
    assert np.abs(fast - full).mean() < 0.02
    assert not np.array_equal(fast, full), "the fast path was not taken"


def test_a_model_of_a_small_input_is_given_a_larger_decode(tmp_path: Path) -> None:
    from skimage import data

    small = Preprocess(resize=112, crop=(112, 112))
    astronaut = Image.fromarray(data.astronaut())
    for size, whole in (((1600, 1200), True), ((2400, 1800), False)):
        path = tmp_path / f"{size[0]}.jpg"
        astronaut.resize(size, Image.Resampling.BICUBIC).save(path, quality=92)
        fast, _ = prepare_file(path, small)
        full, _ = prepare_file(path, small, scaled=False)
        assert np.array_equal(fast, full) == whole
        # Half a grey level is what rounding makes of two ways to the same picture.
        assert float(np.sqrt(np.square(fast - full).mean())) < 0.5 / 255 / 0.25


SEEDS = {
    kind: encoded(Image.fromarray(noise(40, 30)), kind)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM", "JPEG2000", "MPO")
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    st.integers(20, 8000),
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(
    kind: str, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(SEEDS[kind][:length])
    for at, value in changes:
        data[at % len(data)] = value
    try:
        photo = read_bytes(bytes(data), max_side=64)
    except ImageError:
        return  # any other exception fails the test
    assert photo.rgb.ndim == 3
    assert max(photo.rgb.shape) <= 64


def test_pictures_of_phones_with_several_frames_are_decoded_small_too() -> None:
    large = encoded(scene(1600, 1200), "MPO", save_all=True, append_images=[scene(400, 300)])
    photo = read_bytes(large, max_side=200)
    assert photo.full_size == (1600, 1200)
    assert photo.rgb.shape == (150, 200, 3)


def exif_of(details: dict[int, str]) -> Image.Exif:
    """As a camera writes it; the date of the last change, which no photo is sorted by, beside it."""
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2030:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.Exif).update(details)
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "raw"])
def test_the_date_taken_is_read_from_the_head_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    exif = exif_of(
        {ExifTags.Base.DateTimeOriginal: "2024:07:14 10:11:12", ExifTags.Base.SubsecTimeOriginal: "25"}
    )
    path, plain = tmp_path / "photo.nef", tmp_path / "plain.nef"
    raw = exif.tobytes().removeprefix(b"Exif\0\0")  # a TIFF without pixels, as the head of a raw file
    path.write_bytes(raw if kind == "raw" else encoded(scene(), kind, exif=exif))
    plain.write_bytes(encoded(scene(), "TIFF" if kind == "raw" else kind))

    def refuse(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    assert taken(path) == datetime(2024, 7, 14, 10, 11, 12).timestamp() + 0.25
    assert taken(plain) is None


@pytest.mark.parametrize("words", ["", "0000:00:00 00:00:00", "yesterday", "2024:07:14"])
def test_a_date_that_is_none_is_none(tmp_path: Path, words: str) -> None:
    path = tmp_path / "photo.jpg"
    exif = exif_of({ExifTags.Base.DateTimeOriginal: words})
    path.write_bytes(encoded(scene(), "JPEG", exif=exif))
    assert taken(path) is None
    exif = exif_of({ExifTags.Base.DateTimeDigitized: "1998:02:03 04:05:06"})
    path.write_bytes(encoded(scene(), "JPEG", exif=exif))
    assert taken(path) == datetime(1998, 2, 3, 4, 5, 6).timestamp()  # a scan
    path.write_bytes(path.read_bytes()[:40])
    assert taken(path) is None
    assert taken(tmp_path / "gone.jpg") is None


def test_a_sound_file_of_an_unknown_variety_is_not_called_incomplete(tmp_path: Path) -> None:
    """A TIFF of three colours in floating point, as programs for panoramas write it."""
    colours = np.linspace(0, 1, 8 * 8 * 3, dtype="<f4").tobytes()
    after = 8 + 2 + 10 * 12 + 4
    tags = [
        *((256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 3, after), (259, 3, 1, 1), (262, 3, 1, 2)),
        *(
            (273, 4, 1, after + 12),
            (277, 3, 1, 3),
            (278, 3, 1, 8),
            (279, 4, 1, len(colours)),
            (339, 3, 3, after + 6),
        ),
    ]
    file = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    file += struct.pack("<I3H3H", 0, 32, 32, 32, 3, 3, 3) + colours
    path = tmp_path / "hdr.tif"
    path.write_bytes(file)
    with pytest.raises(ImageError) as caught:
        read(path)
    assert "incomplete" not in str(caught.value)
    assert "variety" in caught.value.cause
    assert "save it there as PNG" in caught.value.cure


def test_files_that_were_read_do_not_count_as_used_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory.current").write_text("3900000\n")
    (tmp_path / "memory.stat").write_text("anon 900000\ninactive_file 2500000\nactive_file 500000\n")
    assert decode.available_memory() == 3_100_000
    (tmp_path / "memory.max").write_text("max\n")
    assert decode.available_memory() > 4_000_000
