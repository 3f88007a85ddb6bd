"""The form of one photo."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.utils.translation import gettext_lazy as _

from photos.admin.bases import PhotoModelForm
from photos.models import Photo, PhotoTag, Tag, TagSource

PLACE = ("latitude", "longitude")


class PhotoForm(PhotoModelForm):
    """A photo with the tags that people gave it; those that models found are left alone."""

    # not named "tags": saving the form would then make all of the photo's tags those of a person
    given_tags = forms.ModelMultipleChoiceField(
        label=_("Tags"),
        queryset=Tag.objects.all(),
        required=False,
        widget=AutocompleteSelectMultiple(Photo._meta.get_field("tags"), admin.site),
    )

    class Meta:
        model = Photo
        fields = [
            "image",
            "title",
            "description",
            "credit",
            "license",
            "taken_at",
            "latitude",
            "longitude",
            "location_accuracy_m",
            "bearing_deg",
            "location_visibility",
            "visibility",
            "owner",
        ]
        help_texts = {
            "location_visibility": _("What visitors are told; its owner and curators always see the exact point."),
            "bearing_deg": _("Where the camera looked, clockwise from north."),
            "taken_at": "",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            given = PhotoTag.objects.filter(photo=self.instance, source=TagSource.MANUAL)
            self.fields["given_tags"].initial = list(given.values_list("tag_id", flat=True))
        for name, step in (("latitude", "any"), ("longitude", "any"), ("bearing_deg", "any")):
            if name in self.fields:
                self.fields[name].widget.attrs["step"] = step

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("latitude") is None and cleaned.get("longitude") is None:
            cleaned["location_accuracy_m"] = None
        return cleaned

    def changes(self) -> dict[str, Any]:
        """What was changed, in the words of `photos.services.editing`; without the picture."""
        changed = set(self.changed_data)
        if changed & set(PLACE):
            changed |= set(PLACE)  # an accuracy that was not typed anew belonged to the old point
        changes = {name: self.cleaned_data[name] for name in changed - {"image", "given_tags"}}
        if "given_tags" in changed:
            changes["tags"] = list(self.cleaned_data["given_tags"])
        return changes
