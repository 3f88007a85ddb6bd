"""What PostgreSQL holds of the collection."""

from __future__ import annotations

from photos.models.choices import LocationSource, LocationVisibility, PhotoState, Visibility
from photos.models.duplicate import DuplicateKind, NearDuplicate
from photos.models.embedding import EmbeddingSpace, PhotoEmbedding, SegmentEmbedding
from photos.models.follow import PlaceFollow
from photos.models.gap import DescriptionGap
from photos.models.photo import Photo
from photos.models.proposal import LocationProposal, ProposalSource, ProposalState
from photos.models.segment import LocalFeatures, Segment
from photos.models.tag import PhotoTag, SegmentTag, Tag, TagSource
from photos.models.trash import TrashedPhoto

__all__ = [
    "DescriptionGap",
    "DuplicateKind",
    "EmbeddingSpace",
    "LocalFeatures",
    "LocationProposal",
    "LocationSource",
    "LocationVisibility",
    "NearDuplicate",
    "Photo",
    "PhotoEmbedding",
    "PhotoState",
    "PhotoTag",
    "PlaceFollow",
    "ProposalSource",
    "ProposalState",
    "Segment",
    "SegmentEmbedding",
    "SegmentTag",
    "Tag",
    "TagSource",
    "TrashedPhoto",
    "Visibility",
]
