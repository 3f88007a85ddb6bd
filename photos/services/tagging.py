"""Tags of photos: a person's and a model's side by side, a person's word first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.utils.text import slugify

from photos.errors import InvalidTagError
from photos.models import Photo, PhotoTag, Tag, TagSource


def get_or_create_tag(name: str, *, category: str = "", is_place: bool = False) -> Tag:
    """Return the tag of that name, whatever its case; raises `InvalidTagError` for one without letters."""
    clean = " ".join(name.replace("\0", "").split())[:100]
    slug = slugify(clean, allow_unicode=True)[:100].strip("-_")
    if not slug:
        raise InvalidTagError(f"{name!r} is no tag: it needs a letter or a digit")
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
    """Make a model's findings, by slug, the photo's automatic tags; place tags and a person's are left alone."""
    stale = PhotoTag.objects.filter(photo_id=photo_id, source=TagSource.AUTOMATIC, tag__is_place=False)
    with transaction.atomic():
        stale.exclude(tag__slug__in=scores).delete()
        for slug, score in scores.items():
            tag = get_or_create_tag(slug.replace("-", " "))
            given, made = PhotoTag.objects.get_or_create(
                photo_id=photo_id, tag=tag, defaults={"source": TagSource.AUTOMATIC, "score": score}
            )
            if not made and given.source == TagSource.AUTOMATIC:
                PhotoTag.objects.filter(pk=given.pk).update(score=score)
