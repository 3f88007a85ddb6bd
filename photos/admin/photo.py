"""Photos: the list to curate from, and the form with its map, picture and neighbours."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from photos.admin import cells
from photos.admin.actions import PhotoActions
from photos.admin.list_filters import AttentionFilter, PlacedFilter, TagFilter
from photos.admin.panels import photo_panels
from photos.admin.photo_form import PhotoForm
from photos.fields import ACCEPTED
from photos.models import Photo, PhotoTag, Visibility
from photos.services import collection, editing, indexing, trash

SHOWN_TAGS = 4
EDITED_ON_THE_MAP = "latitude longitude location_accuracy_m bearing_deg"


@admin.register(Photo)
class PhotoAdmin(PhotoActions):
    form = PhotoForm
    change_form_template = "admin/photos/photo/change_form.html"
    change_list_template = "admin/photos/photo/change_list.html"
    list_display = ["picture", "name", "shown_state", "shown_place", "shown_tags"]
    list_display_links = ["picture", "name"]
    list_filter = [
        AttentionFilter,
        "state",
        PlacedFilter,
        "location_source",
        "visibility",
        "location_visibility",
        TagFilter,
        ("owner", admin.RelatedOnlyFieldListFilter),
        "taken_at",
    ]
    list_per_page = 50
    list_select_related = ["owner"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.ALLOW
    date_hierarchy = "created_at"
    search_fields = ["title", "description", "credit", "original_name", "tags__name", "=uuid"]
    search_help_text = _("Title, description, credit, file name, tag or id")
    autocomplete_fields = ["owner"]
    readonly_fields = ["place_map", "source"]
    fieldsets = [
        (None, {"fields": ["image", "title", "description", "given_tags"]}),
        (
            _("Place"),
            {
                "classes": ["place"],
                "fields": [
                    "place_map",
                    ("latitude", "longitude"),
                    ("location_accuracy_m", "bearing_deg"),
                    "source",
                    "location_visibility",
                ],
            },
        ),
        (_("Where it comes from"), {"fields": [("credit", "license"), "taken_at"]}),
        (_("Who may see it"), {"fields": [("visibility", "owner")]}),
    ]

    # --- the list -----------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Photo]:
        given = PhotoTag.objects.select_related("tag").order_by("source", "-score", "tag__name")
        return super().get_queryset(request).prefetch_related(Prefetch("photo_tags", queryset=given))

    @admin.display(description=_("picture"))
    def picture(self, photo: Photo) -> SafeString:
        return cells.thumbnail(photo)

    @admin.display(description=_("photo"), ordering="created_at")
    def name(self, photo: Photo) -> SafeString:
        private = cells.badge("private", photo.get_visibility_display())
        return format_html(
            '<span class="name">{}</span> {}<br><span class="quiet">{} × {}{}<br>{}</span>',
            photo,
            private if photo.visibility == Visibility.PRIVATE else "",
            photo.width,
            photo.height,
            f" · {photo.owner}" if photo.owner else "",
            date_format(timezone.localtime(photo.created_at), "SHORT_DATETIME_FORMAT"),
        )

    @admin.display(description=_("state"), ordering="state")
    def shown_state(self, photo: Photo) -> SafeString:
        shown = cells.badge(photo.state, photo.get_state_display(), title=photo.stage)
        if not photo.index_error:
            return shown
        return format_html('{}<br><span class="reason">{}</span>', shown, photo.index_error)

    @admin.display(description=_("place"), ordering="latitude")
    def shown_place(self, photo: Photo) -> SafeString:
        return cells.place(photo)

    @admin.display(description=_("tags"))
    def shown_tags(self, photo: Photo) -> SafeString:
        given = list(photo.photo_tags.all())
        shown = format_html_join(" ", '<span class="tag">{}</span>', ((one.tag.name,) for one in given[:SHOWN_TAGS]))
        more = len(given) - SHOWN_TAGS
        return format_html("{} +{}", shown, more) if more > 0 else shown

    # --- the form -----------------------------------------------------------------------------------

    @admin.display(description=_("map"))
    def place_map(self, photo: Photo) -> SafeString:
        return format_html(
            '{}<div class="point-map-foot"><span class="quiet">{}</span> '
            '<button type="button" class="button point-clear" hidden>{}</button></div>',
            cells.point_map(gettext("Map of the photo's place"), data={"edits": EDITED_ON_THE_MAP}),
            gettext("Click the map or drag the marker; the numbers below say the same."),
            gettext("Clear the place"),
        )

    @admin.display(description=_("Known from"))
    def source(self, photo: Photo) -> str:
        return photo.get_location_source_display() or gettext("nothing yet")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": str(request.user.pk), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Photo, form: PhotoForm, change: bool) -> None:
        picture = form.cleaned_data.get("image") if "image" in form.changed_data else None
        if change:
            stored = Photo.objects.get(pk=obj.pk)
            if picture:
                collection.replace_image(stored, picture)
            editing.update_photo(stored, changes=form.changes())
        else:
            stored = self._add(picture, obj, form)
        obj.__dict__.update(stored.__dict__)  # the admin goes on with the object that it made itself

    def _add(self, picture: Any, obj: Photo, form: PhotoForm) -> Photo:
        facts = form.changes() | {"visibility": obj.visibility, "location_visibility": obj.location_visibility}
        facts |= {"owner": form.cleaned_data.get("owner"), "original_name": obj.original_name}
        return collection.add_photo(picture, **facts)

    def delete_model(self, request: HttpRequest, obj: Photo) -> None:
        trash.throw_away(obj, by=cast("User", request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> None:
        for photo in queryset:
            trash.throw_away(photo, by=cast("User", request.user))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        photo = kwargs.get("obj")
        if photo is not None:
            context["panels"] = photo_panels(photo)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- addresses of our own -----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("upload/", wrap(self.upload_view), name="photos_photo_upload"),
            path("of/<uuid:identity>/", wrap(self.of_view), name="photos_photo_of"),
            path("<int:pk>/reindex/", wrap(self.reindex_view), name="photos_photo_reindex"),
        ]
        return own + super().get_urls()

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Many pictures at once: the page sends them one by one to the API."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Upload many photos"),
            "visibilities": Visibility.choices,
            "max_upload_mib": settings.MAX_UPLOAD_MIB,
            "accept": ACCEPTED,
        }
        return TemplateResponse(request, "admin/photos/photo/upload.html", context)

    def of_view(self, request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
        """The form of a photo that is known by its public id."""
        photo = get_object_or_404(Photo, uuid=identity)
        return HttpResponseRedirect(reverse("admin:photos_photo_change", args=[photo.pk]))

    def reindex_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        photo = self.get_object(request, str(pk))
        if photo is None or not self.has_change_permission(request, photo):
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))  # type: ignore[attr-defined, no-any-return]
        indexing.request_index([photo.pk])
        self.message_user(request, gettext("It will be described again."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:photos_photo_change", args=[pk]))
