"""The five ways of ILIAS to fit a picture, held against torchvision's and Pillow's own operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from photos.vision.bulk.resizing import TRANSFORMS, Resizing
from photos.vision.errors import VisionError
from photos.vision.torchvision_cpu import prepare_torchvision
from tests.vision.drawing import photograph

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(300, 200), (200, 300), (97, 331), (256, 256), (64, 64), (500, 7), (601, 333)]


def picture(width: int, height: int):
    return np.asarray(PillowImage.fromarray(photograph("chelsea")).resize((width, height)))


def published(name: str, image: PillowImage.Image, size: int, least: int) -> torch.Tensor:
    """Do what the published extraction is described to do, by other people's functions."""
    prepare_torchvision()
    from torchvision.transforms import functional as tv

    width, height = image.size
    if name in {"resize_large", "resize_pad"}:
        longer = max(width, height)
        image = image.resize((max(1, int(size * (width / longer))), max(1, int(size * (height / longer)))))
    elif name == "resize_square":
        image = tv.resize(image, [size, size])
    else:
        image = tv.resize(image, [size])
    if name == "resize_center":
        image = tv.center_crop(image, [size])
    found = tv.normalize(tv.to_tensor(image), MEAN, STD)
    target = {"resize_large": least, "resize_pad": size}.get(name, 0)
    down, across = (max(0, target - length) for length in found.shape[1:])
    pads = (across // 2, across - across // 2, down // 2, down - down // 2)
    return torch.nn.functional.pad(found, pads)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_is_what_torchvision_does(name, width, height):
    resizing = Resizing(name, 64, min_size=48)
    shown = resizing.show(picture(width, height))
    ours = resizing.normalise(shown[None], mean=MEAN, std=STD)[0]
    theirs = published(name, PillowImage.fromarray(picture(width, height)), 64, 48).numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resize_large", (42, 64)),
        ("resize_small", (64, 96)),
        ("resize_center", (64, 64)),
        ("resize_square", (64, 64)),
        ("resize_pad", (64, 64)),
    ],
)
def test_the_shapes_are_as_they_are_named(name, shape):
    resizing = Resizing(name, 64)
    shown = resizing.show(picture(300, 200))
    assert resizing.normalise(shown[None], mean=MEAN, std=STD).shape == (1, 3, *shape)
    assert resizing.is_fixed == (name in {"resize_center", "resize_square", "resize_pad"})


def test_padding_is_the_mean_colour():
    resizing = Resizing("resize_pad", 64)
    found = resizing.normalise(resizing.show(picture(300, 200))[None], mean=MEAN, std=STD)[0]
    assert not found[:, :11].any()
    assert not found[:, 53:].any()
    assert found[:, 11:53].any()


@pytest.mark.parametrize(("name", "size"), [("resize_bigger", 64), ("resize_large", 0)])
def test_it_rejects_what_it_cannot_do(name, size):
    with pytest.raises(VisionError, match=r"unknown transform|resolution must be"):
        Resizing(name, size)
