"""The whole collection on a map; the map asks `photos.pages.clusters` for what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from photos.clusters import Cluster, MapView, clusters_of, photos_of
from photos.pages.asking import Asked, read_asked
from photos.pages.chips import chips_of, gallery_url

WORLD = MapView.of(-180, -90, 180, 90, 3)
MAX_LISTED = 40


@require_safe
def collection_map(request: HttpRequest) -> HttpResponse:
    """The map, opened where the photos are; without JavaScript a list of where they are."""
    asked = read_asked(request)
    clusters = clusters_of(asked.photos(request.user), WORLD, viewer=request.user)
    context = {
        "section": "map",
        "asked": asked,
        "chips": chips_of(asked, to="collection-map"),
        "gallery_url": gallery_url(asked),
        "count": sum(one.count for one in clusters),
        "extent": extent_of(clusters),
        "listed": _listed(clusters[:MAX_LISTED], asked),
    }
    return render(request, "photos/map.html", context)


def _listed(clusters: Sequence[Cluster], asked: Asked) -> list[dict[str, Any]]:
    leaders = photos_of(clusters)
    return [
        {
            "count": one.count,
            "point": f"{one.latitude:.2f}, {one.longitude:.2f}",
            "photo": leaders.get(one.photo_id),
            "url": gallery_url(asked, bbox=box_around(one)),
        }
        for one in clusters
    ]


def box_around(cluster: Cluster) -> str:
    """The box of a cluster as an address says it, a little wider than its photos: rounding must lose none."""
    margin = 1e-5
    edges = (cluster.west - margin, cluster.south - margin, cluster.east + margin, cluster.north + margin)
    return ",".join(f"{edge:.6f}" for edge in edges)


def extent_of(clusters: Sequence[Cluster]) -> list[float]:
    """Return west, south, east, north of the smallest box that holds all; `east` may pass 180. Empty for none."""
    if not clusters:
        return []
    ordered = sorted(clusters, key=lambda one: one.west)
    # the widest gap between neighbours is what the box leaves out
    gap, cut = ordered[0].west + 360 - max(one.east for one in ordered), 0
    reached = ordered[0].east
    for number, one in enumerate(ordered[1:], start=1):
        if one.west - reached > gap:
            gap, cut = one.west - reached, number
        reached = max(reached, one.east)
    west = ordered[cut].west
    east = max(one.east + (360 if one.west < west else 0) for one in ordered)
    return [west, min(one.south for one in ordered), east, max(one.north for one in ordered)]
