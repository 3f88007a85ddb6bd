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


def write_small_clip(path: Path, *, dimensions: int = 512, seed: int = 5) -> nn.Module:
    """Write a small CLIP in OpenAI's layout as a TorchScript archive in half precision, and return the network."""
    vision = {"width": 64, "layers": 2, "patch_size": 16, "image_size": 64}
    text = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
    return write_clip(path, dimensions=dimensions, seed=seed, vision=vision, text=text)


def write_clip(
    path: Path,
    *,
    dimensions: int = 512,
    seed: int = 5,
    vision: dict[str, int] | None = None,
    text: dict[str, int] | None = None,
) -> nn.Module:
    """Write a random CLIP, by default of ViT-B/32's size, as OpenAI's are, and return the network."""
    prepare_torchvision()
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vision_config = CLIPVisionCfg(**(vision or {"width": 768, "layers": 12, "patch_size": 32, "image_size": 224}))
        clip: nn.Module = CLIP(dimensions, vision_config, CLIPTextCfg(**(text or {})), quick_gelu=True).eval()
    enliven(clip)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.script(StateHolder(clip.half().state_dict())).save(str(path))
    return clip.float()


class StateHolder(nn.Module):
    """The tree of modules that has exactly a state's names; TorchScript wants modules."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        below: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            first, _dot, rest = name.partition(".")
            if rest:
                below.setdefault(first, {})[rest] = tensor
            else:
                self.register_buffer(first, tensor.clone())
        for first, part in below.items():
            self.add_module(first, StateHolder(part))


def write_small_siglip(folder: Path, *, name: str = "ViT-B-16-SigLIP-384", dimensions: int = 768) -> nn.Module:
    """Write a small SigLIP as safetensors and a tokenizer file beside it; return the network."""
    prepare_torchvision()
    from open_clip.model import CustomTextCLIP
    from safetensors.torch import save_file
    from timm.models.vision_transformer import VisionTransformer
    from tokenizers import Tokenizer, models, pre_tokenizers

    with torch.random.fork_rng():
        torch.manual_seed(6)
        vision = {"width": 64, "layers": 1, "patch_size": 16, "image_size": 64}  # its place is taken below
        text = {
            "context_length": 12, "vocab_size": 40, "width": 64, "heads": 1, "layers": 2, "no_causal_mask": True,
            "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
        }  # fmt: skip
        siglip: nn.Module = CustomTextCLIP(dimensions, vision, text, init_logit_bias=-10)
        siglip.visual = nn.Module()
        siglip.visual.trunk = VisionTransformer(
            img_size=64, patch_size=16, embed_dim=dimensions, depth=2, num_heads=dimensions // 64, mlp_ratio=0.25,
            class_token=False, global_pool="map", num_classes=0,
        )  # fmt: skip
    enliven(siglip)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(siglip.state_dict(), folder / f"{name}.safetensors")
    words = ["<unk>", "</s>", "a", "photo", "of", "the", "bridge", "tower", "sea"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / f"{name}.tokenizer.json"))
    return siglip.eval()


def write_small_dinov2(path: Path, *, dimensions: int = 768) -> nn.Module:
    """Write a small DINOv2 in Meta's layout, for pictures of 518 pixels a side; return the network."""
    prepare_torchvision()
    from timm.models.vision_transformer import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(8)
        network: nn.Module = VisionTransformer(
            img_size=518, patch_size=14, embed_dim=dimensions, depth=2, num_heads=dimensions // 64, mlp_ratio=0.25,
            init_values=0.5, num_classes=0,
        )  # fmt: skip
    enliven(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict() | {"mask_token": torch.zeros(1, dimensions)}, path)
    return network.eval()


@torch.no_grad()
def enliven(network: nn.Module) -> None:
    """Make small random weights large enough that pictures differ, and zeros something else."""
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        spread = 0.3 / max(1.0, (parameter[0].numel() if parameter.ndim > 1 else 9) ** 0.5) * 3
        parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
