"""OWLv2's checkpoint and which SAM each segmenter gives its boxes to; importing it loads nothing heavy."""

from __future__ import annotations

from typing import Final

from photos.vision.types import WeightFile

_NAME: Final = "owlv2-base-patch16-ensemble"

WEIGHTS: Final = WeightFile(
    f"{_NAME}.safetensors", f"https://huggingface.co/google/{_NAME}/resolve/main/model.safetensors", "", 0
)
"""Google's ensemble of ViT-B/16 (Apache 2.0)."""

SAM_OF: Final = {
    "owlv2+sam": "sam-vit-b",
    "owlv2+sam-vit-l": "sam-vit-l",
    "owlv2+sam-vit-h": "sam-vit-h",
}
"""Segmenter slug to that of the SAM which segments the boxes."""
