"""Pictures as they come in: recognised by content, limited before decoding, upright RGB after it.

Everything that can be refused is refused from the header, so that a hostile file costs no memory.
"""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, ImageFile, UnidentifiedImageError
from PIL import Image as PillowImage

from photos.vision.errors import ImageRefused
from photos.vision.types import Image

Source: TypeAlias = bytes | Path | BinaryIO

_BROKEN: Final = (
    OSError,  # UnidentifiedImageError and truncated files too
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AttributeError,
    RuntimeError,
    AssertionError,  # Pillow states some of its expectations of a header so
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow and its plug-ins raise for files that are not what they say."""

_BOMBS: Final = (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Format:
    """A picture format that is accepted."""

    name: str
    content_type: str
    extension: str


_FORMATS: Final = {
    "JPEG": Format("JPEG", "image/jpeg", ".jpg"),
    "MPO": Format("JPEG", "image/jpeg", ".jpg"),  # a JPEG with more pictures behind the first
    "PNG": Format("PNG", "image/png", ".png"),
    "WEBP": Format("WebP", "image/webp", ".webp"),
    "TIFF": Format("TIFF", "image/tiff", ".tif"),
    "HEIF": Format("HEIC", "image/heic", ".heic"),
}
"""Pillow's format name to ours."""

_OPENERS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")
FORMAT_NAMES: Final = "JPEG, PNG, WebP, TIFF or HEIC"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be at most and at least; sides and pixels are those of the header."""

    max_bytes: int = 16 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 12_000
    min_side: int = 32


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header says; `width` and `height` are those of the upright picture."""

    format: Format
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An upright picture.

    `pixels` is (h, w, 3) uint8 RGB, read-only, perhaps reduced; `width` and `height` are those of the upright
    original.
    """

    pixels: Image
    width: int
    height: int
    format: Format


def inspect_image(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> ImageInfo:
    """Read the header only and check every limit; raises `ImageRefused`."""
    data = _read_bytes(source, limits)
    with _open(data, limits) as picture:
        width, height = _upright_size(picture.size, _orientation(picture))
        return ImageInfo(_FORMATS[picture.format or ""], width, height)


def read_image(source: Source, *, limits: Limits = DEFAULT_LIMITS, max_side: int | None = None) -> DecodedImage:
    """Decode the first frame, turned upright, over white where it is transparent.

    With `max_side` (pixels) the longer side is reduced to it, a JPEG already while it is decoded. Raises
    `ImageRefused`.
    """
    data = _read_bytes(source, limits)
    with _open(data, limits) as picture:
        orientation = _orientation(picture)
        width, height = _upright_size(picture.size, orientation)
        picture_format = _FORMATS[picture.format or ""]
        try:
            pixels = _decode(picture, orientation, max_side)
        except _BROKEN as exc:
            raise _refused_as_broken(picture_format.name, exc) from exc
    return DecodedImage(pixels, width, height, picture_format)


@functools.cache
def _prepare_pillow() -> None:
    """Make HEIC known and every shortcut around a broken or huge file an error, once per process."""
    pillow_heif.register_heif_opener()
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", PillowImage.DecompressionBombWarning)


def _read_bytes(source: Source, limits: Limits) -> bytes:
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, Path):
        with source.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    else:
        data = source.read(limits.max_bytes + 1)
    if not data:
        raise ImageRefused("The file is empty; send a picture.", code="empty")
    if len(data) > limits.max_bytes:
        allowed = limits.max_bytes / 2**20
        raise ImageRefused(f"The file is larger than the {allowed:g} MiB allowed.", code="too-large")
    return data


def _open(data: bytes, limits: Limits) -> PillowImage.Image:
    _prepare_pillow()
    try:
        picture = PillowImage.open(io.BytesIO(data), formats=_OPENERS)
    except UnidentifiedImageError as exc:
        raise _refused_as_unknown() from exc
    except _BOMBS as exc:
        raise ImageRefused(
            f"The picture has more than the {limits.max_pixels / 1e6:g} megapixels allowed.",
            code="too-many-pixels",
        ) from exc
    except _BROKEN as exc:
        raise _refused_as_broken("picture", exc) from exc
    _check_size(*picture.size, limits)
    return picture


def _check_size(width: int, height: int, limits: Limits) -> None:
    found = f"The picture is {width} x {height} pixels"
    if min(width, height) < limits.min_side:
        raise ImageRefused(f"{found}; each side needs at least {limits.min_side} pixels.", code="too-small")
    if max(width, height) > limits.max_side:
        raise ImageRefused(f"{found}; at most {limits.max_side} a side are allowed.", code="too-many-pixels")
    if width * height > limits.max_pixels:
        raise ImageRefused(
            f"{found}; at most {limits.max_pixels / 1e6:g} megapixels are allowed.", code="too-many-pixels"
        )


def _refused_as_unknown() -> ImageRefused:
    return ImageRefused(
        f"The file is no picture that can be read (its content counts, not its name); send {FORMAT_NAMES}.",
        code="unsupported-format",
    )


def _refused_as_broken(name: str, exc: BaseException) -> ImageRefused:
    reason = str(exc) or type(exc).__name__
    return ImageRefused(f"The {name} file is damaged or incomplete ({reason}); send a whole one.", code="broken")


def _orientation(picture: PillowImage.Image) -> int:
    """Return the EXIF orientation 1..8; broken EXIF is no reason to refuse a good picture."""
    if picture.format == "TIFF":
        return 1  # Pillow's own TIFF reader tells the upright size and turns the picture when it decodes
    try:
        # PngImageFile.getexif would decode the whole picture to look for EXIF behind the pixels.
        found = PillowImage.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
    except _BROKEN:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    width, height = size
    return (height, width) if orientation >= 5 else (width, height)


def _decode(picture: PillowImage.Image, orientation: int, max_side: int | None) -> Image:
    target = _target_size(picture.size, max_side)
    if target and picture.format in {"JPEG", "MPO"}:
        picture.draft(None, target)
    pixels = np.asarray(_to_rgb(picture))
    if target and max(pixels.shape[:2]) > max(target):
        pixels = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    upright = np.ascontiguousarray(_turn(pixels, orientation))
    upright.flags.writeable = False
    return upright


def _target_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int] | None:
    if max_side is None or max(size) <= max_side:
        return None
    scale = max_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _turn(pixels: Image, orientation: int) -> Image:
    """Undo an EXIF orientation (EXIF 2.32, tag 0x0112) as a view."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    flipped_left_right = orientation in {2, 3, 6, 7}
    flipped_upside_down = orientation in {3, 4, 7, 8}
    if flipped_left_right:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if flipped_upside_down else pixels


def _to_rgb(picture: PillowImage.Image) -> PillowImage.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        return PillowImage.fromarray(_to_eight_bits(np.asarray(picture))).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    white = PillowImage.new("RGB", layered.size, "white")
    white.paste(layered, mask=layered.getchannel("A"))
    return white


def _to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Map 16-bit, 32-bit or float grey to 0..255: integers by their 16-bit range, floats by their own."""
    if values.dtype.kind in "iu":
        wide = values.astype(np.int64)
        divisor = 257 if wide.max(initial=0) > 255 else 1
        return np.clip(wide // divisor, 0, 255).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    return ((numbers - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
