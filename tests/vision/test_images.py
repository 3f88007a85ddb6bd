"""Reading pictures: formats by content, limits from the header, upright RGB."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, ImageFile
from PIL import Image as PillowImage

from photos.vision.errors import ImageRefused
from photos.vision.images import DEFAULT_LIMITS, Limits, inspect_image, read_image
from tests.vision.drawing import blank, encoded, noise, photograph

_TURNS = {
    1: None,
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
"""How Pillow's own exif_transpose undoes each orientation."""


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that only claims to be as large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def refusal(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> ImageRefused:
    """Return the refusal that both the header's and the full reading give."""
    with pytest.raises(ImageRefused) as by_header:
        inspect_image(data, limits=limits)
    with pytest.raises(ImageRefused) as by_reading:
        read_image(data, limits=limits)
    assert by_header.value.code == by_reading.value.code
    return by_header.value


@pytest.mark.parametrize(
    ("pillow_format", "name", "tolerance"),
    [("PNG", "PNG", 0), ("TIFF", "TIFF", 0), ("WEBP", "WebP", 12), ("JPEG", "JPEG", 12), ("HEIF", "HEIC", 12)],
)
def test_it_reads_every_format(pillow_format: str, name: str, tolerance: int) -> None:
    pixels = photograph("chelsea")
    if pillow_format == "HEIF":
        inspect_image(encoded(pixels))  # makes HEIC known to Pillow
    data = encoded(pixels, pillow_format)
    info, image = inspect_image(data), read_image(data)
    assert (info.format.name, info.width, info.height) == (name, 451, 300)
    assert (image.format.name, image.width, image.height) == (name, 451, 300)
    assert image.pixels.shape == (300, 451, 3)
    assert np.abs(image.pixels.astype(int) - pixels.astype(int)).mean() <= tolerance


def test_it_reads_from_a_path_and_from_a_file(tmp_path: Path) -> None:
    data = encoded(noise(40, 50))
    path = tmp_path / "no.jpeg.at.all"
    path.write_bytes(data)
    assert np.array_equal(read_image(path).pixels, read_image(io.BytesIO(data)).pixels)
    assert inspect_image(path).width == 40


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_it_turns_pictures_upright(orientation: int, pillow_format: str) -> None:
    pixels = photograph("chelsea")[:100, :140]
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(pixels, pillow_format, exif=exif)
    plain = PillowImage.fromarray(read_image(encoded(pixels, pillow_format)).pixels)
    turn = _TURNS[orientation]
    expected = np.asarray(plain if turn is None else plain.transpose(turn))
    image, info = read_image(data), inspect_image(data)
    assert np.array_equal(image.pixels, expected)
    assert (info.height, info.width) == (image.height, image.width) == expected.shape[:2]


def test_it_ignores_broken_exif() -> None:
    data = encoded(noise(40, 50), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert inspect_image(data).width == 40


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "CMYK", "YCbCr", "RGBA", "RGBX"])
def test_it_reads_every_mode_as_rgb(mode: str) -> None:
    picture = PillowImage.fromarray(photograph("astronaut")[:200, :200]).convert(mode)
    pillow_format = "TIFF" if mode in {"CMYK", "YCbCr", "RGBX"} else "PNG"
    pixels = read_image(encoded(picture, pillow_format)).pixels
    grey = np.asarray(picture.convert("RGB").convert("L"), float)
    assert pixels.shape == (200, 200, 3)
    assert np.abs(pixels.mean(axis=2) - grey).mean() < 25


def test_it_reads_a_cmyk_jpeg_with_its_true_colours() -> None:
    red = PillowImage.new("RGB", (64, 64), (250, 10, 10)).convert("CMYK")
    assert read_image(encoded(red, "JPEG", quality=95)).pixels.mean(axis=(0, 1)) == pytest.approx([250, 10, 10], abs=6)


def test_it_lays_transparent_pictures_over_white() -> None:
    layered = PillowImage.new("RGBA", (64, 64), (0, 0, 0, 0))
    layered.paste((255, 0, 0, 255), (0, 0, 32, 64))
    pixels = read_image(encoded(layered)).pixels
    assert pixels[5, 5].tolist() == [255, 0, 0]
    assert pixels[5, 60].tolist() == [255, 255, 255]
    palette = layered.quantize(4)
    assert read_image(encoded(palette)).pixels[5, 60].tolist() == [255, 255, 255]


def test_it_scales_sixteen_bits_to_eight() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    for pillow_format in ("PNG", "TIFF"):
        pixels = read_image(encoded(PillowImage.fromarray(ramp), pillow_format)).pixels
        assert pixels[0, 0].tolist() == [0, 0, 0]
        assert pixels[0, -1].tolist() == [255, 255, 255]
        assert pixels[0, 32, 0] == pytest.approx(129, abs=2)


def test_it_scales_floats_and_survives_nan() -> None:
    values = np.linspace(-3, 3, 64 * 64).reshape(64, 64).astype(np.float32)
    values[3, 3] = np.nan
    pixels = read_image(encoded(PillowImage.fromarray(values), "TIFF")).pixels
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("pillow_format", ["WEBP", "TIFF", "PNG", "MPO"])
def test_it_takes_the_first_frame_only(pillow_format: str) -> None:
    frames = [PillowImage.fromarray(blank(grey=grey)) for grey in (30, 230)]
    data = encoded(frames[0], pillow_format, save_all=True, append_images=frames[1:])
    assert read_image(data).pixels.mean() == pytest.approx(30, abs=2)


@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG"])
def test_it_reduces_to_the_side_asked_for(pillow_format: str) -> None:
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(photograph("chelsea"), pillow_format, exif=exif)
    whole, image = read_image(data), read_image(data, max_side=150)
    assert image.pixels.shape == (150, 100, 3)
    assert (image.width, image.height) == (whole.width, whole.height) == (300, 451)
    expected = np.asarray(PillowImage.fromarray(whole.pixels).resize((100, 150), PillowImage.Resampling.BOX))
    assert np.abs(image.pixels.astype(int) - expected).mean() < 4


def test_it_never_enlarges() -> None:
    assert read_image(encoded(noise(40, 50)), max_side=500).pixels.shape == (50, 40, 3)


def test_pixels_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_image(encoded(noise(40, 50))).pixels[0, 0] = 0


def test_it_refuses_an_empty_file() -> None:
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><body>hello</body></html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
        b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 60,
    ],
)
def test_it_refuses_what_is_no_picture(data: bytes) -> None:
    refused = refusal(data)
    assert refused.code == "unsupported-format"
    assert "JPEG, PNG, WebP, TIFF or HEIC" in str(refused)


@pytest.mark.parametrize("pillow_format", ["GIF", "BMP", "ICO", "PPM"])
def test_it_refuses_other_formats(pillow_format: str) -> None:
    assert refusal(encoded(noise(64, 64), pillow_format)).code == "unsupported-format"


def test_it_refuses_more_bytes_than_allowed() -> None:
    refused = refusal(encoded(noise(64, 64)), limits=Limits(max_bytes=1024 * 1024 // 128))
    assert refused.code == "too-large"
    assert "0.0078125 MiB" in str(refused)


def test_it_stops_reading_a_file_at_the_limit() -> None:
    file = io.BytesIO(b"x" * 5000)
    with pytest.raises(ImageRefused):
        read_image(file, limits=Limits(max_bytes=1000))
    assert file.tell() == 1001


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((31, 500), "too-small"),
        ((500, 31), "too-small"),
        ((12_001, 100), "too-many-pixels"),
        ((100, 12_001), "too-many-pixels"),
        ((8_000, 6_251), "too-many-pixels"),
        ((11_000, 11_000), "too-many-pixels"),
        ((60_000, 60_000), "too-many-pixels"),
    ],
)
def test_it_refuses_sizes_from_the_header(size: tuple[int, int], code: str) -> None:
    assert refusal(png_header(*size)).code == code


@pytest.mark.parametrize("size", [(12_000, 4_166), (8_000, 6_250), (32, 32)])
def test_it_accepts_sizes_at_the_limit(size: tuple[int, int]) -> None:
    info = inspect_image(png_header(*size))
    assert (info.width, info.height) == size


@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_it_refuses_truncated_files(pillow_format: str) -> None:
    data = encoded(photograph("chelsea"), pillow_format)
    with pytest.raises(ImageRefused) as caught:
        read_image(data[: len(data) // 2])
    assert caught.value.code == "broken"
    assert caught.value.permanent
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@settings(max_examples=150, deadline=None)
@given(
    pillow_format=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]),
    damage=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 2000),
)
def test_damage_is_refused_or_read_and_nothing_else(
    pillow_format: str, damage: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(encoded(photograph("chelsea")[:40, :60], pillow_format))
    for position, value in damage:
        data[position % len(data)] = value
    shape = (0, 0, 3)
    with suppress(ImageRefused), warnings.catch_warnings(action="ignore"):
        shape = read_image(bytes(data[: len(data) - cut % 40])).pixels.shape
    assert shape[2] == 3


@pytest.mark.slow
def test_the_largest_picture_fits_into_memory() -> None:
    program = """
import io, resource
import numpy as np
from PIL import Image
from photos.vision.images import read_image
from photos.vision.describe import describe_image
from photos.vision.registry import get_encoder, get_segmenter
file = io.BytesIO()
Image.new("CMYK", (8000, 6250), (10, 200, 30, 40)).save(file, "JPEG", progressive=True)
image = read_image(file.getvalue())
assert image.pixels.shape == (6250, 8000, 3)
describe_image(image, encoder=get_encoder("classical-512"), segmenter=get_segmenter("windows"))
try:  # getrusage would tell the peak of the process that started this one, where that was higher
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) // 1024)
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1536
