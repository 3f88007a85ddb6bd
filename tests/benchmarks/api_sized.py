"""The site's requests on one collection: `python -m tests.benchmarks.api_sized NAME FOLDER`, run by `api`."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import django

from tests.benchmarks.api_server import Browser, serving
from tests.benchmarks.search_timing import Course, Way, figure, print_courses, take_turns
from tests.benchmarks.search_world import QUICK, Collection, open_collection

ROUNDS = 5 if QUICK else 40
VIEWS = 3 if QUICK else 20
ZOOMS = range(0, 19, 3) if QUICK else range(19)
WIDTH, HEIGHT = 1280, 800
"""Pixels of the map."""


def measure(name: str, folder: Path) -> dict[str, Any]:
    collection = open_collection(name, folder)
    with serving() as browser:
        return {
            "api_list_50": measure_list(browser),
            "api_search_overhead": measure_search(browser, collection),
            f"map_clusters_{name}": measure_map(browser),
            f"gallery_{name}": measure_gallery(browser),
        }


def measure_list(browser: Browser) -> dict[str, Any]:
    """A page of 50 photos; the reference is the first serializer one would write, without any server."""
    from tests.benchmarks.api_plain import plain_list

    ways = [Way("ours: /api/v1/photos/?limit=50", lambda _: browser.get("/api/v1/photos/?limit=50"))]
    ways += [Way("plain ModelSerializer, no server", lambda _: plain_list(50))]
    courses = take_turns(ways, ROUNDS)
    print_courses("50 photos as JSON", courses, {})
    ours, plain = courses.values()
    return figure(ours, plain, p95=ours.percentile_ms(95))


def measure_search(browser: Browser, collection: Collection) -> dict[str, Any]:
    """What the endpoint adds to the service that it calls."""
    from photos.models import Photo
    from search.services import similar_to_photo

    ids = [int(pk) for pk in collection.photo_ids[1 :: max(1, len(collection) // ROUNDS)]][:ROUNDS]
    photos = {photo.pk: photo for photo in Photo.objects.filter(pk__in=ids, visibility="public")}
    asked = [photos[pk] for pk in ids if pk in photos]
    ways = [
        Way("ours: /api/v1/photos/ID/similar/", lambda n: browser.get(f"/api/v1/photos/{asked[n].uuid}/similar/")),
        Way("the service it calls", lambda n: similar_to_photo(asked[n], viewer=None)),
    ]
    courses = take_turns(ways, len(asked))
    ours, service = courses.values()
    added = statistics.median(ours.times_ms[n] - service.times_ms[n] for n in ours.times_ms)
    print_courses("photos similar to one", courses, {ours.name: f"adds {added:.1f} ms"})
    return figure(ours, service, added_ms=added)


def measure_map(browser: Browser) -> dict[str, Any]:
    """Clusters at every zoom, where photos are; the reference brings the points over and counts them in Python."""
    from tests.benchmarks.api_plain import plain_clusters

    courses: dict[int, Course] = {}
    for zoom in ZOOMS:
        views = [_view(zoom, number) for number in range(VIEWS)]
        courses[zoom] = take_turns([Way(f"zoom {zoom}", _asks_for(browser, views, zoom))], VIEWS)[f"zoom {zoom}"]
    print_courses("clusters of the map", {course.name: course for course in courses.values()}, {})
    slowest = max(courses.values(), key=lambda course: course.percentile_ms(95))
    zoom = next(zoom for zoom, course in courses.items() if course is slowest)
    views = [_view(zoom, number) for number in range(3)]
    plain = take_turns([Way("plain", lambda number: plain_clusters(views[number], zoom))], 3, warm_up=1)["plain"]
    return {**figure(slowest, plain), "slowest_zoom": zoom, "p95": round(slowest.percentile_ms(95), 1)}


def _asks_for(browser: Browser, views: Sequence[tuple[float, ...]], zoom: int) -> Callable[[int], bytes]:
    def ask(number: int) -> bytes:
        view = ",".join(f"{degrees:.6f}" for degrees in views[number])
        return browser.get(f"/map/clusters/?{urlencode({'view': view, 'zoom': zoom})}")

    return ask


def _view(zoom: int, number: int) -> tuple[float, float, float, float]:
    """Return west, south, east and north around some photo."""
    latitude, longitude = _points()[number]
    width = WIDTH * 360 / (256 * 2**zoom)
    height = HEIGHT * 360 / (256 * 2**zoom) * 0.7
    half = min(width, 360) / 2
    return longitude - half, max(-85.0, latitude - height / 2), longitude + half, min(85.0, latitude + height / 2)


_known_points: list[tuple[float, float]] = []


def _points() -> list[tuple[float, float]]:
    from photos.models import Photo

    if not _known_points:
        ids = sorted(Photo.objects.filter(visibility="public").values_list("pk", flat=True))
        chosen = random.Random(1).sample(ids, VIEWS)
        rows = Photo.objects.filter(pk__in=chosen).order_by("pk").values_list("latitude", "longitude")
        _known_points.extend((float(latitude or 0), float(longitude or 0)) for latitude, longitude in rows)
    return _known_points


def measure_gallery(browser: Browser) -> dict[str, Any]:
    """The gallery's page and its further cards, plain and filtered; the figure is the page's."""
    pages = {
        "the page": "/photos/",
        "with a tag": "/photos/?tag=city-1",
        "with a rare tag": "/photos/?tag=rare-0-05",
        "with a word": "/photos/?q=word",
        "with a word that none has": "/photos/?q=nowhere",
        "with two dates": "/photos/?from=2001-01-01&until=2001-03-01",
        "located": "/photos/?located=yes",
    }
    ways = [Way(what, _asks(browser, path)) for what, path in pages.items()]
    ways += [Way("further cards", lambda _: browser.get("/photos/", fragment=True))]
    ways += [Way("the first 60 rows, no server", lambda _: _first_rows())]
    courses = take_turns(ways, ROUNDS)
    print_courses("gallery", courses, {"the page": "target p95 100 ms"})
    page = courses["the page"]
    slowest = max((course for name, course in courses.items() if "rows" not in name), key=lambda one: one.median_ms)
    more = {"p95": round(page.percentile_ms(95), 1), "slowest_ms": round(slowest.median_ms, 1), "slowest": slowest.name}
    return {**figure(page, courses["the first 60 rows, no server"]), **more}


def _asks(browser: Browser, path: str) -> Callable[[int], bytes]:
    return lambda _: browser.get(path)


def _first_rows() -> int:
    from photos.models import Photo

    return len(Photo.objects.visible_to(None).order_by("-created_at", "-uuid")[:60])


if __name__ == "__main__":
    django.setup()
    began = time.perf_counter()
    found = measure(sys.argv[1], Path(sys.argv[2]))
    print(f"took {time.perf_counter() - began:.0f} s")
    print(json.dumps(found))
