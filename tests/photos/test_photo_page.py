"""One photo's page: its neighbours, its segments, and what curators see of its past."""

from __future__ import annotations

import re

import pytest

from photos.models import NearDuplicate
from photos.services import collection, editing, proposals
from photos.services.tagging import get_or_create_tag
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(space, owner):
    tags: tuple[list[str], ...] = (["gate"], [], ["gate", "old town"])
    return [
        collection.add_photo(jpeg(number), owner=owner, title=f"number {number}", tags=tags[number])
        for number in range(3)
    ]


def links(page: str) -> dict[str, str]:
    return dict(re.findall(r'id="(newer|older)" rel="\w+" href="([^"]+)"', page))


def test_neighbours_are_those_of_the_gallery(client, three):
    oldest, middle, newest = (photo.get_absolute_url() for photo in three)
    assert links(client.get(middle).content.decode()) == {"newer": newest, "older": oldest}
    assert links(client.get(newest).content.decode()) == {"older": middle}
    filtered = links(client.get(f"{newest}?tag=gate").content.decode())
    assert filtered == {"older": f"{oldest}?tag=gate"}


def test_a_strangers_private_photo_is_no_neighbour(client, three, owner):
    editing.update_photo(three[1], changes={"visibility": "private"})
    assert links(client.get(three[0].get_absolute_url()).content.decode()) == {"newer": three[2].get_absolute_url()}
    client.force_login(owner)
    assert links(client.get(three[0].get_absolute_url()).content.decode()) == {"newer": three[1].get_absolute_url()}


def test_the_way_back_keeps_the_filters(client, three):
    page = client.get(f"{three[0].get_absolute_url()}?tag=gate").content.decode()
    assert f'href="/photos/?tag=gate#p-{three[0].uuid}"' in page


@pytest.mark.django_db(transaction=True)
def test_segments_are_drawn_with_what_they_are(client, add, index):
    photo = index(add(1))
    segment = photo.segments.order_by("rank").first()
    segment.segment_tags.create(tag=get_or_create_tag("arch"))
    page = client.get(photo.get_absolute_url()).content.decode()
    assert page.count('class="segment hue-') == photo.segments.count()
    legend = re.search(r'<ol class="segment-legend".*?</ol>', page, re.DOTALL)
    assert legend is not None
    assert "arch" in legend[0]


def test_history_is_for_curators(client, admin_client, admin_user, three):
    photo = three[0]
    proposal = photo.proposals.create(latitude=41.0, longitude=29.0, radius_m=80, source="visitor")
    proposals.accept_proposal(proposal, by=admin_user)
    page = admin_client.get(photo.get_absolute_url()).content.decode()
    assert "proposed place accepted · admin" in page
    assert "41.00000, 29.00000 ± 80 m" in page
    assert "History" not in client.get(photo.get_absolute_url()).content.decode()


def test_near_duplicates_are_for_curators(client, admin_client, three):
    NearDuplicate.objects.create(photo_a=three[0], photo_b=three[1], kind="burst")
    page = admin_client.get(three[1].get_absolute_url()).content.decode()
    assert "Nearly the same" in page
    assert "one burst" in page
    assert "Nearly the same" not in client.get(three[1].get_absolute_url()).content.decode()
    NearDuplicate.objects.update(dismissed_at=three[0].created_at)
    assert "Nearly the same" not in admin_client.get(three[1].get_absolute_url()).content.decode()
