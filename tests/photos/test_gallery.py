"""The gallery: which photos it shows, page by page, and what its address says."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.http import QueryDict

from photos.facets import count_tags, tag_counts
from photos.models import Photo
from photos.pages.asking import Asked, read_box, read_query
from photos.paging import count_up_to, take_before, take_newest
from photos.services import collection
from tests.photos.pictures import jpeg, placed_jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def gate(space, owner):
    return collection.add_photo(
        placed_jpeg(2, 41.1, -40.1),
        owner=owner,
        title="The gate",
        tags=["gate", "old town"],
        taken_at=datetime(2024, 5, 4, 23, 30, tzinfo=UTC),
    )


@pytest.fixture
def many(space, owner):
    return [collection.add_photo(jpeg(number), owner=owner, title=f"number {number}") for number in range(5)]


def asked(query: str, viewer=None) -> Asked:
    return read_query(QueryDict(query), viewer=viewer)


def titles(page: str) -> list[str]:
    return re.findall(r'<span class="caption"[^>]*>([^<]*)<', page)


FITTING = [
    *("q=gate", "tag=gate", "located=yes", "q=the+gate&tag=gate", "state=nonsense", "located=perhaps"),
    *("tag=gate&tag=old-town", "tag=gate&tag=bridge&match=any", "place=old-town&tag=gate"),
    *("circle=41.1,-40.1,50", "circle=41.1,-40.1,-5", "visibility=public", "visibility=x", "owner=me"),
    *("from=2024-05-04&to=2024-05-04", "from=2024-02-31", "bbox=-41,41,-40,42", "bbox=319,41,320,42", "bbox=1,2,3"),
]
NOT_FITTING = [
    *("q=bridge", "tag=bridge", "located=no", "tag=gate&tag=bridge", "tag=bridge&tag=tower&match=any"),
    *("place=bridge&tag=gate", "from=2024-05-05", "to=2024-05-03", "bbox=-40,41,-39,42"),
    *("circle=41.2,-40.1,500", "visibility=private", "bbox=-30,0,60,80"),
    "id=0c6f7e2e-7f6e-4d0f-9f4e-2a4d0f8f1b11",
]


@pytest.mark.parametrize("query", FITTING)
def test_it_finds_by_filters(client, gate, query):
    assert str(gate.uuid) in client.get(f"/photos/?{query}").content.decode()


@pytest.mark.parametrize("query", NOT_FITTING)
def test_it_leaves_out_what_does_not_fit(client, gate, query):
    page = client.get(f"/photos/?{query}").content.decode()
    assert str(gate.uuid) not in page.replace(query, "")
    assert "No photo fits" in page


def test_ones_own_photos(client, gate, owner, django_user_model):
    client.force_login(django_user_model.objects.create_user("eve"))
    assert titles(client.get("/photos/?owner=me").content.decode()) == []
    client.force_login(owner)
    assert titles(client.get("/photos/?owner=me").content.decode()) == ["The gate"]


def test_a_wide_area_is_an_area(client, gate):
    assert titles(client.get("/photos/?bbox=-60,0,60,80").content.decode()) == ["The gate"]
    assert titles(client.get("/photos/?bbox=150,0,-20,80").content.decode()) == ["The gate"]
    assert titles(client.get("/photos/?bbox=-60,0,60,40").content.decode()) == []


def test_states_are_for_curators(client, admin_client, gate):
    assert titles(client.get("/photos/?state=failed").content.decode()) == ["The gate"]
    assert titles(admin_client.get("/photos/?state=failed").content.decode()) == []
    assert titles(admin_client.get("/photos/?state=pending").content.decode()) == ["The gate"]


@pytest.mark.parametrize(
    "query",
    [
        "q=the+gate",
        "tag=a&tag=b&match=any&place=c",
        "from=2024-01-01&to=2024-02-01",
        "located=no",
        "bbox=-1,2,3,4.5",
        "circle=1.5,2,300&visibility=private",
    ],
)
def test_an_address_says_what_it_was_read_from(query):
    question = asked(query)
    assert question.is_filtered
    assert QueryDict(question.query) == QueryDict(query)
    assert asked(question.query) == question


def test_what_makes_no_sense_is_left_out():
    assert asked("q=+&tag=&from=nonsense&bbox=1,2&located=&id=7&state=ready") == Asked()
    assert not Asked().is_filtered


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "nan,0,1,1", "0,5,1,4", "0,0,inf,1"])
def test_what_is_no_box(text):
    assert read_box(text) is None


def test_a_box_on_another_copy_of_the_world():
    box = read_box("170,-10,190,10")
    assert box is not None
    assert (box.west, box.east) == (170, -170)
    wide = read_box("-500,-100,500,100")
    assert wide is not None
    assert (wide.west, wide.south, wide.east, wide.north) == (-180, -90, 180, 90)


def test_pages_follow_each_other_both_ways(many):
    photos = Photo.objects.all()
    first = take_newest(photos, limit=2)
    assert ([one.title for one in first.photos], first.newer) == (["number 4", "number 3"], None)
    second = take_newest(photos, after=_position(first.photos[-1]), limit=2)
    assert [one.title for one in second.photos] == ["number 2", "number 1"]
    assert second.newer is not None
    last = take_newest(photos, after=_position(second.photos[-1]), limit=2)
    assert ([one.title for one in last.photos], last.older) == (["number 0"], None)
    back = take_before(photos, before=_position(last.photos[0]), limit=2)
    assert [one.title for one in back.photos] == ["number 2", "number 1"]
    top = take_before(photos, before=_position(back.photos[0]), limit=2)
    assert ([one.title for one in top.photos], top.newer) == (["number 4", "number 3"], None)


def _position(photo: Photo):
    return photo.created_at, photo.uuid


def test_counting_stops_somewhere(many):
    assert (count_up_to(Photo.objects.all(), 5).number, count_up_to(Photo.objects.all(), 5).is_capped) == (5, False)
    assert (count_up_to(Photo.objects.all(), 3).number, count_up_to(Photo.objects.all(), 3).is_capped) == (3, True)


def test_the_links_work_without_javascript(client, many, monkeypatch):
    monkeypatch.setattr("photos.pages.gallery.PAGE_SIZE", 2)
    page = client.get("/photos/?q=number")
    seen = titles(page.content.decode())
    while page.context["older_url"]:
        page = client.get(page.context["older_url"])
        seen += titles(page.content.decode())
    assert seen == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    back = client.get(page.context["newer_url"])
    assert titles(back.content.decode()) == ["number 2", "number 1"]


def test_further_cards_come_without_the_frame(client, many, monkeypatch):
    monkeypatch.setattr("photos.pages.gallery.PAGE_SIZE", 2)
    link = client.get("/photos/").context["older_url"]
    cards = client.get(link, headers={"hx-request": "true"}).content.decode()
    assert titles(cards) == ["number 2", "number 1"]
    assert "<html" not in cards


def test_a_page_asks_the_database_few_questions(client, many, django_assert_max_num_queries):
    client.get("/photos/")
    with django_assert_max_num_queries(4):
        client.get("/photos/")


def test_pictures_say_their_size_and_their_copies(client, gate):
    page = client.get("/photos/").content.decode()
    assert f'width="{gate.width}" height="{gate.height}"' in page
    copies = re.findall(r'<source type="image/avif" srcset="([^ ]+) (\d+)w"', page)
    assert copies == [(f"/photos/{gate.uuid}/{gate.sha256[:16]}/small.avif", str(gate.width))]
    assert client.get(copies[0][0]).status_code == 200


def test_filters_are_taken_off_one_by_one(client, gate):
    chips = client.get("/photos/?q=gate&tag=gate&from=2024-01-01").context["chips"]
    assert [chip["url"] for chip in chips] == [
        "/photos/?tag=gate&from=2024-01-01",
        "/photos/?q=gate&from=2024-01-01",
        "/photos/?q=gate&tag=gate",
    ]


class TestTags:
    def test_it_counts_what_one_may_see(self, gate, owner, admin_user, django_user_model):
        collection.add_photo(jpeg(8), owner=owner, visibility="private", tags=["gate", "secret"])
        stranger = django_user_model.objects.create_user("eve")
        for viewer in (None, stranger):
            assert {one.slug: one.uses for one in count_tags(viewer)} == {"gate": 1, "old-town": 1}
        for viewer in (owner, admin_user):
            assert {one.slug: one.uses for one in count_tags(viewer)} == {"gate": 2, "secret": 1, "old-town": 1}

    def test_counts_are_kept_apart(self, gate, owner):
        collection.add_photo(jpeg(8), owner=owner, visibility="private", tags=["secret"])
        assert "secret" in {one.slug for one in tag_counts(owner)}
        assert "secret" not in {one.slug for one in tag_counts(None)}

    def test_it_works(self, client, gate):
        choices = client.get("/photos/tags/?kind=tags&tag=gate", headers={"hx-request": "true"}).content.decode()
        assert re.findall(r'value="([^"]+)"( checked)?', choices) == [("gate", " checked"), ("old-town", "")]
        assert "<html" not in choices
        assert "<html" in client.get("/photos/tags/?kind=places").content.decode()


@pytest.mark.parametrize("box", ["129.123446,41.123446,129.123466,41.123466", "-179.999999,-0.000001,179.5,0"])
def test_an_address_asks_for_the_very_same_area(box):
    """A box of a few metres, as a cluster's, must not shrink to nothing on the way to a photo and back."""
    asked = read_query(QueryDict(f"bbox={box}&circle=41.123456,129.123456,12.5"), viewer=None)
    assert asked.box is not None
    again = read_query(QueryDict(asked.query), viewer=None)
    assert (again.box, again.circle) == (asked.box, asked.circle)
