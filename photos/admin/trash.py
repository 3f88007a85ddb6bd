"""The trash: what curators deleted, to be put back or to go for good."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from photos.admin.bases import TrashModelAdmin
from photos.derivatives import derivative
from photos.models import Photo, TrashedPhoto
from photos.services import trash
from photos.vision.errors import ImageRefused


@admin.register(TrashedPhoto)
class TrashedPhotoAdmin(TrashModelAdmin):
    list_display = ["picture", "name", "deleted_at", "deleted_by", "goes_at"]
    list_display_links = None
    list_select_related = ["deleted_by"]
    search_fields = ["name"]
    actions = ["put_back"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TrashedPhoto | None = None) -> bool:
        return False

    def has_put_back_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("photos.add_photo"))

    @admin.display(description=_("picture"))
    def picture(self, trashed: TrashedPhoto) -> SafeString:
        address = reverse("admin:photos_trashedphoto_picture", args=[trashed.pk])
        return format_html('<img class="thumbnail" src="{}" alt="" height="72" loading="lazy">', address)

    @admin.display(description=_("goes for good"), ordering="deleted_at")
    def goes_at(self, trashed: TrashedPhoto) -> str:
        return date_format(trashed.deleted_at + timedelta(days=settings.TRASH_DAYS), "DATE_FORMAT")

    @admin.action(description=_("Put back"), permissions=["put_back"])
    def put_back(self, request: HttpRequest, chosen: QuerySet[TrashedPhoto]) -> None:
        ids = list(chosen.values_list("pk", flat=True))
        count = trash.put_all_back(ids)
        words = ngettext("%d photo was put back.", "%d photos were put back.", count) % count
        if count < len(ids):
            words += " " + gettext("What stays here is in the collection as the same file.")
        self.message_user(request, words, messages.SUCCESS if count else messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: TrashedPhoto) -> None:
        trash.empty([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TrashedPhoto]) -> None:
        trash.empty(queryset.values_list("pk", flat=True))

    def get_urls(self) -> list[URLPattern]:
        picture = self.admin_site.admin_view(self.picture_view)
        own = [path("<int:pk>/picture.jpg", picture, name="photos_trashedphoto_picture")]
        return own + super().get_urls()

    def picture_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """A copy for whoever may look into the trash."""
        trashed = get_object_or_404(TrashedPhoto, pk=pk)
        if not self.has_view_permission(request, trashed):
            raise Http404
        photo = Photo(uuid=trashed.uuid, image=trashed.image, sha256=trashed.sha256)
        try:
            return FileResponse(derivative(photo, "small"), content_type="image/jpeg")
        except (FileNotFoundError, ImageRefused) as exc:
            raise Http404 from exc
