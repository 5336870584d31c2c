"""A network cut at one layer, with its preprocessing and provenance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor, nn

from rsir_fast.backbones.preprocessing import Preprocessing, ResizeMode
from rsir_fast.base.shown import Shown

__all__ = ["Backbone", "ReadTexts"]

ReadTexts = Callable[[Sequence[str]], Tensor]
"""Texts to vectors [n, dim] among those of images."""


class Backbone(Shown, nn.Module):
    """Feature extractor: preprocessed images in, one float32 vector per image out.

    Made by `load_backbone`; in eval mode, without gradients.

    Attributes
    ----------
    name, layer : str
    dim : int
        Length of a feature vector.
    preprocessing : Preprocessing
    provenance : dict
        JSON-able: name, description, layer, dim, weights (file, sha256, source), preprocessing.
    texts : callable or None
        Texts to vectors [n, dim] among those of images, of a model that reads text as well.
    """

    texts: ReadTexts | None = None

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        layer: str,
        dim: int,
        preprocessing: Preprocessing,
        description: str,
        weights: dict[str, object],
    ) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.layer = layer
        self.dim = dim
        self.preprocessing = preprocessing
        self.provenance: dict[str, object] = {
            "name": name,
            "description": description,
            "layer": layer,
            "dim": dim,
            "weights": weights,
            "preprocessing": preprocessing.describe(),
        }
        self.eval().requires_grad_(False)

    def resized(self, resize: ResizeMode) -> Backbone:
        """Return the same network, which shares its weights, with images resized in another way."""
        made = copy.copy(self)
        made.preprocessing = replace(self.preprocessing, resize=resize)
        made.provenance = {**self.provenance, "preprocessing": made.preprocessing.describe()}
        return made

    def _facts(self) -> dict[str, str]:
        weights = self.provenance["weights"]
        return {
            "network": f"{self.name}:{self.layer}",
            "features": f"{self.dim:,} values an image",
            "input": f"{self.preprocessing.input_size} x {self.preprocessing.input_size} pixels",
            "weights": str(weights.get("file", "")) if isinstance(weights, dict) else "",
        }

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Parameters
        ----------
        images : Tensor, float32 [n, bands, input_size, input_size]
            From ``preprocessing.normalize``.

        Returns
        -------
        Tensor, float32 [n, dim]
            Feature maps are flattened in (C, H, W) order.

        Raises
        ------
        ValueError
            Another shape of input.
        """
        shape = self.preprocessing.shape
        if images.ndim != 4 or tuple(images.shape[1:]) != shape:
            expected = ", ".join(map(str, shape))
            raise ValueError(f"expected images [n, {expected}], got {list(images.shape)}; use preprocessing")
        features: Tensor = self.network(images)
        return features.flatten(1).float()
