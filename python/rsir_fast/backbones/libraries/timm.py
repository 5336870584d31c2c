"""Networks of timm, PyTorch Image Models: the vector before the classifier, by timm's own preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import timm
import torch
from timm.data.config import resolve_data_config
from timm.models import is_model, list_models, list_pretrained
from torch import Tensor, nn

from rsir_fast.backbones.libraries.built import Built, fetched_by, refuse_unknown, shapes_of
from rsir_fast.backbones.libraries.hub import cached_on_hub
from rsir_fast.backbones.preprocessing import Preprocessing, Resample, ResizeMode
from rsir_fast.backbones.weights import KnownFile

__all__ = ["PreLogits", "build", "headless"]

_RESIZE: dict[str, ResizeMode] = {"center": "short-side", "squash": "whole"}
"""Ours, by what timm calls it; it pads borders as well, which is refused."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


class PreLogits(nn.Module):
    """What a network of timm gives to its classifier: [n, 3, H, W] to [n, dim]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Compute the features."""
        model: Any = self.model
        features: Tensor = model.forward_head(model.forward_features(images), pre_logits=True)
        return features


def build(model: str) -> Built:
    """Build a network, ``resnet18`` or ``resnet18.a1_in1k``: a tag decides preprocessing and published weights.

    Raises
    ------
    ValueError
        If timm has no such network, or gives it images that ours cannot be made to.
    """
    architecture, _, tag = model.partition(".")
    known = list_pretrained(f"{architecture}.*") if tag and is_model(architecture) else list_models()
    refuse_unknown("timm", model, known)
    whole, head = headless(partial(timm.create_model, model, pretrained=False))
    published: Any = whole.pretrained_cfg
    full = f"{architecture}.{published['tag']}" if published.get("tag") else architecture
    files = [KnownFile(f"{full}.safetensors"), KnownFile(f"{full}.pth")]
    if published.get("url"):
        files.append(KnownFile(published["url"].rpartition("/")[2]))
    return Built(
        name=f"timm:{full}",
        layer="pre_logits",
        whole=whole,
        features=PreLogits(whole),
        preprocessing=_preprocessing(full, published),
        head=head,
        computed=_computed(whole),
        files=files,
        cached=lambda: cached_on_hub(published.get("hf_hub_id"), _HUB_FILES),
        remedy=fetched_by("timm", f"import timm; timm.create_model('{full}', pretrained=True)"),
    )


def headless(create: Callable[..., nn.Module]) -> tuple[nn.Module, dict[str, tuple[int, ...]]]:
    """Return a network of timm without its classifier, and the shapes of what that has."""
    whole = create(num_classes=0)
    with torch.device("meta"):
        classifying = shapes_of(create())
    return whole, {name: shape for name, shape in classifying.items() if name not in whole.state_dict()}


def _computed(model: nn.Module) -> set[str]:
    """Return names of what the network makes of nothing, such as the relative positions of a Swin's windows."""
    return {name for name, _ in model.named_buffers()} - model.state_dict().keys()


def _preprocessing(model: str, published: Any) -> Preprocessing:
    steps: dict[str, Any] = resolve_data_config({}, pretrained_cfg=published)
    bands, height, width = steps["input_size"]
    mode = steps.get("crop_mode") or "center"
    for what, fits in (
        (f"{bands} bands", bands == 3),
        (f"{height} x {width} pixels", height == width),
        (f"crop_mode {mode}", mode in _RESIZE),
        (f"crop_pct {steps['crop_pct']}, with a border", steps["crop_pct"] <= 1),
        (f"interpolation {steps['interpolation']}", steps["interpolation"] in get_args(Resample)),
    ):
        if not fits:
            raise ValueError(f"encoder: timm:{model} sees images of {what}, which are not made here; take another")
    return Preprocessing(
        input_size=height,
        resize=_RESIZE[mode],
        divisor=255.0,
        mean=tuple(steps["mean"]),
        std=tuple(steps["std"]),
        resample=steps["interpolation"],
        crop=steps["crop_pct"],
    )
