"""How vision is set up in this process: one value, asked for where it is needed.

Alone, it is read from environment variables of the same names in capitals; a site gives its own source once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from photos.vision.errors import VisionError

SAM_MODEL_TYPES: Final = ("vit_b", "vit_l", "vit_h")
ENGINES: Final = ("auto", "torch", "openvino")

_NUMBERS: Final[dict[str, tuple[type[int] | type[float], float, float]]] = {
    "points_per_side": (int, 0, 64),
    "pred_iou_thresh": (float, 0, 1),
    "stability_score_thresh": (float, 0, 1),
    "max_segments_per_image": (int, 1, 100),
    "min_segment_size": (float, 0, 1),
    "owlv2_thresh": (float, 0, 1),
    "owlv2_nms_thresh": (float, 0, 1),
    "dinov2_lora_rank": (int, 0, 1024),
    "dinov2_lora_alpha": (float, 0, 65536),
}

_OF_ANY: Final = ("max_segments_per_image", "min_segment_size")
_OF_SEGMENTERS: Final[dict[str, tuple[str, ...]]] = {
    "sam": ("points_per_side", "pred_iou_thresh", "stability_score_thresh", *_OF_ANY),
    "owlv2+sam": ("owlv2_prompts", "owlv2_thresh", "owlv2_nms_thresh", *_OF_ANY),
}

_PATHS: Final = {"model_dir", "dinov2_lora_weights"}
_LISTS: Final = {"linear_adaptations", "open_clip_models", "owlv2_prompts"}
_TOLD_BY_SLUGS: Final = {
    *_PATHS,
    "linear_adaptations",
    "model_mirror",
    "open_clip_models",
    "vision_engine",
    "dinov2_lora_rank",
    "dinov2_lora_alpha",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where weights are, what computes, and how pictures are segmented.

    `model_dir` is a folder, `model_mirror` the address of one to fetch from; `points_per_side` 0 chooses 16 on a CPU
    and 32 on a GPU; the thresholds and `min_segment_size`, a share of the picture, are in 0..1; `open_clip_models` are
    more encoders, "name:tag" each as open_clip lists them; `dinov2_lora_weights` is an adapter's folder or file, whose
    rank and alpha are told where they are not 0; `linear_adaptations` are layers behind encoders, "encoder=file" each;
    `owlv2_prompts` name the objects to be found, any where there are none. Raises `VisionError` for a value outside.
    """

    model_dir: Path
    model_mirror: str = ""
    vision_engine: str = "auto"
    sam_model_type: str = "vit_b"
    points_per_side: int = 0
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    max_segments_per_image: int = 10
    min_segment_size: float = 0.01
    extract_global_features: bool = True
    open_clip_models: tuple[str, ...] = ()
    dinov2_lora_weights: Path | None = None
    dinov2_lora_rank: int = 0
    dinov2_lora_alpha: float = 0.0
    linear_adaptations: tuple[str, ...] = ()
    owlv2_prompts: tuple[str, ...] = ()
    owlv2_thresh: float = 0.2
    owlv2_nms_thresh: float = 0.4

    def __post_init__(self) -> None:
        for name, allowed in (("vision_engine", ENGINES), ("sam_model_type", SAM_MODEL_TYPES)):
            if getattr(self, name) not in allowed:
                raise VisionError(f"unknown {getattr(self, name)!r} ({name.upper()}); use one of {', '.join(allowed)}")
        for name, (_kind, least, most) in _NUMBERS.items():
            if not least <= getattr(self, name) <= most:
                raise VisionError(f"{name.upper()}={getattr(self, name)!r} must be between {least:g} and {most:g}")
        if self.model_mirror and not self.model_mirror.startswith(("http://", "https://")):
            raise VisionError(f"MODEL_MIRROR={self.model_mirror!r} must be an http or https address")
        for pair in self.open_clip_models:
            if len([part for part in pair.split(":") if part]) != 2:
                raise VisionError(f"OPEN_CLIP_MODELS has {pair!r}; write name:tag, as in ViT-B-16:laion2b_s34b_b88k")
        for pair in self.linear_adaptations:
            if not all(pair.partition("=")):
                raise VisionError(f"LINEAR_ADAPTATIONS has {pair!r}; write encoder=file, as in dinov2-b-14=layer.pth")


def read_configuration(values: Mapping[str, Any], *, base: Configuration | None = None) -> Configuration:
    """Return a configuration from names in any case and values as text or as they are; the others are `base`'s.

    Raises `VisionError` for an unknown name and for a value that cannot be read.
    """
    known = {field.name for field in fields(Configuration)}
    given = {name.lower(): value for name, value in values.items() if value not in ("", None, ())}
    if unknown := sorted(set(given) - known):
        raise VisionError(f"unknown settings {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    start = {name: getattr(base, name) for name in known} if base else {"model_dir": default_model_dir()}
    return Configuration(**{**start, **{name: _read(name, value) for name, value in given.items()}})


def result_settings(found: Configuration) -> dict[str, Any]:
    """Return, as JSON takes them, the settings that change what is said of a picture beside the models' slugs."""
    kept = {name: value for name, value in asdict(found).items() if name not in _TOLD_BY_SLUGS}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def segmenter_settings(found: Configuration, segmenter: str) -> dict[str, Any]:
    """Return, as JSON takes them, the settings that decide what a segmenter finds; it may have none."""
    family = segmenter.partition("-")[0]
    return {name: value for name, value in result_settings(found).items() if name in _OF_SEGMENTERS.get(family, ())}


def from_environment() -> Configuration:
    """Return the configuration that the environment's variables make."""
    return read_configuration(
        {field.name: os.environ.get(field.name.upper(), "").strip() for field in fields(Configuration)}
    )


def default_model_dir() -> Path:
    """Return `models` in DATA_DIR, else `data/models`."""
    return (Path(os.environ.get("DATA_DIR") or "data") / "models").expanduser().absolute()


_source: Callable[[], Configuration] = from_environment


def current() -> Configuration:
    """Return the configuration in force."""
    return _source()


def use(source: Callable[[], Configuration]) -> Callable[[], Configuration]:
    """Have `current` ask `source` from now on; returns the former one."""
    global _source
    former, _source = _source, source
    return former


def _read(name: str, value: Any) -> Any:
    if name in _PATHS:
        if not isinstance(value, str | Path):
            raise VisionError(f"{name.upper()}={value!r} is no path; write it as text")
        return Path(value).expanduser().absolute()
    if name == "extract_global_features":
        return _read_bool(name, value)
    if name in _LISTS:
        return _read_list(name, value)
    if name not in _NUMBERS:
        return str(value)
    kind = _NUMBERS[name][0]
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise VisionError(f"{name.upper()}={value!r} is not a number") from exc


def _read_list(name: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise VisionError(f"{name.upper()}={value!r}: use a list of texts, or one text with commas between them")
    return tuple(part.strip() for part in parts if part.strip())


def _read_bool(name: str, value: Any) -> bool:
    word = str(value).lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off"}:
        return False
    raise VisionError(f"{name.upper()}={value!r}: use yes or no")
