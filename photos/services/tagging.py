"""Tags of photos: a person's and a model's side by side, a person's word first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import transaction
from django.utils.text import slugify

from photos.errors import InvalidTagError
from photos.models import Photo, PhotoTag, SegmentTag, Tag, TagSource

MAX_NAME: Final = 100


def get_or_create_tag(name: str, *, category: str = "", is_place: bool = False) -> Tag:
    """Return the tag of that name, whatever its case; raises `InvalidTagError` for one without letters.

    A place that is called like a word of the vocabulary has a tag of its own.
    """
    clean = " ".join(name.replace("\0", "").split())[:MAX_NAME]
    slug = slugify(clean, allow_unicode=True)[:MAX_NAME].strip("-_")
    if not slug:
        raise InvalidTagError(f"{name!r} is no tag: it needs a letter or a digit")
    if is_place and Tag.objects.filter(slug=slug, in_vocabulary=True).exists():
        slug = f"{slug[: MAX_NAME - 6]}-place"
    tag, made = Tag.objects.get_or_create(
        slug=slug, defaults={"name": clean, "category": category, "is_place": is_place}
    )
    if not made and is_place and not tag.is_place:
        tag.is_place = True
        tag.save(update_fields=["is_place"])
    return tag


def set_tags(photo: Photo, names: Iterable[str | Tag], *, source: str = TagSource.MANUAL) -> None:
    """Make `names` the photo's tags of that source; a person's tag takes an automatic one's place."""
    tags = {tag.pk: tag for tag in (one if isinstance(one, Tag) else get_or_create_tag(one) for one in names)}
    with transaction.atomic():
        PhotoTag.objects.filter(photo=photo, source=source).exclude(tag__in=tags).delete()
        for tag in tags.values():
            given, made = PhotoTag.objects.get_or_create(photo=photo, tag=tag, defaults={"source": source})
            if not made and given.source != source and source == TagSource.MANUAL:
                PhotoTag.objects.filter(pk=given.pk).update(source=source, score=1.0)


def set_automatic_tags(photo_id: int, scores: Mapping[str, float]) -> None:
    """Make a model's findings, by slug, the photo's automatic tags; its segments' go, place tags stay."""
    set_automatic_tags_of({photo_id: scores}, {})


@transaction.atomic
def set_automatic_tags_of(
    photos: Mapping[int, Mapping[str, float]], segments: Mapping[int, Mapping[str, float]]
) -> None:
    """Make a model's findings the automatic tags of photos, by id, and of all their segments, by the segment's id.

    Scores are by slug. Place tags and whatever a person said are left alone.
    """
    tags = _tags_by_slug({slug for scores in (*photos.values(), *segments.values()) for slug in scores})
    PhotoTag.objects.filter(photo__in=photos, source=TagSource.AUTOMATIC, tag__is_place=False).delete()
    SegmentTag.objects.filter(segment__photo__in=photos, source=TagSource.AUTOMATIC).delete()
    rows = [PhotoTag(photo_id=pk, **fields) for pk, fields in _fields(photos, tags)]
    PhotoTag.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
    of_segments = [SegmentTag(segment_id=pk, **fields) for pk, fields in _fields(segments, tags)]
    SegmentTag.objects.bulk_create(of_segments, ignore_conflicts=True, batch_size=2000)


def _fields(found: Mapping[int, Mapping[str, float]], tags: Mapping[str, Tag]) -> Iterable[tuple[int, dict[str, Any]]]:
    for pk, scores in sorted(found.items()):
        for slug, score in sorted(scores.items()):
            yield pk, {"tag": tags[slug], "score": score, "source": TagSource.AUTOMATIC}


def _tags_by_slug(slugs: set[str]) -> dict[str, Tag]:
    known = Tag.objects.in_bulk(slugs, field_name="slug")
    return {slug: known.get(slug) or get_or_create_tag(slug.replace("-", " ")) for slug in slugs}
