"""A network that sees little of an image, for tests that run one often: a tenth of the work of its own input size."""

from __future__ import annotations

from dataclasses import replace

from rsir_fast.backbones import Backbone, load_backbone

INPUT_SIZE = 64


def small_network(name: str = "squeezenet1_1", weights: str = "random:0") -> Backbone:
    """Return a network, up to ``gap``, of images of 64 x 64."""
    made = load_backbone(name, weights=weights)
    made.preprocessing = replace(made.preprocessing, input_size=INPUT_SIZE)
    made.provenance["preprocessing"] = made.preprocessing.describe()
    return made
