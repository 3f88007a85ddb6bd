"""Photos uploaded while the worker's process tree is killed -9 again and again, and Redis forgets everything.

CHAOS=full runs the whole size: 60 photos, ten kills.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from photos.models import LocalFeatures, Photo, PhotoEmbedding, PhotoState, Segment, SegmentEmbedding
from photos.services import collection
from tests.photos.pictures import jpeg
from tests.photos.workers import running_worker, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PHOTOS, KILLS = (60, 10) if os.environ.get("CHAOS") == "full" else (12, 3)


def at_work() -> bool:
    """Whether a photo is being indexed for the first time: three deaths of the same one mean quarantine."""
    return Photo.objects.filter(state=PhotoState.INDEXING, attempts=1).exclude(stage="waiting").exists()


def test_no_photo_is_lost_and_none_is_doubled(space, media_root: Path, tmp_path: Path, redis_connection: redis.Redis):
    numbers = iter(range(PHOTOS))
    with running_worker(media_root, tmp_path / "log") as worker:
        for kill in range(KILLS):
            for _ in range(PHOTOS // KILLS):
                collection.add_photo(jpeg(next(numbers), size=(1000, 750)))
            wait_until(at_work, timeout_s=60, every_s=0.005)
            worker.kill_tree()
            if kill == KILLS // 2:
                redis_connection.flushdb()
            worker.start()
        for number in numbers:
            collection.add_photo(jpeg(number))
        wait_until(lambda: not unfinished(), timeout_s=60 + 2 * PHOTOS, every_s=0.2)
    states = dict.fromkeys(Photo.objects.values_list("state", flat=True))
    assert list(states) == [PhotoState.READY], worker.log()[-4000:]
    assert Photo.objects.count() == PhotoEmbedding.objects.count() == LocalFeatures.objects.count() == PHOTOS
    assert Segment.objects.count() == SegmentEmbedding.objects.count() == 9 * PHOTOS
    assert not Photo.objects.exclude(lease_token=None).exists()


def unfinished() -> bool:
    return Photo.objects.filter(state__in=[PhotoState.PENDING, PhotoState.INDEXING]).exists()
