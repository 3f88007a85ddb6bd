"""Deleting a photo while a worker writes what it found in it."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from django.db import connection, transaction

from photos.models import LocalFeatures, Photo
from photos.services.collection import add_photo, delete_photo
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_photo_that_is_being_described_is_deleted_with_what_is_written_meanwhile():
    photo = add_photo(jpeg(1))
    is_written, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        with contextlib.closing(connection), transaction.atomic():
            Photo.objects.filter(pk=photo.pk).update(stage="describing")  # a worker holds the row while it writes
            LocalFeatures.objects.create(photo_id=photo.pk, count=0, data=b"")
            is_written.set()
            may_commit.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    assert is_written.wait(10)
    threading.Timer(0.3, may_commit.set).start()
    began = time.monotonic()
    delete_photo(Photo.objects.get(pk=photo.pk))
    assert time.monotonic() - began > 0.1, "it waited for the writer"
    writer.join(10)
    assert not Photo.objects.exists()
    assert not LocalFeatures.objects.exists()
