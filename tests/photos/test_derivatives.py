"""The copies that people see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from photos.derivatives import SIDES, derivative, derivative_name
from photos.services import collection
from photos.vision.errors import ImageRefused
from tests.photos.pictures import BASE, encode, jpeg, placed_exif, textured

pytestmark = pytest.mark.django_db


def opened(photo, size) -> Image.Image:
    with derivative(photo, size) as file:
        return Image.open(io.BytesIO(file.read()))


def test_it_works(add, media_root):
    photo = collection.add_photo(jpeg(1, size=(2000, 1000)))
    thumbnail, display = opened(photo, "thumbnail"), opened(photo, "display")
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (480, 240))
    assert (display.format, display.size) == ("JPEG", (1600, 800))
    assert thumbnail.info.get("progressive")
    assert {path.name for path in (media_root / "derivatives").rglob("*.jpg")} == {
        derivative_name(photo, size).rsplit("/")[-1] for size in SIDES
    }


def test_small_pictures_stay_as_they_are(add):
    assert opened(add(1), "display").size == (240, 180)


def test_nothing_of_the_metadata_is_in_it(add):
    exif = placed_exif(41.0, 28.5, base={BASE.Artist: "Secret Ada"})
    photo = collection.add_photo(encode(textured(1), exif=exif, comment=b"hidden word", icc_profile=b"x" * 200))
    for size in SIDES:
        with derivative(photo, size) as file:
            data = file.read()
        picture = Image.open(io.BytesIO(data))
        assert not dict(picture.getexif())
        assert not {"exif", "icc_profile", "comment"} & set(picture.info)
        assert b"Secret" not in data
        assert b"hidden" not in data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright(space, orientation):
    upright = np.zeros((120, 200, 3), np.uint8)
    upright[:60, :100] = (255, 0, 0)  # red only in the upper left
    turned = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}
    sideways = upright.transpose(1, 0, 2)
    turned |= {5: sideways, 6: sideways[::-1], 7: sideways[::-1, ::-1], 8: sideways[:, ::-1]}
    exif = Image.Exif()
    exif[BASE.Orientation] = orientation
    data = encode(Image.fromarray(np.ascontiguousarray(turned[orientation])), exif=exif, quality=95)
    photo = collection.add_photo(data)
    assert (photo.width, photo.height) == (200, 120)
    picture = opened(photo, "display")
    assert picture.size == (200, 120)
    red = np.asarray(picture)[[30, 30, 90, 90], [50, 150, 50, 150], 0] > 128
    assert red.tolist() == [True, False, False, False]


@pytest.mark.django_db(transaction=True)
def test_the_worker_makes_them(add, index, media_root):
    photo = index(add(1))
    assert all((media_root / derivative_name(photo, size)).is_file() for size in SIDES)


def test_a_broken_picture_is_refused(space):
    photo = collection.add_photo(jpeg(1)[:-3000])
    with pytest.raises(ImageRefused):
        derivative(photo, "thumbnail")


def test_a_lost_picture_is_reported(add, media_root):
    photo = add(1)
    (media_root / str(photo.image.name)).unlink()
    with pytest.raises(FileNotFoundError):
        derivative(photo, "thumbnail")
