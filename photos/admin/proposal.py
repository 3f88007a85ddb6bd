"""Proposed places, and the decisions on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from photos.admin import cells
from photos.admin.bases import ProposalModelAdmin
from photos.errors import CollectionError
from photos.models import LocationProposal
from photos.services.proposals import accept_proposal, reject_proposal, undo_decision


@admin.register(LocationProposal)
class LocationProposalAdmin(ProposalModelAdmin):
    list_display = ["picture", "shown_state", "proposed", "now", "probability", "source", "created_at", "decided_by"]
    list_display_links = ["picture", "proposed"]
    list_filter = ["state", "source", "created_at"]
    list_select_related = ["photo", "decided_by"]
    list_per_page = 50
    search_fields = ["photo__title", "photo__original_name", "note"]
    actions = ["accept", "reject", "undo"]
    fields = (
        "picture",
        "shown_state",
        "place_map",
        "proposed",
        "now",
        "probability",
        "source",
        "note",
        "proposed_by",
        "created_at",
        "decided_by",
        "decided_at",
        "shown_evidence",
    )
    readonly_fields = fields
    change_form_template = "admin/photos/locationproposal/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("photo"))
    def picture(self, proposal: LocationProposal) -> SafeString:
        return format_html("{} {}", cells.thumbnail(proposal.photo), proposal.photo)

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, proposal: LocationProposal) -> SafeString:
        return cells.badge(proposal.state, proposal.get_state_display())

    @admin.display(description=_("proposed"))
    def proposed(self, proposal: LocationProposal) -> SafeString:
        point = f"{proposal.latitude:.5f}, {proposal.longitude:.5f}"
        return format_html(
            '<span class="point">{}</span> <span class="quiet">± {} m</span>', point, f"{proposal.radius_m:.0f}"
        )

    @admin.display(description=_("place now"))
    def now(self, proposal: LocationProposal) -> SafeString:
        return cells.place(proposal.photo)

    @admin.display(description=_("map"))
    def place_map(self, proposal: LocationProposal) -> SafeString:
        data = {
            "latitude": str(proposal.latitude),
            "longitude": str(proposal.longitude),
            "radius": str(proposal.radius_m),
        }
        return cells.point_map(gettext("Map of the proposed place"), data=data)

    @admin.display(description=_("evidence"))
    def shown_evidence(self, proposal: LocationProposal) -> SafeString:
        text = json.dumps(proposal.evidence, indent=2, ensure_ascii=False)
        return format_html('<pre class="document">{}</pre>', text)

    @admin.action(description=_("Accept: place the photos there"), permissions=["change"])
    def accept(self, request: HttpRequest, proposals: QuerySet[LocationProposal]) -> None:
        self._decide(request, proposals, partial(accept_proposal, by=cast("User", request.user)))

    @admin.action(description=_("Reject"), permissions=["change"])
    def reject(self, request: HttpRequest, proposals: QuerySet[LocationProposal]) -> None:
        self._decide(request, proposals, partial(reject_proposal, by=cast("User", request.user)))

    @admin.action(description=_("Undo the decision"), permissions=["change"])
    def undo(self, request: HttpRequest, proposals: QuerySet[LocationProposal]) -> None:
        self._decide(request, proposals, undo_decision)

    def _decide(
        self, request: HttpRequest, proposals: QuerySet[LocationProposal], service: Callable[[LocationProposal], Any]
    ) -> None:
        done = 0
        for proposal in proposals:
            try:
                service(proposal)
                done += 1
            except CollectionError as exc:
                self.message_user(request, f"{proposal}: {exc}", messages.WARNING)
        if done:
            words = ngettext("%d proposal was changed.", "%d proposals were changed.", done) % done
            self.message_user(request, words, messages.SUCCESS)

    def response_change(self, request: HttpRequest, obj: LocationProposal) -> HttpResponse:
        """The form has no fields of its own: its buttons are the decisions."""
        decision = request.POST.get("decision", "")
        if decision in {"accept", "reject", "undo"}:
            action = {"accept": self.accept, "reject": self.reject, "undo": self.undo}[decision]
            action(request, LocationProposal.objects.filter(pk=obj.pk))
        else:
            self.message_user(request, gettext("Choose accept, reject or undo."), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:photos_locationproposal_change", args=[obj.pk]))

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        decision = request.POST.get("decision")
        return super().log_change(request, obj, gettext("Decided: %s.") % decision if decision else message)
