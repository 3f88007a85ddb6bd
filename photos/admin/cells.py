"""Small pieces of HTML that the lists and forms share."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from photos.models import LocationVisibility, Photo


def badge(value: str, label: str, *, title: str = "") -> SafeString:
    return format_html('<span class="badge badge-{}" title="{}">{}</span>', value, title, label)


def thumbnail(photo: Photo) -> SafeString:
    return format_html(
        '<img class="thumbnail" src="{}" alt="" width="{}" height="{}" loading="lazy">',
        reverse("photo-image", args=[photo.uuid, "thumbnail"]),
        *_fitted(photo.width, photo.height, 96),
    )


def place(photo: Photo) -> SafeString:
    """The point, how it became known, and whether others may know it."""
    if photo.latitude is None or photo.longitude is None:
        return format_html('<span class="quiet">{}</span>', _("no place"))
    hidden = (
        ""
        if photo.location_visibility == LocationVisibility.EXACT
        else badge("quiet", photo.get_location_visibility_display().split(" (")[0])
    )
    return format_html(
        '<span class="point">{}, {}</span> <span class="quiet">{}</span> {}',
        f"{photo.latitude:.5f}",
        f"{photo.longitude:.5f}",
        photo.get_location_source_display(),
        hidden,
    )


def point_map(words: str, *, data: dict[str, str]) -> SafeString:
    """A map that `static/admin_photos/point_map.js` fills in, over the site's tiles."""
    told = {**data, "tiles": settings.TILE_URL, "tiles-attribution": settings.TILE_ATTRIBUTION}
    attributes = format_html_join(" ", 'data-{}="{}"', told.items())
    return format_html('<div class="point-map" role="application" aria-label="{}" {}></div>', words, attributes)


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height, 1)
    return max(1, round(width * scale)), max(1, round(height * scale))
