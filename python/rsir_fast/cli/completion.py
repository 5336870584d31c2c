"""Values that the shell completes: names of networks, layers, descriptors, steps. Nothing heavy is imported for them.

The rooms below know these names too, but cost seconds to import; a test compares both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from rsir_fast.base.libraries import LIBRARIES, is_of_library

__all__ = [
    "complete_backbone",
    "complete_encoder",
    "complete_encoder_of_row",
    "complete_row",
    "one_of",
    "parts_of",
]

CAFFE = ("cnn-alex", "cnn-m", "cnn-16", "cnn-19", "cnn-f", "cnn-s")
CAFFE_LAYERS = ("pool5", "fc6", "fc7")
DESCRIPTORS = ("bovw-150", "bovw-15000", "morphological-62", "colour-histogram", "hog", "lbp")
OPTIONS_OF_WORDS = ("norm=root", "norm=l1", "detector=dense")
OPTIONS = ("resize=short-side", "turns=mean", "turns=each", "sizes=224+320", "precision=bfloat16")
STEPS = ("power", "l2", "cosine", "center", "pca:64", "whiten:64")
STAGES = ("expand:10", "augment:10", "diffuse:50")
DEVICES = ("cpu", "cuda", "cuda:0", "cuda:1")

_REGISTERED = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


def _torchvision() -> list[str]:
    """Read the names of torchvision's networks from its source, without importing it."""
    found = find_spec("torchvision")
    if found is None or found.origin is None:
        return []
    sources = Path(found.origin).parent.glob("models/*.py")
    return sorted(name for source in sources for name in _REGISTERED.findall(source.read_text()))


def _layers(backbone: str) -> tuple[str, ...]:
    if backbone in CAFFE:
        return CAFFE_LAYERS
    return ("gap", *CAFFE_LAYERS) if backbone.startswith(("alexnet", "vgg")) else ("gap",)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def complete_backbone(incomplete: str) -> list[str]:
    """Complete the name of a network."""
    return _beginning([*CAFFE, *_torchvision()], incomplete)


def complete_encoder(incomplete: str) -> list[str]:
    """Complete ``NAME``, ``NAME:LAYER``, a descriptor, or an option after a comma."""
    head, comma, last = incomplete.rpartition(",")
    if comma:
        options = OPTIONS_OF_WORDS if head.startswith("bovw-") else OPTIONS
        return [f"{head},{option}" for option in _beginning(options, last)]
    if is_of_library(incomplete):
        return []  # the library knows, and costs seconds to import
    name, colon, layer = incomplete.partition(":")
    if colon:
        return [f"{name}:{found}" for found in _beginning(_layers(name), layer)]
    libraries = [f"{library}:" for library in LIBRARIES]
    return [*complete_backbone(incomplete), *_beginning((*DESCRIPTORS, *libraries), incomplete)]


def complete_encoder_of_row(incomplete: str) -> list[str]:
    """Complete ``NAME``, ``NAME:LAYER``, a descriptor or ``none``."""
    if "," in incomplete:
        return []
    ours = [name for name in complete_encoder(incomplete) if not is_of_library(name)]
    return [*ours, *_beginning(["none"], incomplete)]


def complete_row(incomplete: str) -> list[str]:
    """Complete the name of a row of the tables."""
    rows = [f"{name}:{layer}" for name in CAFFE[:4] for layer in CAFFE_LAYERS]
    return _beginning([*rows, *DESCRIPTORS, "squeezenet1_1:gap", "mobilenet_v2:gap"], incomplete)


def one_of(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Complete one of some words."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(names, incomplete)

    return complete


def parts_of(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Complete the last of several words parted by commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in _beginning(names, last)]

    return complete
