"""A small random OWLv2 of the real classes, in the file format of the official one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from photos.vision.torchvision_cpu import prepare_torchvision
from tests.vision.checkpoints import enliven, scale_answers


def write_small_owlv2(path: Path, *, side: int = 128) -> Any:
    """Write safetensors as Google's are and return the network, whose patches differ in box and objectness."""
    prepare_torchvision()
    from safetensors.torch import save_file
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    small = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
    config = Owlv2Config(
        vision_config={**small, "image_size": side, "patch_size": 16},
        text_config={**small, "max_position_embeddings": 16},
        projection_dim=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(9)
        network: Any = Owlv2ForObjectDetection(config).eval()
    enliven(network)
    _spread_answers(network, side)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: one.contiguous() for name, one in network.state_dict().items()}, path)
    return network


@torch.no_grad()
def _spread_answers(network: Any, side: int) -> None:
    """Let about a fifth of the patches be sure of an object, in boxes of several patches."""
    seen: dict[Any, torch.Tensor] = {}
    heads = {"objectness": network.objectness_head.dense2, "box": network.box_head.dense2}
    hooks = [
        head.register_forward_pre_hook(lambda module, given: seen.update({module: given[0]})) for head in heads.values()
    ]
    generator = torch.Generator().manual_seed(2)
    pixels = torch.nn.functional.interpolate(torch.randn(1, 3, 8, 8, generator=generator), size=side, mode="bilinear")
    grid, _seen = network.image_embedder(pixels)
    features = grid.flatten(1, 2)
    network.objectness_predictor(features)
    network.box_predictor(features, grid)
    for hook in hooks:
        hook.remove()
    scale_answers(heads["objectness"], seen[heads["objectness"]][0], mean=-3.0, spread=2.0)
    scale_answers(heads["box"], seen[heads["box"]][0], mean=0.0, spread=0.7)
    heads["box"].bias[2:] += 1.2
