"""What becomes of a query picture when its asker wants it to stay: a photo of the collection, or an offer of one."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction

from photos.models import LocationProposal, LocationSource, Photo, ProposalSource, ProposalState, Visibility
from photos.querysets import Viewer
from photos.services import collection
from search import requests
from search.errors import SearchError
from search.geodesy import haversine_m
from search.models import SearchRequest

SUGGESTED_RADIUS_M: Final = 100.0
"""How well a place is known that somebody pointed at on a map."""

SAME_POINT_M: Final = 1.0


class AlreadySavedError(SearchError):
    """The picture is in the collection, or offered to it, already."""


class SuggestionDecidedError(SearchError):
    """A curator has decided on the suggestion, so it cannot be taken back any more."""


def save_to_collection(
    request: SearchRequest,
    *,
    by: User,
    latitude: float,
    longitude: float,
    title: str = "",
    visibility: str = Visibility.PUBLIC,
) -> Photo:
    """Add the query picture to the collection as `by`'s photo; the question becomes theirs and is kept with it.

    A point that is the answer's own is an accepted estimate with its radius, another one was chosen by hand.
    Raises `AlreadySavedError`, `DuplicatePhotoError`, `InvalidLocationError` and `ImageRefused`.
    """
    source, accuracy_m = _source_of_point(request, by, latitude, longitude)
    with transaction.atomic():
        _lock_unsaved(request)
        photo = collection.add_photo(
            _read_picture(request),
            original_name=request.original_name,
            owner=by,
            latitude=latitude,
            longitude=longitude,
            location_source=source,
            location_accuracy_m=accuracy_m,
            title=title.strip(),
            visibility=visibility,
        )
        request.owner, request.session_key, request.saved_photo = by, "", photo
        request.save(update_fields=["owner", "session_key", "saved_photo"])
    return photo


def suggest_place(
    request: SearchRequest, *, by: Viewer, latitude: float, longitude: float, note: str = ""
) -> LocationProposal:
    """Offer the query picture with a place to the curators, who alone see it until they accept it.

    Raises `AlreadySavedError`, `DuplicatePhotoError`, `InvalidLocationError` and `ImageRefused`.
    """
    collection.check_location(latitude, longitude)
    with transaction.atomic():
        _lock_unsaved(request)
        photo = collection.add_photo(
            _read_picture(request), original_name=request.original_name, visibility=Visibility.PRIVATE
        )
        proposal = LocationProposal.objects.create(
            photo=photo,
            latitude=latitude,
            longitude=longitude,
            radius_m=SUGGESTED_RADIUS_M,
            source=ProposalSource.VISITOR,
            note=note.strip(),
            evidence=_evidence(request, latitude, longitude),
            proposed_by_id=by.pk if by is not None and by.is_authenticated else None,
        )
        request.saved_photo = photo
        request.save(update_fields=["saved_photo"])
    return proposal


def take_back(request: SearchRequest) -> None:
    """Undo either: the photo leaves the collection.

    Raises `SuggestionDecidedError`, also for a photo that has become somebody else's.
    """
    photo = request.saved_photo
    if photo is None:
        return
    is_theirs = photo.owner_id == request.owner_id if photo.owner_id is not None else open_suggestion(request)
    if not is_theirs:
        raise SuggestionDecidedError(f"photo {photo.uuid} has been decided on, or is somebody else's")
    collection.delete_photo(photo)
    request.refresh_from_db()


def open_suggestion(request: SearchRequest) -> LocationProposal | None:
    """Return the visitor's suggestion that waits for a curator."""
    return LocationProposal.objects.filter(
        photo=request.saved_photo_id, source=ProposalSource.VISITOR, state=ProposalState.OPEN
    ).first()


def _lock_unsaved(request: SearchRequest) -> None:
    """Hold the question, so that two clicks make one photo."""
    locked = SearchRequest.objects.select_for_update().get(pk=request.pk)
    if locked.saved_photo_id is not None:
        raise AlreadySavedError(f"request {request.uuid} is saved already, as photo {locked.saved_photo_id}")


def _read_picture(request: SearchRequest) -> bytes:
    with request.image.open("rb") as file:
        return bytes(file.read())


def _source_of_point(
    request: SearchRequest, viewer: Viewer, latitude: float, longitude: float
) -> tuple[str, float | None]:
    result = requests.read_result(request, viewer=viewer)
    found = None if result is None else result.location
    if found is not None and haversine_m(found.latitude, found.longitude, latitude, longitude) <= SAME_POINT_M:
        return LocationSource.ACCEPTED_ESTIMATE, round(found.radius_m, 1)
    return LocationSource.MANUAL, None


def _evidence(request: SearchRequest, latitude: float, longitude: float) -> dict[str, Any]:
    """Tell the curator what the comparison had said: to everyone, not to the asker alone."""
    result = requests.read_result(request, viewer=None)
    found = None if result is None else result.location
    if result is None or found is None:
        return {"verdict": "" if result is None else result.verdict}
    return {
        "verdict": result.verdict,
        "estimate": [round(found.latitude, 6), round(found.longitude, 6)],
        "distance_m": round(float(haversine_m(found.latitude, found.longitude, latitude, longitude)), 1),
    }
