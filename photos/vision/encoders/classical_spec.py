"""What the space `classical-512` is made with; importing it loads nothing heavy."""

from __future__ import annotations

from typing import Final

from photos.vision.types import EncoderSpec

SPEC: Final = EncoderSpec(
    slug="classical-512",
    version=1,
    dimensions=512,
    input_size=800,
    preprocessing="longer side at most 800; RootSIFT-VLAD 384, HSV 64, gradients 64",
    license="MIT",
    paper_url="https://inria.hal.science/inria-00548637",
)
