"""Vision is tested as it works alone: set up by the environment, whatever site shares the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from photos.vision import configuration


@pytest.fixture(autouse=True)
def environments_configuration() -> Iterator[None]:
    former = configuration.use(configuration.from_environment)
    yield
    configuration.use(former)
