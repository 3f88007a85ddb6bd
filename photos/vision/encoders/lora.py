"""Low-rank adaptation as PEFT writes it: what is known of an adapter before its matrices are loaded.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022); Kalajdzievski, "A Rank Stabilization
Scaling Factor for Fine-Tuning with LoRA" (2023) for `use_rslora`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from photos.vision import configuration
from photos.vision.errors import VisionError, WeightsCorruptError, WeightsMissingError
from photos.vision.types import EncoderSpec
from photos.vision.weights import digest_once

_CONFIG: Final = "adapter_config.json"
_FILES: Final = ("adapter_model.safetensors", "adapter_model.bin")
_UNSUPPORTED: Final = ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias", "fan_in_fan_out")
_MIXED_IN: Final = "+lora-"


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank matrices in a file: `weight + alpha / rank * B @ A`, or by the root of the rank if stabilised."""

    weights: Path
    rank: int
    alpha: float
    stabilised: bool = False

    @property
    def scale(self) -> float:
        return float(self.alpha / (self.rank**0.5 if self.stabilised else self.rank))

    @property
    def suffix(self) -> str:
        """What an encoder's slug is extended by; it changes with whatever changes a vector."""
        root = "-rs" if self.stabilised else ""
        return f"{_MIXED_IN}{self.rank}-{self.alpha:g}{root}-{digest_once(self.weights)[:8]}"


def configured_lora() -> Lora | None:
    """Return that of the configuration, if there is one; raises as `read_lora` does."""
    found = configuration.current()
    if found.dinov2_lora_weights is None:
        return None
    return read_lora(found.dinov2_lora_weights, rank=found.dinov2_lora_rank, alpha=found.dinov2_lora_alpha)


def read_lora(path: Path, *, rank: int = 0, alpha: float = 0.0) -> Lora:
    """Return the adapter in a folder as PEFT saves it, or in one file; 0 takes rank and alpha from its configuration.

    Raises `WeightsMissingError` where there is none, and `VisionError` where the two contradict each other or the
    adapter is of a kind that is not known here.
    """
    weights = _weights_in(path)
    config = _read_config(weights.parent / _CONFIG) if path.is_dir() or weights.name in _FILES else {}
    known_rank, known_alpha = int(config.get("r", 0)), float(config.get("lora_alpha", 0))
    if rank and known_rank and rank != known_rank:
        raise VisionError(f"DINOV2_LORA_RANK={rank}, but {weights.parent / _CONFIG} says {known_rank}")
    if not (rank or known_rank) or not (alpha or known_alpha):
        raise VisionError(f"{path} does not tell its rank and alpha; set DINOV2_LORA_RANK and DINOV2_LORA_ALPHA")
    stabilised = bool(config.get("use_rslora"))
    return Lora(weights, rank or known_rank, alpha or known_alpha, stabilised)


def adapted(spec: EncoderSpec, lora: Lora) -> EncoderSpec:
    """Return the space of the adapted network: another one for every adaptation."""
    return replace(
        spec, slug=f"{spec.slug}{lora.suffix}", preprocessing=f"{spec.preprocessing}; {lora.suffix.removeprefix('+')}"
    )


def is_adapted(slug: str) -> bool:
    """Say whether an encoder's slug is that of an adapted network."""
    return _MIXED_IN in slug


def fits(lora: Lora, *, width: int) -> bool:
    """Say whether the matrices are for layers of that width, as far as a look at the file's head tells."""
    if lora.weights.suffix != ".safetensors":
        return True
    with lora.weights.open("rb") as file:
        try:
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        except ValueError as exc:
            raise WeightsCorruptError(f"{lora.weights} is no file of plain weights: {exc}") from exc
    widths = [entry["shape"][1] for name, entry in head.items() if name.endswith(".lora_A.weight")]
    return not widths or min(widths) == width


def _weights_in(path: Path) -> Path:
    candidates = [path / name for name in _FILES] if path.is_dir() else [path]
    for file in candidates:
        if file.is_file():
            return file
    raise WeightsMissingError(
        f"The LoRA weights {candidates[0]} (DINOV2_LORA_WEIGHTS) are not there. Copy the folder that PEFT saved there,"
        " or unset DINOV2_LORA_WEIGHTS."
    )


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise WeightsCorruptError(f"{path} is no JSON: {exc}") from exc
    if found.get("peft_type", "LORA") != "LORA":
        raise VisionError(f"{path} is of the type {found['peft_type']!r}; only LORA is supported")
    if found.get("bias", "none") != "none":
        raise VisionError(f"{path} trains biases (bias={found['bias']!r}), which is not supported")
    if unknown := [name for name in _UNSUPPORTED if found.get(name)]:
        raise VisionError(f"{path} uses {', '.join(unknown)}, which is not supported; merge the adapter instead")
    return found
