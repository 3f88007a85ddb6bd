"""The pictures themselves: copies without metadata for everyone who may see a photo, originals for few."""

from __future__ import annotations

import mimetypes
import uuid

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from photos.api.presenting import may_edit
from photos.derivatives import CONTENT_TYPE, SIDES, derivative
from photos.pages.asking import visible_photos
from photos.vision.errors import ImageRefused

PRIVATE_MAX_AGE_S = 3600
PUBLIC_MAX_AGE_S = 86_400


@require_GET
def photo_image(request: HttpRequest, identity: uuid.UUID, size: str) -> HttpResponseBase:
    """A copy without metadata; its ETag is the picture's digest and size, so that it is sent once."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if size not in SIDES:
        raise Http404(_("There is no such size."))
    etag = f'"{photo.sha256[:16]}-{size}"'
    response: HttpResponseBase
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    else:
        try:
            response = FileResponse(derivative(photo, size), content_type=CONTENT_TYPE)
        except (FileNotFoundError, ImageRefused) as exc:
            raise Http404(_("This picture cannot be shown.")) from exc
    public = photo.visibility == "public"
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = (
        f"public, max-age={PUBLIC_MAX_AGE_S}" if public else f"private, max-age={PRIVATE_MAX_AGE_S}"
    )
    return response


@require_GET
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
