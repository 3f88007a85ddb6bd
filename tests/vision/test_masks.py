"""Masks: run lengths, boxes, overlap and the choice of segments."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from photos.vision.masks import (
    Mask,
    box_of,
    choose_segments,
    decode_rle,
    encode_rle,
    mask_iou,
    mask_of,
    resize_mask,
    segment_of,
)
from photos.vision.types import Box

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


def square(x: int, y: int, side: int, shape: tuple[int, int] = (100, 100)) -> Mask:
    return mask_of(Box(x, y, side, side), shape)


@given(masks)
def test_run_lengths_come_back(mask: Mask) -> None:
    rle = encode_rle(mask)
    assert rle["size"] == list(mask.shape)
    assert isinstance(rle["counts"], str)
    assert np.array_equal(decode_rle(rle), mask)


@given(masks)
def test_run_lengths_are_those_of_coco(mask: Mask) -> None:
    theirs = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert np.array_equal(decode_rle(theirs), mask)
    assert np.array_equal(coco_mask.decode(encode_rle(mask)), mask)


def test_long_runs_come_back() -> None:
    mask = square(1000, 700, 900, (2000, 3000))
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@given(st.binary(max_size=30), st.integers(-2, 40), st.integers(-2, 40))
def test_damaged_run_lengths_are_refused_or_fit(counts: bytes, height: int, width: int) -> None:
    shape = (height, width)
    with suppress(ValueError):
        shape = decode_rle({"size": [height, width], "counts": counts}).shape
    assert shape == (height, width)


@pytest.mark.parametrize("counts", ["1", "", "zzzz", "ooo1", "\u2603"])
def test_it_refuses_run_lengths_that_do_not_fit(counts: str) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        decode_rle({"size": [5, 5], "counts": counts})


@given(masks.filter(np.any))
def test_the_box_is_the_smallest_around_the_mask(mask: Mask) -> None:
    box = box_of(mask)
    inside = mask[box.y : box.y + box.height, box.x : box.x + box.width]
    assert inside.sum() == mask.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="empty"):
        box_of(np.zeros((4, 4), np.bool_))


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9), st.integers(1, 9))
def test_a_box_comes_back_from_its_mask(x: int, y: int, width: int, height: int) -> None:
    box = Box(x, y, width, height)
    assert box_of(mask_of(box, (20, 20))) == box


def test_iou_by_hand() -> None:
    assert mask_iou(square(0, 0, 10), square(5, 0, 10)) == pytest.approx(50 / 150)
    assert mask_iou(square(0, 0, 10), square(0, 0, 10)) == 1.0
    assert mask_iou(square(0, 0, 10), square(50, 50, 10)) == 0.0
    assert mask_iou(np.zeros((3, 3), np.bool_), np.zeros((3, 3), np.bool_)) == 0.0


def test_it_resizes_masks() -> None:
    assert np.array_equal(resize_mask(square(10, 20, 30), (200, 200)), square(20, 40, 60, (200, 200)))


def test_a_segment_knows_its_box_and_area() -> None:
    segment = segment_of(square(3, 4, 10), predicted_iou=0.5)
    assert (segment.box, segment.area, segment.predicted_iou) == (Box(3, 4, 10, 10), 100, 0.5)


def test_choosing_drops_small_ones_and_near_duplicates() -> None:
    best = segment_of(square(0, 0, 40), predicted_iou=0.95)
    twin = segment_of(square(1, 1, 40), predicted_iou=0.9)
    speck = segment_of(square(90, 90, 9))
    other = segment_of(square(50, 50, 30), predicted_iou=0.9)
    assert choose_segments([speck, twin, other, best]) == [best, other]


def test_choosing_prefers_quality_over_mere_size() -> None:
    sky = segment_of(mask_of(Box(0, 0, 100, 90), (100, 100)), predicted_iou=0.7)
    tower = segment_of(square(30, 30, 40), predicted_iou=0.95)
    assert choose_segments([sky, tower]) == [tower, sky]


def test_choosing_spreads_over_the_picture() -> None:
    stacked = [segment_of(square(0, 0, side), predicted_iou=0.95) for side in (40, 32, 26)]
    elsewhere = segment_of(square(60, 60, 30), predicted_iou=0.9)
    assert choose_segments([*stacked, elsewhere], limit=2) == [stacked[0], elsewhere]


def test_choosing_keeps_to_the_limit_and_repeats_itself() -> None:
    segments = [segment_of(square(x, y, 20)) for x in range(0, 80, 15) for y in range(0, 80, 15)]
    chosen = choose_segments(segments)
    assert len(chosen) == 10
    assert [one.box for one in choose_segments(segments)] == [one.box for one in chosen]
    assert choose_segments([]) == []
