"""Pictures that come in: refused while they are read, not after."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from photos.api.errors import LengthRequired, TooLarge

MIB = 1024 * 1024
FORM_ALLOWANCE = MIB  # the other fields of the form and the multipart borders


def max_upload_bytes() -> int:
    return settings.MAX_UPLOAD_MIB * MIB


def too_large() -> TooLarge:
    return TooLarge(f"A file of at most {settings.MAX_UPLOAD_MIB} MiB is allowed.")


class SizeLimit(FileUploadHandler):
    """Stands before Django's own handlers and ends the reading when a file passes the limit."""

    received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > max_upload_bytes():
            raise too_large()
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


class UploadView(APIView):
    """A view that takes a picture: what is too large is refused before it is read."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.upload_handlers.insert(0, SizeLimit(request))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_length(request)
        super().initial(request, *args, **kwargs)


def check_length(request: Request) -> None:
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        raise LengthRequired
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdigit():
        raise LengthRequired("Content-Length must be a number of bytes.")
    if int(length) > max_upload_bytes() + FORM_ALLOWANCE:
        raise too_large()


class PictureField(serializers.FileField):
    """A file by its content: what it holds is for the service to judge."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "A JPEG, PNG, WebP, TIFF or HEIC picture.")
        super().__init__(allow_empty_file=True, **kwargs)
