"""Local features and geometric verification."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from photos.vision.matching import features as features_module
from photos.vision.matching.features import Detections, detect, extract_local_features, from_bytes, to_bytes
from photos.vision.matching.verify import level_of, probability_of_same_place, verify, verify_many
from photos.vision.types import Image, LocalFeatures
from tests.vision.drawing import blank, noise, photograph


def warped(image: Image) -> tuple[Image, NDArray[np.float64]]:
    """Return the picture seen from elsewhere, and the homography from it."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[40, 25], [-30, 10], [-15, -35], [20, -10]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    picture = cv2.warpPerspective(image, matrix, (width, height), borderValue=(90, 90, 90))
    return (picture * 0.85).astype(np.uint8), np.asarray(matrix, np.float64)


def made(points: NDArray[np.floating], seed: int = 0) -> LocalFeatures:
    """Return features with random but distinct descriptors, the same for the same seed."""
    codes = np.random.default_rng(seed).integers(0, 90, (len(points), 128), dtype=np.uint8)
    return LocalFeatures(points.astype(np.float32), codes, (640, 480))


def test_opencv_has_sift_and_magsac() -> None:
    assert cv2.__version__.startswith("5.")
    assert cv2.SIFT.create().descriptorSize() == 128
    assert isinstance(cv2.USAC_MAGSAC, int)


def test_features_are_sound() -> None:
    found = extract_local_features(photograph("astronaut"))
    assert len(found) == 1000
    assert found.keypoints.shape == (1000, 2)
    assert found.keypoints.dtype == np.float32
    assert found.descriptors.shape == (1000, 128)
    assert found.descriptors.dtype == np.uint8
    assert found.image_size == (512, 512)
    assert np.linalg.norm(found.descriptors.astype(float), axis=1) == pytest.approx(512, abs=12)
    assert (found.keypoints >= 0).all()
    assert (found.keypoints < 512).all()


def test_features_repeat() -> None:
    image = photograph("coffee")
    first, second = extract_local_features(image), extract_local_features(image.copy())
    assert np.array_equal(first.keypoints, second.keypoints)
    assert np.array_equal(first.descriptors, second.descriptors)


def test_a_blank_picture_has_no_features() -> None:
    found = extract_local_features(blank())
    assert len(found) == 0
    assert len(from_bytes(to_bytes(found))) == 0


def test_keypoints_are_told_in_pixels_of_the_original() -> None:
    image = photograph("astronaut")
    reduced = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA).astype(np.uint8)
    as_is = extract_local_features(reduced)
    told = extract_local_features(reduced, original_size=(512, 512))
    assert told.image_size == (512, 512)
    assert told.keypoints == pytest.approx((as_is.keypoints + 0.5) * 2 - 0.5, abs=1e-3)


def test_one_detection_serves_a_read_only_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Image] = []
    real = features_module._detect

    def watched(image: Image) -> Detections:
        calls.append(image)
        return real(image)

    monkeypatch.setattr(features_module, "_detect", watched)
    image = photograph("rocket")[:200, :200].copy()
    detect(image)
    image[:] = noise(200, 200)
    changed = detect(image)
    assert len(calls) == 2
    image.flags.writeable = False
    assert detect(image) is detect(image)
    assert len(calls) == 3
    assert np.array_equal(detect(image).points, changed.points)


def test_features_come_back_from_bytes() -> None:
    found = extract_local_features(photograph("chelsea"), original_size=(4510, 3000))
    data = to_bytes(found)
    assert len(data) == 16 + 132 * len(found)
    back = from_bytes(memoryview(data))
    assert back.image_size == (4510, 3000)
    assert np.array_equal(back.descriptors, found.descriptors)
    assert back.keypoints == pytest.approx(found.keypoints, abs=4510 / 65535)


@pytest.mark.parametrize("data", [b"", b"LFT1", b"x" * 200, None])
def test_other_bytes_are_no_features(data: bytes | None) -> None:
    cut = to_bytes(extract_local_features(photograph("coffee")))[:-1]
    with pytest.raises(ValueError, match="local features"):
        from_bytes(cut if data is None else data)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_it_confirms_a_warped_copy(name: str) -> None:
    image = photograph(name)
    moved, matrix = warped(image)
    result = verify(extract_local_features(image), extract_local_features(moved))
    assert result.level == "confirmed"
    assert result.p_same > 0.95
    pairs = np.array(result.points)
    expected = cv2.perspectiveTransform(pairs[None, :, :2], matrix)[0]
    assert np.median(np.linalg.norm(expected - pairs[:, 2:], axis=1)) < 1.5
    assert 15 <= len(pairs) <= 100


def test_it_confirms_at_another_scale_in_pixels_of_the_originals() -> None:
    image = photograph("coffee")
    larger = cv2.resize(image, (1800, 1200), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    result = verify(extract_local_features(image), extract_local_features(larger))
    pairs = np.array(result.points)
    assert result.level == "confirmed"
    assert np.median(np.abs(pairs[:, 2:] - (pairs[:, :2] + 0.5) * 3 + 0.5)) < 2


@pytest.mark.parametrize("other", ["camera", "coffee", "chelsea", "rocket", "brick"])
def test_it_rejects_another_picture(other: str) -> None:
    result = verify(extract_local_features(photograph("astronaut")), extract_local_features(photograph(other)))
    assert result.level == "none"
    assert result.p_same < 0.1


def test_it_rejects_noise() -> None:
    first, second = (extract_local_features(noise(400, 300, seed)) for seed in (1, 2))
    assert verify(first, second).level == "none"


def test_the_same_pair_gives_the_same_answer() -> None:
    first = extract_local_features(photograph("motorcycle_left"))
    second = extract_local_features(photograph("motorcycle_right"))
    answers = []
    for seed in (1, 2, 3):
        cv2.setRNGSeed(seed)
        answers.append(verify(first, second))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].level == "confirmed"


def test_many_at_once_are_as_one_by_one() -> None:
    query = extract_local_features(photograph("motorcycle_left"))
    names = ("motorcycle_right", "coffee", "brick")
    others = [extract_local_features(photograph(name)) for name in names]
    others.append(extract_local_features(blank()))
    assert verify_many(query, others) == [verify(query, other) for other in others]
    assert verify_many(query, []) == []


@pytest.mark.parametrize("count", [0, 1, 7])
def test_few_points_prove_nothing(count: int) -> None:
    points = np.random.default_rng(0).uniform(0, 400, (count, 2)).astype(np.float32)
    result = verify(made(points), made(points))
    assert (result.fundamental_inliers, result.homography_inliers, result.level) == (0, 0, "none")
    assert result.points == ()


@pytest.mark.parametrize("shape", ["one spot", "one line", "two spots"])
def test_degenerate_points_are_survived(shape: str) -> None:
    numbers = np.arange(60, dtype=np.float32)
    points = {
        "one spot": np.full((60, 2), 50, np.float32),
        "one line": np.stack([numbers * 5, numbers * 5], axis=1),
        "two spots": np.stack([(numbers % 2) * 300, (numbers % 2) * 200], axis=1),
    }[shape]
    result = verify(made(points), made(points))
    assert 0.0 <= result.p_same <= 1.0
    if shape != "one line":
        assert result.level == "none"


@pytest.mark.parametrize("seed", [4, 15])
def test_a_copy_with_a_few_stray_points_is_confirmed(seed: int) -> None:
    """OpenCV finds no fundamental matrix for these, and searches for seconds."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(50, 550, (300, 2))
    copied = points + rng.normal(0, 0.05, (300, 2)) * rng.exponential(1, (300, 1))
    angles = rng.uniform(0, 6.3, 5)
    copied[:5] += rng.uniform(5, 12, (5, 1)) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    result = verify(made(points), made(copied))
    assert min(result.fundamental_inliers, result.homography_inliers) >= 290


def test_the_prior_by_hand() -> None:
    assert probability_of_same_place(0, 0) == pytest.approx(7.5e-11, rel=0.01)
    assert probability_of_same_place(25, 15) == pytest.approx(0.898, abs=0.001)
    assert probability_of_same_place(1000, 1000) > 0.999


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        ((24, 11), "possible"),
        ((25, 0), "confirmed"),
        ((0, 15), "confirmed"),
        ((17, 11), "none"),
        ((18, 0), "possible"),
        ((0, 12), "possible"),
    ],
)
def test_the_levels(counts: tuple[int, int], level: str) -> None:
    assert level_of(*counts) == level
