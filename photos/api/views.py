"""Photos for programs: parse, call one service, answer."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from photos.api import schema
from photos.api.errors import Duplicate
from photos.api.pagination import next_link, take_page
from photos.api.parameters import PhotoListParameters
from photos.api.presenting import as_feature, may_edit, photo_url, present_photo, present_photos
from photos.api.renderers import GeoJSONRenderer
from photos.api.serializers import PhotoChanges, PhotoUpload
from photos.api.uploads import UploadView
from photos.errors import DuplicatePhotoError
from photos.models import Photo
from photos.querysets import PhotoQuerySet
from photos.services import collection, editing
from photos.statistics import collect_statistics


def visible_photos(request: Request) -> PhotoQuerySet:
    return Photo.objects.all().visible_to(request.user)


def find_photo(request: Request, identity: uuid.UUID) -> Photo:
    """A photo that the asker may see; a stranger's private one is as unknown as any other."""
    photo = visible_photos(request).filter(uuid=identity).first()
    if photo is None:
        raise Http404("No photo of that id, or none that you may see.")
    return photo


def find_own_photo(request: Request, identity: uuid.UUID) -> Photo:
    photo = find_photo(request, identity)
    if not may_edit(photo, request.user):
        raise PermissionDenied("Only its owner and curators may change a photo.")
    return photo


def wants_geojson(request: Request) -> bool:
    return isinstance(request.accepted_renderer, GeoJSONRenderer)


class PhotoListView(UploadView):
    renderer_classes = [JSONRenderer, GeoJSONRenderer]

    @extend_schema(**schema.LIST_PHOTOS)
    def get(self, request: Request) -> Response:
        parameters = PhotoListParameters(data=request.query_params)
        parameters.is_valid(raise_exception=True)
        given = parameters.validated_data
        photos = parameters.filters().apply(visible_photos(request), viewer=request.user)
        page, cursor = take_page(photos, after=given.get("cursor"), limit=given["limit"])
        results = present_photos(page, request)
        following = next_link(request, cursor)
        if wants_geojson(request):
            features = [as_feature(result) for result in results]
            return Response({"type": "FeatureCollection", "features": features, "next": following})
        return Response({"results": results, "next": following})

    @extend_schema(**schema.ADD_PHOTO)
    def post(self, request: Request) -> Response:
        upload = PhotoUpload(data=request.data)
        upload.is_valid(raise_exception=True)
        facts: dict[str, Any] = dict(upload.validated_data)
        image = facts.pop("image")
        owner = cast("User", request.user)  # the permission let no visitor through
        try:
            photo = collection.add_photo(image, original_name=image.name, owner=owner, **facts)
        except DuplicatePhotoError as exc:
            reference = {"id": str(exc.photo.uuid), "url": photo_url(request, exc.photo)}
            raise Duplicate("This very file is in your collection already.", photo=reference) from exc
        body = present_photo(photo, request)
        return Response(body, status=201, headers={"Location": body["url"]})


class PhotoView(APIView):
    renderer_classes = [JSONRenderer, GeoJSONRenderer]

    @extend_schema(**schema.READ_PHOTO)
    def get(self, request: Request, identity: uuid.UUID) -> Response:
        body = present_photo(find_photo(request, identity), request)
        return Response(as_feature(body) if wants_geojson(request) else body)

    @extend_schema(**schema.CHANGE_PHOTO)
    def patch(self, request: Request, identity: uuid.UUID) -> Response:
        photo = find_own_photo(request, identity)
        changes = PhotoChanges(data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        editing.update_photo(photo, changes=changes.validated_data)
        return Response(present_photo(find_photo(request, identity), request))

    @extend_schema(**schema.DELETE_PHOTO)
    def delete(self, request: Request, identity: uuid.UUID) -> Response:
        collection.delete_photo(find_own_photo(request, identity))
        return Response(status=204)


class StatisticsView(APIView):
    @extend_schema(**schema.STATISTICS)
    def get(self, request: Request) -> Response:
        return Response(collect_statistics(viewer=request.user))
