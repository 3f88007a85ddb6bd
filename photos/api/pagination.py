"""Pages of the newest photos first, by cursor: photos that arrive meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from django.db.models import Q
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from photos.models import Photo
from photos.querysets import PhotoQuerySet

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_LAYOUT = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Position: TypeAlias = tuple[datetime, uuid.UUID]
"""Where a page ended. By the uuid, not the row's number, which would tell how many photos are private."""


def encode_cursor(photo: Photo) -> str:
    micros = (photo.created_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_LAYOUT.pack(micros, photo.uuid.bytes)).decode()


def decode_cursor(text: str) -> Position:
    try:
        micros, identity = _LAYOUT.unpack(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
        return _EPOCH + timedelta(microseconds=micros), uuid.UUID(bytes=identity)
    except (binascii.Error, struct.error, ValueError, OverflowError) as exc:
        message = "This is no cursor of ours; take it from the `next` of a page."
        raise ValidationError(message) from exc


def take_page(photos: PhotoQuerySet, *, after: Position | None, limit: int) -> tuple[list[Photo], str | None]:
    """Return up to `limit` photos and the cursor of the next page, None at the end."""
    if after is not None:
        created_at, identity = after
        photos = photos.filter(
            Q(created_at__lt=created_at) | Q(created_at=created_at, uuid__lt=identity),
            created_at__lte=created_at,
        )
    found = list(photos.order_by("-created_at", "-uuid")[: limit + 1])
    page = found[:limit]
    return page, encode_cursor(page[-1]) if len(found) > limit else None


def next_link(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))
