"""Places and who follows them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from photos.models import Photo, PlaceFollow, Tag
from photos.services import collection, following
from photos.services.tagging import get_or_create_tag
from photos.timeline import HEIGHT, bars_of, timeline_of
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(space) -> Tag:
    return get_or_create_tag("Port Meridian", category="town", is_place=True)


@pytest.fixture
def reader(django_user_model):
    return django_user_model.objects.create_user("vera")


@pytest.fixture
def add_there(town):
    numbers = iter(range(1, 100))

    def add(**fields) -> Photo:
        return collection.add_photo(jpeg(next(numbers)), tags=["Port Meridian"], **fields)

    return add


class TestFollowing:
    def test_it_works(self, town, reader, add_there):
        add_there(title="before")
        following.follow(reader, town)
        assert following.count_news(reader) == 0
        fresh = add_there(title="after")
        (news,) = following.news_of(reader)
        assert (news.tag, news.count, news.photos) == (town, 1, [fresh])
        assert following.count_news(reader) == 1
        following.mark_seen(reader, tag=town)
        assert following.count_news(reader) == 0

    def test_what_one_may_not_see_is_no_news(self, town, reader, owner, add_there):
        following.follow(reader, town)
        add_there(owner=owner, visibility="private")
        assert (following.count_news(reader), following.news_of(reader)[0].count) == (0, 0)

    def test_ones_own_photos_are_no_news(self, town, reader, add_there):
        following.follow(reader, town)
        add_there(owner=reader)
        assert (following.count_news(reader), following.news_of(reader)[0].count) == (0, 0)

    def test_a_photo_of_two_followed_places_counts_once(self, town, reader, add_there):
        country = get_or_create_tag("Atlantis", category="country", is_place=True)
        for tag in (town, country):
            following.follow(reader, tag)
        photo = add_there()
        photo.photo_tags.create(tag=country)
        assert following.count_news(reader) == 1

    def test_a_word_cannot_be_followed(self, space, reader):
        with pytest.raises(ValueError, match="only places"):
            following.follow(reader, get_or_create_tag("arch"))

    def test_following_twice_is_following_once(self, town, reader):
        following.follow(reader, town, seen_at=datetime(2020, 1, 1, tzinfo=UTC))
        following.follow(reader, town)
        assert PlaceFollow.objects.get().seen_at.year == 2020


class TestPages:
    def test_places_are_listed_by_kind(self, client, town, add_there, owner):
        add_there()
        collection.add_photo(jpeg(90), owner=owner, visibility="private", tags=["Hidden Cove"])
        Tag.objects.filter(name="Hidden Cove").update(is_place=True, category="town")
        page = client.get("/places/").content.decode()
        assert "Towns" in page
        assert "/places/port-meridian/" in page
        assert "Hidden Cove" not in page
        assert "No place of that name" in client.get("/places/?q=paris").content.decode()
        assert "/places/port-meridian/" in client.get("/places/?q=MERID").content.decode()

    def test_a_place_shows_its_photos_over_time(self, client, town, add_there):
        Tag.objects.filter(pk=town.pk).update(external_id="Q1234")
        photo = add_there(taken_at=datetime(2021, 5, 3, tzinfo=UTC), latitude=41.0, longitude=-40.0)
        page = client.get("/places/port-meridian/").content.decode()
        assert str(photo.uuid) in page
        assert "https://www.wikidata.org/wiki/Q1234" in page
        assert re.findall(r'<a href="([^"]*)" aria-label="May 2021: 1 photo"', page) == [
            "/photos/?place=port-meridian&amp;from=2021-05-01&amp;to=2021-05-31"
        ]
        assert 'data-query="place=port-meridian"' in page

    def test_a_place_that_private_photos_alone_tell_of_is_unknown(self, client, town, reader, owner):
        """Like one that is not there, whatever is done with it; its owner and curators know it."""
        cove = get_or_create_tag("Hidden Cove", category="town", is_place=True)
        photo = collection.add_photo(jpeg(90), owner=owner, visibility="private", tags=[cove.name])
        url = "/places/hidden-cove/"
        assert client.get(url).status_code == 404
        client.force_login(reader)
        assert client.get(url).status_code == 404
        for action in ("follow", "unfollow"):
            assert client.post(f"{url}{action}/").status_code == 404
        assert client.post("/following/seen/", {"place": cove.slug}).status_code == 404
        client.force_login(owner)
        assert str(photo.uuid) in client.get(url).content.decode()
        assert client.post(f"{url}follow/").status_code == 302
        Photo.objects.filter(pk=photo.pk).update(owner=None)
        assert "No photo of this place" in client.get(url).content.decode()  # who follows it knows of it
        client.post(f"{url}unfollow/")
        former = re.search(r'name="former" value="([^"]*)"', client.get("/following/").content.decode())
        assert former is not None
        assert client.get(url).status_code == 404
        client.post(f"{url}follow/", {"former": former[1]})
        assert PlaceFollow.objects.filter(user=owner, tag=cove).exists()

    def test_a_word_is_no_place(self, client, space):
        get_or_create_tag("arch")
        assert client.get("/places/arch/").status_code == 404

    def test_visitors_are_asked_to_sign_in(self, client, town):
        assert "Sign in to follow" in client.get("/places/port-meridian/").content.decode()
        for url in ("/following/", "/places/port-meridian/"):
            assert client.get(url).status_code in {200, 302}
        assert "login" in client.post("/places/port-meridian/follow/")["Location"]
        assert not PlaceFollow.objects.exists()

    def test_following_and_what_is_new(self, client, town, reader, add_there):
        client.force_login(reader)
        client.post("/places/port-meridian/follow/")
        add_there(title="The new gate")
        page = client.get("/following/").content.decode()
        assert "The new gate" in page
        assert "1 new" in page
        client.post("/following/seen/", {"place": "port-meridian"})
        assert "Nothing new since" in client.get("/following/").content.decode()

    def test_unfollowing_can_be_taken_back(self, client, town, reader, add_there):
        client.force_login(reader)
        since = timezone.now() - timedelta(days=9)
        following.follow(reader, town, seen_at=since)
        page = client.post("/places/port-meridian/unfollow/", follow=True).content.decode()
        assert not PlaceFollow.objects.exists()
        former = re.search(r'name="former" value="([^"]+)"', page)
        assert former is not None
        client.post("/places/port-meridian/follow/", {"former": former[1], "next": "following"})
        assert PlaceFollow.objects.get().seen_at == since
        forged = {"former": former[1][:-2] + "xx"}
        PlaceFollow.objects.all().delete()
        client.post("/places/port-meridian/follow/", forged)
        assert PlaceFollow.objects.get().seen_at > since

    def test_nothing_followed_teaches(self, client, reader):
        client.force_login(reader)
        assert "You follow no place yet" in client.get("/following/").content.decode()


class TestTimeline:
    def test_it_counts_months(self, add_there):
        for day in (date(2021, 5, 3), date(2021, 5, 30), date(2021, 7, 1)):
            add_there(taken_at=datetime(day.year, day.month, day.day, tzinfo=UTC))
        add_there()
        bars = timeline_of(Photo.objects.all())
        assert [(bar.name, bar.count) for bar in bars] == [("May 2021", 2), ("June 2021", 0), ("July 2021", 1)]
        assert [bar.height for bar in bars] == [HEIGHT, 0, HEIGHT / 2]

    def test_long_times_are_years_and_longer_ones_spans(self):
        years = bars_of({date(1990, 3, 1): 1, date(1993, 12, 1): 2})
        assert [(bar.name, bar.count) for bar in years] == [("1990", 1), ("1991", 0), ("1992", 0), ("1993", 2)]
        spans = bars_of({date(1800, 3, 1): 1, date(1999, 12, 1): 2})
        assert (spans[0].name, spans[-1].name, len(spans)) == ("1800–1802", "1998–1999", 67)
        assert (spans[0].count, spans[-1].count) == (1, 2)

    def test_none_at_all(self):
        assert bars_of({}) == []

    def test_bars_stay_in_the_drawing(self):
        bars = bars_of({date(year, 1, 1): year for year in range(1950, 2020)})
        assert all(bar.x >= 0 and bar.x + bar.width <= 720 for bar in bars)
        assert all(one.x + one.width <= other.x for one, other in pairwise(bars))
