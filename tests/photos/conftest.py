"""What the collection's tests share. Models are imported late: pytest reads this file before Django is set up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.photos.pictures import jpeg

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from photos.models import EmbeddingSpace, Photo


@pytest.fixture(autouse=True)
def no_outage_is_known() -> None:
    from photos.services import availability

    availability.forget()


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small random SAM and CLIP checkpoints, not to be changed."""
    from tests.photos.networks import write_models

    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def space(db: None) -> EmbeddingSpace:
    """The default space, active."""
    from photos.services.spaces import ensure_default_space

    return ensure_default_space()


@pytest.fixture
def owner(db: None) -> User:
    from django.contrib.auth.models import User

    return User.objects.create_user("ada")


@pytest.fixture
def add(space: EmbeddingSpace) -> Callable[..., Photo]:
    """Add a picture of its own number to the collection: pending."""
    from photos.services import collection

    def add_numbered(number: int = 0, **fields: Any) -> Photo:
        return collection.add_photo(jpeg(number), original_name=f"{number}.jpg", **fields)

    return add_numbered


@pytest.fixture
def index() -> Callable[[Photo], Photo]:
    """Index a photo in this process and return it as it stands then."""
    from photos.models import Photo
    from photos.services import indexing

    def index_photo(photo: Photo) -> Photo:
        indexing.index_now(photo.pk)
        return Photo.objects.get(pk=photo.pk)

    return index_photo
