"""Pictures sent to browsers: small enough, upright, and without metadata."""

from __future__ import annotations

import io
from typing import Literal

from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from PIL import Image

from photos.vision.errors import ImageRefused
from photos.vision.images import read_image
from search.models import SearchRequest

QUERY_SIDE = 1600
QUALITY = 82


def query_picture(question: SearchRequest) -> HttpResponseBase:
    """Return an asker's picture; raises `Http404` where it is gone."""
    try:
        with question.image.open("rb") as file:
            pixels = read_image(file.read(), max_side=QUERY_SIDE).pixels
    except (FileNotFoundError, ImageRefused) as exc:
        raise Http404(_("This photo cannot be shown.")) from exc
    return picture_response(Image.fromarray(pixels), side=QUERY_SIDE)


def picture_response(
    picture: Image.Image, *, side: int, kind: Literal["JPEG", "WEBP"] = "JPEG", quality: int = QUALITY
) -> HttpResponseBase:
    """Return the picture with at most `side` pixels a side; without its EXIF, which Pillow writes only when told."""
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, kind, quality=quality)
    buffer.seek(0)
    return FileResponse(buffer, content_type=f"image/{kind.lower()}")
