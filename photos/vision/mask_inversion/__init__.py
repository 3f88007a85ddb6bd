"""Mask inversion: the embedding whose relevance map is a given mask.

Bousselham et al., "MaskInversion: Localized Embeddings via Optimization of Explainability Maps" (2024), with the
relevance of "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity" (2024)
on the last block. The published loop differentiates through the network twice at every step. Here the relevance
is a closed form: the gradient of `embedding . readout` by the last attention is linear in the embedding, so one
pass through the network and one Jacobian (`jacobian`) serve every step of every mask (`inversion`).
"""

from __future__ import annotations

from photos.vision.mask_inversion.inversion import invert_masks
from photos.vision.mask_inversion.jacobian import LastAttention, linearise
from photos.vision.mask_inversion.tower import Tower, tower_of_open_clip, tower_of_timm

__all__ = [
    "LastAttention",
    "Tower",
    "invert_masks",
    "linearise",
    "tower_of_open_clip",
    "tower_of_timm",
]
