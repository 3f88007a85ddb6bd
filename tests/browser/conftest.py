"""A real browser before a real server with real workers.

Without a browser these tests fail: install one (Debian: chromium) or name it in CHROMIUM_PATH.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from photos.models import Photo

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's event loop is not ours to await

EXPECT_TIMEOUT_MS = 20_000  # a page may be slow on a busy machine; only a test that fails waits so long

PLACE = (41.0123, -40.0077)
ELSEWHERE = (41.03, -39.97)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect

    from tests.browser.chromium import launched

    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    with launched() as browser:
        yield browser


@pytest.fixture(params=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page that fails its test on any console error, any refusal by the CSP, and any foreign address but tiles."""
    from tests.browser.chromium import DESKTOP, PHONE

    phone = request.param == "phone"
    context = browser.new_context(
        viewport=PHONE if phone else DESKTOP, has_touch=phone, is_mobile=phone, base_url=live_server.url
    )
    complaints: list[str] = []
    page = context.new_page()
    page.route("**/*", lambda route: _let_pass(route, live_server.url, complaints))
    page.on("console", lambda message: _listen(message, complaints))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.complaints = complaints  # type: ignore[attr-defined]
    yield page
    context.close()
    assert complaints == []


def _let_pass(route: Any, home: str, complaints: list[str]) -> None:
    url = route.request.url
    if url.startswith((home, "blob:", "data:")):
        route.continue_()
        return
    if "tile.openstreetmap.org" not in url:
        complaints.append(f"asked for {url}")
    route.abort()


def _listen(message: Any, complaints: list[str]) -> None:
    aborted_tile = "ERR_FAILED" in message.text and "tile.openstreetmap.org" in str(message.location)
    if message.type in {"error", "warning"} and not aborted_tile:
        complaints.append(f"{message.type}: {message.text}")


@pytest.fixture
def scene_files(tmp_path: Path) -> dict[str, Path]:
    """Pictures to ask about: the same wall from another side, another wall, and a file that is no picture."""
    from tests.browser.walls import another_view, wall

    files = {"known": tmp_path / "known.jpg", "unknown": tmp_path / "unknown.jpg", "broken": tmp_path / "broken.jpg"}
    another_view(wall(1)).save(files["known"], quality=92)
    wall(9).save(files["unknown"], quality=92)
    files["broken"].write_bytes(b"<html>this is no picture</html>")
    return files


@pytest.fixture
def collection(transactional_db: None) -> list[Photo]:
    """Two walls in the collection, described and placed."""
    from photos.models import Photo
    from photos.services import collection, indexing
    from photos.services.spaces import ensure_default_space
    from tests.browser.walls import wall
    from tests.photos.pictures import encode

    ensure_default_space()
    for seed, (latitude, longitude), title in ((1, PLACE, "The first wall"), (2, ELSEWHERE, "The second wall")):
        collection.add_photo(
            encode(wall(seed), quality=92),
            original_name=f"secret-{seed}.jpg",
            title=title,
            latitude=latitude,
            longitude=longitude,
            bearing_deg=40.0,
            tags=["wall", f"wall {seed}"],
        )
    for photo in Photo.objects.all():
        assert indexing.index_now(photo.pk)
    return list(Photo.objects.order_by("pk"))


@pytest.fixture
def worker(transactional_db: None, media_root: Path, tmp_path: Path) -> Iterator[None]:
    """A real worker for the visitors' questions."""
    from tests.photos.workers import WorkerProcess

    process = WorkerProcess(media_root, tmp_path / "worker.log", queue="interactive")
    process.start()
    yield
    process.kill_tree()
