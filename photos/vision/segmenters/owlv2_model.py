"""OWLv2: where objects are in a picture, named ones or any.

Minderer, Gritsenko & Houlsby, "Scaling Open-Vocabulary Object Detection" (NeurIPS 2023). Each patch of the picture
answers with one box, how likely it holds an object of whatever kind (objectness), and how well it goes with words.
Widths, depths and sizes are read off the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photos.vision.encoders.crops import View
from photos.vision.encoders.open_clip_models import OPENAI_MEAN, OPENAI_STD
from photos.vision.engines import Engine, Network
from photos.vision.errors import MissingDependencyError, WeightsCorruptError
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import Image
from photos.vision.weights import load_state

_HEAD_WIDTH: Final = 64
_GROUND: Final = 128
"""The grey that pictures are padded with, as in training."""

_RECOMPUTED: Final = ("position_ids", "box_bias")
"""Ends of names that old checkpoints hold and that need not be learned."""


class Owlv2Detector:
    """Boxes with scores in 0..1: of anything, or of what the prompts say."""

    def __init__(self, network: nn.Module, engine: Engine, *, prompts: Sequence[str] = ()) -> None:
        net: Any = network
        self._side = int(net.config.vision_config.image_size)
        self._view = View(self._side, OPENAI_MEAN, OPENAI_STD)
        module = _Boxes(network, embed_prompts(network, prompts) if prompts else None)
        example = torch.zeros(1, 3, self._side, self._side)
        self._network: Network = engine.compile(module, [example], batched=[True])

    def detect(
        self, image: Image, *, score_thresh: float, nms_thresh: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return boxes (N, 4) as x1, y1, x2, y2 in pixels inside the picture, and their scores, best first.

        Those of a score above `score_thresh` are kept, except where they overlap a better one by more than
        `nms_thresh` (intersection over union).
        """
        logits, centred = self._network(torch.from_numpy(self._view.normalise([self._fitted(image)])))
        scores, boxes = logits[0].cpu().sigmoid(), _corners(centred[0].cpu()) * max(image.shape[:2])
        height, width = image.shape[:2]
        boxes[:, 0::2].clamp_(0, width)
        boxes[:, 1::2].clamp_(0, height)
        sound = (scores > score_thresh) & ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(dim=1)
        boxes, scores = boxes[sound], scores[sound]
        keep = _suppress(boxes, scores, nms_thresh)
        return boxes[keep].double().numpy(), scores[keep].double().numpy()

    def _fitted(self, image: Image) -> Image:
        """Return the picture on a square of (side, side, 3): reduced, not stretched, grey below or to its right."""
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        square = np.full((self._side, self._side, 3), _GROUND, np.uint8)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square[: size[1], : size[0]] = cv2.resize(image, size, interpolation=method)
        return square


class _Boxes(nn.Module):
    """Pixels to a score's logit (N, P) and a box (N, P, 4) for each patch: centre x, y, width, height in 0..1."""

    def __init__(self, network: nn.Module, queries: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.queries: Tensor | None
        self.register_buffer("queries", queries)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        network: Any = self.network
        grid, _seen = network.image_embedder(pixels)
        features = grid.flatten(1, 2)
        boxes = network.box_predictor(features, grid)
        if self.queries is None:
            return network.objectness_predictor(features), boxes
        logits, _embeddings = network.class_predictor(features, self.queries[None].expand(len(features), -1, -1))
        return logits.amax(dim=-1), boxes


@torch.no_grad()
def embed_prompts(network: nn.Module, prompts: Sequence[str]) -> Tensor:
    """Return (Q, W): the text tower's vectors, for CLIP's byte pairs."""
    prepare_torchvision()
    try:
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError as exc:
        raise MissingDependencyError("OWLV2_PROMPTS needs open_clip: pip install 'geolocator[models]'") from exc
    net: Any = network
    length = net.config.text_config.max_position_embeddings
    tokens = SimpleTokenizer(context_length=length)([prompt.lower() for prompt in prompts])
    found: Tensor = net.owlv2.get_text_features(input_ids=tokens, attention_mask=(tokens != 0).long()).pooler_output
    return found


def load_owlv2(path: Path) -> nn.Module:
    """Return transformers' `Owlv2ForObjectDetection`; raises `WeightsCorruptError`, `MissingDependencyError`."""
    state = {name: one.float() for name, one in load_state(path).items() if not name.endswith(_RECOMPUTED)}
    try:
        network = _build(state)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ZeroDivisionError) as exc:
        raise WeightsCorruptError(f"{path} does not hold the weights of OWLv2: {exc}") from exc
    return network.float().eval().requires_grad_(False)


def _build(state: Mapping[str, Tensor]) -> nn.Module:
    prepare_torchvision()
    try:
        from transformers import Owlv2Config, Owlv2ForObjectDetection
    except ImportError as exc:
        raise MissingDependencyError("OWLv2 needs transformers: pip install 'geolocator[research]'") from exc
    vision, text = "owlv2.vision_model.", "owlv2.text_model."
    _width, _channels, patch, _patch = state[f"{vision}embeddings.patch_embedding.weight"].shape
    positions = f"{text}embeddings.position_embedding.weight"
    grid = round((len(state[f"{vision}embeddings.position_embedding.weight"]) - 1) ** 0.5)
    config = Owlv2Config(
        vision_config={**_tower(state, vision), "patch_size": patch, "image_size": patch * grid},
        text_config={
            **_tower(state, text),
            "vocab_size": len(state[f"{text}embeddings.token_embedding.weight"]),
            "max_position_embeddings": len(state[positions]),
        },
        projection_dim=len(state["owlv2.visual_projection.weight"]),
    )
    config._attn_implementation = "eager"  # can be traced and converted
    network: Any = Owlv2ForObjectDetection(config)
    network.loss_type = "ForObjectDetection"  # unset, transformers warns while it is traced
    found: nn.Module = network
    return found


def _tower(state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
    first = state[f"{prefix}encoder.layers.0.mlp.fc1.weight"]
    layers = sum(name.startswith(f"{prefix}encoder.layers.") and name.endswith("mlp.fc1.bias") for name in state)
    return {
        "hidden_size": first.shape[1],
        "intermediate_size": first.shape[0],
        "num_hidden_layers": layers,
        "num_attention_heads": first.shape[1] // _HEAD_WIDTH,
    }


def _corners(centred: Tensor) -> Tensor:
    half = centred[:, 2:] / 2
    return torch.cat([centred[:, :2] - half, centred[:, :2] + half], dim=1)


def _suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    prepare_torchvision()
    from torchvision.ops import nms

    found: Tensor = nms(boxes, scores, threshold)
    return found
