"""Any pretrained model of open_clip's own list, by its name and tag there; importing it loads nothing heavy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

from photos.vision.encoders.crops import View
from photos.vision.encoders.open_clip_models import MODELS, ClipModel
from photos.vision.errors import MissingDependencyError, UnknownModelError
from photos.vision.types import EncoderSpec, WeightFile

_SIGLIP_TOKENIZER: Final = "timm/ViT-B-16-SigLIP"
"""The one tokenizer that is no byte pairs of CLIP and is read from a file beside the weights."""

_HUB: Final = "https://huggingface.co/{}/resolve/main/{}"
_MATCHES: Final = 4


def slug_of(name: str, tag: str) -> str:
    """Return the slug that a model of open_clip's list has here."""
    return re.sub(r"[^a-z0-9]+", "-", f"open-clip-{name}-{tag}".lower()).strip("-")


def register_open_clip(name: str, tag: str) -> ClipModel:
    """Make a pretrained model of open_clip known to its encoder, and return it; `name` and `tag` as in its list.

    Raises `UnknownModelError` for one that open_clip does not know, with those that are spelled alike, and for one
    whose text tower belongs to another library; `MissingDependencyError` without open_clip.
    """
    config, pretrained = _look_up(name, tag)
    size = _whole(config["vision_cfg"].get("image_size", 224))
    tokenizer = _tokenizer_of(config, pretrained)
    spec = EncoderSpec(
        slug=slug_of(name, tag),
        version=1,
        dimensions=int(config["embed_dim"]),
        input_size=size,
        preprocessing=f"{size}, as open_clip's; segments masked on the mean, 10 % context, padded to square",
        weights=(_weights_of(name, tag, pretrained), *([tokenizer] if isinstance(tokenizer, WeightFile) else [])),
        license="see the model's page",
        has_text=tokenizer is not None,
    )
    squash = pretrained.get("resize_mode", "shortest") == "squash"
    view = View(size, tuple(pretrained["mean"]), tuple(pretrained["std"]), "squash" if squash else "shortest")
    quick = bool(pretrained.get("quick_gelu") or config.get("quick_gelu"))
    model = ClipModel(name, spec, view, quick_gelu=quick, inverts=_is_plain_transformer(config))
    MODELS[spec.slug] = model
    return model


def _look_up(name: str, tag: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return open_clip's configurations of the network and of its weights."""
    from photos.vision.torchvision_cpu import prepare_torchvision

    prepare_torchvision()
    try:
        import open_clip
    except ImportError as exc:
        raise MissingDependencyError("OPEN_CLIP_MODELS needs open_clip: pip install 'geolocator[models]'") from exc
    config, pretrained = open_clip.get_model_config(name), open_clip.get_pretrained_cfg(name, tag)
    if not config or not pretrained:
        raise UnknownModelError(_unknown(name, tag, open_clip.list_pretrained(as_str=True)))
    if "hf_model_name" in config["text_cfg"]:
        raise UnknownModelError(
            f"{name!r} is not supported: its text tower, {config['text_cfg']['hf_model_name']}, is another library's"
        )
    return config, pretrained


def _unknown(name: str, tag: str, known: list[str]) -> str:
    """Say which pairs are spelled alike: other tags of a known name first."""
    same = [pair for pair in known if pair.split(":")[0].lower() == name.lower()]
    lower = {pair.lower(): pair for pair in same or known}
    near = [lower[pair] for pair in difflib.get_close_matches(f"{name}:{tag}".lower(), lower, _MATCHES, 0.4)]
    hint = f"; did you mean {', '.join(near or same[:_MATCHES])}?" if near or same else ""
    return f"open_clip knows no '{name}:{tag}' (OPEN_CLIP_MODELS){hint}"


def _whole(size: int | list[int]) -> int:
    return int(size[0] if isinstance(size, list) else size)


def _is_plain_transformer(config: Mapping[str, Any]) -> bool:
    """Say whether the last block and its readout are of the two kinds that masks are inverted in."""
    vision = config["vision_cfg"]
    if "timm_model_name" in vision:
        return bool(vision["timm_model_name"].startswith("vit_") and vision.get("timm_pool") == "map")
    return bool(vision.get("patch_size")) and not {"attentional_pool", "pool_type"} & set(vision)


def _tokenizer_of(config: Mapping[str, Any], pretrained: Mapping[str, Any]) -> WeightFile | bool | None:
    """Return the file of the tokenizer, True for CLIP's own, None for one that is not known here."""
    name = config["text_cfg"].get("hf_tokenizer_name")
    if name is None:
        return True
    if name != _SIGLIP_TOKENIZER or not pretrained.get("hf_hub"):
        return None
    repository = pretrained["hf_hub"].strip("/")
    return WeightFile(f"{repository.split('/')[-1]}.tokenizer.json", _HUB.format(repository, "tokenizer.json"), "", 0)


def _weights_of(name: str, tag: str, pretrained: Mapping[str, Any]) -> WeightFile:
    if pretrained.get("url"):
        digest = re.search(r"/([0-9a-f]{64})/", pretrained["url"])
        return WeightFile(f"{name}-{tag}.pt", pretrained["url"], digest[1] if digest else "", 0)
    owner, repository, *rest = pretrained["hf_hub"].split("/")
    remote = "/".join(part for part in rest if part) or "open_clip_model.safetensors"
    suffix = remote.rpartition(".")[2]
    return WeightFile(f"{name}-{tag}.{suffix}", _HUB.format(f"{owner}/{repository}", remote), "", 0)
