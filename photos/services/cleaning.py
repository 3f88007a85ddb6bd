"""Nothing stays behind a replaced or deleted picture."""

from __future__ import annotations

import logging
import uuid
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from photos import derivatives
from photos.models import LocalFeatures, NearDuplicate, Photo, PhotoEmbedding, Segment, SegmentEmbedding

logger = logging.getLogger(__name__)


def forget_picture(photo: Photo, name: str, sha256: str) -> None:
    """Drop all that was found in a picture that another one replaces; its files go when that commits."""
    with transaction.atomic():
        PhotoEmbedding.objects.filter(photo=photo).delete()
        SegmentEmbedding.objects.filter(photo=photo).delete()
        Segment.objects.filter(photo=photo).delete()
        LocalFeatures.objects.filter(photo=photo).delete()
        NearDuplicate.objects.filter(Q(photo_a=photo) | Q(photo_b=photo)).delete()
    transaction.on_commit(partial(delete_files, photo.uuid, name, sha256), robust=True)


def delete_files(photo_uuid: uuid.UUID, name: str, sha256: str) -> None:
    """Delete a picture's file and copies; what cannot be deleted now, the sweeper finds."""
    try:
        if name:
            default_storage.delete(name)
        derivatives.delete_derivatives(photo_uuid, sha256)
    except OSError as exc:
        logger.warning("could not delete the files of photo %s: %s", photo_uuid, exc)
