from __future__ import annotations

import numpy as np
import pytest

from photos.vision.encoders.crops import View, is_blank, smart_crop
from photos.vision.masks import mask_of, segment_of
from photos.vision.types import Box

GROUND = np.array([10, 20, 30], np.uint8)
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.25, 0.2)


def noise(height=60, width=100):
    return np.random.default_rng(0).integers(100, 256, (height, width, 3), dtype=np.uint8)


def test_a_crop_is_square_with_context_and_a_plain_ground():
    image = noise()
    crop = smart_crop(image, segment_of(mask_of(Box(20, 10, 40, 20), (60, 100))), ground=GROUND)
    assert crop.shape == (48, 48, 3)  # 40 and 4 on either side
    inside = crop[14:34, 4:44]  # 20 rows in the middle of 48
    assert np.array_equal(inside, image[10:30, 20:60])
    outside = np.ones((48, 48), bool)
    outside[14:34, 4:44] = False
    assert (crop[outside] == GROUND).all()


def test_a_crop_ends_at_the_pictures_edge():
    crop = smart_crop(noise(), segment_of(mask_of(Box(0, 0, 50, 60), (60, 100))), ground=GROUND)
    assert crop.shape == (60, 60, 3)  # 50 and 6 on the right only; top and bottom are the picture's
    assert (crop[:, -8:] == GROUND).all()


def test_a_mask_of_another_resolution_is_fitted():
    image = noise(120, 200)
    small = segment_of(mask_of(Box(20, 10, 40, 20), (60, 100)))
    crop = smart_crop(image, small, ground=GROUND, context=0.0)
    assert crop.shape == (80, 80, 3)
    assert np.array_equal(crop[20:60], image[20:60, 40:120])


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_views_have_their_size(resize):
    view = View(32, MEAN, STD, resize)
    for shape in ((60, 100), (100, 33), (20, 20), (32, 32)):
        assert view.show(noise(*shape)).shape == (32, 32, 3)


def test_the_shorter_side_decides_and_the_middle_stays():
    image = np.zeros((40, 120, 3), np.uint8)
    image[:, 40:80] = 200
    assert (View(40, MEAN, STD).show(image) == 200).all()
    assert not (View(40, MEAN, STD, "squash").show(image) == 200).all()


def test_the_view_is_open_clips():
    torch = pytest.importorskip("torch")
    from PIL import Image

    from photos.vision.torchvision_cpu import prepare_torchvision

    prepare_torchvision()
    from open_clip.transform import image_transform

    image = np.asarray(Image.fromarray(noise(12, 20)).resize((200, 120), Image.Resampling.BICUBIC))
    expected = image_transform(64, is_train=False, mean=MEAN, std=STD)(Image.fromarray(image))
    view = View(64, MEAN, STD)
    found = torch.from_numpy(view.normalise([view.show(image)]))[0]
    assert (found - expected).abs().max() < 0.02


def test_the_ground_becomes_zero():
    view = View(8, MEAN, STD)
    ground = np.broadcast_to(view.ground, (8, 8, 3))
    assert np.abs(view.normalise([ground])).max() < 0.01


def test_blank_pictures_are_told():
    assert is_blank(np.full((50, 70, 3), 200, np.uint8))
    assert not is_blank(noise())
