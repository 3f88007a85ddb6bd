"""Describing a whole picture, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from photos.vision.__main__ import main
from photos.vision.describe import describe_image
from photos.vision.encoders.classical import ClassicalEncoder
from photos.vision.images import read_image
from photos.vision.registry import get_encoder, get_segmenter
from photos.vision.types import Image, ImageDescription, SegmentMask
from tests.vision.drawing import blank, encoded, photograph


def describe(image: Image, segmenter: str = "windows") -> ImageDescription:
    return describe_image(image, encoder=get_encoder("classical-512"), segmenter=get_segmenter(segmenter))


@pytest.mark.parametrize("segmenter", ["windows", "regions"])
def test_it_describes_a_picture(segmenter: str) -> None:
    found = describe(photograph("astronaut"), segmenter)
    assert found.embedding is not None
    assert found.embedding.shape == (512,)
    assert 5 <= len(found.segments) <= 10
    assert found.local_features is not None
    assert len(found.local_features) == 1000
    for one in found.segments:
        assert np.linalg.norm(one.embedding) == pytest.approx(1.0, abs=1e-5)
        assert one.segment.mask.shape == (512, 512)


def test_a_blank_picture_is_described_by_nothing() -> None:
    found = describe(blank())
    assert (found.embedding, found.segments, found.local_features) == (None, (), None)


def test_local_features_can_be_left_out() -> None:
    encoder, segmenter = get_encoder("classical-512"), get_segmenter("windows")
    found = describe_image(photograph("coffee"), encoder=encoder, segmenter=segmenter, with_local_features=False)
    assert found.local_features is None
    assert found.embedding is not None


def test_it_tells_its_stages() -> None:
    stages: list[str] = []
    describe_image(
        photograph("coffee"),
        encoder=get_encoder("classical-512"),
        segmenter=get_segmenter("windows"),
        progress=stages.append,
    )
    assert stages == ["reading", "segmenting", "describing"]


def test_a_reduced_picture_is_told_in_pixels_of_the_original() -> None:
    image = read_image(encoded(photograph("astronaut")), max_side=256)
    encoder, segmenter = get_encoder("classical-512"), get_segmenter("windows")
    found = describe_image(image, encoder=encoder, segmenter=segmenter)
    box, mask = found.segments[0].segment.box, found.segments[0].segment.mask
    assert (box.x, box.y, box.width, box.height) == (128, 128, 256, 256)
    assert found.segments[0].segment.area == 256 * 256
    assert mask.shape == (256, 256)
    assert found.local_features is not None
    assert found.local_features.image_size == (512, 512)
    assert found.local_features.keypoints.max() > 300


def test_segments_are_encoded_in_one_call() -> None:
    calls: list[int] = []

    class Watched(ClassicalEncoder):
        def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[NDArray[np.float32] | None]:
            calls.append(len(segments))
            return super().encode_segments(image, segments)

    describe_image(photograph("coffee"), encoder=Watched(), segmenter=get_segmenter("windows"))
    assert calls == [9]


def test_the_callers_array_stays_writeable_and_unchanged() -> None:
    image = photograph("coffee").copy()
    before = image.copy()
    describe(image)
    assert image.flags.writeable
    assert np.array_equal(image, before)


def test_describe_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(photograph("coffee")))
    bad.write_bytes(b"nothing")
    assert main(["describe", str(good), str(bad), str(tmp_path / "missing.png")]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (lines[0]["width"], lines[0]["height"], lines[0]["format"]) == (600, 400, "PNG")
    assert len(lines[0]["embedding"]) == 512
    assert len(lines[0]["segments"]) == 9
    assert lines[0]["segments"][0]["mask"]["size"] == [400, 600]
    assert lines[1]["code"] == "unsupported-format"
    assert "missing.png" in lines[2]["error"]


def test_describe_can_leave_the_numbers_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(photograph("coffee")))
    assert main(["describe", "--no-vectors", "--segmenter", "regions", str(path)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["segmenter"] == "regions"
    assert "embedding" not in line
    assert "embedding" not in line["segments"][0]


def test_an_unknown_model_is_one_line_of_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "--encoder", "nothing", "x.jpg"]) == 1
    assert capsys.readouterr().err.startswith("unknown encoder 'nothing'; known: ")


def test_models_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "classical-512 512 d with windows (default)" in capsys.readouterr().out


def test_vision_runs_without_django_and_torch() -> None:
    program = """
import pkgutil, sys
import photos.vision.__main__ as command
import photos.vision.describe, photos.vision.matching.verify
command.build_parser()
from photos.vision.registry import get_encoder, get_segmenter
get_encoder("classical-512"), get_segmenter("windows"), get_segmenter("regions")
print(sorted({name.split(".")[0] for name in sys.modules} & {"django", "torch", "photos.models"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
