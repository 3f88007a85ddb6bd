"""Tags by people and by models."""

from __future__ import annotations

import pytest

from photos.errors import InvalidTagError
from photos.models import PhotoTag, Tag
from photos.services.tagging import get_or_create_tag, set_automatic_tags, set_tags

pytestmark = pytest.mark.django_db


def tags_of(photo) -> dict[str, tuple[str, float]]:
    return {one.tag.slug: (one.source, one.score) for one in PhotoTag.objects.filter(photo=photo).select_related("tag")}


def test_it_works(add):
    photo = add(1)
    set_tags(photo, ["Old Town", "tower"])
    set_tags(photo, ["old  town", "Sea"])
    assert tags_of(photo) == {"old-town": ("manual", 1.0), "sea": ("manual", 1.0)}
    assert Tag.objects.get(slug="old-town").name == "Old Town"


@pytest.mark.parametrize(("name", "slug"), [("Köprü", "köprü"), ("東京", "東京"), ("  A  b ", "a-b"), ("x\0y", "xy")])
def test_names_of_any_script(name, slug):
    assert get_or_create_tag(name).slug == slug


@pytest.mark.parametrize("name", ["", "   ", "!!!", "--", "\0"])
def test_it_rejects_names_without_letters(name):
    with pytest.raises(InvalidTagError):
        get_or_create_tag(name)


def test_long_names_are_cut():
    assert len(get_or_create_tag("long " * 60).slug) <= 100


def test_a_place_stays_a_place():
    get_or_create_tag("Istanbul")
    assert get_or_create_tag("istanbul", is_place=True).is_place
    assert get_or_create_tag("Istanbul").is_place


def test_a_persons_word_goes_before_a_models(add):
    photo = add(1)
    set_automatic_tags(photo.pk, {"tower": 0.7, "sky": 0.4})
    set_tags(photo, ["Tower"])
    set_automatic_tags(photo.pk, {"tower": 0.2, "sea": 0.9})
    assert tags_of(photo) == {"tower": ("manual", 1.0), "sea": ("automatic", 0.9)}


def test_automatic_place_tags_are_left_alone(add):
    photo = add(1)
    PhotoTag.objects.create(photo=photo, tag=get_or_create_tag("Lund", is_place=True), source="automatic")
    set_automatic_tags(photo.pk, {})
    assert list(tags_of(photo)) == ["lund"]
