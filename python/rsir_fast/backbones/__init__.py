"""Networks, layers by name, weight files and preprocessing.

>>> from rsir_fast.backbones import load_backbone
>>> backbone = load_backbone("cnn-f", "pool5", weights="random:0")
>>> backbone.dim, backbone.preprocessing.input_size
(9216, 224)
"""

from __future__ import annotations

from rsir_fast.backbones.averaged import averaged
from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.bfloat16 import has_bfloat16, warn_without_bfloat16
from rsir_fast.backbones.catalogue import BackboneInfo, list_backbones
from rsir_fast.backbones.dropouts import Dropouts, dropouts
from rsir_fast.backbones.folded import folded
from rsir_fast.backbones.layers import every_layer
from rsir_fast.backbones.load import load_backbone
from rsir_fast.backbones.preprocessing import Preprocessing
from rsir_fast.backbones.turns import TURNS, all_turns, turned

__all__ = [
    "TURNS",
    "Backbone",
    "BackboneInfo",
    "Dropouts",
    "Preprocessing",
    "all_turns",
    "averaged",
    "dropouts",
    "every_layer",
    "folded",
    "has_bfloat16",
    "list_backbones",
    "load_backbone",
    "turned",
    "warn_without_bfloat16",
]
