"""Small random SAM and CLIP checkpoints under their official names."""

from __future__ import annotations

from pathlib import Path

SPACE = "clip-vit-b-32-openai"
SAM_FILE = "sam_vit_b_01ec64.pth"
CLIP_FILE = "ViT-B-32.pt"
SETTINGS = {
    "VISION_ENGINE": "torch",
    "POINTS_PER_SIDE": 6,
    "PRED_IOU_THRESH": 0.8,
    "STABILITY_SCORE_THRESH": 0.5,
    "MIN_SEGMENT_SIZE": 0.002,
}
"""By which random masks are kept."""


def write_models(folder: Path) -> Path:
    """Write both checkpoints; torch is imported only here."""
    from tests.vision.checkpoints import write_small_clip, write_small_sam

    write_small_sam(folder / SAM_FILE)
    write_small_clip(folder / CLIP_FILE)
    return folder


def write_other_models(folder: Path) -> Path:
    """Write SigLIP, DINOv2 and OWLv2 as well, beside the SAM that OWLv2's boxes go to."""
    from photos.vision.encoders.dinov2_spec import SPECS
    from photos.vision.segmenters.owlv2_weights import WEIGHTS
    from tests.vision.checkpoints import write_small_dinov2, write_small_sam, write_small_siglip
    from tests.vision.owlv2_checkpoint import write_small_owlv2

    write_small_sam(folder / SAM_FILE)
    write_small_siglip(folder)
    write_small_dinov2(folder / SPECS["dinov2-b-14"].weights[0].name)
    write_small_owlv2(folder / WEIGHTS.name)
    return folder
