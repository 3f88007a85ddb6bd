"""Small random networks in the real file formats, to be loaded by the same code as the official weights."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import torch
from torch import nn

from photos.vision.torchvision_cpu import prepare_torchvision

LEVEL = 5.0
"""How far the logits are lowered everywhere: the higher, the smaller the blobs."""


def make_small_sam(*, seed: int = 4, side: int = 128) -> nn.Module:
    """Return a `Sam` of the real classes whose masks are blobs of many sizes, about half of them of good quality."""
    prepare_torchvision()
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid, width = side // 16, 32
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sam: nn.Module = Sam(
            image_encoder=ImageEncoderViT(
                img_size=side, patch_size=16, embed_dim=48, depth=2, num_heads=3, out_chans=width,
                norm_layer=functools.partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=3,
                global_attn_indexes=(1,),
            ),
            prompt_encoder=PromptEncoder(
                embed_dim=width, image_embedding_size=(grid, grid), input_image_size=(side, side), mask_in_chans=4
            ),
            mask_decoder=MaskDecoder(
                transformer_dim=width, transformer=TwoWayTransformer(
                    depth=2, embedding_dim=width, num_heads=8, mlp_dim=64
                ), num_multimask_outputs=3, iou_head_depth=3, iou_head_hidden_dim=32,
            ),
        )  # fmt: skip
        make_blobs(sam)
    return sam.eval()


@torch.no_grad()
def make_blobs(sam) -> None:
    """Let the masks of a random `Sam` be blobs that differ with the prompt, in place, size and quality.

    The picture's embedding gets waves over the places. What the last layers of the heads answer to a grid of
    prompts is centred and scaled, so that the prompts and not the biases decide.
    """
    grid, width = sam.image_encoder.pos_embed.shape[1], sam.image_encoder.pos_embed.shape[-1]
    line = torch.arange(grid) / grid * 2 * math.pi
    phases, turns = torch.rand(width, 2) * 6.3, torch.randint(0, 3, (width, 2))
    down = torch.sin(line[:, None, None] * turns[:, 0] + phases[:, 0])
    sam.image_encoder.pos_embed += 3.0 * (down + torch.sin(line[None, :, None] * turns[:, 1] + phases[:, 1]))
    heads = [network.layers[-1] for network in sam.mask_decoder.output_hypernetworks_mlps]
    quality = sam.mask_decoder.iou_prediction_head.layers[-1]
    seen: dict[nn.Module, torch.Tensor] = {}
    hooks = [
        one.register_forward_pre_hook(lambda module, given: seen.update({module: given[0]}))
        for one in (*heads, quality)
    ]
    side = sam.image_encoder.img_size
    points = torch.cartesian_prod(*[torch.arange(0.5, 8) * side / 8] * 2)[:, None]
    prompts, dense = sam.prompt_encoder((points, torch.ones(64, 1, dtype=torch.int)), None, None)
    embedding = sam.image_encoder(torch.randn(1, 3, side, side))
    sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), prompts, dense)
    for hook in hooks:
        hook.remove()
    for head in heads:
        scale_answers(head, seen[head], mean=0.0, spread=40.0)
        head.weight[0], head.bias[0] = 0.0, -LEVEL
    scale_answers(quality, seen[quality], mean=0.88, spread=0.05)
    sam.mask_decoder.output_upscaling[-2].weight[:, 0] = 0.0
    sam.mask_decoder.output_upscaling[-2].bias[0] = 3.0


def scale_answers(layer, given: torch.Tensor, *, mean: float, spread: float) -> None:
    """Give a linear layer's answers to `given` (N, in) this mean and standard deviation."""
    layer.weight *= (spread / (given @ layer.weight.T).std(dim=0))[:, None]
    layer.bias.copy_(mean - (given @ layer.weight.T).mean(dim=0))


def write_small_sam(path: Path, *, seed: int = 4) -> nn.Module:
    """Write the checkpoint as segment_anything's are: a plain state dict; return the network."""
    sam = make_small_sam(seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(sam.state_dict(), path)
    return sam
