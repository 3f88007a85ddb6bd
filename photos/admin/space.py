"""Embedding spaces: what fills them, how far they are, and which one searches use."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from photos.admin.bases import SpaceModelAdmin
from photos.admin.cells import badge
from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import availability
from photos.services.spaces import activate_space, retire_space, space_statistics, tell_changed_settings


def _outage(space: EmbeddingSpace) -> SafeString | str:
    """Return what its photos wait for, here or at a worker that tried them; else what differs between them."""
    if space.state == SpaceState.RETIRED:
        return ""
    waiting = space.gaps.filter(permanent=False).values_list("reason", flat=True).first()
    why = availability.outage(space) or waiting or tell_changed_settings(space)
    return format_html('<br><span class="reason">{}</span>', why) if why else ""


@admin.register(EmbeddingSpace)
class EmbeddingSpaceAdmin(SpaceModelAdmin):
    list_display = ["slug", "shown_state", "encoder", "segmenter", "dimensions", "progress", "activated_at"]
    fields = (
        "slug",
        "shown_state",
        "progress",
        "encoder",
        "segmenter",
        "dimensions",
        "created_at",
        "activated_at",
        "retired_at",
        "shown_spec",
    )
    readonly_fields = fields
    actions = ["activate", "retire"]
    ordering = ["state", "slug"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EmbeddingSpace | None = None) -> bool:
        return False

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, space: EmbeddingSpace) -> SafeString:
        return badge(space.state, space.get_state_display())

    @admin.display(description=_("described"))
    def progress(self, space: EmbeddingSpace) -> SafeString:
        found = space_statistics(space)
        total = found.photos + found.remaining
        words = gettext("%(done)d of %(total)d photos, %(segments)d segments") % {
            "done": found.photos,
            "total": total,
            "segments": found.segments,
        }
        if found.refused:
            words += "; " + gettext("%d cannot be described in it") % found.refused
        return format_html(
            '<progress value="{}" max="{}"></progress> {}{}', found.photos, total or 1, words, _outage(space)
        )

    @admin.display(description=_("specification"))
    def shown_spec(self, space: EmbeddingSpace) -> SafeString:
        return format_html('<pre class="document">{}</pre>', json.dumps(space.spec, indent=2, ensure_ascii=False))

    @admin.action(description=_("Activate: let searches use it"), permissions=["change"])
    def activate(self, request: HttpRequest, spaces: QuerySet[EmbeddingSpace]) -> HttpResponse | None:
        consequence = gettext("Searches will use it from now on; the one used so far is kept up beside it.")
        return self._confirmed(request, spaces, "activate", activate_space, consequence)

    @admin.action(description=_("Retire: drop its vectors"), permissions=["change"])
    def retire(self, request: HttpRequest, spaces: QuerySet[EmbeddingSpace]) -> HttpResponse | None:
        consequence = gettext("Its vectors are dropped for good; making it anew means describing every photo again.")
        return self._confirmed(request, spaces, "retire", retire_space, consequence)

    def _confirmed(
        self,
        request: HttpRequest,
        spaces: QuerySet[EmbeddingSpace],
        action: str,
        service: Callable[[EmbeddingSpace], Any],
        consequence: str,
    ) -> HttpResponse | None:
        if spaces.count() != 1:
            self.message_user(request, gettext("Choose exactly one space."), messages.WARNING)
            return None
        space = spaces.get()
        if "confirmed" not in request.POST:
            return self._ask(request, space, action, consequence)
        try:
            service(space)
        except CollectionError as exc:
            self.message_user(request, str(exc), messages.ERROR)
        else:
            self.message_user(request, gettext("%s is now %s.") % (space.slug, space.get_state_display()))
        return None

    def _ask(self, request: HttpRequest, space: EmbeddingSpace, action: str, consequence: str) -> HttpResponse:
        label = str(dict(self.get_action_choices(request))[action])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{label}: {space.slug}",
            "objects": [space],
            "action": action,
            "action_label": label,
            "consequence": consequence,
        }
        return TemplateResponse(request, "admin/photos/confirm_action.html", context)
