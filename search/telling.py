"""What the pages say of a question and its answer, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from photos.models import PhotoTag
from photos.vision.errors import ImageRefused
from search.answers import tell_distance
from search.geodesy import haversine_m
from search.line import Line
from search.types import STAGES, SearchResult

STAGE_NAMES: Final[Mapping[str, Promise]] = {
    "reading": gettext_lazy("Reading the photo"),
    "segmenting": gettext_lazy("Finding its segments"),
    "describing": gettext_lazy("Describing them"),
    "searching": gettext_lazy("Searching the collection"),
    "verifying": gettext_lazy("Comparing point by point"),
    "locating": gettext_lazy("Working out the place"),
}
SOURCE_NAMES: Final[Mapping[str, Promise]] = {
    "exif": gettext_lazy("The file's EXIF"),
    "record": gettext_lazy("The collection's record"),
    "time": gettext_lazy("Photos of the same hour"),
    "visual": gettext_lazy("Visual comparison"),
    "proposal": gettext_lazy("A proposal"),
}
REFUSALS: Final[Mapping[str, Promise]] = {
    "empty": gettext_lazy("This file is empty. Choose the photo again, or another one."),
    "unsupported-format": gettext_lazy(
        "This file is no picture that can be read. Send a JPEG, PNG, WebP, TIFF or HEIC file."
    ),
    "broken": gettext_lazy("This picture is damaged or incomplete. Send the original, or copy it again."),
    "too-small": gettext_lazy("This picture is too small to compare. Each side needs at least 32 pixels."),
    "too-many-pixels": gettext_lazy(
        "This picture has too many pixels. Send a copy of at most 50 megapixels and 12,000 pixels a side."
    ),
}


def tell_refusal(exc: ImageRefused, *, max_mib: int) -> str:
    """Return why a picture is not taken, and what to do, in one or two plain sentences."""
    if exc.code == "too-large":
        return _("This file is larger than %(mib)d MiB. Send a smaller copy.") % {"mib": max_mib}
    return str(REFUSALS.get(exc.code, exc))


def tell_stages(current: str) -> list[dict[str, str]]:
    reached = STAGES.index(current) if current in STAGES else -1
    status = ["done" if i < reached else "now" if i == reached else "" for i in range(len(STAGES))]
    return [{"name": str(STAGE_NAMES[stage]), "status": status[i]} for i, stage in enumerate(STAGES)]


def tell_line(line: Line) -> str:
    """Return a sentence about a question that waits, empty where there is nothing to say."""
    if line.trouble == "no-worker":
        what = _("Waiting for a worker: none is running at the moment.")
    elif line.trouble == "no-queue":
        what = _("Waiting for the queue, which does not answer at the moment.")
    elif line.trouble == "busy":
        what = _("This takes longer than usual.")
    elif line.position > 1:
        what = _("Others were faster.")
    else:
        return ""
    if line.position > 1:
        what += " " + _("You are number %(position)d in line.") % {"position": line.position}
    elif line.position == 1:
        what += " " + _("You are the next one in line.")
    return what + " " + _("Your photo is safe, and this page goes on by itself.")


def tell(answer: dict[str, Any], result: SearchResult | None = None) -> dict[str, Any]:
    """Add what people read to an answer's JSON: percentages, reasons, the sources' names, the place's name."""
    whole: list[float | None] = [None] * len(answer["matches"])
    if result is not None and len(result.matches) == len(answer["matches"]):  # no photo was hidden in between
        whole = [match.global_similarity for match in result.matches]
    for match, global_similarity in zip(answer["matches"], whole, strict=True):
        match["percent"] = percent(match["similarity"])
        match["agreeing"] = _agreeing(match["verification"])
        match["why"] = list(_reasons(match, global_similarity))
        match["distance"] = _distance(match, answer.get("location"))
    for source in answer.get("sources", []):
        source["name"] = str(SOURCE_NAMES.get(source["source"], source["source"]))
        source["percent"] = None if source["confidence"] is None else percent(source["confidence"])
        source["radius"] = None if source["radius_m"] is None else tell_distance(source["radius_m"])
    for estimate in (answer.get("location"), *answer.get("alternatives", [])):
        if estimate is not None:
            estimate["radius"] = tell_distance(estimate["radius_m"])
            estimate["percent"] = percent(estimate["probability"])
            estimate["coordinate"] = format_coordinate(estimate)
    answer["place"] = _place_name(answer)
    answer["exif"] = _tell_exif(answer)
    return answer


def percent(share: float) -> int:
    """Return a share of 0..1 in whole percent, never 100: nothing here is certain."""
    return min(round(100 * max(share, 0.0)), 99)


def format_coordinate(location: Mapping[str, Any] | None) -> str:
    return "" if location is None else f"{location['latitude']:.6f}, {location['longitude']:.6f}"


def _agreeing(found: Mapping[str, Any] | None) -> int:
    if found is None or found["level"] == "none":
        return 0
    return max(int(found["fundamental_inliers"]), int(found["homography_inliers"]))


def _reasons(match: Mapping[str, Any], global_similarity: float | None) -> Iterator[str]:
    """Yield the match's scores as sentences."""
    if global_similarity is not None:
        yield _("As a whole it is %(percent)d %% like your photo.") % {"percent": percent(global_similarity)}
    if similarities := [segment["similarity"] for segment in match["segments"]]:
        yield ngettext(
            "%(count)d segment of your photo finds its like in it, %(percent)d %% alike.",
            "%(count)d segments of your photo find their like in it, on average %(percent)d %% alike.",
            len(similarities),
        ) % {"count": len(similarities), "percent": percent(sum(similarities) / len(similarities))}
    if match["verification"] is not None:
        yield _tell_verification(match["verification"], _agreeing(match["verification"]))


def _tell_verification(found: Mapping[str, Any], agreeing: int) -> str:
    if found["level"] == "confirmed":
        return _(
            "%(count)d points lie in one and the same arrangement in both, more than chance can bring about: "
            "both show the same place, %(percent)d times out of 100."
        ) % {"count": agreeing, "percent": percent(found["p_same"])}
    if found["level"] == "possible":
        return _("%(count)d points lie in the same arrangement in both: a hint, but too few to be sure.") % {
            "count": agreeing
        }
    return _("No more points lie in the same arrangement than chance brings about: alike, but not the same place.")


def _distance(match: Mapping[str, Any], location: Mapping[str, Any] | None) -> str:
    if location is None or match["latitude"] is None:
        return ""
    points = (location["latitude"], location["longitude"], match["latitude"], match["longitude"])
    return tell_distance(float(haversine_m(*points)))


def _tell_exif(answer: Mapping[str, Any]) -> str:
    """Return how the file's own position stands to the answer; empty where it has none."""
    exif = next((one for one in answer.get("sources", []) if one["source"] == "exif"), None)
    if exif is None or exif["latitude"] is None:
        return ""
    point = {"point": f"{exif['latitude']:.5f}, {exif['longitude']:.5f}"}
    location = answer.get("location")
    if location is None:
        return _("The file's EXIF says %(point)s. Nothing in the collection confirms or refutes it.") % point
    distance_m = float(haversine_m(*(one[name] for one in (location, exif) for name in ("latitude", "longitude"))))
    told = point | {"distance": tell_distance(distance_m)}
    if distance_m <= location["radius_m"] + (exif["radius_m"] or 0.0):
        return _("The file's EXIF says %(point)s, %(distance)s away: the two agree.") % told
    return _("The file's EXIF says %(point)s, %(distance)s away: one of the two is wrong.") % told


def _place_name(answer: Mapping[str, Any]) -> str:
    """Return town, region and country of the confirmed match that speaks for the place, as far as tags know them."""
    confirmed = (
        match["photo"]
        for match in answer["matches"]
        if match["distance"] and match["verification"] and match["verification"]["level"] == "confirmed"
    )
    if (photo := next(confirmed, None)) is None:
        return ""
    given = PhotoTag.objects.filter(photo__uuid=photo, tag__is_place=True)
    names = dict(given.values_list("tag__category", "tag__name"))
    return ", ".join(names[category] for category in ("town", "region", "country") if category in names)
