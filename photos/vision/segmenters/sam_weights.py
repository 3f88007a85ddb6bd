"""SAM's official checkpoints; importing it loads nothing heavy."""

from __future__ import annotations

from typing import Final

from photos.vision.types import WeightFile

_ADDRESS: Final = "https://dl.fbaipublicfiles.com/segment_anything/"


def _weights(name: str, sha256: str, size: int) -> WeightFile:
    return WeightFile(name, _ADDRESS + name, sha256, size)


WEIGHTS: Final = {
    "vit_b": _weights(
        "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375_042_383
    ),
    "vit_l": _weights(
        "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1_249_524_607
    ),
    "vit_h": _weights(
        "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2_564_550_879
    ),
}
"""The official checkpoints (Apache 2.0) by model type."""
