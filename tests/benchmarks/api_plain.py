"""What one would write first: a serializer that asks for each photo's tags, a map that brings every point over."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from photos.models import Photo


class PlainPhoto(serializers.ModelSerializer[Photo]):
    tags = serializers.StringRelatedField(many=True, read_only=True)  # type: ignore[var-annotated]  # of the stubs

    class Meta:
        model = Photo
        exclude = ["image"]


def plain_list(limit: int) -> bytes:
    """Return the newest public photos as JSON."""
    photos = Photo.objects.filter(visibility="public").order_by("-created_at", "-uuid")[:limit]
    data: Any = PlainPhoto(photos, many=True).data
    return bytes(JSONRenderer().render(data))


def plain_clusters(view: tuple[float, float, float, float], zoom: int) -> Counter[tuple[int, int]]:
    """Return how many public photos lie in each 64-pixel cell of a view (west, south, east, north)."""
    west, south, east, north = view
    photos = Photo.objects.filter(
        visibility="public",
        public_latitude__range=(south, north),
        public_longitude__range=(west, east),
    )
    cell = 360 / 2 ** (zoom + 2)
    points = photos.values_list("public_latitude", "public_longitude")
    return Counter((int(latitude // cell), int(longitude // cell)) for latitude, longitude in points)
