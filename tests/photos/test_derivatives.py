"""The copies that people see."""

from __future__ import annotations

import base64
import io
from itertools import product

import numpy as np
import pytest
from django.core.files.base import ContentFile
from PIL import Image

from photos.derivatives import CONTENT_TYPES, SIDES, copy_size, derivative, derivative_names
from photos.services import collection
from photos.vision.errors import ImageRefused
from tests.photos.pictures import BASE, encode, jpeg, placed_exif, textured

pytestmark = pytest.mark.django_db


def opened(photo, size, kind="jpg") -> Image.Image:
    with derivative(photo, size, kind) as file:
        return Image.open(io.BytesIO(file.read()))


def test_it_works(add, media_root):
    photo = collection.add_photo(jpeg(1, size=(2000, 1000)))
    for size, side in SIDES.items():
        assert copy_size(photo, size) == (side, side // 2)
        for kind in CONTENT_TYPES:
            copy = opened(photo, size, kind)
            assert (Image.MIME[str(copy.format)], copy.size) == (CONTENT_TYPES[kind], (side, side // 2))
    assert opened(photo, "large").info.get("progressive")
    names = {str(path.relative_to(media_root)) for path in (media_root / "derivatives").rglob("*.*")}
    assert names == set(derivative_names(photo))
    assert len(names) == 9


def test_newer_formats_are_smaller(add):
    photo = collection.add_photo(jpeg(1, size=(1600, 1000)))
    sizes = {kind: derivative(photo, "large", kind).size for kind in CONTENT_TYPES}
    assert sizes["avif"] < sizes["jpg"]
    assert sizes["webp"] < sizes["jpg"]


def test_small_pictures_stay_as_they_are(add):
    assert opened(add(1), "large").size == (240, 180)


def test_nothing_of_the_metadata_is_in_it(add):
    exif = placed_exif(41.0, 28.5, base={BASE.Artist: "Secret Ada"})
    photo = collection.add_photo(encode(textured(1), exif=exif, comment=b"hidden word", icc_profile=b"x" * 200))
    for size, kind in product(SIDES, CONTENT_TYPES):
        with derivative(photo, size, kind) as file:
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
    picture = opened(photo, "large")
    assert picture.size == (200, 120)
    red = np.asarray(picture)[[30, 30, 90, 90], [50, 150, 50, 150], 0] > 128
    assert red.tolist() == [True, False, False, False]


@pytest.mark.django_db(transaction=True)
def test_the_worker_makes_them(add, index, media_root):
    photo = index(add(1))
    assert all((media_root / name).is_file() for name in derivative_names(photo))
    blur = Image.open(io.BytesIO(base64.b64decode(photo.blur)))
    assert (blur.format, blur.size) == ("PNG", (4, 4))
    shades = np.asarray(opened(photo, "small").convert("RGB")).mean((0, 1))
    assert np.abs(np.asarray(blur.convert("RGB")).mean((0, 1)) - shades).max() < 6


@pytest.mark.django_db(transaction=True)
def test_a_photo_read_earlier_does_not_take_the_blur_back(add, index):
    earlier = add(1)
    blur = index(earlier).blur
    earlier.title = "new"
    earlier.save()
    assert type(earlier).objects.get(pk=earlier.pk).blur == blur != ""


def test_another_picture_has_no_blur_yet(add):
    photo = add(1)
    photo.blur = "of the former"
    collection.replace_image(photo, ContentFile(jpeg(2), "new.jpg"))
    assert type(photo).objects.get(pk=photo.pk).blur == ""


def test_nothing_stays_of_a_deleted_photo(add, media_root, django_capture_on_commit_callbacks):
    photo = add(1)
    for size, kind in product(SIDES, CONTENT_TYPES):
        derivative(photo, size, kind).close()
    with django_capture_on_commit_callbacks(execute=True):
        collection.delete_photo(photo)
    assert not [path for path in (media_root / "derivatives").rglob("*") if path.is_file()]


def test_a_broken_picture_is_refused(space):
    photo = collection.add_photo(jpeg(1)[:-3000])
    with pytest.raises(ImageRefused):
        derivative(photo, "small")


def test_a_lost_picture_is_reported(add, media_root):
    photo = add(1)
    (media_root / str(photo.image.name)).unlink()
    with pytest.raises(FileNotFoundError):
        derivative(photo, "small")
