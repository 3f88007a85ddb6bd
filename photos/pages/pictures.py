"""The pictures themselves: copies without metadata for everyone who may see a photo, originals for few."""

from __future__ import annotations

import mimetypes
import uuid

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from photos.api.presenting import may_edit
from photos.derivatives import CONTENT_TYPES, FORMER_SIZES, SIDES, Format, Size, derivative, digest_of
from photos.models import Photo, Visibility
from photos.pages.asking import visible_photos
from photos.vision.errors import ImageRefused

PRIVATE_MAX_AGE_S = 3600
PUBLIC_MAX_AGE_S = 86_400
YEAR_S = 31_536_000
FOR_EVER = f"public, max-age={YEAR_S}, s-maxage={PUBLIC_MAX_AGE_S}, immutable"
"""A browser keeps what it has seen; what stands between may not show for long what is not public any more."""


@require_safe
def photo_copy(request: HttpRequest, identity: uuid.UUID, digest: str, size: str, kind: str) -> HttpResponseBase:
    """A copy under the digest of its content, to be kept; another picture's digest leads to this one's."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if size not in SIDES or kind not in CONTENT_TYPES:
        raise Http404(_("There is no such size."))
    if digest != digest_of(photo):
        return _to_present_picture(photo, size, kind)
    public = photo.visibility == Visibility.PUBLIC
    cache = FOR_EVER if public else f"private, max-age={PRIVATE_MAX_AGE_S}"
    return _send(request, photo, size, kind, cache=cache)


@require_safe
def photo_image(request: HttpRequest, identity: uuid.UUID, size: str) -> HttpResponseBase:
    """A JPEG at an address that stays when the picture is replaced."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if size not in FORMER_SIZES:
        raise Http404(_("There is no such size."))
    public = photo.visibility == Visibility.PUBLIC
    cache = f"public, max-age={PUBLIC_MAX_AGE_S}" if public else f"private, max-age={PRIVATE_MAX_AGE_S}"
    return _send(request, photo, FORMER_SIZES[size], "jpg", cache=cache)


def _send(request: HttpRequest, photo: Photo, size: Size, kind: Format, *, cache: str) -> HttpResponseBase:
    """Its ETag is the picture's digest, size and format, so that it is sent once."""
    etag = f'"{digest_of(photo)}-{size}-{kind}"'
    response: HttpResponseBase
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    else:
        try:
            response = FileResponse(derivative(photo, size, kind), content_type=CONTENT_TYPES[kind])
        except (FileNotFoundError, ImageRefused) as exc:
            raise Http404(_("This picture cannot be shown.")) from exc
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = cache
    return response


def _to_present_picture(photo: Photo, size: str, kind: str) -> HttpResponseRedirect:
    response = redirect("photo-copy", photo.uuid, digest_of(photo), size, kind)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_safe
def photo_original(request: HttpRequest, identity: uuid.UUID) -> HttpResponseBase:
    """The file as it came, with its metadata: for its owner and curators only."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if not may_edit(photo, request.user):
        raise PermissionDenied
    try:
        file = photo.image.open("rb")
    except FileNotFoundError as exc:
        raise Http404(_("The picture's file is missing.")) from exc
    name = photo.original_name or str(photo.image.name)
    kind = mimetypes.guess_type(str(photo.image.name))[0] or "application/octet-stream"
    response = FileResponse(file, as_attachment=True, filename=name, content_type=kind)
    response.headers["Cache-Control"] = "private, no-store"
    return response
