"""What the DINOv2 spaces are made with; importing it loads nothing heavy."""

from __future__ import annotations

from typing import Final

from photos.vision.encoders.crops import View
from photos.vision.types import EncoderSpec, WeightFile

VIEW: Final = View(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _spec(slug: str, letter: str, dimensions: int) -> EncoderSpec:
    name = f"dinov2_vit{letter}14"
    url = f"https://dl.fbaipublicfiles.com/dinov2/{name}/{name}_pretrain.pth"
    return EncoderSpec(
        slug=slug,
        version=1,
        dimensions=dimensions,
        input_size=VIEW.size,
        preprocessing="224, shorter side bicubic, centre; segments masked on the mean, 10 % context, padded to square",
        weights=(WeightFile(f"{name}_pretrain.pth", url, "", 0),),
        license="Apache-2.0",
        paper_url="https://arxiv.org/abs/2304.07193",
    )


SPECS: Final = {spec.slug: spec for spec in (_spec("dinov2-b-14", "b", 768), _spec("dinov2-l-14", "l", 1024))}
