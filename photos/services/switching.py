"""From one embedding space to another, side by side: prepared, filled, swapped.

A space is made only when its models are known to work here, or every photo would wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.urls import reverse

from photos.errors import SpaceIncompleteError, SpaceStateError
from photos.models import DescriptionGap, EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import indexing, vocabulary
from photos.services.spaces import activate_space, create_space
from photos.vision import catalogue, registry, weights
from photos.vision.describe import describe_image
from photos.vision.errors import VisionError
from photos.vision.types import Image, WeightFile


@dataclass(frozen=True, slots=True)
class SpacePlan:
    """A space to be: its slug, and what fills it."""

    slug: str
    encoder: str
    segmenter: str

    @property
    def files(self) -> tuple[WeightFile, ...]:
        return catalogue.files_for_space(self.encoder, self.segmenter)


def plan_space(slug: str, *, encoder: str = "", segmenter: str = "") -> SpacePlan:
    """Return the plan of a space by its slug, which is its encoder's where none is named.

    What a space of that name is made of already wins; raises `SpaceStateError` where something else is asked, and
    `UnknownModelError`.
    """
    space = find_space(slug)
    if space is None:
        encoder = encoder or slug
        plan = SpacePlan(slug, encoder, segmenter or registry.default_segmenter(encoder))
        catalogue.files_for_space(plan.encoder, plan.segmenter)
        return plan
    asked = (encoder or space.encoder, segmenter or space.segmenter)
    if asked != (space.encoder, space.segmenter):
        raise SpaceStateError(
            f"the space {slug!r} is made of {space.encoder} and {space.segmenter}, not {' and '.join(asked)};"
            " give the other one a name of its own, with --encoder and --segmenter"
        )
    return SpacePlan(slug, space.encoder, space.segmenter)


def find_space(slug: str) -> EmbeddingSpace | None:
    """Return the space of that slug, unless it is retired."""
    return EmbeddingSpace.objects.filter(slug=slug).exclude(state=SpaceState.RETIRED).first()


def rehearse(plan: SpacePlan, *, own_weights: bool = False) -> None:
    """Verify the weights and describe a drawn picture with them.

    With `own_weights` they need not be the pinned ones, only of their format: fine-tuned ones for instance.
    Raises `VisionError` for whatever is missing, broken or not of the space's dimensions.
    """
    for file in plan.files:
        if own_weights:
            weights.require(file)
        else:
            weights.verify(file)
    encoder, segmenter = registry.get_encoder(plan.encoder), registry.get_segmenter(plan.segmenter)
    found = describe_image(_drawn_picture(), encoder=encoder, segmenter=segmenter, with_local_features=False)
    expected = (encoder.spec.dimensions,)
    if found.embedding is None or found.embedding.shape != expected:
        shape = None if found.embedding is None else found.embedding.shape
        raise VisionError(f"expected a vector of shape {expected} from {plan.encoder!r}, got {shape}")


def start_space(plan: SpacePlan) -> EmbeddingSpace:
    """Return the plan's space; where it is not there yet, make it and ring for the photos to be described in it.

    The digests of its weights are kept with it. Raises `SpaceStateError` where there is a space of other weights:
    vectors of different weights never mix.
    """
    digests = {file.name: weights.digest_of(weights.require(file)) for file in plan.files}
    space = find_space(plan.slug)
    if space is None:
        space = create_space(plan.slug, encoder=plan.encoder, segmenter=plan.segmenter, digests=digests)
        indexing.reconcile()
    known = space.spec.get("digests", {})
    if other := sorted(name for name, digest in digests.items() if known.get(name, digest) != digest):
        raise SpaceStateError(
            f"the space {plan.slug!r} was made with other weights ({', '.join(other)}); bring those back, or retire it"
        )
    return space


def try_swap(space: EmbeddingSpace) -> bool:
    """Let searches use the space if it is complete by now."""
    try:
        activate_space(space)
    except SpaceIncompleteError:
        return False
    vocabulary.announce_change()
    return True


def tell_refused(space: EmbeddingSpace) -> str:
    """Return how many photos the space does not hold and where to see why; nothing where it holds all."""
    gaps = DescriptionGap.objects.filter(space=space, permanent=True).order_by("photo_id")
    first = gaps.first()
    if first is None:
        return ""
    page = reverse("admin:photos_photo_change", args=[first.photo_id])
    return (
        f"{gaps.count()} photos cannot be described in {space.slug}: searches in it do not find them. The page of each"
        f" in the admin says why and offers to try again; of the first ({page}): {first.reason}"
    )


def _drawn_picture() -> Image:
    """Return (192, 256, 3) uint8 with blocks of many colours, the same every time."""
    blocks = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(np.kron(blocks, np.ones((16, 16, 1), np.uint8)))
