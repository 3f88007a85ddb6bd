"""Embedding spaces: made beside one another, swapped in one transaction, dropped in milliseconds."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from photos import partitions
from photos.errors import NoActiveSpaceError, SpaceIncompleteError, SpaceStateError
from photos.models import DescriptionGap, EmbeddingSpace, Photo, PhotoEmbedding, PhotoState, SegmentEmbedding
from photos.models.embedding import SpaceState
from photos.services import vocabulary
from photos.vision import catalogue, configuration, registry

logger = logging.getLogger(__name__)

SUGGESTED: Final = "clip-vit-b-32-openai"
_SEGMENTING: Final = "segmenting"
_LOCK: Final = 0x6E6F7370  # any number that nothing else in this database locks


@dataclass(frozen=True, slots=True)
class SpaceStatistics:
    """How far a space has come: `remaining` photos still have to be described in it, `refused` cannot be."""

    slug: str
    encoder: str
    segmenter: str
    state: str
    dimensions: int
    photos: int
    segments: int
    remaining: int
    refused: int = 0

    @property
    def is_complete(self) -> bool:
        return self.remaining == 0


def active_space() -> EmbeddingSpace:
    """Return the space that searches use; raises `NoActiveSpaceError`."""
    space = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).first()
    if space is None:
        raise NoActiveSpaceError("No embedding space is active yet; `manage.py migrate` and `work` make one.")
    return space


def current_spaces() -> list[EmbeddingSpace]:
    """Return the spaces that a saved photo is described in: all but the retired ones."""
    return list(EmbeddingSpace.objects.exclude(state=SpaceState.RETIRED).order_by("id"))


def ensure_default_space() -> EmbeddingSpace:
    """Return the active space; where there is none, make and activate `DEFAULT_SPACE`. Safe to race."""
    try:
        return active_space()
    except NoActiveSpaceError:
        pass
    with transaction.atomic():
        _lock_spaces()
        current = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).first()
        if current is not None:
            return current
        slug = settings.DEFAULT_SPACE
        space = EmbeddingSpace.objects.filter(slug=slug).exclude(state=SpaceState.RETIRED).first()
        return activate_space(space or create_space(slug), force=True)


def create_space(
    slug: str,
    *,
    encoder: str | None = None,
    segmenter: str | None = None,
    digests: Mapping[str, str] | None = None,
) -> EmbeddingSpace:
    """Make a space in the state "building"; the reconciler sees to it that every photo gets described in it.

    `encoder` is the registry's slug, by default the space's own; `segmenter` the one that goes with it; `digests`
    are the SHA-256 of the weight files that it is made with, by their names. Raises
    `UnknownModelError`, and `SpaceStateError` where the slug is taken.
    """
    encoder = encoder or slug
    segmenter = segmenter or registry.default_segmenter(encoder)
    spec = registry.get_spec(encoder)
    segmenting = configuration.segmenter_settings(configuration.current(), segmenter)
    with transaction.atomic():
        _lock_spaces()
        EmbeddingSpace.objects.filter(slug=slug, state=SpaceState.RETIRED).delete()
        if EmbeddingSpace.objects.filter(slug=slug).exists():
            raise SpaceStateError(f"there is a space {slug!r} already; retire it first to make it anew")
        space = EmbeddingSpace.objects.create(
            slug=slug,
            encoder=encoder,
            segmenter=segmenter,
            dimensions=spec.dimensions,
            spec=dataclasses.asdict(spec)
            | ({"digests": dict(digests)} if digests else {})
            | ({_SEGMENTING: segmenting} if segmenting else {}),
        )
        partitions.create_partitions(space)
        if spec.has_text:
            vocabulary.ensure_words()
        transaction.on_commit(lambda: _note_visible(space), robust=True)
    logger.info("made the space %s (%d dimensions)", slug, spec.dimensions)
    return space


def tell_changed_settings(space: EmbeddingSpace) -> str:
    """Return which of its segmenter's settings differ from those that the space was begun with, or nothing."""
    now = configuration.segmenter_settings(configuration.current(), space.segmenter)
    begun = space.spec.get(_SEGMENTING, {})
    changed = [name for name in begun if name in now and begun[name] != now[name]]
    if not changed:
        return ""
    each = ", ".join(f"{name.upper()} was {begun[name]!r} and is {now[name]!r}" for name in changed)
    return (
        f"{space.slug} was begun with other settings: {each}. New photos are segmented by those of now; set them"
        " back, or make the space anew."
    )


def _note_visible(space: EmbeddingSpace) -> None:
    """Count the space's age from when workers can see it: photos claimed before that are not described in it."""
    EmbeddingSpace.objects.filter(pk=space.pk).update(created_at=Now())
    space.refresh_from_db()


def activate_space(space: EmbeddingSpace, *, force: bool = False) -> EmbeddingSpace:
    """Make `space` the one that searches use; the former one is kept up beside it until it is retired.

    Raises `SpaceIncompleteError` while photos remain to be described in it, unless forced, and
    `SpaceStateError` for a retired one.
    """
    with transaction.atomic():
        _lock_spaces()
        current = EmbeddingSpace.objects.get(pk=space.pk)
        if current.state == SpaceState.RETIRED:
            raise SpaceStateError(f"the space {current.slug!r} is retired: its vectors are gone")
        if not force:
            _require_complete(current)
            _require_most(current)
        EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).exclude(pk=space.pk).update(state=SpaceState.BUILDING)
        EmbeddingSpace.objects.filter(pk=space.pk).update(
            state=SpaceState.ACTIVE,
            activated_at=timezone.now(),
            vocabulary="",  # its tags are to be worked out anew: those that stand come from another space
            retagged_up_to=None,
        )
    space.refresh_from_db()
    return space


def require_searchable(space: EmbeddingSpace) -> None:
    """Raise `SpaceIncompleteError` for a space beside the active one that could not be swapped in: it is half-built."""
    if space.state != SpaceState.ACTIVE:
        _require_complete(space)


def _require_complete(space: EmbeddingSpace) -> None:
    if remaining := _blocking_photos(space):
        raise SpaceIncompleteError(f"{remaining} photos are not described in {space.slug!r} yet")


def _require_most(space: EmbeddingSpace) -> None:
    """Raise `SpaceStateError` for a space that most photos cannot be described in: its models do not do here."""
    refused = refused_photos(space)
    if refused > PhotoEmbedding.objects.filter(space=space).count():
        why = DescriptionGap.objects.filter(space=space, permanent=True).values_list("reason", flat=True).first()
        raise SpaceStateError(f"{refused} photos cannot be described in {space.slug!r}, the first because: {why}")


def retire_space(space: EmbeddingSpace) -> None:
    """Drop a space's vectors for good; raises `SpaceStateError` for the active one."""
    with transaction.atomic():
        _lock_spaces()
        current = EmbeddingSpace.objects.get(pk=space.pk)
        if current.state == SpaceState.ACTIVE:
            raise SpaceStateError(f"{current.slug!r} is the active space; activate another one first")
        EmbeddingSpace.objects.filter(pk=space.pk).update(state=SpaceState.RETIRED, retired_at=timezone.now())
        partitions.drop_partitions(space)
    space.refresh_from_db()


def lacks_any(spaces: Collection[EmbeddingSpace] | None = None) -> Q:
    """Return the condition of ready photos that still have to be described in one of the spaces, by default all."""
    wanted = current_spaces() if spaces is None else spaces
    if not wanted:
        return Q(pk__in=[])
    newest = max(space.created_at for space in wanted)
    older = Q(indexed_at__lt=newest) | Q(indexed_at__isnull=True)
    return Q(state=PhotoState.READY) & (older | Q(pk__in=_waiting_in(wanted)))


def _waiting_in(spaces: Collection[EmbeddingSpace]) -> QuerySet[DescriptionGap, int]:
    """Return the ids of photos that wait for the models of one of the spaces."""
    gaps = DescriptionGap.objects.filter(space__in=spaces, permanent=False)
    return gaps.values_list("photo_id", flat=True)


def remaining_photos(space: EmbeddingSpace) -> int:
    """Count the photos that still have to be described in `space`; those that cannot be are not counted."""
    unfinished = Q(state__in=[PhotoState.PENDING, PhotoState.INDEXING])
    return Photo.objects.filter(unfinished | _lacks(space)).count()


def _blocking_photos(space: EmbeddingSpace) -> int:
    """Count the photos that searches would lose by a swap: those that came after the space do not wait for it."""
    unfinished = Q(state__in=[PhotoState.PENDING, PhotoState.INDEXING], created_at__lt=space.created_at)
    return Photo.objects.filter(unfinished | _lacks(space)).count()


def _lacks(space: EmbeddingSpace) -> Q:
    return Q(state=PhotoState.READY) & (Q(indexed_at__lt=space.created_at) | Q(pk__in=_waiting_in([space])))


def refused_photos(space: EmbeddingSpace) -> int:
    """Count the photos that cannot be described in `space`, though they are in others."""
    return DescriptionGap.objects.filter(space=space, permanent=True).count()


def advise_on_models() -> str:
    """Return how to switch to a space with learned models, where torch is installed and there is none; else nothing."""
    if find_spec("torch") is None:
        return ""
    if any(space.spec.get("weights") for space in current_spaces()):
        return ""
    files = catalogue.files_for_space(SUGGESTED, registry.default_segmenter(SUGGESTED))
    there = "not here" if catalogue.missing(files) else "here"
    what = "fetches them and switches" if catalogue.missing(files) else "switches"
    return f"SAM and CLIP weights are {there}; `manage.py models activate {SUGGESTED}` {what}"


def space_statistics(space: EmbeddingSpace) -> SpaceStatistics:
    retired = space.state == SpaceState.RETIRED
    return SpaceStatistics(
        slug=space.slug,
        encoder=space.encoder,
        segmenter=space.segmenter,
        state=space.state,
        dimensions=space.dimensions,
        photos=PhotoEmbedding.objects.filter(space=space).count(),
        segments=SegmentEmbedding.objects.filter(space=space).count(),
        remaining=0 if retired else remaining_photos(space),
        refused=0 if retired else refused_photos(space),
    )


def _lock_spaces() -> None:
    """Let one transaction at a time change the spaces."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
