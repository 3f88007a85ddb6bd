"""What is done with each picture, as one value that travels to other processes and machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from photos.vision.bulk.resizing import Resizing
from photos.vision.errors import VisionError

Framework: TypeAlias = Literal["classical", "open_clip", "timm", "transformers"]
FRAMEWORKS: Final[tuple[str, ...]] = get_args(Framework)

MULTI_SCALE: Final = (0.707, 1.0, 1.414)
"""The scales of ILIAS's multi-scale descriptors."""

DEFAULT_MODELS: Final = {
    "classical": "classical-512",
    "open_clip": "clip-vit-b-32-openai",
    "timm": "vit_large_patch16_siglip_384.webli",
    "transformers": "",
}
_POOLINGS: Final = ("head", "cls", "gap", "gem", "mac")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that changes a vector.

    `model` is a name in its framework, for transformers a folder or a model's name on the hub; `weights` a file in the
    place of the model's own; `scales` are factors of the picture's size, their unit vectors averaged. `batch` pictures
    of one size go through the network together, from each `window` of pictures that follow one another: batches are
    the same whenever a run is taken up again. `max_side` in pixels reduces pictures while they are decoded, 0 leaves
    them whole.
    """

    framework: str = "classical"
    model: str = ""
    weights: str = ""
    pooling: str = "head"
    descriptors: Literal["global", "local", "text"] = "global"
    resizing: Resizing = field(default_factory=Resizing)
    scales: tuple[float, ...] = (1.0,)
    max_side: int = 0
    batch: int = 32
    window: int = 128

    def __post_init__(self) -> None:
        if self.framework not in FRAMEWORKS:
            raise VisionError(f"unknown framework {self.framework!r}; use one of {', '.join(FRAMEWORKS)}")
        if self.pooling not in _POOLINGS:
            raise VisionError(f"unknown pooling {self.pooling!r}; use one of {', '.join(_POOLINGS)}")
        if not self.scales or not all(0.1 <= one <= 4 for one in self.scales):
            raise VisionError(f"scales must be between 0.1 and 4, got {self.scales}")
        if self.batch < 1 or self.window < self.batch or self.max_side < 0:
            raise VisionError(
                f"batch must be at least 1, window at least batch, max_side at least 0; got {self.batch}, "
                f"{self.window}, {self.max_side}"
            )
        if self.descriptors == "local" and self.scales != (1.0,):
            raise VisionError("local descriptors are taken at one scale; leave the scales out")
        if self.framework == "classical" and self.descriptors == "text":
            raise VisionError("classical descriptors know no words; texts need open_clip or transformers")
        if self.framework == "timm" and self.descriptors == "text":
            raise VisionError("timm has no text towers; describe texts with open_clip's model of the same weights")

    @property
    def model_name(self) -> str:
        return self.model or DEFAULT_MODELS[self.framework]
