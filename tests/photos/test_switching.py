"""From the weightless space to SAM and CLIP, through the commands, on small random checkpoints."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time

import django_rq
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from photos import vectors
from photos.errors import SpaceIncompleteError, SpaceStateError
from photos.models import (
    DescriptionGap,
    EmbeddingSpace,
    Photo,
    PhotoEmbedding,
    PhotoTag,
    Segment,
    SegmentEmbedding,
    SegmentTag,
    Tag,
)
from photos.services import availability, indexing, spaces, switching, vocabulary
from photos.vision import registry
from photos.vision.errors import WeightsCorruptError
from tests.photos.networks import CLIP_FILE, SAM_FILE, SETTINGS, SPACE, write_other_models
from tests.photos.pictures import jpeg
from tests.photos.workers import running_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def networks(small_models, settings):
    """The site of this process set up for the small checkpoints."""
    if small_models != settings.MODEL_DIR:
        registry.forget_made()
    settings.MODEL_DIR = small_models
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    return small_models


def models(*arguments: str) -> str:
    out = io.StringIO()
    call_command("models", *arguments, stdout=out, stderr=out, verbosity=0)
    return out.getvalue()


def activate_beside(add, index):
    """A classical photo, then the space with networks, active."""
    photo = index(add(1))
    models("activate", SPACE, "--own-weights", "--no-wait")
    index(photo)
    assert "Searches use" in models("activate", SPACE, "--own-weights", "--no-wait")
    return photo


def vectors_of(space: EmbeddingSpace) -> list[tuple[int, list[float]]]:
    rows = PhotoEmbedding.objects.filter(space=space).order_by("photo_id").values_list("photo_id", "vector")
    return [(pk, np.asarray(vector).tolist()) for pk, vector in rows]


@pytest.mark.slow
def test_a_worker_fills_it_while_the_old_one_answers(space, networks, add, media_root, tmp_path):
    """Saved, segmented by SAM, described by CLIP, tagged, searched, and told as JSON: by a real worker."""
    from search.questions import describe_query
    from search.services import search_by_image, similar_to_photo
    from search.types import Filters

    environment = {name: str(value) for name, value in SETTINGS.items()}
    answers: list[str] = []
    with running_worker(media_root, tmp_path / "log", MODEL_DIR=str(networks), **environment) as worker:
        photos = [add(number, latitude=48.85, longitude=2.35) for number in range(4)]
        wait_until(lambda: Photo.objects.filter(state="ready").count() == 4, timeout_s=180)
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                answers.append(similar_to_photo(photos[0], viewer=None).space)
                time.sleep(0.1)
            connection.close()

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            told = models("activate", SPACE, "--own-weights")
        finally:
            over.set()
            asking.join()
        assert "Searches use clip-vit-b-32-openai now." in told, worker.log()
        vocabulary.set_tag_cut(spaces.active_space(), 0.0)  # random networks are sure of nothing
        wait_until(lambda: SegmentTag.objects.exists() and vocabulary.requeue() == 0, timeout_s=120)
    assert answers[0] == "classical-512"
    assert set(answers) <= {"classical-512", SPACE}
    assert answers == sorted(answers)  # once swapped, never back
    clip = spaces.active_space()
    assert (clip.slug, clip.segmenter, clip.dimensions) == (SPACE, "sam-vit-b", 512)
    assert PhotoEmbedding.objects.filter(space=clip).count() == 4
    ranks = set(SegmentEmbedding.objects.filter(space=clip).values_list("photo_id", "rank"))
    assert ranks
    assert ranks <= set(Segment.objects.filter(segmenter="sam-vit-b").values_list("photo_id", "rank"))
    assert set(PhotoTag.objects.filter(tag__is_place=True).values_list("tag__name", flat=True)) >= {"France", "Paris"}
    from photos.vision.images import read_image

    image = read_image(jpeg(2), max_side=1600)
    found = search_by_image(image.pixels, viewer=None)
    assert found.space == SPACE
    assert found.matches[0].photo_id == photos[2].pk
    query = describe_query(image, space=clip, filters=Filters(), progress=lambda _stage: None)
    assert query is not None
    assert query.segments


@pytest.mark.slow
def test_a_worker_describes_in_every_kind_of_space_at_once(space, add, media_root, tmp_path, settings, client):
    """OWLv2 with SAM for SigLIP, regions for DINOv2: saved, described by a real worker, searched, told as JSON."""
    from photos.vision.images import read_image
    from search.services import search_by_image

    folder = write_other_models(tmp_path / "models")
    settings.MODEL_DIR = folder
    values = SETTINGS | {"OWLV2_THRESH": 0.05}
    for name, value in values.items():
        setattr(settings, name, value)
    registry.forget_made()
    made = {}
    for slug, segmenter in (("siglip-b-16-384", "owlv2+sam"), ("dinov2-b-14", "regions")):
        models("build", slug, "--segmenter", segmenter, "--own-weights", "--no-wait")
        made[slug] = EmbeddingSpace.objects.get(slug=slug)
    environment = {name: str(value) for name, value in values.items()}
    with running_worker(media_root, tmp_path / "log", MODEL_DIR=str(folder), **environment) as worker:
        photos = [add(number) for number in range(3)]
        ready = Photo.objects.filter(state="ready")
        try:
            wait_until(lambda: ready.count() == 3, timeout_s=240)
        except AssertionError as exc:
            raise AssertionError(worker.log()) from exc
    assert not DescriptionGap.objects.exists()
    for slug, other in made.items():
        assert {one for one, _vector in vectors_of(other)} == {photo.pk for photo in photos}
        assert {len(vector) for _one, vector in vectors_of(other)} == {768}
        ranks = set(SegmentEmbedding.objects.filter(space=other).values_list("photo_id", "rank"))
        assert {photo for photo, _rank in ranks} == {photo.pk for photo in photos}
        assert ranks == set(Segment.objects.filter(segmenter=other.segmenter).values_list("photo_id", "rank"))
        assert switching.try_swap(other)
        found = search_by_image(read_image(jpeg(2), max_side=1600).pixels, viewer=None)
        assert (found.space, found.matches[0].photo_id) == (slug, photos[2].pk)
        told = client.get(f"/api/v1/photos/{photos[2].uuid}/similar/").json()
        assert told["space"] == slug
        assert {one["photo"] for one in told["matches"]} == {str(photo.uuid) for photo in photos[:2]}
    registry.forget_made()


def test_it_is_fetched_verified_and_tried_before_it_is_made(space, networks, tmp_path, settings):
    with pytest.raises(CommandError, match=r"ViT-B-32\.pt has the SHA-256 .* expected 40d365715913"):
        models("activate", SPACE)
    assert EmbeddingSpace.objects.count() == 1
    settings.MODEL_DIR = tmp_path
    (tmp_path / SAM_FILE).write_bytes(b"not a checkpoint")
    (tmp_path / CLIP_FILE).write_bytes((networks / CLIP_FILE).read_bytes())
    registry.forget_made()
    with pytest.raises(CommandError, match="is no file of plain weights"):
        models("activate", SPACE, "--own-weights")
    registry.forget_made()
    assert EmbeddingSpace.objects.count() == 1


def test_side_by_side_and_back(space, networks, add, index):
    photo = activate_beside(add, index)
    clip = spaces.active_space()
    assert clip.slug == SPACE
    assert {one for one, _vector in vectors_of(clip)} == {photo.pk}
    assert vectors_of(space)
    with pytest.raises(CommandError, match="is the active space"):
        models("retire", SPACE)
    assert "retired" in models("retire", "classical-512")
    assert not PhotoEmbedding.objects.filter(space=space).exists()
    with pytest.raises(CommandError, match="no space 'classical-512'"):
        models("retire", "classical-512")


def test_mask_inversion_is_chosen_by_the_spaces_name(space, networks, add, index):
    slug, other = f"{SPACE}+mi-5-0.5", f"{SPACE}+mi-1-0.5"
    for one in (slug, other):
        models("build", one, "--own-weights", "--no-wait")
    photo = index(add(1))
    assert f"Searches use {slug} now." in models("activate", slug, "--own-weights", "--no-wait")
    made = spaces.active_space()
    assert (made.slug, made.encoder, made.segmenter) == (slug, slug, "sam-vit-b")
    assert "mi_steps 5, mi_alpha 0.5" in made.spec["preprocessing"]
    found, others = (
        [np.asarray(row.vector) for row in photo.segment_embeddings.filter(space__slug=one).order_by("rank")]
        for one in (slug, other)
    )
    assert len(found) == len(others) > 0
    assert all(one @ same < 0.999 for one, same in zip(found, others, strict=True))
    assert f"{slug:<28} active" in models("list")


def test_a_photo_saved_meanwhile_does_not_hold_up_the_swap(space, networks, add, index):
    photo = index(add(1))
    models("build", SPACE, "--own-weights", "--no-wait")
    assert spaces.active_space() == space
    other = EmbeddingSpace.objects.get(slug=SPACE)
    with pytest.raises(SpaceIncompleteError):
        spaces.activate_space(other)
    index(photo)
    add(2)  # comes to both spaces at once
    assert switching.try_swap(other)


def test_words_change_and_vectors_do_not(space, networks, add, index):
    photo = activate_beside(add, index)
    clip = spaces.active_space()
    assert Tag.objects.filter(in_vocabulary=True).count() == 50
    vocabulary.set_tag_cut(clip, 0.0)
    assert vocabulary.retag(spaces.active_space())
    before = vectors_of(clip)
    assert PhotoTag.objects.filter(photo=photo, source="automatic").count() == 5
    Tag.objects.filter(in_vocabulary=True).update(in_vocabulary=False)
    Tag.objects.create(name="Minaret", slug="minaret", in_vocabulary=True)
    Tag.objects.create(name="Pier", slug="pier", in_vocabulary=True, prompt="a wooden pier in the sea")
    PhotoTag.objects.create(photo=photo, tag=Tag.objects.get(slug="pier"))
    segment = Segment.objects.filter(photo=photo, segmenter="sam-vit-b")[0]
    SegmentTag.objects.create(segment=segment, tag=Tag.objects.get(slug="sky"))
    django_rq.get_queue("index").empty()
    assert vocabulary.requeue() == 1
    assert vocabulary.requeue() == 0  # it is in the queue already
    assert vocabulary.retag(clip, limit_s=60)
    assert vocabulary.requeue() == 0
    given = dict(PhotoTag.objects.filter(photo=photo).values_list("tag__slug", "source"))
    assert given == {"minaret": "automatic", "pier": "manual"}
    assert SegmentTag.objects.get(segment=segment, tag__slug="sky").source == "manual"
    of_segments = SegmentTag.objects.filter(source="automatic")
    assert set(of_segments.values_list("tag__slug", flat=True)) == {"minaret", "pier"}
    scores = of_segments.values_list("score", flat=True)
    assert all(0 <= score <= 1 for score in scores)
    assert vectors_of(clip) == before
    # what a stored vector gives is what describing gives
    stored = dict(PhotoTag.objects.filter(photo=photo, source="automatic").values_list("tag__slug", "score"))
    indexing.request_index([photo.pk])
    index(photo)
    again = dict(PhotoTag.objects.filter(photo=photo, source="automatic").values_list("tag__slug", "score"))
    assert again == pytest.approx(stored, abs=0.02)


def test_the_retag_command(space, networks, add, index):
    with pytest.raises(CommandError, match="No space here knows words"):
        call_command("retag", verbosity=0)
    photo = activate_beside(add, index)
    Tag.objects.filter(in_vocabulary=True).update(in_vocabulary=False)
    vocabulary.set_tag_cut(spaces.active_space(), 0.0)
    out = io.StringIO()
    call_command("retag", verbosity=0, stdout=out)
    assert "with 0 words" in out.getvalue()
    assert not PhotoTag.objects.filter(photo=photo).exists()
    call_command("retag", "--default-words", verbosity=0, stdout=out)
    assert "with 50 words" in out.getvalue()
    assert PhotoTag.objects.filter(photo=photo).exists()


def test_missing_weights_are_not_the_photos_fault(space, networks, add, index, settings, tmp_path):
    models("build", SPACE, "--own-weights", "--no-wait")
    settings.MODEL_DIR = tmp_path
    registry.forget_made()
    photo = add(1)
    for _attempt in range(5):
        photo = index(photo)
    assert (photo.state, photo.attempts) == ("ready", 0)  # findable in the active space
    gap = DescriptionGap.objects.get()
    assert (gap.space.slug, gap.permanent) == (SPACE, False)
    assert "manage.py models fetch" in gap.reason
    settings.MODEL_DIR = networks
    registry.forget_made()
    assert index(photo).state == "ready"
    assert PhotoEmbedding.objects.filter(photo=photo).count() == 2


def test_replaced_weights_are_an_outage_of_their_space_alone(space, networks, add, index, settings, tmp_path):
    """Vectors of two files of one name never mix, whenever the file was replaced."""
    from photos.vision.images import read_image
    from search.questions import describe_query
    from search.types import Filters
    from tests.vision.checkpoints import write_small_clip

    folder = settings.MODEL_DIR = shutil.copytree(networks, tmp_path / "models")
    registry.forget_made()
    models("build", SPACE, "--own-weights", "--no-wait")
    first, clip = index(add(1)), EmbeddingSpace.objects.get(slug=SPACE)
    before = vectors_of(clip)
    write_small_clip(folder / CLIP_FILE, seed=99)
    second = index(add(2))
    assert second.state == "ready"
    assert set(PhotoEmbedding.objects.filter(photo=second).values_list("space__slug", flat=True)) == {"classical-512"}
    gap = DescriptionGap.objects.get()
    assert (gap.photo, gap.space, gap.permanent) == (second, clip, False)
    assert f"The weights {folder / CLIP_FILE} are not those that the space {SPACE} was made with" in gap.reason
    assert "Put the old file back, or " in gap.reason
    assert f"`manage.py models build NAME --encoder {SPACE} --segmenter sam-vit-b --own-weights`" in gap.reason
    with pytest.raises(WeightsCorruptError, match="are not those that the space"):
        describe_query(read_image(jpeg(3)), space=clip, filters=Filters(), progress=lambda _stage: None)
    with pytest.raises(WeightsCorruptError, match="are not those that the space"):
        vocabulary.load_vocabulary(clip)

    models("build", "mine", "--encoder", SPACE, "--own-weights", "--no-wait")
    index(first)
    ((_pk, of_new_weights),) = vectors_of(EmbeddingSpace.objects.get(slug="mine"))
    assert np.dot(of_new_weights, before[0][1]) < 0.99  # nothing of the old file is left in this process

    shutil.copy(networks / CLIP_FILE, folder / CLIP_FILE)
    assert availability.outage(clip) == ""
    assert "the space mine was made with" in availability.outage(EmbeddingSpace.objects.get(slug="mine"))
    index(first)
    assert vectors_of(clip) == before
    registry.forget_made()


def test_a_photo_that_the_new_space_refuses_loses_the_old_ones_tags(space, networks, add, index):
    photo = activate_beside(add, index)
    clip = spaces.active_space()
    vectors.delete_vectors(vectors.PHOTO_TABLE, clip, [photo.pk])
    vectors.write_segment_vectors(clip, {photo.pk: {}})
    DescriptionGap.objects.create(photo=photo, space=clip, permanent=True, reason="too odd")
    segment = Segment.objects.filter(photo=photo)[0]
    church, sky = (Tag.objects.get(slug=slug) for slug in ("church", "sky"))
    SegmentTag.objects.create(segment=segment, tag=church, source="automatic", score=0.5)
    PhotoTag.objects.create(photo=photo, tag=church, source="automatic", score=0.5)
    PhotoTag.objects.create(photo=photo, tag=sky)
    vocabulary.start_anew(clip)
    assert vocabulary.retag(clip)
    assert list(PhotoTag.objects.filter(photo=photo).values_list("tag__slug", flat=True)) == ["sky"]
    assert not SegmentTag.objects.exists()


def test_it_is_told_how_to_switch(space, networks, settings, tmp_path):
    assert spaces.advise_on_models() == (
        "SAM and CLIP weights are here; `manage.py models activate clip-vit-b-32-openai` switches"
    )
    settings.MODEL_DIR = tmp_path
    assert "not here; `manage.py models activate clip-vit-b-32-openai` fetches them" in spaces.advise_on_models()
    spaces.create_space(SPACE)
    assert spaces.advise_on_models() == ""


def test_a_space_keeps_what_it_is_made_of(space):
    with pytest.raises(SpaceStateError, match="classical-512 and windows, not classical-512 and regions"):
        switching.plan_space("classical-512", segmenter="regions")
    plan = switching.plan_space("mine", encoder="classical-512", segmenter="regions")
    assert json.dumps([plan.encoder, plan.segmenter, list(plan.files)]) == '["classical-512", "regions", []]'
