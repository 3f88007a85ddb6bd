"""Photos that one space cannot describe, or not on this machine, or not yet."""

from __future__ import annotations

import io
import logging
from dataclasses import asdict, replace

import pytest
from django.core.management import call_command

from geolocator.health import _check_space
from photos.errors import SpaceStateError
from photos.models import DescriptionGap, EmbeddingSpace, Photo, PhotoEmbedding, PhotoState
from photos.services import availability, indexing, spaces, switching
from photos.vision import registry
from photos.vision.errors import GpuMemoryError, ImageRefused, WeightsCorruptError
from photos.vision.types import WeightFile

pytestmark = pytest.mark.django_db

FILE = WeightFile("extra.bin", "https://example.org/extra.bin", "", 5)


class Troubled:
    """The classical encoder, unless there is an error to raise."""

    error: Exception | None = None

    def __init__(self, spec):
        self.spec = spec
        self._real = registry.get_encoder("classical-512")

    def encode(self, images):
        if Troubled.error is not None:
            raise Troubled.error
        return self._real.encode(images)

    def encode_segments(self, image, segments):
        return self._real.encode_segments(image, segments)


@pytest.fixture
def other(space, monkeypatch, settings, tmp_path) -> EmbeddingSpace:
    """A second space beside the active one, of an encoder with a weight file of its own, which is here."""
    for name in ("_ENCODERS", "_made"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    monkeypatch.setattr(Troubled, "error", None)
    settings.MODEL_DIR = tmp_path / "models"
    settings.MODEL_DIR.mkdir()
    (settings.MODEL_DIR / FILE.name).write_bytes(b"first")
    spec = replace(registry.get_spec("classical-512"), slug="troubled", weights=(FILE,))
    registry.register_encoder(spec, f"{__name__}:Troubled")
    return spaces.create_space("troubled", segmenter="windows")


def described_in(photo: Photo) -> set[str]:
    return set(PhotoEmbedding.objects.filter(photo=photo).values_list("space__slug", flat=True))


def test_what_one_space_refuses_is_ready_in_the_others(other, add, index, monkeypatch):
    monkeypatch.setattr(Troubled, "error", ImageRefused("too odd", code="broken"))
    photo = index(add(1))
    assert (photo.state, photo.index_error) == (PhotoState.READY, "")
    assert described_in(photo) == {"classical-512"}
    gap = DescriptionGap.objects.get()
    assert (gap.photo_id, gap.space, gap.permanent, gap.reason) == (photo.pk, other, True, "too odd")
    assert indexing.reconcile()["photos"] == 0
    assert indexing.index_now(photo.pk) is False
    found = spaces.space_statistics(other)
    assert (found.remaining, found.refused, found.is_complete) == (0, 1, True)
    monkeypatch.setattr(Troubled, "error", None)
    assert indexing.retry(Photo.objects.all()) == 1
    assert described_in(index(photo)) == {"classical-512", "troubled"}
    assert not DescriptionGap.objects.exists()


def test_curators_see_what_a_space_lacks(other, add, index, monkeypatch, settings, admin_client):
    monkeypatch.setattr(Troubled, "error", ImageRefused("too odd", code="broken"))
    photo = index(add(1))
    page = admin_client.get(f"/admin/photos/photo/{photo.pk}/change/").content.decode()
    assert "Not in troubled</dt>" in page
    assert "too odd" in page
    assert "Retry" in page
    (settings.MODEL_DIR / FILE.name).unlink()
    page = admin_client.get("/admin/photos/embeddingspace/").content.decode()
    assert "1 cannot be described in it" in page
    assert "The weights extra.bin are not in" in page
    index(add(2))
    assert _check_space()["waiting"] == {"troubled": 1}  # /readyz asks on a connection of its own


def test_an_error_of_one_space_is_tried_again_and_then_a_gap(other, add, index, monkeypatch, settings):
    monkeypatch.setattr(Troubled, "error", RuntimeError("no such luck"))
    photo = add(1)
    states = []
    for _attempt in range(settings.INDEX_ATTEMPTS):
        photo = index(photo)
        states.append(photo.state)
    assert states == [PhotoState.PENDING, PhotoState.PENDING, PhotoState.READY]
    assert described_in(photo) == {"classical-512"}
    assert DescriptionGap.objects.get().reason == "RuntimeError: no such luck"


def test_a_full_gpu_leaves_no_gap_for_good(other, add, index, monkeypatch, settings):
    monkeypatch.setattr(Troubled, "error", GpuMemoryError())
    photo = index(add(1))
    assert (photo.state, described_in(photo)) == (PhotoState.READY, {"classical-512"})
    assert not DescriptionGap.objects.get().permanent
    assert indexing.reconcile()["photos"] == 0
    monkeypatch.setattr(Troubled, "error", None)
    availability.forget()  # as if a minute had passed
    assert indexing.reconcile()["photos"] == 1
    assert described_in(index(photo)) == {"classical-512", "troubled"}


def test_a_space_that_most_photos_cannot_be_described_in_is_not_swapped_in(other, add, index, monkeypatch):
    monkeypatch.setattr(Troubled, "error", ImageRefused("too odd", code="broken"))
    index(add(1))
    with pytest.raises(SpaceStateError, match=r"1 photos cannot be described in 'troubled'.*too odd"):
        spaces.activate_space(other)
    assert spaces.active_space().slug == "classical-512"
    assert spaces.activate_space(other, force=True).state == "active"


def test_a_swap_tells_what_the_new_space_does_not_hold(other, add, index, monkeypatch):
    photos = [index(add(number)) for number in (1, 2)]
    monkeypatch.setattr(Troubled, "error", ImageRefused("too odd", code="broken"))
    photos.append(index(add(3)))
    monkeypatch.setattr(Troubled, "error", None)  # the drawn picture is none of the odd ones
    for command in ("build", "activate"):
        out = io.StringIO()
        call_command("models", command, "troubled", "--segmenter", "windows", "--own-weights", stdout=out, verbosity=0)
        told = out.getvalue().splitlines()[-1]
        assert told.startswith("1 photos cannot be described in troubled: searches in it do not find them.")
        assert told.endswith(f"(/admin/photos/photo/{photos[2].pk}/change/): too odd")
    assert spaces.active_space() == other
    assert switching.tell_refused(EmbeddingSpace.objects.get(slug="classical-512")) == ""


def test_photos_do_not_wait_for_a_space_beside_the_active_one(other, add, index, settings, caplog):
    (settings.MODEL_DIR / FILE.name).unlink()
    with caplog.at_level(logging.ERROR):
        photos = [index(add(number)) for number in (1, 2)]
        for _round in range(3):
            assert indexing.reconcile()["photos"] == 0
    assert [photo.state for photo in photos] == [PhotoState.READY] * 2
    assert [described_in(photo) for photo in photos] == [{"classical-512"}] * 2
    assert not indexing.index_now(photos[0].pk)
    told = [record.message for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("photos wait for the space troubled: The weights extra.bin are not in")
    assert spaces.remaining_photos(other) == 2
    assert not DescriptionGap.objects.filter(permanent=True).exists()
    (settings.MODEL_DIR / FILE.name).write_bytes(b"first")  # they arrive
    assert indexing.reconcile()["photos"] == 2
    assert described_in(index(photos[0])) == {"classical-512", "troubled"}
    assert spaces.remaining_photos(other) == 1


def test_photos_of_before_the_space_are_left_alone_without_its_weights(space, other, add, index, settings):
    (settings.MODEL_DIR / FILE.name).unlink()
    photo = index(add(1))
    spaces.create_space("third", encoder="classical-512", segmenter="windows")
    assert indexing.reconcile()["photos"] == 1  # for the third
    index(photo)
    assert indexing.reconcile()["photos"] == 0
    assert described_in(photo) == {"classical-512", "third"}
    assert (spaces.remaining_photos(other), Photo.objects.get().state) == (1, PhotoState.READY)


def test_without_the_active_spaces_weights_photos_wait_and_nobody_rings(other, add, index, settings, caplog):
    spaces.activate_space(other)
    (settings.MODEL_DIR / FILE.name).unlink()
    with caplog.at_level(logging.ERROR):
        photo = index(add(1))
        assert (photo.state, photo.attempts) == (PhotoState.PENDING, 0)
        assert "copy it to" in photo.index_error
        for _round in range(3):
            assert indexing.reconcile()["photos"] == 0
    assert len(caplog.records) == 1
    (settings.MODEL_DIR / FILE.name).write_bytes(b"first")
    assert indexing.reconcile()["photos"] == 1
    assert index(photo).state == PhotoState.READY


def test_models_that_do_not_load_are_left_alone_until_their_files_change(other, add, index, settings, monkeypatch):
    tried: list[str] = []

    def refuse(slug):
        tried.append(slug)
        raise WeightsCorruptError("not the right ones")

    real = registry.get_encoder
    monkeypatch.setattr(registry, "get_encoder", lambda slug: refuse(slug) if slug == "troubled" else real(slug))
    for number in (1, 2, 3):
        assert index(add(number)).state == PhotoState.READY
    assert tried == ["troubled"]
    assert availability.outage(other) == "not the right ones"
    (settings.MODEL_DIR / FILE.name).write_bytes(b"second")
    assert availability.outage(other) == ""
    monkeypatch.setattr(registry, "get_encoder", real)
    assert indexing.reconcile()["photos"] == 3


def test_the_weights_are_those_the_space_was_made_with(other):
    other.refresh_from_db()
    assert other.spec["weights"] == [asdict(FILE)]
    EmbeddingSpace.objects.filter(pk=other.pk).update(segmenter="nonesuch")
    other.refresh_from_db()
    assert "unknown segmenter 'nonesuch'" in availability.outage(other)
