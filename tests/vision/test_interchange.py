"""Masks and annotations in other people's files: SoIR's and COCO's."""

from __future__ import annotations

import json
import subprocess
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from photos.vision.errors import InterchangeError
from photos.vision.interchange.coco_json import SegmentedPicture, read_coco, write_coco
from photos.vision.interchange.soir_files import (
    Annotation,
    ObjectMasks,
    decode_row_major,
    encode_row_major,
    read_anns,
    read_captions,
    write_anns,
    write_captions,
)
from photos.vision.masks import segment_of


def disc(height: int = 30, width: int = 40, *, row: int = 12, column: int = 20, radius: int = 9) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([[0, 1, 1], [1, 0, 0]], [1, 3, 2]),
        ([[1, 1], [0, 1]], [0, 2, 1, 1]),
        ([[0, 0], [0, 0]], [4]),
        ([[1, 1], [1, 1]], [0, 4]),
    ],
)
def test_run_lengths_go_along_the_rows_and_begin_with_zeros(rows, counts):
    mask = np.array(rows, dtype=bool)
    assert encode_row_major(mask) == {"counts": counts, "size": list(mask.shape)}
    np.testing.assert_array_equal(decode_row_major({"counts": counts, "size": list(mask.shape)}), mask)


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_pycocotools_decodes_the_transposed_mask_from_them(mask):
    found = encode_row_major(mask)
    height, width = found["size"]
    theirs = coco_mask.frPyObjects({"counts": found["counts"], "size": [width, height]}, width, height)
    np.testing.assert_array_equal(coco_mask.decode(theirs).T.astype(bool), mask)
    np.testing.assert_array_equal(decode_row_major(found), mask)


@pytest.mark.parametrize(
    "rle",
    [
        {"counts": [3], "size": [2, 2]},
        {"counts": [5, -1], "size": [2, 2]},
        {"counts": [], "size": [0, 0]},
        {"counts": "abc", "size": [2, 2]},
        {"counts": [4]},
    ],
)
def test_run_lengths_that_do_not_fill_the_mask_are_refused(rle):
    with pytest.raises(InterchangeError, match="run lengths"):
        decode_row_major(rle)


def test_captions_come_back_as_they_were(tmp_path):
    masks = [disc(), ~disc(), np.ones((30, 40), bool)]
    pictures = {
        "a/é.jpg": ObjectMasks(
            boxes=((11.0, 3.0, 30.5, 22.0), (0.0, 0.0, 40.0, 30.0), (0.0, 0.0, 40.0, 30.0)),
            scores=(0.9, 0.25, 1 / 3),
            masks_rle=tuple(map(encode_row_major, masks)),
            size=(40, 30),
        ),
        "b.jpg": ObjectMasks((), (), ()),
    }
    write_captions(tmp_path / "captions.pt", pictures)
    found = read_captions(tmp_path / "captions.pt")
    assert found == pictures
    for mask, other in zip(masks, found["a/é.jpg"].masks(), strict=True):
        np.testing.assert_array_equal(mask, other)
    write_captions(tmp_path / "again.pt", found)
    assert torch.load(tmp_path / "again.pt") == torch.load(tmp_path / "captions.pt")


def test_captions_have_the_keys_of_soir_in_plain_types(tmp_path):
    objects = ObjectMasks(((1, 2, 3, 4),), (cast("float", np.float32(0.5)),), (encode_row_major(disc()),), (40, 30))
    write_captions(tmp_path / "captions.pt", {"a.jpg": objects})
    entry = torch.load(tmp_path / "captions.pt", weights_only=True)["a.jpg"]
    assert sorted(entry) == ["bboxes", "image_path", "image_size", "masks_rle", "num_objects", "scores"]
    assert (entry["bboxes"], entry["scores"], entry["num_objects"]) == ([[1.0, 2.0, 3.0, 4.0]], [0.5], 1)
    assert sorted(entry["masks_rle"][0]) == ["counts", "size"]
    assert type(entry["scores"][0]) is float


def test_scores_of_dropped_boxes_are_not_taken_for_those_that_stayed(tmp_path):
    rle = encode_row_major(disc())
    torch.save(
        {"a.jpg": {"bboxes": [[1, 2, 3, 4]], "scores": [0.3, 0.9], "masks_rle": [rle]}}, tmp_path / "captions.pt"
    )
    found = read_captions(tmp_path / "captions.pt")["a.jpg"]
    assert (found.boxes, found.scores, found.masks_rle) == (((1.0, 2.0, 3.0, 4.0),), (), (rle,))


def test_anns_of_numpy_are_read_and_plain_ones_written(tmp_path):
    """As VoxDet-SoIR's script saves them: a query's box in numpy's numbers, COCO's polygons for the gallery."""
    rle = encode_row_major(disc())
    made = {
        "P1/3/rgb/0.png": {
            "bbox": tuple(np.array([1, 2, 3, 4])),
            "mask": {"counts": np.array(rle["counts"]), "size": rle["size"]},
            "is_query": True,
            "ins": 3,
            "set": "OWID",
        },
        "P2/images/1.png": {
            "bbox": [(1, 2, 3, 4.5), (5, 6, 7, 8)],
            "mask": [[[1, 2, 3, 4, 5, 6]], []],
            "num_ins": [1, 2],
            "is_query": False,
            "ins": [3, np.int64(4)],
            "set": "OWID",
        },
        "simple.jpg": {"ins": 0, "is_query": False},
    }
    torch.save(made, tmp_path / "anns.pt")
    found = read_anns(tmp_path / "anns.pt")
    assert found["P1/3/rgb/0.png"] == Annotation(True, (3,), ((1.0, 2.0, 3.0, 4.0),), (rle,), "OWID")
    gallery = found["P2/images/1.png"]
    assert (gallery.instances, gallery.boxes[0], gallery.counts) == ((3, 4), (1.0, 2.0, 3.0, 4.5), (1, 2))
    assert found["simple.jpg"] == Annotation(False, (0,))
    write_anns(tmp_path / "plain.pt", found)
    assert read_anns(tmp_path / "plain.pt") == found
    plain = torch.load(tmp_path / "plain.pt", weights_only=True)
    assert (plain["P1/3/rgb/0.png"]["ins"], plain["P2/images/1.png"]["ins"]) == (3, [3, 4])


class _Runs:
    def __reduce__(self):
        return subprocess.check_call, (["touch", "made"],)


def test_a_file_that_would_run_something_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a.jpg": {"ins": _Runs()}}, tmp_path / "anns.pt")
    with pytest.raises(InterchangeError, match="more than plain dictionaries"):
        read_anns(tmp_path / "anns.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"a": {"is_query": True}}, "no instance"),
        ({"a": 3}, "no dictionary of pictures"),
        ([1], "no dictionary of pictures"),
        ({"a": {"ins": 1, "bbox": [1, 2, 3, "x"]}}, "expected a box"),
    ],
)
def test_anns_of_another_shape_are_refused(tmp_path, pictures, message):
    torch.save(pictures, tmp_path / "anns.pt")
    with pytest.raises(InterchangeError, match=message):
        read_anns(tmp_path / "anns.pt")


def test_broken_files_are_told(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"hello")
    for path, message in ((tmp_path / "broken.pt", "is broken"), (tmp_path / "none.pt", "no file")):
        with pytest.raises(InterchangeError, match=message):
            read_captions(path)
    with pytest.raises(InterchangeError, match="one for each mask"):
        write_captions(tmp_path / "c.pt", {"a": ObjectMasks(((1, 2, 3, 4),), (), ())})
    assert not (tmp_path / "c.pt").exists()
    with pytest.raises(InterchangeError, match="a query shows one instance"):
        write_anns(tmp_path / "c.pt", {"a": Annotation(True, (1, 2))})


def test_coco_tools_read_our_segments(tmp_path):
    masks = [disc(), disc(row=20, column=8, radius=5)]
    pictures = [
        SegmentedPicture("empty.jpg", 10, 10, ()),
        SegmentedPicture("a.jpg", 40, 30, tuple(segment_of(one, predicted_iou=0.75) for one in masks)),
    ]
    write_coco(tmp_path / "coco.json", pictures)
    theirs = COCO(tmp_path / "coco.json")
    annotations = theirs.loadAnns(theirs.getAnnIds(imgIds=[2]))
    assert [one["id"] for one in annotations] == [1, 2]
    for mask, one in zip(masks, annotations, strict=True):
        np.testing.assert_array_equal(theirs.annToMask(one).astype(bool), mask)
        assert one["area"] == mask.sum()
        assert one["bbox"] == coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask, np.uint8))).tolist()
    found = read_coco(tmp_path / "coco.json")
    assert [(one.name, one.width, one.height, len(one.segments)) for one in found] == [
        ("empty.jpg", 10, 10, 0),
        ("a.jpg", 40, 30, 2),
    ]
    np.testing.assert_array_equal(found[1].segments[1].mask, masks[1])
    assert found[1].segments[1].box == pictures[1].segments[1].box
    assert found[1].segments[1].predicted_iou == 0.75


def test_uncompressed_run_lengths_of_coco_are_read(tmp_path):
    annotation = {"image_id": 7, "segmentation": {"size": [2, 3], "counts": [1, 2, 3]}, "bbox": [0, 0, 2, 2], "area": 2}
    found = {"images": [{"id": 7, "file_name": "a", "width": 3, "height": 2}], "annotations": [annotation]}
    (tmp_path / "coco.json").write_text(json.dumps(found))
    mask = read_coco(tmp_path / "coco.json")[0].segments[0].mask
    np.testing.assert_array_equal(mask, [[False, True, False], [True, False, False]])


@pytest.mark.parametrize("text", ["hello", "[]", '{"images": [{"id": 1}], "annotations": []}', '{"images": 3}'])
def test_other_json_is_refused(tmp_path, text):
    (tmp_path / "coco.json").write_text(text)
    with pytest.raises(InterchangeError, match="no COCO instances"):
        read_coco(tmp_path / "coco.json")
