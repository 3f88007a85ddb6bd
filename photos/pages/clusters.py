"""The clusters of a map's view, for the map to draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from photos.clusters import Cluster, MapView, clusters_of, photos_of
from photos.models import Photo
from photos.pages.asking import read_asked
from photos.querysets import knows_exactly

MAX_AGE_S = 30
DIGITS = 6


@require_safe
@cache_control(private=True, max_age=MAX_AGE_S)
def map_clusters(request: HttpRequest) -> JsonResponse:
    """Answer `?view=west,south,east,north&zoom=z` and the gallery's filters; 400 for what is no view.

    Without a `view` the `bbox`, which is else one of the filters, stands for it.

    Longitudes may lie beyond 180 degrees: a view across the antimeridian stays in one piece.
    """
    try:
        view = read_view(request)
    except ValueError:
        return JsonResponse({"detail": _("view must be west,south,east,north in degrees, zoom a number")}, status=400)
    asked = read_asked(request)
    photos = (asked if "view" in request.GET else replace(asked, box=None)).photos(request.user)
    clusters = clusters_of(photos, view, viewer=request.user)
    leaders = photos_of(clusters)
    return JsonResponse(
        {
            "in_view": sum(one.inside for one in clusters),
            "clusters": [_present(one, leaders[one.photo_id], request) for one in clusters if one.photo_id in leaders],
        }
    )


def read_view(request: HttpRequest) -> MapView:
    """Read the view in the address; raises ValueError."""
    bounds = request.GET.get("view", request.GET.get("bbox", ""))
    west, south, east, north = (float(part) for part in bounds.split(","))
    return MapView.of(west, south, east, north, float(request.GET.get("zoom", "")))


def _present(cluster: Cluster, photo: Photo, request: HttpRequest) -> dict[str, Any]:
    return {
        "count": cluster.count,
        "inside": cluster.inside,
        "latitude": round(cluster.latitude, DIGITS),
        "longitude": round(cluster.longitude, DIGITS),
        "bounds": [round(one, DIGITS) for one in (cluster.west, cluster.south, cluster.east, cluster.north)],
        "exact": cluster.count > 1 or knows_exactly(photo, request.user),
        "title": photo.title,
        "url": reverse("photo", args=[photo.uuid]),
        "thumbnail": reverse("photo-image", args=[photo.uuid, "thumbnail"]),
    }
