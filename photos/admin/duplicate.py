"""Near-duplicates, side by side: keep one of the two, or say that they are none."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from photos.admin import cells
from photos.admin.bases import DuplicateModelAdmin
from photos.models import NearDuplicate, Photo
from photos.services import duplicates

Side: TypeAlias = Literal["left", "right"]


class DecisionFilter(admin.SimpleListFilter):
    """At first only those that wait for a decision."""

    title = _("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("dismissed", _("dismissed")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        undecided, *others = super().choices(changelist)
        yield {**undecided, "display": gettext("undecided")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[NearDuplicate]) -> QuerySet[NearDuplicate]:
        if self.value() == "all":
            return queryset
        return queryset.filter(dismissed_at__isnull=self.value() != "dismissed")


@admin.register(NearDuplicate)
class NearDuplicateAdmin(DuplicateModelAdmin):
    list_display = ["left", "right", "shown_kind", "shown_similarity", "found_at", "shown_dismissal"]
    list_display_links = None
    list_filter = [DecisionFilter, "kind"]
    list_select_related = ["photo_a__owner", "photo_b__owner", "dismissed_by"]
    list_per_page = 50
    actions = ["keep_left", "keep_right", "dismiss", "undo_dismissal"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a pair that holds would be found again: it is dismissed instead

    @admin.display(description=_("left"))
    def left(self, pair: NearDuplicate) -> SafeString:
        return _side(pair.photo_a)

    @admin.display(description=_("right"))
    def right(self, pair: NearDuplicate) -> SafeString:
        return _side(pair.photo_b)

    @admin.display(description=_("kind"), ordering="kind")
    def shown_kind(self, pair: NearDuplicate) -> SafeString:
        return cells.badge("quiet", pair.get_kind_display())

    @admin.display(description=_("similarity"), ordering="similarity")
    def shown_similarity(self, pair: NearDuplicate) -> str:
        return "" if pair.similarity is None else f"{pair.similarity:.2f}"

    @admin.display(description=_("dismissed"), ordering="dismissed_at")
    def shown_dismissal(self, pair: NearDuplicate) -> str:
        return "" if pair.dismissed_at is None else gettext("by %s") % (pair.dismissed_by or gettext("somebody"))

    @admin.action(description=_("Not duplicates"), permissions=["change"])
    def dismiss(self, request: HttpRequest, pairs: QuerySet[NearDuplicate]) -> None:
        self._say(request, duplicates.dismiss(pairs, by=cast("User", request.user)))

    @admin.action(description=_("Undo: they are duplicates after all"), permissions=["change"])
    def undo_dismissal(self, request: HttpRequest, pairs: QuerySet[NearDuplicate]) -> None:
        self._say(request, duplicates.undo_dismissal(pairs))

    @admin.action(description=_("Keep left, delete right…"), permissions=["change"])
    def keep_left(self, request: HttpRequest, pairs: QuerySet[NearDuplicate]) -> HttpResponse | None:
        return self._keep(request, pairs, "left")

    @admin.action(description=_("Keep right, delete left…"), permissions=["change"])
    def keep_right(self, request: HttpRequest, pairs: QuerySet[NearDuplicate]) -> HttpResponse | None:
        return self._keep(request, pairs, "right")

    def _keep(self, request: HttpRequest, pairs: QuerySet[NearDuplicate], side: Side) -> HttpResponse | None:
        if not request.user.has_perm("photos.delete_photo"):
            self.message_user(request, gettext("You may not delete photos."), messages.ERROR)
            return None
        if "confirmed" not in request.POST:
            return self._ask(request, pairs, side)
        decide = partial(_keep_side, side=side, by=cast("User", request.user))
        self._say(request, sum(map(decide, pairs.order_by("pk").values_list("pk", flat=True))))
        return None

    def _ask(self, request: HttpRequest, pairs: QuerySet[NearDuplicate], side: Side) -> HttpResponse:
        label = gettext("Keep left, delete right") if side == "left" else gettext("Keep right, delete left")
        consequence = ngettext(
            "%d photo goes to the trash; its fellow takes over the place, date, words and tags that it lacks itself.",
            "%d photos go to the trash; their fellows take over the place, date, words and tags they lack.",
            pairs.count(),
        )
        secret = gettext("A private photo tells nothing to one that more people may see.")
        back = gettext("From the trash they can be put back within %(days)d days; what was taken over stays.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": label,
            "consequence": f"{consequence % pairs.count()} {secret} {back % {'days': settings.TRASH_DAYS}}",
            "action": f"keep_{side}",
            "action_label": label,
            "chosen": request.POST.getlist("_selected_action"),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "admin/photos/confirm_action.html", context)

    def _say(self, request: HttpRequest, count: int) -> None:
        words = ngettext("%d pair was decided.", "%d pairs were decided.", count) % count
        self.message_user(request, words, messages.SUCCESS if count else messages.WARNING)


def _keep_side(pair_id: int, *, side: Side, by: User) -> bool:
    """Decide one pair; False where its photos went with a pair decided before."""
    pair = NearDuplicate.objects.filter(pk=pair_id).first()
    if pair is None:
        return False
    duplicates.keep_one(pair, kept_id=pair.photo_a_id if side == "left" else pair.photo_b_id, by=by)
    return True


def _side(photo: Photo) -> SafeString:
    """The picture, large enough to compare, with what tells the two apart."""
    return format_html(
        '<a href="{}">{}<br>{}</a><br><span class="quiet">{} × {}{}</span><br>{}',
        reverse("admin:photos_photo_change", args=[photo.pk]),
        cells.thumbnail(photo),
        photo,
        photo.width,
        photo.height,
        f" · {photo.owner}" if photo.owner else "",
        cells.place(photo),
    )
