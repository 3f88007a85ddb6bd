"""From the weightless space to SAM and CLIP by itself, and when not."""

from __future__ import annotations

import json
import time

import pytest
from django.core.management import call_command

from photos.models import EmbeddingSpace
from photos.services import automatic_switch, indexing, model_news, spaces, switching
from photos.services.model_news import ModelNews
from photos.vision import registry, weights
from tests.photos.networks import CLIP_FILE, SAM_FILE, SETTINGS, SPACE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(settings, small_models, tmp_path):
    """A data folder of its own; the weights come from a mirror that is a folder of this machine's, when asked."""
    settings.DATA_DIR = tmp_path / "data"
    settings.MODEL_DIR = tmp_path / "models"
    settings.MODEL_DIR.mkdir()
    settings.MODELS_AUTO = True
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    registry.forget_made()
    yield settings
    registry.forget_made()


def put_weights(settings, small_models):
    """Small checkpoints with digests of their own beside them, as an organisation's would be."""
    for name in (CLIP_FILE, SAM_FILE):
        (settings.MODEL_DIR / name).symlink_to(small_models / name)
        (settings.MODEL_DIR / f"{name}.sha256").write_text(f"{weights.digest_of(small_models / name)}  {name}\n")


def describe_all(monkeypatch):
    """Let the photos be described whenever the switch waits for the workers."""

    def work(_seconds):
        from photos.models import Photo

        for pk in Photo.objects.values_list("pk", flat=True):
            indexing.index_now(pk)

    monkeypatch.setattr("photos.services.automatic_switch.time.sleep", work)


def test_it_works_once(space, site, small_models, add, index, monkeypatch):
    put_weights(site, small_models)
    index(add(1))
    describe_all(monkeypatch)
    said: list[str] = []
    automatic_switch.run(said.append)
    made = spaces.active_space()
    assert (made.slug, made.segmenter) == (SPACE, "sam-vit-b")
    assert made.spec["digests"][CLIP_FILE] == weights.digest_of(small_models / CLIP_FILE)
    assert "[" + "#" * 20 + f"] {SPACE}: 1 of 1 photos" in said
    assert said[-1] == f"Searches use {SPACE} now; `manage.py models activate classical-512` goes back"
    assert not automatic_switch.is_wanted()
    spaces.activate_space(space)  # a person goes back
    automatic_switch.run(said.append)
    assert spaces.active_space() == space
    assert model_news.current() is None


def test_it_goes_on_with_what_was_begun(space, site, small_models, add, index, monkeypatch):
    put_weights(site, small_models)
    index(add(1))
    made = switching.start_space(switching.plan_space(SPACE))
    model_news.tell(ModelNews("building", SPACE))
    monkeypatch.setattr(switching, "rehearse", None)  # was done before the space was made
    describe_all(monkeypatch)
    automatic_switch.run(lambda _text: None)
    assert spaces.active_space() == made


def test_without_a_network_it_says_how_to_switch_later_and_says_it_once(space, site):
    site.MODEL_MIRROR = "http://127.0.0.1:9"
    said: list[str] = []
    began = time.monotonic()
    automatic_switch.run(said.append)
    assert time.monotonic() - began < 10
    assert said[0].startswith(f"{CLIP_FILE} could not be fetched")
    assert f"download http://127.0.0.1:9/{CLIP_FILE}" in said[0]
    assert said[1] == f"The site goes on without; `manage.py models activate {SPACE}` switches later"
    automatic_switch.run(said.append)
    assert len(said) == 2
    assert automatic_switch.is_wanted()  # later
    assert model_news.line().endswith(f"later: manage.py models activate {SPACE}")
    assert EmbeddingSpace.objects.count() == 1


def test_weights_that_are_not_the_pinned_ones_are_refused(space, site, small_models):
    put_weights(site, small_models)
    (site.MODEL_DIR / f"{SAM_FILE}.sha256").unlink()
    said: list[str] = []
    automatic_switch.run(said.append)
    assert f"{SAM_FILE} has the SHA-256" in said[0]
    news = model_news.current()
    assert news is not None
    assert news.stage == "failed"
    assert EmbeddingSpace.objects.count() == 1


@pytest.mark.parametrize("how", ["active", "other", "built", "retired"])
def test_it_leaves_alone_what_a_person_decided(space, site, how):
    made = spaces.create_space("mine" if how == "other" else SPACE, encoder=SPACE)
    if how == "active":
        spaces.activate_space(made)
    if how == "retired":
        spaces.retire_space(made)
    said: list[str] = []
    automatic_switch.run(said.append)
    assert said == []
    assert not automatic_switch.is_wanted()


def test_whoever_switches_by_hand_takes_over(space, site):
    model_news.tell(ModelNews("offline", SPACE))
    call_command("models", "activate", "mine", "--encoder", "classical-512", "--no-wait", verbosity=0)
    assert not automatic_switch.is_wanted()


def test_it_can_be_turned_off(site):
    site.MODELS_AUTO = False
    assert not automatic_switch.is_wanted()
    automatic_switch.run(pytest.fail)


def test_a_space_of_other_weights_is_not_filled_on(space, site, small_models):
    from photos.errors import SpaceStateError

    put_weights(site, small_models)
    plan = switching.plan_space(SPACE)
    switching.start_space(plan)
    (site.MODEL_DIR / CLIP_FILE).unlink()
    (site.MODEL_DIR / CLIP_FILE).write_bytes(b"fine-tuned since")
    with pytest.raises(SpaceStateError, match=rf"made with other weights \({CLIP_FILE}\)"):
        switching.start_space(plan)


def test_curators_see_it_on_every_page_and_health_checks_in_their_answer(site, client, admin_client):
    model_news.tell(ModelNews("fetching", SPACE, what="ViT-B-32.pt", done=45, total=100))
    assert "Fetching ViT-B-32.pt: 45 %" in admin_client.get("/about/").content.decode()
    assert "Fetching" not in client.get("/about/").content.decode()
    told = {"stage": "fetching", "space": SPACE, "percent": 45}
    assert client.get("/healthz").json() == {"status": "ok", "models": told}
    path = site.DATA_DIR / "models-state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"told_at": time.time() - 3600}))
    assert "Fetching" not in admin_client.get("/about/").content.decode()  # whoever told it was killed
    path.write_text("{")
    assert client.get("/healthz").json() == {"status": "ok"}
    model_news.tell(ModelNews("building", SPACE, done=3, total=9))
    assert "3 of 9" in model_news.line()
    model_news.tell(ModelNews("done", SPACE))
    assert model_news.line() == ""
    assert list(site.DATA_DIR.glob(".*")) == []
