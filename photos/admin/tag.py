"""Tags."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from photos.admin.bases import TagModelAdmin
from photos.models import Tag


@admin.register(Tag)
class TagAdmin(TagModelAdmin):
    list_display = ["name", "is_place", "category", "external_id", "photo_count"]
    list_filter = ["is_place", "category"]
    search_fields = ["name", "slug", "external_id"]
    prepopulated_fields = {"slug": ["name"]}
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        tags = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            return tags
        return tags.annotate(photo_count=Count("photo_tags"))

    @admin.display(description=_("photos"), ordering="photo_count")
    def photo_count(self, tag: Any) -> SafeString:
        address = reverse("admin:photos_photo_changelist", query={"tag": tag.slug})
        return format_html('<a href="{}">{}</a>', address, tag.photo_count)
