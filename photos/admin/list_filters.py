"""What the photo list can be narrowed by, beside the plain fields."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from photos.models import Photo, PhotoState, Tag
from photos.services.duplicates import with_duplicates

MOST_USED = 30


class AttentionFilter(admin.SimpleListFilter):
    """Photos that need a person."""

    title = _("needs attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [
            ("failed", _("failed or quarantined")),
            ("proposals", _("has open proposals")),
            ("duplicates", _("has near-duplicates")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        if self.value() == "failed":
            return queryset.filter(state__in=[PhotoState.FAILED, PhotoState.QUARANTINED])
        if self.value() == "proposals":
            return queryset.filter(proposals__state="open").distinct()
        if self.value() == "duplicates":
            return with_duplicates(queryset)
        return queryset


class PlacedFilter(admin.SimpleListFilter):
    title = _("place")
    parameter_name = "placed"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("yes", _("has a place")), ("no", _("has none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        if self.value() in {"yes", "no"}:
            return queryset.filter(latitude__isnull=self.value() == "no")
        return queryset


class TagFilter(admin.SimpleListFilter):
    """The tags that most photos carry, and whichever is chosen."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        used = Tag.objects.annotate(count=Count("photo_tags")).filter(count__gt=0).order_by("-count", "name")
        found = list(used.values_list("slug", "name")[:MOST_USED])
        chosen = request.GET.get(self.parameter_name, "")
        if chosen and chosen not in dict(found):
            found += list(Tag.objects.filter(slug=chosen).values_list("slug", "name"))
        return sorted(found, key=lambda pair: pair[1].casefold())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        return queryset.filter(photo_tags__tag__slug=self.value()) if self.value() else queryset
