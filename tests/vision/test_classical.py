"""The encoder that needs no weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from photos.vision.encoders.classical import ClassicalEncoder, load_constants
from photos.vision.encoders.classical_learning import learn_constants, save_constants
from photos.vision.masks import mask_of, segment_of
from photos.vision.registry import get_encoder, get_segmenter
from photos.vision.types import Box, Image
from tests.vision.drawing import blank, noise, photograph

NAMES = ("astronaut", "camera", "chelsea", "coffee", "rocket")


def vector(image: Image) -> NDArray[np.float32]:
    found = get_encoder("classical-512").encode([image])[0]
    assert found is not None
    return found


def whole(image: Image) -> Box:
    return Box(0, 0, image.shape[1], image.shape[0])


@pytest.mark.parametrize("image", [photograph("astronaut"), noise(120, 90), noise(900, 33)])
def test_vectors_have_512_numbers_and_unit_norm(image: Image) -> None:
    found = vector(image)
    assert found.shape == (512,)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)


def test_the_same_picture_has_the_same_vector() -> None:
    image = photograph("coffee")
    assert np.array_equal(vector(image), vector(image.copy()))
    fresh = ClassicalEncoder().encode([image])[0]
    assert fresh is not None
    assert np.array_equal(fresh, vector(image))


@pytest.mark.parametrize("image", [blank(), blank(grey=0), blank(grey=255)])
def test_a_blank_picture_has_no_vector(image: Image) -> None:
    encoder = get_encoder("classical-512")
    assert encoder.encode([image]) == [None]
    assert encoder.encode_segments(image, [segment_of(mask_of(whole(image), image.shape[:2]))]) == [None]


def resized(image: Image, scale: float) -> Image:
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)


def test_a_resized_photo_stays_close() -> None:
    photo = photograph("retina")
    assert max(photo.shape) > 1400
    for scale in (0.9, 0.75, 0.6):
        assert float(vector(photo) @ vector(resized(photo, scale))) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_even_a_small_picture_resized_is_nearest_to_itself(name: str) -> None:
    smaller = vector(resized(photograph(name), 0.75))
    nearest = sorted(NAMES, key=lambda other: -float(smaller @ vector(photograph(other))))
    assert nearest[0] == name
    assert float(smaller @ vector(photograph(name))) > 0.6


def test_a_view_of_the_same_scene_is_nearer_than_another_scene() -> None:
    for name in NAMES:
        image = photograph(name)
        height, width = image.shape[:2]
        crop = image[height // 8 : height * 7 // 8, width // 8 : width * 7 // 8]
        darker = (crop * 0.8).astype(np.uint8)
        others = [float(vector(darker) @ vector(photograph(other))) for other in NAMES if other != name]
        assert float(vector(darker) @ vector(image)) > max(others) + 0.2


def test_a_segment_of_everything_is_the_picture() -> None:
    image = photograph("chelsea")
    segment = segment_of(mask_of(whole(image), image.shape[:2]))
    found = get_encoder("classical-512").encode_segments(image, [segment])[0]
    assert found is not None
    assert float(found @ vector(image)) == pytest.approx(1.0, abs=1e-5)


def test_segments_are_described_by_what_they_cover() -> None:
    left, right = photograph("coffee")[:300, :300], photograph("astronaut")[:300, :300]
    pair = np.hstack([left, right])
    halves = [segment_of(mask_of(Box(x, 0, 300, 300), (300, 600))) for x in (0, 300)]
    found = get_encoder("classical-512").encode_segments(pair, halves)
    for described, own, other in zip(found, (left, right), (right, left), strict=True):
        assert described is not None
        assert np.linalg.norm(described) == pytest.approx(1.0, abs=1e-5)
        assert float(described @ vector(own)) > 0.8
        assert float(described @ vector(own)) > float(described @ vector(other)) + 0.3


def test_a_blank_segment_of_a_picture_has_no_vector() -> None:
    image = np.hstack([photograph("astronaut")[:300, :300], np.full((300, 300, 3), 90, np.uint8)])
    halves = [segment_of(mask_of(Box(x, 0, width, 300), (300, 600))) for x, width in ((0, 300), (330, 270))]
    found = get_encoder("classical-512").encode_segments(image, halves)
    assert found[0] is not None
    assert found[1] is None


def test_masks_of_any_resolution_are_understood() -> None:
    image = photograph("astronaut")
    small = segment_of(mask_of(Box(8, 8, 16, 16), (32, 32)))
    large = segment_of(mask_of(Box(128, 128, 256, 256), (512, 512)))
    first, second = get_encoder("classical-512").encode_segments(image, [small, large])
    assert first is not None
    assert second is not None
    assert float(first @ second) > 0.99


def test_a_crop_finds_its_window() -> None:
    image = photograph("astronaut")
    windows = get_segmenter("windows").segment(image)
    vectors = get_encoder("classical-512").encode_segments(image, windows)
    crop = vector(np.ascontiguousarray(image[:256, :256]))
    similarities = [-1.0 if one is None else float(one @ crop) for one in vectors]
    best = windows[int(np.argmax(similarities))].box
    assert (best.x, best.y) == (0, 0)


@pytest.mark.slow
def test_the_shipped_constants_are_those_that_are_learned(tmp_path: Path) -> None:
    learned, shipped = learn_constants(), load_constants()
    save_constants(learned, tmp_path / "constants.npz")
    assert (tmp_path / "constants.npz").stat().st_size < 20_000
    before, after = ClassicalEncoder(), ClassicalEncoder(constants=learned)
    assert learned.words.shape == shipped.words.shape == (16, 24)
    for name in NAMES:
        first, second = before.encode([photograph(name)])[0], after.encode([photograph(name)])[0]
        assert first is not None
        assert second is not None
        assert float(first @ second) > 0.999
