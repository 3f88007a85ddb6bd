"""The life of an index job: claimed, counted, fenced, settled."""

from __future__ import annotations

import logging
import signal
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import django_rq
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from django_rq import settings as rq_settings
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from photos import jobs, queues
from photos.errors import LeaseLostError
from photos.models import LocalFeatures, Photo, PhotoEmbedding, PhotoState, Segment, SegmentEmbedding
from photos.services import availability, collection, describing, indexing, leases, spaces
from photos.services.reading import read_photo
from photos.vision import masks, registry
from photos.vision.errors import GpuMemoryError, ImageRefused, WeightsMissingError
from photos.vision.matching.features import from_bytes
from photos.vision.types import EncoderSpec
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _signals_stay():
    """RQ's workers set handlers and leave them."""
    saved = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in saved.items():
        signal.signal(one, handler)


def queued() -> list[int]:
    return [job.args[0] for job in django_rq.get_queue("index").jobs if job.func_name == indexing.JOB]


def fresh(photo: Photo) -> Photo:
    return Photo.objects.get(pk=photo.pk)


def expire_lease(photo: Photo) -> None:
    Photo.objects.filter(pk=photo.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


class FailingEncoder:
    """An encoder that cannot: what it raises is the subject."""

    error: Exception = RuntimeError("no such luck")

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec

    def encode(self, images):
        raise self.error

    def encode_segments(self, image, segments):
        raise self.error


@pytest.fixture
def failing(monkeypatch):
    """Every space's encoder raises `failing.error`."""
    monkeypatch.setattr(registry, "get_encoder", lambda slug: FailingEncoder(registry.get_spec(slug)))
    return FailingEncoder


# --- the way it should go -------------------------------------------------------------------------------


def test_it_works(add, space):
    photo = add(1)
    assert queued() == [photo.pk]
    queue = django_rq.get_queue("index")
    SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(burst=True)
    photo = fresh(photo)
    assert (photo.state, photo.attempts, photo.stage, photo.index_error) == (PhotoState.READY, 0, "", "")
    assert photo.indexed_at is not None
    assert PhotoEmbedding.objects.filter(space=space, photo=photo).count() == 1
    segments = list(Segment.objects.filter(photo=photo))
    assert [segment.rank for segment in segments] == list(range(9))
    assert SegmentEmbedding.objects.filter(space=space, photo=photo).count() == 9
    first = segments[0]
    rle = {"size": [first.mask_height, first.mask_width], "counts": first.mask_counts}
    assert masks.decode_rle(rle).sum() == first.area == first.width * first.height
    features = LocalFeatures.objects.get(photo=photo)
    assert features.count == len(from_bytes(bytes(features.data))) > 20


def test_boxes_are_told_in_pixels_of_the_original(space, index):
    photo = index(collection.add_photo(jpeg(1, size=(2000, 1500))))
    middle = Segment.objects.get(photo=photo, rank=0)
    assert (middle.x, middle.y, middle.width, middle.height) == (500, 375, 1000, 750)
    assert (middle.mask_width, middle.mask_height) == (1600, 1200)


def test_the_vector_is_that_of_the_encoder(add, index, space):
    photo = index(add(1))
    image = read_photo(str(photo.image.name))
    expected = registry.get_encoder(space.encoder).encode([image.pixels])[0]
    assert expected is not None
    assert PhotoEmbedding.objects.get(photo=photo).vector == pytest.approx(list(expected), abs=1e-3)


def test_the_burst_command_does_all_there_is(add):
    photos = [add(n) for n in range(3)]
    django_rq.get_queue("index").empty()
    call_command("work", "index", burst=True)
    assert [fresh(photo).state for photo in photos] == [PhotoState.READY] * 3


def test_an_uncommitted_photo_is_not_queued(space):
    with transaction.atomic():
        collection.add_photo(jpeg(1))
        assert queued() == []
        transaction.set_rollback(True)
    assert queued() == []


def test_a_save_of_other_fields_does_not_queue(add, index):
    photo = index(add(1))
    django_rq.get_queue("index").empty()
    photo.title = "New"
    photo.save()
    photo.save(update_fields=["title"])
    collection.set_location(photo, 1.0, 2.0)
    assert queued() == []
    assert fresh(photo).state == PhotoState.READY


def test_a_second_run_does_nothing(add):
    photo = add(1)
    assert jobs.index_photo(photo.pk) is True
    before = PhotoEmbedding.objects.get().vector
    assert jobs.index_photo(photo.pk) is False
    assert jobs.index_photo(10**9) is False
    assert PhotoEmbedding.objects.get().vector == before


def test_reindexing_replaces_in_place(add, index, space):
    photo = index(add(1))
    segments = list(Segment.objects.values_list("pk", flat=True))
    Segment.objects.create(photo=photo, segmenter="other", rank=0, x=0, y=0, width=5, height=5, area=5,
                           mask_width=5, mask_height=5, mask_counts="0")  # fmt: skip
    assert indexing.reindex(Photo.objects.all()) == 1
    assert fresh(photo).state == PhotoState.PENDING
    assert PhotoEmbedding.objects.count() == 1  # findable meanwhile
    index(photo)
    assert list(Segment.objects.values_list("pk", flat=True)) == segments
    assert (PhotoEmbedding.objects.count(), SegmentEmbedding.objects.count()) == (1, 9)


# --- leases ---------------------------------------------------------------------------------------------


def test_only_one_may_claim(add):
    photo = add(1)
    lease = leases.claim(photo.pk)
    assert lease is not None
    assert (lease.attempt, lease.sha256) == (1, photo.sha256)
    assert leases.claim(photo.pk) is None
    assert fresh(photo).state == PhotoState.INDEXING


def test_the_attempt_is_counted_before_a_byte_is_decoded(add, monkeypatch):
    photo: Photo = add(1)
    seen: list[int] = []

    def die(name: str) -> None:
        seen.append(fresh(photo).attempts)
        raise RuntimeError(name)

    monkeypatch.setattr(describing, "read_photo", die)
    indexing.index_now(photo.pk)
    assert seen == [1]


def test_an_expired_lease_may_be_claimed_and_its_holder_writes_nothing(add):
    photo = add(1)
    slow = leases.claim(photo.pk)
    assert slow is not None
    expire_lease(photo)
    fast = leases.claim(photo.pk)
    assert fast is not None
    assert fast.attempt == 2
    with pytest.raises(LeaseLostError):
        slow.note_stage("describing")
    with pytest.raises(LeaseLostError):
        describing.write(slow, describing.Description())
    leases.refuse(slow, reason="mine")
    leases.give_back(slow)
    assert (fresh(photo).state, fresh(photo).lease_token) == (PhotoState.INDEXING, fast.token)
    describing.index_leased(fast)
    assert fresh(photo).state == PhotoState.READY


def test_replacing_the_picture_fences_the_worker_off(add, space):
    photo = add(1)
    lease = leases.claim(photo.pk)
    assert lease is not None
    image = read_photo(lease.image)
    description = describing.describe(image, [space], progress=lease.note_stage)
    collection.replace_image(photo, ContentFile(jpeg(2), name="two.jpg"))
    with pytest.raises(LeaseLostError):
        describing.write(lease, description)
    assert not PhotoEmbedding.objects.exists()
    assert fresh(photo).state == PhotoState.PENDING


def test_a_failed_write_leaves_the_old_rows(add, index, monkeypatch):
    photo = index(add(1))
    before = PhotoEmbedding.objects.get().vector
    indexing.reindex(Photo.objects.all())

    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(describing, "_write_local_features", fail)
    assert indexing.index_now(photo.pk) is False
    photo = fresh(photo)
    assert (photo.state, photo.attempts) == (PhotoState.PENDING, 1)
    assert photo.index_error == "RuntimeError: in the middle"
    assert PhotoEmbedding.objects.get().vector == before
    assert SegmentEmbedding.objects.count() == 9


def test_the_heartbeat_keeps_the_lease(add, settings, monkeypatch):
    settings.INDEX_LEASE_S = 0.6
    photo = add(1)
    with connection.cursor() as cursor:

        def work(lease: leases.Lease) -> None:
            before = fresh(photo).lease_expires_at
            cursor.execute("SELECT pg_sleep(1.2)")
            after = fresh(photo).lease_expires_at
            assert before is not None
            assert after is not None
            assert after > before + timedelta(seconds=0.5)
            assert leases.claim(photo.pk) is None
            leases.finish(lease)

        monkeypatch.setattr(indexing, "index_leased", work)
        assert indexing.index_now(photo.pk) is True


# --- what goes wrong ------------------------------------------------------------------------------------


def test_a_picture_that_cannot_be_decoded_fails_at_once(space, index):
    photo = index(collection.add_photo(jpeg(1)[:-3000]))
    assert (photo.state, photo.attempts) == (PhotoState.FAILED, 1)
    assert "damaged" in photo.index_error


def test_a_missing_file_fails_at_once(add, index):
    photo = add(1)
    default_storage.delete(str(photo.image.name))
    photo = index(photo)
    assert (photo.state, photo.index_error) == (PhotoState.FAILED, "The picture's file is missing.")


def test_other_errors_are_tried_again_and_then_quarantined(add, index, failing, settings):
    photo = add(1)
    states = []
    for _ in range(settings.INDEX_ATTEMPTS):
        photo = index(photo)
        states.append(photo.state)
    assert states == [PhotoState.PENDING, PhotoState.PENDING, PhotoState.QUARANTINED]
    assert photo.index_error == "RuntimeError: no such luck"
    assert indexing.index_now(photo.pk) is False
    assert indexing.reconcile()["photos"] == 0


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ImageRefused("too odd", code="broken"), PhotoState.FAILED),
        (WeightsMissingError("fetch them"), PhotoState.PENDING),
        (MemoryError("too much"), PhotoState.PENDING),
    ],
)
def test_errors_say_whether_they_are_permanent(add, index, failing, monkeypatch, error, state):
    monkeypatch.setattr(failing, "error", error)
    photo = index(add(1))
    assert photo.state == state
    assert str(error) in photo.index_error


def test_a_gpu_that_others_fill_counts_against_no_picture(add, index, failing, monkeypatch, settings):
    monkeypatch.setattr(failing, "error", GpuMemoryError())
    photo = add(1)
    for _ in range(settings.INDEX_ATTEMPTS + 1):
        availability.forget()  # as if a minute had passed
        photo = index(photo)
        assert (photo.state, photo.attempts) == (PhotoState.PENDING, 0)
    assert "The GPU has too little free memory" in photo.index_error
    assert indexing.reconcile()["photos"] == 0  # not before the minute is over
    monkeypatch.undo()
    availability.forget()
    assert index(photo).state == PhotoState.READY


def test_being_told_to_end_does_not_count_against_the_picture(add, failing, monkeypatch):
    monkeypatch.setattr(failing, "error", SystemExit(0))
    photo = add(1)
    with pytest.raises(SystemExit):
        indexing.index_now(photo.pk)
    assert (fresh(photo).state, fresh(photo).attempts) == (PhotoState.PENDING, 0)


def test_retrying_gives_another_chance(add, index, failing, monkeypatch):
    photos = [add(1), add(2)]
    Photo.objects.filter(pk=photos[0].pk).update(state=PhotoState.QUARANTINED, attempts=3, index_error="x")
    Photo.objects.filter(pk=photos[1].pk).update(state=PhotoState.READY)
    assert indexing.retry(Photo.objects.all()) == 1
    assert (fresh(photos[0]).state, fresh(photos[0]).attempts) == (PhotoState.PENDING, 0)
    monkeypatch.undo()
    assert index(photos[0]).state == PhotoState.READY


def test_a_space_retired_meanwhile_is_left_out(add, space):
    other = spaces.create_space("other", encoder="classical-512")
    photo = add(1)
    lease = leases.claim(photo.pk)
    assert lease is not None
    image = read_photo(lease.image)
    description = describing.describe(image, [space, other], progress=lease.note_stage)
    spaces.retire_space(other)
    describing.write(lease, description)
    assert fresh(photo).state == PhotoState.READY
    assert list(PhotoEmbedding.objects.values_list("space_id", flat=True)) == [space.pk]


# --- the reconciler -------------------------------------------------------------------------------------


def test_the_reconciler_finds_what_redis_lost(add, redis_connection):
    photos = [add(n) for n in range(3)]
    redis_connection.flushdb()
    assert indexing.reconcile()["photos"] == 3
    assert sorted(queued()) == [photo.pk for photo in photos]
    assert indexing.reconcile()["photos"] == 0  # what is queued is not queued twice
    assert len(queued()) == 3


def test_the_reconciler_finds_what_a_dead_worker_left(add):
    photo, neighbour = add(1), add(2)
    django_rq.get_queue("index").empty()
    assert leases.claim(photo.pk) is not None
    Photo.objects.filter(pk=neighbour.pk).update(state=PhotoState.READY, indexed_at=timezone.now())
    assert indexing.reconcile()["photos"] == 0  # its worker may live
    expire_lease(photo)
    assert indexing.reconcile()["photos"] == 1
    assert queued() == [photo.pk]


def test_the_last_attempt_that_kills_its_worker_is_quarantined(add, settings):
    photo = add(1)
    for attempt in range(settings.INDEX_ATTEMPTS):
        lease = leases.claim(photo.pk)
        assert lease is not None
        assert lease.attempt == attempt + 1
        expire_lease(photo)
    assert leases.claim(photo.pk) is None
    assert indexing.reconcile() == {"quarantined": 1, "photos": 0, **dict.fromkeys(indexing._reconcilers, 0)}
    photo = fresh(photo)
    assert photo.state == PhotoState.QUARANTINED
    assert "3 times" in photo.index_error


def test_before_there_is_a_space_photos_wait_and_the_reconciler_makes_one(db):
    photo = collection.add_photo(jpeg(1), original_name="1.jpg")
    assert not jobs.index_photo(photo.pk)
    assert fresh(photo).state == PhotoState.PENDING
    indexing.reconcile()
    assert jobs.index_photo(photo.pk)
    assert PhotoEmbedding.objects.filter(photo=photo, space=spaces.active_space()).exists()


def test_the_reconciler_fills_a_new_space(add, index, space):
    photos = [index(add(n)) for n in range(2)]
    django_rq.get_queue("index").empty()
    assert indexing.reconcile()["photos"] == 0
    spaces.create_space("other", encoder="classical-512")
    assert indexing.reconcile()["photos"] == 2
    assert [fresh(photo).state for photo in photos] == [PhotoState.READY] * 2  # seen as ready meanwhile


def test_one_reconciler_at_a_time(add):
    add(1)
    with indexing._alone() as alone, ThreadPoolExecutor(1) as pool:
        assert alone

        def other() -> dict[str, int]:
            try:
                return indexing.reconcile()
            finally:
                connection.close()

        assert pool.submit(other).result() == {}
    assert indexing.reconcile() != {}


def test_others_may_have_their_work_seen_to(space, monkeypatch):
    monkeypatch.setattr(indexing, "_reconcilers", {})
    indexing.register_reconciler("questions", lambda: 7)
    assert indexing.reconcile()["questions"] == 7


def test_the_reconciler_does_not_flood_redis(add, monkeypatch):
    for n in range(5):
        add(n)
    django_rq.get_queue("index").empty()
    monkeypatch.setattr(indexing, "QUEUE_DEPTH", 3)
    assert indexing.reconcile()["photos"] == 3
    assert indexing.reconcile()["photos"] == 0


# --- without Redis --------------------------------------------------------------------------------------


@pytest.fixture
def no_redis(monkeypatch, tmp_path):
    """Redis is away: its socket is not there."""
    away = {"URL": f"unix://{tmp_path}/nothing.sock?db=0", "DEFAULT_TIMEOUT": 60}
    monkeypatch.setattr(rq_settings, "QUEUES", dict.fromkeys(queues.QUEUE_NAMES, away))
    monkeypatch.setattr(queues, "_complaint", queues._Complaint())


def test_an_upload_needs_no_redis(space, no_redis, caplog, index):
    with caplog.at_level(logging.WARNING, "photos.queues"):
        photos = [collection.add_photo(jpeg(n)) for n in range(3)]
        assert indexing.reconcile()["photos"] == 0
    assert [record.message[:13] for record in caplog.records] == ["Redis is away"]
    assert index(photos[0]).state == PhotoState.READY


def test_a_redis_that_hangs_is_waited_for_once(space, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.listen(16)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.5"
        hanging = {"URL": url, "DEFAULT_TIMEOUT": 60}
        monkeypatch.setattr(rq_settings, "QUEUES", dict.fromkeys(queues.QUEUE_NAMES, hanging))
        monkeypatch.setattr(queues, "_complaint", queues._Complaint())
        began = time.monotonic()
        assert queues.ring("index", indexing.JOB, [1], prefix="photo") == 0
        first = time.monotonic() - began
        assert first > 0.4
        for n in range(5):
            collection.add_photo(jpeg(n))
        assert queues._complaint.hangs
        assert time.monotonic() - began - first < 2.0
    assert queues.waiting_ids("index", prefix="photo") is None


def test_job_ids_tell_what_waits(add):
    queue = django_rq.get_queue("index")
    photo = add(1)
    queue.enqueue_call("photos.jobs.index_photo", args=(1,), job_id=f"other-{uuid.uuid4()}")
    assert queues.waiting_ids("index", prefix="photo") == {photo.pk}
