"""The tag admin: editing the vocabulary."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from photos.models import Tag
from photos.services import vocabulary
from photos.vision import tags

pytestmark = pytest.mark.django_db
TAGS = "/admin/photos/tag/"


@pytest.fixture
def client(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("cleo"))
    return client


def act(client: Client, action: str, *chosen: Tag) -> Any:
    return client.post(TAGS, {"action": action, "_selected_action": [tag.pk for tag in chosen]}, follow=True)


def test_words_go_in_and_out(client):
    bridge, paris = (
        Tag.objects.create(name="Bridge", slug="bridge"),
        Tag.objects.create(name="Paris", slug="paris", is_place=True),
    )
    page = act(client, "use_in_vocabulary", bridge, paris).content.decode()
    assert "1 tag was changed" in page
    assert vocabulary.words() == [("bridge", "a bridge")]  # a place is no word
    assert "Bridge" in client.get(TAGS, {"in_vocabulary__exact": "1"}).content.decode()
    assert "Paris" not in client.get(TAGS, {"in_vocabulary__exact": "1"}).content.decode()
    act(client, "leave_out_of_vocabulary", bridge)
    assert vocabulary.words() == []


def test_a_word_is_edited_with_its_prompt(client):
    given = {"name": "Arch", "slug": "arch", "category": "architecture", "external_id": "", "in_vocabulary": "on"}
    assert client.post(reverse("admin:photos_tag_add"), given).status_code == 302
    assert vocabulary.words() == [("arch", "an arch")]
    tag = Tag.objects.get()
    changed = {**given, "prompt": "a Roman triumphal arch"}
    assert client.post(reverse("admin:photos_tag_change", args=[tag.pk]), changed).status_code == 302
    assert vocabulary.words() == [("arch", "a Roman triumphal arch")]


def test_the_name_of_a_place_is_refused_as_a_word(client):
    given = {"name": "Rome", "slug": "rome", "is_place": "on", "in_vocabulary": "on", "category": "", "external_id": ""}
    answer = client.post(reverse("admin:photos_tag_add"), given)
    assert "The name of a place cannot be in the vocabulary." in answer.content.decode()
    assert not Tag.objects.exists()


def test_the_default_words_come_beside_what_is_there(db):
    Tag.objects.create(name="Field", slug="field", is_place=True, category="town")
    Tag.objects.create(name="Bridge", slug="bridge")
    Tag.objects.create(name="Minaret", slug="minaret", in_vocabulary=True)
    assert vocabulary.add_default_words() == 50
    assert vocabulary.add_default_words() == 0
    found = dict(vocabulary.words())
    assert len(found) == 51
    assert (found["minaret"], found["bridge"], found["field-nature"]) == ("a minaret", "a bridge", "a field")
    by_category = {category: len(words) for category, words in tags.DEFAULT_VOCABULARY.items()}
    for category, count in by_category.items():
        assert Tag.objects.filter(in_vocabulary=True, category=category).count() == count
    assert sum(by_category.values()) == 50
