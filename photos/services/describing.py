"""One photo described in every space: computed first, then written in one fenced transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from photos import derivatives, vectors
from photos.errors import LeaseLostError
from photos.models import DescriptionGap, EmbeddingSpace, LocalFeatures, Photo, Segment
from photos.models.embedding import SpaceState
from photos.services import availability, leases, vocabulary
from photos.services.reading import read_photo
from photos.services.spaces import current_spaces
from photos.services.tagging import set_automatic_tags_of
from photos.vision import registry, types
from photos.vision.describe import describe_image
from photos.vision.errors import (
    GpuMemoryError,
    MissingDependencyError,
    UnknownModelError,
    VisionError,
    WeightsCorruptError,
    WeightsMissingError,
)
from photos.vision.images import DecodedImage
from photos.vision.masks import encode_rle
from photos.vision.matching.features import to_bytes
from photos.vision.tags import Vocabulary

logger = logging.getLogger(__name__)

MODEL_ERRORS: Final = (
    GpuMemoryError,
    MissingDependencyError,
    UnknownModelError,
    WeightsCorruptError,
    WeightsMissingError,
)
"""A model that this machine lacks, that does not load, or that has no memory to run in: not the picture's fault."""


@dataclass(slots=True)
class SegmentedOnce:
    """A segmenter that looks at the picture once, however many spaces it serves, and remembers the order."""

    slug: str
    _segmenter: types.Segmenter
    _found: list[types.SegmentMask] | None = None

    def segment(self, image: types.Image) -> list[types.SegmentMask]:
        if self._found is None:
            self._found = self._segmenter.segment(image)
        return self._found

    def rank_of(self, segment: types.SegmentMask) -> int:
        """Return the place of a described segment: its mask is one of ours, its box may be rescaled."""
        return next(rank for rank, one in enumerate(self._found or []) if one.mask is segment.mask)


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a photo is not described in one of its spaces; `permanent` is for good."""

    reason: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What is written of one photo: segments by segmenter and rank, vectors and gaps by space."""

    segments: dict[tuple[str, int], types.SegmentMask] = field(default_factory=dict)
    photo_vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    segment_vectors: dict[int, dict[int, NDArray[np.float32]]] = field(default_factory=dict)
    tags: dict[str, float] = field(default_factory=dict)
    segment_tags: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict)
    spaces: list[EmbeddingSpace] = field(default_factory=list)
    gaps: dict[int, Gap] = field(default_factory=dict)
    local_features: list[types.LocalFeatures] = field(default_factory=list)


def index_leased(lease: leases.Lease) -> None:
    """Describe the leased photo in every current space and write it all, or nothing.

    Raises `ImageRefused` and `FileNotFoundError` for a picture that cannot be read, `LeaseLostError`, and
    whatever an encoder raises.
    """
    lease.note_stage("reading")
    spaces = current_spaces()
    _require_active(spaces)
    image = read_photo(lease.image)
    photo = Photo.objects.only("uuid", "sha256").get(pk=lease.photo_id)
    photo.sha256 = lease.sha256
    derivatives.write_derivatives(photo, image.pixels)
    description = describe(image, spaces, progress=lease.note_stage, is_last=lease.is_last)
    lease.note_stage("writing")
    write(lease, description)


def describe(
    image: DecodedImage,
    spaces: Sequence[EmbeddingSpace],
    *,
    progress: Callable[[str], None],
    is_last: bool = False,
) -> Description:
    """Describe a picture in each space; each segmenter and the local features are worked out once.

    A space whose models are not here, or that cannot describe this picture, leaves a gap and the others alone.
    Raises what the encoder raised where no space can, where the active one lacks its models, and for an error that
    another attempt may not meet, until the last.
    """
    result = Description(spaces=list(spaces))
    tagging = vocabulary.tagging_space()
    segmenters: dict[str, SegmentedOnce] = {}
    errors: list[Exception] = []
    for space in spaces:
        if why := availability.outage(space):
            result.gaps[space.pk] = Gap(why, permanent=False)
            continue
        try:
            if space.segmenter not in segmenters:
                segmenters[space.segmenter] = SegmentedOnce(space.segmenter, registry.get_segmenter(space.segmenter))
            words = vocabulary.load_vocabulary(space) if space == tagging else None
            _add_space(result, image, space, segmenters[space.segmenter], words, progress)
        except LeaseLostError:
            raise
        except Exception as exc:  # noqa: BLE001 - noted as the space's gap, or raised again
            errors.append(exc)
            result.gaps[space.pk] = _gap_for(exc, space, is_last=is_last)
    if errors and len(result.gaps) == len(spaces):
        raise errors[0]
    return result


def _gap_for(exc: Exception, space: EmbeddingSpace, *, is_last: bool) -> Gap:
    """Return the gap that an error leaves, or raise it for the photo to be tried again, or to wait."""
    if isinstance(exc, MODEL_ERRORS):
        availability.note_outage(space, exc)
        if space.state == SpaceState.ACTIVE:
            raise exc
        return Gap(str(exc), permanent=False)
    if not is_last and not (isinstance(exc, VisionError) and exc.permanent):
        raise exc
    known = isinstance(exc, VisionError)
    reason = (str(exc) if known else f"{type(exc).__name__}: {exc}").replace("\0", "")
    logger.warning("a photo is not described in %s: %s", space.slug, reason)
    return Gap(reason, permanent=True)


def _require_active(spaces: Sequence[EmbeddingSpace]) -> None:
    """Raise `WeightsMissingError` where the space that searches use cannot be worked for here."""
    for space in spaces:
        if space.state == SpaceState.ACTIVE and (why := availability.outage(space)):
            availability.tell(space, why)
            raise WeightsMissingError(why)


def _add_space(
    result: Description,
    image: DecodedImage,
    space: EmbeddingSpace,
    segmenter: SegmentedOnce,
    words: Vocabulary | None,
    progress: Callable[[str], None],
) -> None:
    found = describe_image(
        image,
        encoder=availability.load_encoder(space),
        segmenter=segmenter,
        with_local_features=not result.local_features,
        vocabulary=words,
        tag_cut=vocabulary.tag_cut(space),
        progress=progress,
    )
    if found.local_features is not None:
        result.local_features.append(found.local_features)
    if found.embedding is not None:
        result.photo_vectors[space.pk] = found.embedding
    ranked = {segmenter.rank_of(one.segment): one for one in found.segments}
    result.segment_vectors[space.pk] = {rank: one.embedding for rank, one in ranked.items()}
    result.segments.update({(segmenter.slug, rank): one.segment for rank, one in ranked.items()})
    if words is not None:
        result.tags.update(_scores(found.tags))
        result.segment_tags.update({(segmenter.slug, rank): _scores(one.tags) for rank, one in ranked.items()})


def _scores(found: Sequence[types.TagScore]) -> dict[str, float]:
    return {tag.slug: tag.score for tag in found}


def write(lease: leases.Lease, description: Description) -> None:
    """Write a description in the place of the former one, in one transaction; raises `LeaseLostError`.

    Spaces retired meanwhile are left out: their partitions are gone.
    """
    with transaction.atomic():
        leases.finish(lease)
        kept = EmbeddingSpace.objects.select_for_update(of=("self",), no_key=True).exclude(state=SpaceState.RETIRED)
        kept = kept.filter(pk__in=[space.pk for space in description.spaces])
        for space in kept:
            _write_vectors(lease.photo_id, space, description)
        _write_gaps(lease.photo_id, [space.pk for space in kept], description)
        segment_ids = _write_segments(lease.photo_id, description)
        _write_local_features(lease.photo_id, description)
        of_segments = {segment_ids[key]: scores for key, scores in description.segment_tags.items()}
        set_automatic_tags_of({lease.photo_id: description.tags}, of_segments)


def _write_vectors(photo_id: int, space: EmbeddingSpace, description: Description) -> None:
    vector = description.photo_vectors.get(space.pk)
    if vector is None:
        vectors.delete_vectors(vectors.PHOTO_TABLE, space, [photo_id])
    else:
        vectors.write_photo_vectors(space, {photo_id: vector})
    vectors.write_segment_vectors(space, {photo_id: description.segment_vectors.get(space.pk, {})})


def _write_gaps(photo_id: int, kept: Sequence[int], description: Description) -> None:
    DescriptionGap.objects.filter(photo_id=photo_id).delete()
    DescriptionGap.objects.bulk_create(
        DescriptionGap(photo_id=photo_id, space_id=pk, permanent=gap.permanent, reason=gap.reason)
        for pk, gap in description.gaps.items()
        if pk in kept
    )


def _write_segments(photo_id: int, description: Description) -> dict[tuple[str, int], int]:
    """Update segments in place, so that a person's tags on them stay; returns their ids."""
    rows = [_segment_row(photo_id, slug, rank, one) for (slug, rank), one in description.segments.items()]
    kept = {(row.segmenter, row.rank) for row in rows}
    stale = [
        pk
        for pk, *key in Segment.objects.filter(photo_id=photo_id).values_list("pk", "segmenter", "rank")
        if tuple(key) not in kept
    ]
    Segment.objects.filter(pk__in=stale).delete()
    keys = ["photo", "segmenter", "rank"]
    facts = [field.name for field in Segment._meta.concrete_fields if field.name not in {"id", *keys}]
    written = Segment.objects.bulk_create(rows, update_conflicts=True, unique_fields=keys, update_fields=facts)
    return {(row.segmenter, row.rank): row.pk for row in written}


def _segment_row(photo_id: int, segmenter: str, rank: int, segment: types.SegmentMask) -> Segment:
    run_lengths = encode_rle(segment.mask)
    return Segment(
        photo_id=photo_id,
        segmenter=segmenter,
        rank=rank,
        x=segment.box.x,
        y=segment.box.y,
        width=segment.box.width,
        height=segment.box.height,
        area=min(segment.area, segment.box.area),  # rounding to the original's pixels may overshoot
        predicted_iou=segment.predicted_iou,
        stability_score=segment.stability_score,
        mask_width=run_lengths["size"][1],
        mask_height=run_lengths["size"][0],
        mask_counts=run_lengths["counts"],
    )


def _write_local_features(photo_id: int, description: Description) -> None:
    LocalFeatures.objects.filter(photo_id=photo_id).delete()
    for found in description.local_features:
        LocalFeatures.objects.create(photo_id=photo_id, count=len(found), data=to_bytes(found))
