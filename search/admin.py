"""Questions and calibrations, to look at only, and the ranking's weights, to set.

A visitor's picture and where it was are nobody's business.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from photos.admin.cells import badge
from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from search.candidates import weights_for
from search.models import Calibration, RankingWeights, SearchRequest

if TYPE_CHECKING:
    RequestModelAdmin = admin.ModelAdmin[SearchRequest]
    CalibrationModelAdmin = admin.ModelAdmin[Calibration]
    WeightsModelAdmin = admin.ModelAdmin[RankingWeights]
else:
    RequestModelAdmin = CalibrationModelAdmin = WeightsModelAdmin = admin.ModelAdmin


class ReadOnly:
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SearchRequest)
class SearchRequestAdmin(ReadOnly, RequestModelAdmin):
    list_display = ["created_at", "kind", "shown_state", "took", "attempts", "size", "trouble", "expires_at"]
    list_filter = ["state", "kind", "created_at"]
    list_per_page = 50
    date_hierarchy = "created_at"
    fields = (
        "kind",
        "shown_state",
        "stage",
        "took",
        "attempts",
        "size",
        "error",
        "error_detail",
        "timings",
        "created_at",
        "finished_at",
        "expires_at",
    )
    readonly_fields = ("shown_state", "took", "size", "timings")

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, request: SearchRequest) -> SafeString:
        return badge(request.state, request.get_state_display(), title=request.stage)

    @admin.display(description=_("took"))
    def took(self, request: SearchRequest) -> str:
        if request.finished_at is None:
            return ""
        return f"{(request.finished_at - request.created_at).total_seconds():.2f}\N{NO-BREAK SPACE}s"

    @admin.display(description=_("picture"))
    def size(self, request: SearchRequest) -> str:
        return f"{request.width}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{request.height}"

    @admin.display(description=_("error"))
    def trouble(self, request: SearchRequest) -> str:
        return request.error_detail or request.error

    @admin.display(description=_("timings"))
    def timings(self, request: SearchRequest) -> SafeString:
        timings = (request.result or {}).get("timings_ms", {})
        return format_html('<pre class="document">{}</pre>', json.dumps(timings, indent=2))


@admin.register(Calibration)
class CalibrationAdmin(ReadOnly, CalibrationModelAdmin):
    list_display = ["kind", "space", "n", "fitted_at", "set_by"]
    list_filter = ["kind", "space"]
    list_select_related = ["space", "set_by"]
    fields = ("space", "kind", "n", "fitted_at", "set_by", "shown_parameters")
    readonly_fields = ("set_by", "shown_parameters")

    @admin.display(description=_("parameters"))
    def shown_parameters(self, calibration: Calibration) -> SafeString:
        text = json.dumps(calibration.parameters, indent=2, ensure_ascii=False)
        return format_html('<pre class="document">{}</pre>', text)


@admin.register(RankingWeights)
class RankingWeightsAdmin(WeightsModelAdmin):
    """Weights are set by adding a row: the newest of a space counts, the others are its history."""

    list_display = ["space", "whole", "segments", "tags", "in_force", "set_by", "set_at"]
    list_filter = ["space"]
    list_select_related = ["space", "set_by"]
    fields = ("space", "whole", "segments", "tags")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[RankingWeights]:
        of_space = RankingWeights.objects.filter(space=OuterRef("space")).order_by("-set_at", "-id")
        return super().get_queryset(request).annotate(newest=Subquery(of_space.values("pk")[:1]))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what counts now."""
        space = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).first()
        if space is None:
            return {}
        now = weights_for(space)
        return {"space": space.pk, "whole": now.whole, "segments": now.segments, "tags": now.tags}

    def save_model(self, request: HttpRequest, obj: RankingWeights, form: Any, change: bool) -> None:
        obj.set_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    @admin.display(description=_("in force"), boolean=True)
    def in_force(self, weights: Any) -> bool:
        return bool(weights.newest == weights.pk)
