"""Mask inversion against the plain loop that differentiates twice, in float64 on small random towers."""

from __future__ import annotations

import functools
import types

import pytest
import torch
from torch.nn import functional

from photos.vision.errors import VisionError
from photos.vision.mask_inversion import (
    invert_masks,
    linearise,
    tower_of_open_clip,
    tower_of_timm,
)
from photos.vision.torchvision_cpu import prepare_torchvision

SIDE = 56


def small_clip(*, heads=2, patch=8):
    prepare_torchvision()
    from open_clip.transformer import QuickGELU, VisionTransformer

    make = functools.partial(VisionTransformer, width=64, layers=2, mlp_ratio=4.0, output_dim=24)
    return make(image_size=SIDE, patch_size=patch, heads=heads, act_layer=QuickGELU)


def small_timm(**options):
    prepare_torchvision()
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=SIDE, embed_dim=48, depth=2, num_classes=0, **options)


def small_dinov2():
    return small_timm(patch_size=14, num_heads=2, init_values=0.7, reg_tokens=2)


def small_siglip():
    return small_timm(patch_size=8, num_heads=3, class_token=False, global_pool="map", act_layer="gelu_tanh")


def small_fine_clip():
    """With more places than numbers in a head."""
    return small_clip(heads=4, patch=4)


FAMILIES = {"clip": small_clip, "clip-fine": small_fine_clip, "dinov2": small_dinov2, "siglip": small_siglip}


def block_input(network, last_block, image):
    """Return the feature (D,) and the tokens (N, W) that go into the last block."""
    seen: dict[str, torch.Tensor] = {}
    handle = last_block.register_forward_pre_hook(lambda _module, given: seen.update(tokens=given[0]))
    with torch.no_grad():
        feature = network(image)[0]
    handle.remove()
    return feature, seen["tokens"][0]


def parts_of(network):
    """Name a network's parts alike: the last block's layers and the readout of a token sequence."""
    if hasattr(network, "transformer"):
        block = network.transformer.resblocks[-1]
        qkv = functools.partial(functional.linear, weight=block.attn.in_proj_weight, bias=block.attn.in_proj_bias)
        return types.SimpleNamespace(
            heads=block.attn.num_heads, before=lambda x: qkv(block.ln_1(x)),
            after=block.attn.out_proj, mlp=lambda x: block.mlp(block.ln_2(x)),
            readout=lambda x: network.ln_post(x.mean(dim=0)) @ network.proj, leading=1, epsilon=1e-6,
        )  # fmt: skip
    block = network.blocks[-1]
    pooled = network.attn_pool is not None
    return types.SimpleNamespace(
        heads=block.attn.num_heads, before=lambda x: block.attn.qkv(block.norm1(x)),
        after=lambda x: block.ls1(block.attn.proj(x)), mlp=lambda x: block.ls2(block.mlp(block.norm2(x))),
        readout=lambda x: network.norm(x).mean(dim=0) if pooled else network.norm(x.mean(dim=0)),
        leading=network.num_prefix_tokens, epsilon=0.0,
    )  # fmt: skip


def plain_relevance(network, tokens, embedding):
    """Differentiate `embedding . readout` by the last attention, so that the result can be differentiated again."""
    parts = parts_of(network)
    queries, keys, values = (
        part.view(len(tokens), parts.heads, -1).transpose(0, 1) for part in parts.before(tokens).chunk(3, dim=-1)
    )
    attention = (queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5).softmax(dim=-1)
    attention = attention.detach().requires_grad_()
    mixed = tokens + parts.after((attention @ values).transpose(0, 1).flatten(1))
    readout = functional.normalize(parts.readout(mixed + parts.mlp(mixed)), dim=0)
    (gradient,) = torch.autograd.grad(embedding @ readout, attention, create_graph=True)
    return gradient.clamp(min=0).mean(dim=0).mean(dim=0)[parts.leading :]


def plain_loop(network, tokens, feature, mask, *, steps, alpha):
    side = round((len(tokens) - parts_of(network).leading) ** 0.5)
    embedding = feature.clone().requires_grad_()
    optimiser = torch.optim.AdamW([embedding], lr=0.1, weight_decay=0.0)
    for _step in range(steps):
        relevance = plain_relevance(network, tokens, functional.normalize(embedding, dim=0))
        large = functional.interpolate(relevance.view(1, 1, side, side), size=mask.shape, mode="bilinear")[0, 0]
        scaled = (large - large.min()) / (large.max() - large.min() + parts_of(network).epsilon)
        dice = (2 * (scaled * mask).sum() + 1e-6) / (scaled.sum() + mask.sum() + 1e-6)
        astray = 1 - functional.cosine_similarity(embedding, feature, dim=0)
        loss = 1 - dice + alpha * astray
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return embedding.detach()


def some_masks(dtype):
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    box = (rows > 8) & (rows < 30) & (columns > 20) & (columns < 50)
    disc = (rows - 35) ** 2 + (columns - 20) ** 2 < 150
    return torch.stack([box, disc, ~disc]).to(dtype)


@functools.cache
def case(family, dtype=torch.float64):
    """Return network, tower, feature and tokens of a small random network of a family."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = FAMILIES[family]()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.12) if parameter.ndim > 1 else parameter.data.add_(
                0.1 * torch.randn_like(parameter)
            )
        image = torch.randn(1, 3, SIDE, SIDE, dtype=dtype)
    network = network.eval().to(dtype)
    timm_like = hasattr(network, "blocks")
    last = network.blocks[-1] if timm_like else network.transformer.resblocks[-1]
    feature, tokens = block_input(network, last, image)
    return network, (tower_of_timm if timm_like else tower_of_open_clip)(network), feature, tokens


@pytest.mark.parametrize("family", ["clip", "clip-fine", "dinov2", "siglip"])
def test_relevance_equals_the_gradient(family):
    network, tower, feature, tokens = case(family)
    attention = linearise(tower, tokens)
    embeddings = torch.stack([feature, feature.flip(0)])
    expected = torch.stack([plain_relevance(network, tokens, one).detach() for one in embeddings])
    torch.testing.assert_close(attention.relevance(embeddings), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", ["clip", "clip-fine", "dinov2", "siglip"])
def test_inversion_equals_the_plain_loop(family):
    network, tower, feature, tokens = case(family)
    masks = some_masks(torch.float64)
    found = invert_masks(linearise(tower, tokens), feature, masks, mi_alpha=0.05, mi_steps=30)
    for mask, embedding in zip(masks, found, strict=True):
        expected = plain_loop(network, tokens, feature, mask, steps=30, alpha=0.05)
        assert 1 - functional.cosine_similarity(embedding, expected, dim=0) < 1e-12
        assert functional.cosine_similarity(embedding, feature, dim=0) < 0.99


def test_float32_equals_float64_over_few_steps():
    _network, tower, feature, tokens = case("clip")
    exact = invert_masks(linearise(tower, tokens), feature, some_masks(torch.float64), mi_steps=4)
    single = tower.to(torch.float32)
    close = invert_masks(linearise(single, tokens.float()), feature.float(), some_masks(torch.float32), mi_steps=4)
    assert (1 - functional.cosine_similarity(close.double(), exact)).max() < 1e-5


def test_masks_do_not_influence_one_another():
    _network, tower, feature, tokens = case("dinov2")
    attention, masks = linearise(tower, tokens), some_masks(torch.float64)
    together = invert_masks(attention, feature, masks, mi_steps=20)
    alone = torch.cat([invert_masks(attention, feature, mask[None], mi_steps=20) for mask in masks])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


def test_the_map_moves_onto_the_mask():
    _network, tower, feature, tokens = case("clip")
    attention, masks = linearise(tower, tokens), some_masks(torch.float64)
    found = invert_masks(attention, feature, masks, mi_steps=60)

    def agreement(embedding, mask):
        grid = attention.relevance(functional.normalize(embedding, dim=0)[None]).view(1, 1, 7, 7)
        large = functional.interpolate(grid, size=mask.shape, mode="bilinear")[0, 0]
        scaled = (large - large.min()) / (large.max() - large.min())
        return float(2 * (scaled * mask).sum() / (scaled.sum() + mask.sum()))

    for mask, embedding in zip(masks, found, strict=True):
        assert agreement(embedding, mask) > agreement(feature, mask) + 0.02


def test_no_steps_give_the_global_feature():
    _network, tower, feature, tokens = case("siglip")
    found = invert_masks(linearise(tower, tokens), feature, some_masks(torch.float64), mi_steps=0)
    torch.testing.assert_close(found, feature.expand(3, -1))


def test_it_handles_an_even_relevance():
    """A map without any contrast must not turn into NaN, whatever the family's epsilon is."""
    _network, tower, feature, tokens = case("siglip")
    attention = linearise(tower, tokens * 0)
    assert torch.isfinite(invert_masks(attention, feature, some_masks(torch.float64), mi_steps=3)).all()


def test_it_rejects_masks_that_are_not_square():
    _network, tower, feature, tokens = case("clip")
    with pytest.raises(VisionError, match=r"square masks.*\(1, 56, 40\)"):
        invert_masks(linearise(tower, tokens), feature, torch.ones(1, 56, 40))


def test_it_rejects_towers_without_a_closed_form():
    with pytest.raises(VisionError, match="Linear vision tower"):
        tower_of_open_clip(torch.nn.Linear(2, 2))
