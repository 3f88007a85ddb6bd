"""The life of a question: submitted, run by a worker, read by its asker, purged.

As with photos, PostgreSQL is the truth and Redis a doorbell: a request is claimed with a token and a lease, the
attempt is counted before a byte is decoded, and only the token's holder may write the answer.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from django.core.files.base import ContentFile, File
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from photos import queues
from photos.errors import CollectionError
from photos.intake import read_bytes, upload_limits
from photos.models import EmbeddingSpace
from photos.querysets import Viewer
from photos.vision.errors import ImageRefused, VisionError
from photos.vision.images import inspect_image
from search import leases
from search.answers import conclude
from search.asking import choose_space, investigate_question
from search.calibration import read_prior
from search.clock import StageClock
from search.errors import RequestLostError, SearchError
from search.first_look import look_first, look_to_record
from search.models import RequestKind, RequestState, SearchRequest
from search.presentation import present_result
from search.question import Question
from search.questions import Picture, read_picture
from search.records import exif_from_record, exif_to_record, match_from_record, match_to_record
from search.services import DEFAULT_LIMIT, MAX_LIMIT
from search.types import Filters, SearchResult

logger = logging.getLogger(__name__)

JOB: Final = "search.jobs.run_request"
QUEUE: Final = "interactive"
PREFIX: Final = "request"
_POLL_S: Final = (0.02, 0.25)
"""Seconds between two looks at a request that is waited for, at first and at most."""

_PURGED_AT_ONCE: Final = 500

# kept as they stand here, and told in the reader's language
_MISSING: Final = gettext_noop("The picture's file is missing.")
_UNABLE: Final = gettext_noop("The site cannot describe pictures at the moment; its curators can see why.")
_OUR_FAULT: Final = gettext_noop("Something went wrong on our side; it has been logged.")


# --- asking ---------------------------------------------------------------------------------------------


def submit(
    upload: File[bytes] | bytes,
    *,
    kind: str = RequestKind.LOCATE,
    viewer: Viewer,
    session_key: str = "",
    original_name: str = "",
    parameters: Mapping[str, Any] | None = None,
    parent: SearchRequest | None = None,
) -> SearchRequest:
    """Keep a question with its picture and have it answered; raises `ImageRefused`.

    It belongs to `viewer`, else to the session, else to whoever knows its uuid. `parameters` are those of
    `search.question`, `parent` is the question that this one refines.
    """
    file = ContentFile(upload) if isinstance(upload, bytes) else upload
    info = inspect_image(read_bytes(file), limits=upload_limits())
    owner = viewer if viewer is not None and viewer.is_authenticated else None
    request = SearchRequest(
        kind=RequestKind(kind),
        owner_id=None if owner is None else owner.pk,
        session_key="" if owner else session_key,
        original_name=(original_name or getattr(upload, "name", None) or "").replace("\0", "")[-255:],
        width=info.width,
        height=info.height,
        parameters={**(parameters or {})},
        parent=parent,
    )
    request.image.save("picture", file, save=False)
    try:
        request.save(force_insert=True)
    except BaseException:
        request.image.delete(save=False)
        raise
    transaction.on_commit(partial(_ring, request.pk), robust=True)
    return request


def wait_for(request: SearchRequest, timeout_s: float) -> SearchRequest:
    """Return the request once it is done or failed, or as it is after `timeout_s` seconds."""
    deadline, pause_s = time.monotonic() + timeout_s, _POLL_S[0]
    while not is_over(request) and time.monotonic() < deadline:
        time.sleep(min(pause_s, max(0.0, deadline - time.monotonic())))
        pause_s = min(pause_s * 1.5, _POLL_S[1])
        request.refresh_from_db()
    return request


def is_over(request: SearchRequest) -> bool:
    return request.state in {RequestState.DONE, RequestState.FAILED}


def find_for(request_uuid: uuid.UUID | str, *, viewer: Viewer, session_key: str = "") -> SearchRequest:
    """Return a request to its asker; raises `SearchRequest.DoesNotExist` to everyone else, curators too."""
    asker = Q(owner__isnull=True, session_key="")
    if viewer is not None and viewer.is_authenticated:
        asker |= Q(owner_id=viewer.pk)
    if session_key:
        asker |= Q(owner__isnull=True, session_key=session_key)
    return SearchRequest.objects.filter(asker & is_alive()).get(uuid=request_uuid)


def is_alive() -> Q:
    """Return the condition of requests that may still be read: unexpired, or kept with the photo their owner saved."""
    return Q(expires_at__gt=Now()) | Q(saved_photo__owner=F("owner"))


# --- reading --------------------------------------------------------------------------------------------


def present(request: SearchRequest, *, viewer: Viewer, limit: int | None = None) -> dict[str, Any]:
    """Return the request's JSON with its answer, told from what `viewer` may see now; at most `limit` matches."""
    result = read_result(request, viewer=viewer, limit=limit)
    told = _NO_ANSWER if result is None else present_result(result, viewer=viewer)
    return {
        "id": str(request.uuid),
        "url": reverse("locate-result", args=[request.uuid]),
        "state": request.state,
        "stage": request.stage,
        "error": request.error and _(request.error),
        **told,
    }


_NO_ANSWER: Final[Mapping[str, Any]] = {
    "location": None,
    "alternatives": [],
    "matches": [],
    "sources": [],
    "verdict": "",
    "space": "",
    "timings_ms": {},
}


def read_result(request: SearchRequest, *, viewer: Viewer, limit: int | None = None) -> SearchResult | None:
    """Return the answer as `viewer` may know it now, None while there is none.

    The place is worked out again from the matches that are still visible: one hidden since must not tell
    through the answer. Where its space was retired meanwhile, the matches alone speak.
    """
    if request.state != RequestState.DONE or request.result is None:
        return None
    return _conclude(request, request.result, viewer, limit or limit_of(request))


def read_first_result(request: SearchRequest, *, viewer: Viewer) -> SearchResult | None:
    """Return what a first look found, as `viewer` may know it now: matches alone, none of them verified."""
    record = request.first_result
    return None if record is None else _conclude(request, record, viewer, limit_of(request))


def _conclude(request: SearchRequest, record: Mapping[str, Any], viewer: Viewer, limit: int) -> SearchResult | None:
    space = EmbeddingSpace.objects.filter(slug=record["space"]).first()
    if space is None:
        return None
    return conclude(
        [match_from_record(match) for match in record["matches"]],
        space=space,
        viewer=viewer,
        prior=read_prior(space.slug),
        limit=limit,
        exif=exif_from_record(record.get("exif")),
        is_blank=record.get("is_blank", False),
        timings_ms=record.get("timings_ms", {}),
    )


def limit_of(request: SearchRequest) -> int:
    limit = request.parameters.get("limit", DEFAULT_LIMIT)
    return min(max(int(limit), 1), MAX_LIMIT)


# --- answering ------------------------------------------------------------------------------------------


def run(request_id: int) -> bool:
    """Claim and answer one request; False where there was nothing to do or it did not work out.

    Never raises for a picture: the request ends done, failed, or pending for another attempt.
    """
    request = leases.claim(request_id)
    if request is None:
        return False
    with _settling(request):
        leases.finish(request, _work_out(request))
    return SearchRequest.objects.filter(pk=request_id, state=RequestState.DONE).exists()


@contextmanager
def _settling(request: SearchRequest) -> Iterator[None]:
    """End the lease by how the work ended."""
    try:
        yield
    except RequestLostError as exc:
        logger.info("%s", exc)
    except FileNotFoundError:
        leases.settle(request, _MISSING, permanent=True)
    except (ImageRefused, CollectionError, SearchError) as exc:
        leases.settle(request, str(exc), permanent=exc.permanent)
    except VisionError as exc:  # of weights and libraries, with paths of this machine
        logger.warning("request %s: %s", request.uuid, exc)
        leases.settle(request, _UNABLE, permanent=exc.permanent, detail=str(exc))
    except Exception as exc:
        logger.exception("request %s: attempt %d failed", request.uuid, request.attempts)
        detail = f"{type(exc).__name__}: {exc}".replace("\0", "")
        leases.settle(request, _OUR_FAULT, permanent=False, detail=detail)
    except BaseException:  # told to end: the attempt was not the picture's fault
        leases.give_back(request, count_attempt=False)
        raise


def _work_out(request: SearchRequest) -> dict[str, Any]:
    clock = StageClock(partial(leases.note_stage, request))
    clock("reading")
    asked = Question.from_parameters(request.parameters)
    with request.image.open("rb") as file:
        picture = read_picture(file)
    _look_first(request, picture, asked)
    found = investigate_question(asked, viewer=request.owner, picture=picture, limit=MAX_LIMIT, clock=clock)
    clock("locating")
    return {
        "space": found.space.slug,
        "matches": [match_to_record(match) for match in found.matches],
        "exif": exif_to_record(picture.exif),
        "is_blank": found.is_blank,
        "timings_ms": dict(clock.timings_ms()),
    }


def _look_first(request: SearchRequest, picture: Picture, asked: Question) -> None:
    """Tell the photos nearest to the whole picture, where that is what is asked."""
    if asked.box is not None or asked.segment is not None or asked.text:
        return
    space, filters = choose_space(asked.space, viewer=request.owner), Filters(collection=asked.all_filters())
    matches = look_first(picture.image, space=space, viewer=request.owner, filters=filters, limit=asked.limit)
    leases.note_first(request, look_to_record(matches, space))


# --- seeing to it ---------------------------------------------------------------------------------------


def requeue_lost() -> int:
    """Ring again for requests that nobody is at, fail those out of attempts, purge the expired; returns the rung."""
    purge_expired()
    leases.fail_spent()
    waiting = queues.waiting_ids(QUEUE, prefix=PREFIX)
    if waiting is None:
        return 0
    ids = SearchRequest.objects.filter(leases.claimable()).order_by("id").values_list("pk", flat=True)[:1000]
    return queues.ring(QUEUE, JOB, [pk for pk in ids if pk not in waiting], prefix=PREFIX)


def purge_expired() -> int:
    """Delete expired requests with their pictures; returns how many."""
    expired = SearchRequest.objects.exclude(is_alive()).order_by("id")[:_PURGED_AT_ONCE]
    purged = 0
    for request in expired:
        request.image.delete(save=False)
        purged += SearchRequest.objects.filter(pk=request.pk).delete()[0]
    return purged


def _ring(request_id: int) -> None:
    queues.ring(QUEUE, JOB, [request_id], prefix=PREFIX)
