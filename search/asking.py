"""Asking any question: from its parameters and perhaps a picture to an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.db.models import Count, F, Q
from django.utils.text import slugify

from photos.errors import SpaceIncompleteError
from photos.models import EmbeddingSpace, Photo
from photos.models.embedding import SpaceState
from photos.querysets import Viewer, is_curator
from photos.services import availability
from photos.services.spaces import active_space, require_searchable
from photos.vision import registry
from photos.vision.errors import UnknownModelError
from search.calibration import read_prior
from search.candidates import OBJECT, SIMILAR
from search.clock import StageClock
from search.errors import QuestionError
from search.filtering import searchable_photos
from search.part_questions import (
    ask_with_box,
    ask_with_box_of_photo,
    ask_with_segment,
    ask_with_segment_of_photo,
)
from search.question import Question
from search.questions import Picture, PictureSource, describe_query, query_of_photo, read_picture
from search.services import Findings, answer, find_matches
from search.types import Filters, Match, Progress, Query, SearchResult

LIKENESS: Final = {"similar": SIMILAR, "object": OBJECT}


def ask(
    question: Question,
    *,
    viewer: Viewer,
    picture: PictureSource | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Answer a question from the photos that `viewer` may see; `limit` None is the question's own.

    `picture` is the uploaded one, where the question names no stored photo. Raises `QuestionError` for what cannot
    be asked, `Photo.DoesNotExist` for a photo that `viewer` may not see, `ImageRefused`, `NoActiveSpaceError`, and
    what the space's encoder raises without its weights.
    """
    clock = StageClock(progress)
    wanted = question.limit if limit is None else limit
    clock("reading")
    read = None if picture is None else read_picture(picture)
    found = investigate_question(question, viewer=viewer, picture=read, limit=wanted, clock=clock)
    return answer(found, viewer=viewer, limit=wanted, clock=clock)


def investigate_question(
    question: Question, *, viewer: Viewer, picture: Picture | None, limit: int, clock: StageClock
) -> Findings:
    """Describe, search and verify; what is found does not depend on what `viewer` may not see."""
    _check_filters(question, viewer)
    space = choose_space(question.space, viewer=viewer)
    exif = None if picture is None else picture.exif
    photo = _find_photo(question, viewer, picture)
    exclude = () if photo is None else (photo.pk,)
    filters = Filters(collection=question.all_filters(), exclude=exclude)
    words = _words_query(question, space, filters)
    if photo is None and picture is None:
        _refuse_parts(question)
        if words is None:
            return Findings(list_matches(question, filters, viewer=viewer, limit=limit), space)
        query: Query | None = words
        words = None
    else:
        query = _with_tags(_picture_query(question, photo, picture, space, filters, clock), question)
    if query is None:
        return Findings((), space, exif, is_blank=True, subject=photo)
    matches = find_matches(
        query,
        space=space,
        viewer=viewer,
        limit=limit,
        prior=read_prior(space.slug),
        likeness=LIKENESS[question.mode],
        words=words,
        clock=clock,
    )
    return Findings(tuple(matches), space, exif, subject=photo)


def check_asker(question: Question, *, viewer: Viewer) -> None:
    """Raise `QuestionError` for what others may ask but `viewer` may not."""
    if question.space:
        choose_space(question.space, viewer=viewer)
    _check_filters(question, viewer)


def _check_filters(question: Question, viewer: Viewer) -> None:
    if not question.filters.may_name_owner(viewer):
        raise QuestionError(
            f'filters.owner: expected "me" or your own id, since whose a photo is concerns its owner and curators; '
            f"got {question.filters.owner}"
        )


def choose_space(slug: str, *, viewer: Viewer) -> EmbeddingSpace:
    """Return the active space, or to staff the one they name.

    Raises `QuestionError` for one there is not, and for one that is still being filled: its answers would be wrong.
    """
    if not slug:
        return active_space()
    if not is_curator(viewer):
        raise QuestionError(f"only staff may choose it; got {slug!r}", name="space")
    spaces = {space.slug: space for space in EmbeddingSpace.objects.exclude(state=SpaceState.RETIRED)}
    if slug not in spaces:
        raise QuestionError(f"expected one of {', '.join(sorted(spaces)) or 'none'}; got {slug!r}", name="space")
    try:
        require_searchable(spaces[slug])
    except SpaceIncompleteError as exc:
        raise QuestionError(f"{exc}; it can be searched when all are", name="space") from exc
    return spaces[slug]


def list_matches(question: Question, filters: Filters, *, viewer: Viewer, limit: int) -> tuple[Match, ...]:
    """Return the photos that pass the filters, those with most of the question's tags first, then the newest."""
    tags = filters.collection.tags if filters.collection else ()
    if question == Question(limit=question.limit, space=question.space, mode=question.mode):
        raise QuestionError("ask with a picture, a photo, words, tags or filters; got nothing of them")
    named = Q(tags__slug__in=[slugify(tag, allow_unicode=True) for tag in tags])
    for tag in tags:
        named |= Q(tags__name__iexact=tag)
    photos = searchable_photos(filters, viewer=viewer).filter(state="ready")
    shared = Count("tags", filter=named, distinct=True) if tags else Count("pk", distinct=True)
    rows = photos.annotate(shared=shared).order_by(F("shared").desc(), "-created_at", "-pk")[:limit]
    overlaps = [(pk, min(1.0, count / len(tags)) if tags else 0.0) for pk, count in rows.values_list("pk", "shared")]
    return tuple(Match(pk, overlap, overlap, 0.0, tag_overlap=overlap) for pk, overlap in overlaps)


def _find_photo(question: Question, viewer: Viewer, picture: Picture | None) -> Photo | None:
    if question.photo is None:
        return None
    if picture is not None:
        raise QuestionError("give either a picture or the id of a photo, not both", name="photo")
    return Photo.objects.all().visible_to(viewer).get(uuid=question.photo)


def _refuse_parts(question: Question) -> None:
    for name in ("box", "segment"):
        if getattr(question, name) is not None:
            raise QuestionError("there is no picture that it could be a part of", name=name)


def _words_query(question: Question, space: EmbeddingSpace, filters: Filters) -> Query | None:
    if not question.text:
        return None
    try:
        able = registry.get_spec(space.encoder).has_text
    except UnknownModelError:
        able = False
    if not able:
        raise QuestionError(
            f"the space {space.slug!r} compares pictures only; a space with a text tower, such as that of CLIP, "
            f"can be asked with words; got {question.text!r}",
            name="text",
        )
    encoder: Any = availability.load_encoder(space)
    return Query(encoder.encode_text([question.text])[0], space.slug, filters=filters)


def _picture_query(
    question: Question,
    photo: Photo | None,
    picture: Picture | None,
    space: EmbeddingSpace,
    filters: Filters,
    clock: StageClock,
) -> Query | None:
    if photo is not None:
        clock("describing")
        return _photo_query(question, photo, space, filters, clock)
    assert picture is not None  # noqa: S101 - the caller has one of them
    image = picture.image
    if question.box is not None:
        return ask_with_box(image, question.box, space=space, filters=filters, progress=clock)
    if question.segment is not None:
        return ask_with_segment(image, question.segment, space=space, filters=filters, progress=clock)
    return describe_query(image, space=space, filters=filters, progress=clock)


def _with_tags(query: Query | None, question: Question) -> Query | None:
    """Return the query with the tags of which any is asked for: photos that have more of them score higher."""
    if query is None or not question.tags_any or not question.tags:
        return query
    slugs = {slugify(tag, allow_unicode=True) for tag in question.tags}  # whether any photo has them or not
    return replace(query, tags=tuple(sorted({*query.tags, *slugs})))


def _photo_query(
    question: Question, photo: Photo, space: EmbeddingSpace, filters: Filters, clock: StageClock
) -> Query | None:
    if question.box is not None:
        return ask_with_box_of_photo(photo, question.box, space=space, filters=filters, progress=clock)
    if question.segment is not None:
        return ask_with_segment_of_photo(photo, question.segment, space=space, filters=filters)
    return query_of_photo(photo, space=space, filters=filters)
