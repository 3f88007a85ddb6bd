"""The segmenters that need no weights."""

from __future__ import annotations

import numpy as np
import pytest

from photos.vision.masks import MAX_SEGMENTS_PER_IMAGE, box_of, mask_iou, mask_of
from photos.vision.registry import get_segmenter
from photos.vision.types import Box
from tests.vision.drawing import blank, noise, photograph, shapes


@pytest.mark.parametrize("slug", ["regions", "windows"])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "blank", "noise", "narrow"])
def test_segments_are_sound(slug: str, name: str) -> None:
    made = {"blank": blank(), "noise": noise(120, 90), "narrow": noise(700, 33)}
    image = made[name] if name in made else photograph(name)
    segments = get_segmenter(slug).segment(image)
    assert len(segments) <= MAX_SEGMENTS_PER_IMAGE
    for segment in segments:
        assert segment.mask.shape == image.shape[:2]
        assert segment.mask.dtype == np.bool_
        assert segment.area == segment.mask.sum() >= 0.009 * segment.mask.size
        assert segment.box == box_of(segment.mask)
        assert 0.0 <= segment.predicted_iou <= 1.0


@pytest.mark.parametrize("slug", ["regions", "windows"])
def test_segments_repeat(slug: str) -> None:
    first, second = (get_segmenter(slug).segment(photograph("chelsea")) for _ in range(2))
    assert len(first) == len(second) > 0
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(first, second, strict=True))


def test_windows_cover_the_picture_with_nine_halves() -> None:
    segments = get_segmenter("windows").segment(blank(200, 100))
    assert [segment.box for segment in segments[:2]] == [Box(50, 25, 100, 50), Box(0, 25, 100, 50)]
    assert {(segment.box.x, segment.box.y) for segment in segments} == {
        (x, y) for x in (0, 50, 100) for y in (0, 25, 50)
    }
    assert np.logical_or.reduce([segment.mask for segment in segments]).all()


def test_regions_find_drawn_things() -> None:
    segments = get_segmenter("regions").segment(shapes())
    square = mask_of(Box(190, 90, 111, 111), (240, 320))
    rows, columns = np.mgrid[:240, :320]
    disc = (columns - 80) ** 2 + (rows - 80) ** 2 <= 60**2
    for truth in (square, disc):
        assert max(mask_iou(segment.mask, truth) for segment in segments) > 0.9


def test_regions_are_no_near_duplicates() -> None:
    segments = get_segmenter("regions").segment(photograph("coffee"))
    overlaps = [mask_iou(one.mask, other.mask) for n, one in enumerate(segments) for other in segments[n + 1 :]]
    assert max(overlaps) < 0.75
