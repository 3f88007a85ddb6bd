"""The registry of encoders and segmenters."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from photos.vision import registry
from photos.vision.errors import UnknownModelError
from photos.vision.types import EncoderSpec

made: list[str] = []


class Counted:
    def __init__(self, argument: EncoderSpec | str) -> None:
        made.append(argument if isinstance(argument, str) else argument.slug)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    made.clear()
    for name in ("_ENCODERS", "_SEGMENTERS", "_made"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


def test_it_knows_the_models_without_weights() -> None:
    assert "classical-512" in registry.encoder_slugs()
    assert {"regions", "windows"} <= set(registry.segmenter_slugs())
    assert registry.get_spec("classical-512").dimensions == 512


def test_what_it_makes_says_its_own_slug() -> None:
    assert registry.get_encoder("classical-512").spec is registry.get_spec("classical-512")
    assert [registry.get_segmenter(slug).slug for slug in ("regions", "windows")] == ["regions", "windows"]


def test_every_default_segmenter_exists() -> None:
    for slug in registry.encoder_slugs():
        assert registry.default_segmenter(slug) in registry.segmenter_slugs()


@pytest.mark.parametrize("get", [registry.get_encoder, registry.get_spec])
def test_an_unknown_encoder_is_told_with_the_known_ones(get: object) -> None:
    with pytest.raises(UnknownModelError, match=r"unknown encoder 'nothing'; known: .*classical-512"):
        get("nothing")  # type: ignore[operator]


def test_an_unknown_segmenter_is_told_with_the_known_ones() -> None:
    with pytest.raises(UnknownModelError, match=r"unknown segmenter 'nothing'; known: .*windows"):
        registry.get_segmenter("nothing")


def test_a_registered_encoder_is_made_once_even_by_many_threads() -> None:
    spec = replace(registry.get_spec("classical-512"), slug="counted")
    registry.register_encoder(spec, f"{__name__}:Counted")
    assert made == []
    threads = [threading.Thread(target=registry.get_encoder, args=("counted",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["counted"]
    assert "counted" in registry.encoder_slugs()


def test_registering_again_replaces() -> None:
    registry.register_segmenter("counted", f"{__name__}:Counted")
    first = registry.get_segmenter("counted")
    registry.register_segmenter("counted", f"{__name__}:Counted")
    assert registry.get_segmenter("counted") is not first
    assert made == ["counted", "counted"]
