"""Pictures in pages: the smallest copy that fills the place, in the best format that the browser knows."""

from __future__ import annotations

from typing import Any, Final

from django import template
from django.urls import reverse

from photos.derivatives import CONTENT_TYPES, SIDES, Format, Size, copy_size, digest_of
from photos.models import Photo

register = template.Library()

_FALLBACK: Final[Format] = "jpg"


@register.inclusion_tag("photos/picture.html")
def picture(
    photo: Photo, *, sizes: str, alt: str = "", eager: bool = False, fallback: Size = "medium"
) -> dict[str, Any]:
    """Draw `<picture>` with its real width and height, so that nothing jumps; `sizes` as in HTML."""
    folder = copy_url(photo, "small", "jpg").removesuffix("small.jpg")  # resolved once: a page has hundreds
    sources = {kind: _srcset(photo, folder, kind) for kind in CONTENT_TYPES}
    return {
        "photo": photo,
        "sources": [(CONTENT_TYPES[kind], sources[kind]) for kind in CONTENT_TYPES if kind != _FALLBACK],
        "srcset": sources[_FALLBACK],
        "src": f"{folder}{fallback}.{_FALLBACK}",
        "sizes": sizes,
        "alt": alt,
        "eager": eager,
    }


@register.filter
def small_copy(photo: Photo) -> str:
    """Return the address of the smallest copy, a JPEG."""
    return copy_url(photo, "small", _FALLBACK)


def copy_url(photo: Photo, size: Size, kind: Format) -> str:
    return reverse("photo-copy", args=[photo.uuid, digest_of(photo), size, kind])


def _srcset(photo: Photo, folder: str, kind: Format) -> str:
    widths: dict[int, Size] = {}
    for size in SIDES:  # of a small picture the sizes are the same: the first one will do
        widths.setdefault(copy_size(photo, size)[0], size)
    return ", ".join(f"{folder}{size}.{kind} {width}w" for width, size in widths.items())
