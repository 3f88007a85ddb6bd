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
