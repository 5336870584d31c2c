"""Weights of torchgeo: the network that each belongs to, with its bands by name and torchgeo's own preprocessing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torchgeo.models
from torch import nn
from torchvision.transforms import v2

from rsir_fast.backbones.libraries.built import Built, fetched_by, refuse_unknown, shapes_of
from rsir_fast.backbones.libraries.timm import PreLogits, headless
from rsir_fast.backbones.preprocessing import PICTURE, Preprocessing, ResizeMode
from rsir_fast.backbones.weights import KnownFile

__all__ = ["build"]

_OF_TIMM = ("resnet", "vit_")
_OF_TORCHVISION = ("swin_v2_",)
_PICTURES = (None, ("R", "G", "B"), ("B04", "B03", "B02"))
"""What torchgeo calls red, green and blue of 8 bits; None of three bands."""

_DIGEST = re.compile(r"-([0-9a-f]{8,})\.\w+$")


def build(model: str) -> Built:
    """Build the network of some weights, ``ResNet18_Weights.SENTINEL2_RGB_MOCO``.

    Raises
    ------
    ValueError
        If torchgeo has no such weights, or they are of no network of images to one vector, or see images that ours
        cannot be made to.
    """
    network = dict(_published())
    refuse_unknown("torchgeo", model, list(network))
    weights: Any = torchgeo.models.get_weight(model)
    name, bands = network[model], weights.meta.get("in_chans")
    features: nn.Module
    if name.startswith(_OF_TIMM):
        sized = {"img_size": weights.meta["img_size"]} if "img_size" in weights.meta else {}
        whole, head = headless(partial(torchgeo.models.get_model, name, in_chans=bands, **sized))
        features = PreLogits(whole)
    elif name.startswith(_OF_TORCHVISION):
        features = whole = torchgeo.models.get_model(name)
        head = {f"head.{part}": shape for part, shape in shapes_of(whole.head).items()}
        stem: Any = whole.features[0][0]
        stem_of = {"kernel_size": stem.kernel_size, "stride": stem.stride}
        whole.features[0][0], whole.head = nn.Conv2d(bands, stem.out_channels, **stem_of), nn.Identity()
    else:
        raise ValueError(
            f"encoder: torchgeo:{model} is of {name}, which is no network of images alone to a vector; "
            "take weights of a ResNet, ViT or Swin V2"
        )
    file = weights.url.rpartition("/")[2]
    digest = _DIGEST.search(file)
    return Built(
        name=f"torchgeo:{model}",
        layer="pre_logits",
        whole=whole,
        features=features,
        preprocessing=_preprocessing(model, weights),
        head=head,
        files=[KnownFile(file, sha256_prefix=digest[1] if digest else "")],
        remedy=fetched_by("torchgeo", f"import torchgeo.models as m; m.get_weight('{model}').get_state_dict()"),
    )


def _published() -> Iterator[tuple[str, str]]:
    """Yield the name of all weights, and that of their network."""
    for name in torchgeo.models.list_models():
        with contextlib.suppress(KeyError):  # no weights
            for weights in torchgeo.models.get_model_weights(name):
                yield str(weights), name


def _preprocessing(model: str, weights: Any) -> Preprocessing:
    """Make one resize or none, one crop or none, and one mean and deviation of all that torchgeo does in turn."""
    count, bands = weights.meta["in_chans"], weights.meta.get("bands")
    names = None if bands is None else tuple(bands)
    resized = cropped = None
    mean, std = np.zeros(count), np.ones(count)
    for step in _steps(weights.transforms):
        if isinstance(step, v2.Normalize):
            mean, std = mean + std * np.array(step.mean), std * np.array(step.std)
        elif isinstance(step, v2.Resize) and len({*step.size}) == 1 and len(step.size) == 2 and cropped is None:
            resized = step.size[0]
        elif isinstance(step, v2.CenterCrop) and len({*step.size}) == 1:
            cropped = step.size[0]
        elif not isinstance(step, nn.Identity):
            raise ValueError(
                f"encoder: torchgeo:{model} sees images after {step}, which is not done here; take another"
            )
    size = cropped or resized
    if resized is not None and resized & (resized - 1):
        # A float32 ratio of sizes that is not exact moves torch's filter by 1e-5 of the values; Pillow's has none.
        raise ValueError(f"encoder: torchgeo:{model} sees images resized to {resized}, not done here; take another")
    if size is None:
        raise ValueError(f"encoder: torchgeo:{model} sees images of any size, and ours have one; take another")
    is_rgb = names in _PICTURES and count == len(PICTURE)
    resize: ResizeMode = "none" if resized is None else "whole"
    return Preprocessing(
        input_size=size,
        resize=resize,
        divisor=1.0,
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        bands=PICTURE if is_rgb else names or tuple(f"band {number + 1}" for number in range(count)),
        # A resize of bytes rounds, which torchgeo's does not.
        dtype="uint8" if is_rgb and resized is None else "float32",
        resample=None if resized is None else "bilinear",
        crop=None if resized in (None, size) else size / resized,
    )


def _steps(transforms: Any) -> Iterable[Any]:
    return transforms if isinstance(transforms, nn.Sequential | v2.Compose) else [transforms]
