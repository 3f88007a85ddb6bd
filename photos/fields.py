"""The picture's field: checked by our own rules, which know HEIC and say what is wrong."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from photos.intake import read_bytes, upload_limits
from photos.vision.errors import ImageRefused
from photos.vision.images import inspect_image

ACCEPTED = "image/jpeg,image/png,image/webp,image/tiff,image/heic,image/heif,.heic,.heif"


class PictureFormField(forms.FileField):
    """An upload that must be an accepted picture, judged by its content."""

    def to_python(self, data: Any) -> Any:
        file = super().to_python(data)
        if file is None:
            return None
        try:
            inspect_image(read_bytes(file), limits=upload_limits())
        except ImageRefused as exc:
            raise ValidationError(str(exc), code=exc.code) from exc
        return file

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "accept": ACCEPTED}


class PictureField(models.ImageField):
    """An image file whose forms refuse what the collection refuses."""

    def formfield(self, **kwargs: Any) -> Any:
        return super(models.ImageField, self).formfield(**{"form_class": PictureFormField, **kwargs})
