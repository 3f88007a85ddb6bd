"""What can be done to many photos at once."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from photos.admin.bases import PhotoModelAdmin
from photos.api.fields import MAX_TAG_LENGTH
from photos.errors import InvalidTagError
from photos.models import LocationVisibility, Photo, Visibility
from photos.services import editing, indexing


class TagsForm(forms.Form):
    names = forms.CharField(
        label=_("tags"),
        max_length=20 * MAX_TAG_LENGTH,
        help_text=_("Names with commas between them; new ones are made."),
        widget=forms.TextInput(attrs={"autofocus": True, "class": "vTextField"}),
    )

    def clean_names(self) -> list[str]:
        return [name.strip() for name in self.cleaned_data["names"].split(",") if name.strip()]


class PhotoActions(PhotoModelAdmin):
    """The list's actions; each calls one service."""

    actions = [
        "retry",
        "reindex",
        "make_public",
        "make_private",
        "show_exact_place",
        "show_approximate_place",
        "hide_place",
        "add_tags",
    ]

    @admin.action(description=_("Retry: index the failed ones again"), permissions=["change"])
    def retry(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._say(request, indexing.retry(photos))

    @admin.action(description=_("Reindex: describe them again"), permissions=["change"])
    def reindex(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._say(request, indexing.reindex(photos))

    @admin.action(description=_("Make public"), permissions=["change"])
    def make_public(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._update(request, photos, visibility=Visibility.PUBLIC)

    @admin.action(description=_("Make private"), permissions=["change"])
    def make_private(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._update(request, photos, visibility=Visibility.PRIVATE)

    @admin.action(description=_("Show their exact place"), permissions=["change"])
    def show_exact_place(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._update(request, photos, location_visibility=LocationVisibility.EXACT)

    @admin.action(description=_("Show their approximate place"), permissions=["change"])
    def show_approximate_place(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._update(request, photos, location_visibility=LocationVisibility.APPROXIMATE)

    @admin.action(description=_("Hide their place"), permissions=["change"])
    def hide_place(self, request: HttpRequest, photos: QuerySet[Photo]) -> None:
        self._update(request, photos, location_visibility=LocationVisibility.HIDDEN)

    @admin.action(description=_("Add tags…"), permissions=["change"])
    def add_tags(self, request: HttpRequest, photos: QuerySet[Photo]) -> HttpResponse | None:
        form = TagsForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            try:
                self._say(request, editing.tag_photos(photos, form.cleaned_data["names"]))
                return None
            except InvalidTagError as exc:
                form.add_error("names", str(exc))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Add tags"),
            "form": form,
            "action": "add_tags",
            "action_label": gettext("Add tags"),
            "count": photos.count(),
            "chosen": request.POST.getlist("_selected_action"),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "admin/photos/confirm_action.html", context)

    def _update(self, request: HttpRequest, photos: QuerySet[Photo], **changes: Any) -> None:
        self._say(request, editing.update_photos(photos, changes=changes))

    def _say(self, request: HttpRequest, count: int) -> None:
        words = ngettext("%d photo was changed.", "%d photos were changed.", count) % count
        self.message_user(request, words, messages.SUCCESS if count else messages.WARNING)
