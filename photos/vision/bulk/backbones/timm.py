"""Networks of timm, at any size, from local weights; their names are ILIAS's (https://github.com/ilias-vrg/ilias)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from photos.vision.bulk.backbones import locate
from photos.vision.bulk.backbones.network import NetworkBackbone
from photos.vision.bulk.recipe import Recipe
from photos.vision.errors import MissingDependencyError, UnknownModelError, VisionError, WeightsCorruptError
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import WeightFile
from photos.vision.weights import load_state

HUB: Final = "https://huggingface.co"
_GEM_POWER: Final = 3.0


def files(recipe: Recipe) -> list[WeightFile]:
    if recipe.weights:
        return []
    name = recipe.model_name
    return [WeightFile(f"timm-{name}.safetensors", f"{HUB}/timm/{name}/resolve/main/model.safetensors", "", 0)]


def load(recipe: Recipe) -> NetworkBackbone:
    path = Path(recipe.weights) if recipe.weights else locate(files(recipe)[0])
    network = build(recipe.model_name, path)
    config = network.pretrained_cfg
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    multiple = patch[0] if getattr(network, "dynamic_img_size", False) and patch else 1
    module = _Tokens(network) if recipe.descriptors == "local" else Pooled(network, recipe.pooling)
    if recipe.descriptors == "local" and multiple == 1:
        raise VisionError(f"local descriptors are those of a ViT's patches; {recipe.model_name!r} has none")
    return NetworkBackbone(recipe, module, mean=config["mean"], std=config["std"], multiple=multiple)


def build(name: str, path: Path) -> Any:
    """Return the network of that name with the weights at `path`, without a classifier.

    As in ILIAS, CLIP's keep their projection. Raises `UnknownModelError`, `WeightsCorruptError` and
    `MissingDependencyError`.
    """
    timm = _timm()
    if not timm.is_model(name.split(".")[0]):
        raise UnknownModelError(f"timm knows no {name!r}; see timm.list_models()")
    state = load_state(path) if path.is_file() else load_state(locate(WeightFile(str(path), "", "", 0)))
    options: dict[str, Any] = {} if "clip" in name else {"num_classes": 0}
    overlay = {"state_dict": state, "custom_load": False}
    try:
        try:
            network = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, dynamic_img_size=True, **options
            )
        except TypeError:  # not a ViT: its size is free anyway
            network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except (RuntimeError, KeyError) as exc:
        raise WeightsCorruptError(f"{path} does not hold the weights of timm's {name}: {exc}") from exc
    _check_names(network, state, path, name)
    return network.eval().requires_grad_(False)


def _check_names(network: Any, state: dict[str, Tensor], path: Path, name: str) -> None:
    """Raise `WeightsCorruptError` where timm, which only warns of it, left something as it was drawn at random."""
    missing = sorted(set(dict(network.named_parameters())) - set(state))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise WeightsCorruptError(f"{path} does not hold the weights of timm's {name}: it has no {missing[0]}{more}")


class Pooled(nn.Module):
    def __init__(self, network: Any, pooling: str) -> None:
        super().__init__()
        if pooling == "cls" and not getattr(network, "has_class_token", False):
            raise VisionError("cls pooling needs a network with a class token; use head or gap")
        self.network, self.pooling = network, pooling

    def forward(self, pixels: Tensor) -> Tensor:
        if self.pooling == "head":
            whole: Tensor = self.network(pixels)
            return whole
        features: Tensor = self.network.forward_features(pixels)
        if features.ndim == 4:
            return pool(_as_tokens(features, self.network), self.pooling)
        if self.pooling == "cls":
            return features[:, 0]
        return pool(features[:, getattr(self.network, "num_prefix_tokens", 0) :], self.pooling)


class _Tokens(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.network.forward_features(pixels)
        return tokens


def _as_tokens(features: Tensor, network: Any) -> Tensor:
    """Return (N, L, D) of a map, (N, D, H, W) or, where the network says so, (N, H, W, D); raises `VisionError`."""
    last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")  # some say it by an enumeration
    tokens = features.flatten(1, 2) if last else features.flatten(2).transpose(1, 2)
    if tokens.shape[2] != network.num_features:
        shape = tuple(features.shape)
        raise VisionError(
            f"this network's features, {shape}, are not {network.num_features} wide where they should be; "
            "use --pooling head"
        )
    return tokens


def pool(tokens: Tensor, pooling: str) -> Tensor:
    """Return (N, D) of (N, L, D): the mean ("gap"), the maximum ("mac") or the generalised mean ("gem")."""
    if pooling == "mac":
        return tokens.amax(dim=1)
    if pooling == "gem":
        return tokens.clamp(min=1e-6).pow(_GEM_POWER).mean(dim=1).pow(1 / _GEM_POWER)
    return tokens.mean(dim=1)


def _timm() -> Any:
    prepare_torchvision()
    try:
        import timm
    except ImportError as exc:
        raise MissingDependencyError("timm's networks need timm: pip install 'geolocator[research]'") from exc
    return timm
