from __future__ import annotations

import importlib
import sys

import pytest
import torch

from photos.vision.torchvision_cpu import prepare_torchvision, suppress_overlaps


def test_torchvision_imports_and_finds_its_operators():
    prepare_torchvision()
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    operations = importlib.import_module("torchvision.ops")
    assert operations.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    kept = operations.batched_nms(boxes, torch.tensor([0.5, 0.9, 0.1]), torch.tensor([0, 1, 1]), 0.5)
    assert kept.tolist() == [1, 0, 2]


def test_a_torchvision_that_imports_is_left_untouched():
    prepare_torchvision()
    before = sys.modules["torchvision"]
    prepare_torchvision()
    assert sys.modules["torchvision"] is before


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, [1, 0, 2]), (0.3, [1, 2])])
def test_boxes_that_overlap_a_better_one_go(threshold, kept):
    """The first two share a half by the larger one's measure: 50 / 150 = 1/3."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 5, 10, 15], [0, 20, 10, 30]])
    assert suppress_overlaps(boxes, torch.tensor([0.8, 0.9, 0.7]), threshold).tolist() == kept


def test_equal_scores_keep_their_order():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]])
    assert suppress_overlaps(boxes, torch.ones(3), 0.5).tolist() == [0, 2]


def test_it_handles_no_boxes():
    assert suppress_overlaps(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
