"""Tags."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from photos.admin.bases import TagModelAdmin
from photos.models import Tag
from photos.services import vocabulary


@admin.register(Tag)
class TagAdmin(TagModelAdmin):
    list_display = ["name", "in_vocabulary", "is_place", "category", "external_id", "photo_count"]
    list_filter = ["in_vocabulary", "is_place", "category"]
    actions = ["use_in_vocabulary", "leave_out_of_vocabulary"]
    search_fields = ["name", "slug", "external_id"]
    prepopulated_fields = {"slug": ["name"]}
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        tags = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            return tags
        return tags.annotate(photo_count=Count("photo_tags"))

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        vocabulary.announce_change()

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        super().delete_model(request, obj)
        vocabulary.announce_change()

    @admin.action(description=_("Use in the vocabulary: look for them in every photo"), permissions=["change"])
    def use_in_vocabulary(self, request: HttpRequest, tags: QuerySet[Tag]) -> None:
        self._say(request, vocabulary.set_in_vocabulary(tags, wanted=True))

    @admin.action(description=_("Leave out of the vocabulary"), permissions=["change"])
    def leave_out_of_vocabulary(self, request: HttpRequest, tags: QuerySet[Tag]) -> None:
        self._say(request, vocabulary.set_in_vocabulary(tags, wanted=False))

    def _say(self, request: HttpRequest, count: int) -> None:
        words = ngettext(
            "%d tag was changed; the photos are tagged anew.",
            "%d tags were changed; the photos are tagged anew.",
            count,
        )
        self.message_user(request, words % count, messages.SUCCESS if count else messages.WARNING)

    @admin.display(description=_("photos"), ordering="photo_count")
    def photo_count(self, tag: Any) -> SafeString:
        address = reverse("admin:photos_photo_changelist", query={"tag": tag.slug})
        return format_html('<a href="{}">{}</a>', address, tag.photo_count)
