"""The registry of encoders and segmenters."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from photos.vision import catalogue, registry
from photos.vision.encoders.inverted_spec import MaskInversion, inverted, settings_of
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


@pytest.mark.parametrize("plain", ["clip-vit-b-32-openai", "clip-vit-l-14-openai", "siglip-b-16-384", "dinov2-b-14"])
def test_mask_inversion_takes_settings_by_its_slug(plain: str) -> None:
    default, own = registry.get_spec(f"{plain}+mi"), registry.get_spec(f"{plain}+mi-20-0.5")
    assert own == replace(default, slug=f"{plain}+mi-20-0.5", preprocessing=own.preprocessing)
    assert "mi_steps 20, mi_alpha 0.5" in own.preprocessing
    assert "mi_steps 100, mi_alpha 0.03" in default.preprocessing
    assert registry.default_segmenter(own.slug) == registry.default_segmenter(plain) == "sam-vit-b"
    assert catalogue.files_of(own.slug) == registry.get_spec(plain).weights
    assert own.slug not in registry.encoder_slugs()  # there are too many to list


@pytest.mark.parametrize("own", ["1-0", "10000-100", "100-0.5", "20-0.03", "5-1e-05"])
def test_every_setting_of_mask_inversion_has_one_spelling(own: str) -> None:
    steps, alpha = own.split("-", 1)
    found = settings_of(f"dinov2-b-14+mi-{own}")
    assert found == MaskInversion(mi_alpha=float(alpha), mi_steps=int(steps))
    plain = registry.get_spec("dinov2-b-14")
    again = inverted(plain, mi_alpha=found.mi_alpha, mi_steps=found.mi_steps)
    assert registry.get_spec(f"dinov2-b-14+mi-{own}") == again


@pytest.mark.parametrize(
    "own",
    ["-0-0.5", "--5-0.5", "-20--0.5", "-20-nan", "-20-inf", "-1000000000-0.5", "-10001-0.5", "-20-100.5", "-20-1e9",
     "-020-0.5", "-20-00.5", "-20-0.50", "-20-.5", "-20-1e-5", "-20-0.1234567", "-100-0.03", "-20", "-20-0.5-1", "-",
     "-20-0.5 ", "-\u0662-0.5", "-2.5-0.5", "x"],
)  # fmt: skip
@pytest.mark.parametrize("plain", ["clip-vit-b-32-openai", "dinov2-b-14"])
def test_it_rejects_other_settings_of_mask_inversion(plain: str, own: str) -> None:
    message = rf"unknown mask inversion .*; write {plain}\+mi, or {plain}\+mi-STEPS-ALPHA with 1 to 10000 steps"
    for get in (registry.get_spec, registry.get_encoder, registry.default_segmenter, catalogue.find_model):
        with pytest.raises(UnknownModelError, match=message):
            get(f"{plain}+mi{own}")


@pytest.mark.parametrize(
    "slug", ["classical-512+mi", "classical-512+mi-20-0.5", "nothing+mi-20-0.5", "+mi-20-0.5", "dinov2-b-14+mi+lin-1"]
)
def test_what_cannot_be_inverted_takes_no_settings(slug: str) -> None:
    with pytest.raises(UnknownModelError, match=r"unknown encoder '.*'; known: .*classical-512"):
        registry.get_spec(slug)


def test_registering_again_replaces() -> None:
    registry.register_segmenter("counted", f"{__name__}:Counted")
    first = registry.get_segmenter("counted")
    registry.register_segmenter("counted", f"{__name__}:Counted")
    assert registry.get_segmenter("counted") is not first
    assert made == ["counted", "counted"]
