"""Which CLIP models there are and what they are made with; importing it loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from photos.vision.encoders.crops import View
from photos.vision.types import EncoderSpec, WeightFile

OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)
HALF: Final = (0.5, 0.5, 0.5)

CLIP_PAPER: Final = "https://arxiv.org/abs/2103.00020"
SIGLIP_PAPER: Final = "https://arxiv.org/abs/2303.15343"


@dataclass(frozen=True, slots=True)
class ClipModel:
    """A model of open_clip: its architecture's name there, its space and its view.

    The first weight file is the network's; a second one is its tokenizer, where open_clip brings none. `inverts`
    says that there is a space of it with mask inversion.
    """

    name: str
    spec: EncoderSpec
    view: View
    quick_gelu: bool = False
    inverts: bool = True


def _openai(name: str, slug: str, sha256: str, size: int, dimensions: int) -> ClipModel:
    url = f"https://openaipublic.azureedge.net/clip/models/{sha256}/{name}.pt"
    spec = EncoderSpec(
        slug=slug,
        version=1,
        dimensions=dimensions,
        input_size=224,
        preprocessing="224, shorter side bicubic, centre; segments masked on the mean, 10 % context, padded to square",
        weights=(WeightFile(f"{name}.pt", url, sha256, size),),
        license="MIT",
        paper_url=CLIP_PAPER,
        has_text=True,
    )
    return ClipModel(name, spec, View(224, OPENAI_MEAN, OPENAI_STD), quick_gelu=True)


def _siglip(name: str, slug: str, size: int, dimensions: int) -> ClipModel:
    files = (("open_clip_model.safetensors", f"{name}.safetensors"), ("tokenizer.json", f"{name}.tokenizer.json"))
    weights = tuple(
        WeightFile(local, f"https://huggingface.co/timm/{name}/resolve/main/{remote}", "", 0) for remote, local in files
    )
    spec = EncoderSpec(
        slug=slug,
        version=1,
        dimensions=dimensions,
        input_size=size,
        preprocessing=f"{size}, fitted to the square, bicubic; segments masked on the mean, 10 % context, padded",
        weights=weights,
        license="Apache-2.0",
        paper_url=SIGLIP_PAPER,
        has_text=True,
    )
    return ClipModel(name, spec, View(size, HALF, HALF, "squash"))


_BUILT_IN: Final = (
    _openai(
        "ViT-B-32",
        "clip-vit-b-32-openai",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        353_976_522,
        512,
    ),
    _openai(
        "ViT-L-14",
        "clip-vit-l-14-openai",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        932_768_134,
        768,
    ),
    _siglip("ViT-B-16-SigLIP-384", "siglip-b-16-384", 384, 768),
)

MODELS: Final[dict[str, ClipModel]] = {model.spec.slug: model for model in _BUILT_IN}
"""Slug to model, those of `open_clip_listed.register_open_clip` too."""
