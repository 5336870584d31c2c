"""Shallow baselines: images in, hand-made descriptors out, at full size and without a network."""

from __future__ import annotations

from rsir_fast.base.renamed import former_names
from rsir_fast.descriptors.bovw import BagOfVisualWords
from rsir_fast.descriptors.catalogue import NAMES, load_descriptor, rebuild_descriptor
from rsir_fast.descriptors.colour import ColourHistogram
from rsir_fast.descriptors.descriptor import Descriptor
from rsir_fast.descriptors.hog import OrientedGradients
from rsir_fast.descriptors.lbp import LocalBinaryPatterns
from rsir_fast.descriptors.morphological import MorphologicalTexture

__all__ = [
    "NAMES",
    "BagOfVisualWords",
    "ColourHistogram",
    "Descriptor",
    "LocalBinaryPatterns",
    "MorphologicalTexture",
    "OrientedGradients",
    "load_descriptor",
    "rebuild_descriptor",
]

__getattr__ = former_names(__name__, {"describe_dataset": "rsir_fast.encode"})
