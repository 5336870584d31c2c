"""From a name, a layer and a weight file to a `Backbone`."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from rsir_fast.backbones.backbone import Backbone
from rsir_fast.backbones.caffenets import NETWORKS, TABLE_LAYERS, Network, build_network
from rsir_fast.backbones.catalogue import TORCHVISION_TWINS, check_name, default_layer, known_files
from rsir_fast.backbones.identify import Shapes, WithoutMemory, above, network_of
from rsir_fast.backbones.libraries.load import empty_of_library, load_of_library
from rsir_fast.backbones.preprocessing import Preprocessing, ResizeMode
from rsir_fast.backbones.torchvision_nets import (
    NamedWeights,
    build_cut,
    covered_nodes,
    named_weights,
    rename_old_densenet,
    zeros_dim,
)
from rsir_fast.backbones.weights import (
    Located,
    NetworkShapes,
    Normalization,
    WeightFile,
    file_digest,
    fill,
    is_counter,
    locate_weights,
    open_state_dict,
    refuse,
    sniff,
    unwrapped,
)
from rsir_fast.backbones.weights.matconvnet import open_matconvnet
from rsir_fast.base.libraries import is_of_library
from rsir_fast.base.looking import is_there
from rsir_fast.base.reading import unchanged
from rsir_fast.errors import WeightFileError

__all__ = ["empty_backbone", "load_backbone"]

# What MatConvNet's quick start subtracts where a file brings no mean image of its own.
_MATCONVNET_MEAN = Normalization("RGB", 1.0, (123.68, 116.779, 103.939))

# Published files whose input size is not that of torchvision's own weights.
_INPUT_SIZES = {"squeezenet1_1_caffe_torchvision.npz": 227}


@dataclass(frozen=True)
class _Loaded:
    """What a network loader hands over: everything a `Backbone` needs except its name and weights record."""

    network: nn.Module
    dim: int
    title: str
    input_size: int
    normalization: Normalization
    width: float = 1.0


def load_backbone(
    name: str,
    layer: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    *,
    resize: ResizeMode = "whole",
    width: float | None = None,
) -> Backbone:
    """Load a pre-trained network, cut at one layer.

    Parameters
    ----------
    name : str
        ``cnn-alex``, ``cnn-f``, ``cnn-m``, ``cnn-s``, ``cnn-16``, ``cnn-19`` (the networks of Ge et al. 2018 and
        Chatfield et al. 2014), or any torchvision classification network. torchvision's ``alexnet`` is not CNN-Alex.
        Or a network of another library, which is an extra: ``timm:NAME``, ``open_clip:NAME``,
        ``torchgeo:WEIGHTS``.
    layer : str, optional
        ``pool5`` (flattened), ``fc6``, ``fc7`` (after ReLU) for ``cnn-*``, vgg and alexnet; ``gap`` (mean of the last
        feature map) or any graph node for torchvision networks. Default: ``fc6`` for ``cnn-*``, ``gap`` otherwise.
        Of other libraries their only one: ``pre_logits``, what comes before the classifier; ``image`` of a CLIP model.
        Nothing after the layer is computed or needs weights.
    weights : path or str, optional
        A weight file: MatConvNet .mat, PyTorch .pth, .safetensors or .npz, known by its content. Or the label of
        torchvision weights ("IMAGENET1K_V2"). Or ``"random:SEED"``: untrained, for tests. Default: search as described
        in `rsir_fast.backbones.weights.locate.locate_weights`. A state dict (.pth, .safetensors, .npz of floats) for
        ``cnn-*`` has tensors named conv1.weight ... fc7.bias and RGB input minus (123.68, 116.779, 103.939), unless
        it is torchvision's vgg16 or vgg19, or a file of ``rsir train pretrain``, which brings its own mean.
    resize : {"whole", "short-side"}
        See `Preprocessing`; another library's own is taken for its networks.
    width : float, optional
        Share of the channels and units of a ``cnn-*`` network, above 0 and at most 1, for small experiments. Default:
        1, or what a file of ``rsir train pretrain`` says.

    Returns
    -------
    Backbone
        On the CPU, in eval mode.

    Raises
    ------
    ValueError
        Unknown network or layer; the message lists close names. A width for a network that has none.
    WeightFileError
        Weights missing, damaged, unsafe, of another network, or not covering the layer.

    Examples
    --------
    >>> backbone = load_backbone("squeezenet1_1", weights="random:0")
    >>> backbone.dim, backbone.provenance["description"]
    (512, 'squeezenet1_1 (random weights, seed 0: untrained)')
    """
    check_name(name)
    layer = default_layer(name) if layer is None else layer
    if is_of_library(name):
        return load_of_library(name, layer, weights)
    if name in NETWORKS and layer not in TABLE_LAYERS:
        raise ValueError(f"'{name}' has no layer '{layer}'; its layers: {', '.join(TABLE_LAYERS)}")
    if width is not None and name not in NETWORKS:
        raise ValueError(f"width: expected none for '{name}', got {width}; only cnn-* networks can be scaled")
    if isinstance(weights, str) and weights.startswith("random:"):
        loaded, note, record = _random(name, layer, weights, width)
    else:
        loaded, note, record = _trained(name, layer, weights, width)
    normalization = loaded.normalization
    preprocessing = Preprocessing(
        input_size=loaded.input_size,
        resize=resize,
        channel_order="BGR" if normalization.channel_order == "BGR" else "RGB",
        divisor=normalization.divisor,
        mean=normalization.mean,
        std=normalization.std,
        mean_image=normalization.mean_image,
    )
    backbone = Backbone(
        loaded.network,
        name=name,
        layer=layer,
        dim=loaded.dim,
        preprocessing=preprocessing,
        description=f"{loaded.title} ({note})" if note else loaded.title,
        weights=record,
    )
    if loaded.width != 1:
        backbone.provenance["width"] = loaded.width
    return backbone


def empty_backbone(
    name: str, layer: str, *, dim: int, preprocessing: Preprocessing, provenance: dict[str, object], width: float | None
) -> Backbone:
    """Build a network whose weights somebody else brings: its parameters have no memory yet.

    Parameters
    ----------
    name, layer, width
        As for `load_backbone`.
    dim, preprocessing, provenance
        Of the backbone.

    Raises
    ------
    ValueError
        Unknown network or layer.
    """
    check_name(name)
    if name in NETWORKS and layer not in TABLE_LAYERS:
        raise ValueError(f"'{name}' has no layer '{layer}'; its layers: {', '.join(TABLE_LAYERS)}")
    network: nn.Module
    if is_of_library(name):
        network = empty_of_library(name, layer)
    else:
        with torch.random.fork_rng(devices=[]), WithoutMemory():
            if name in NETWORKS:
                network = build_network(NETWORKS[name].scaled(1.0 if width is None else width), layer)
            else:
                network, _ = build_cut(name, layer, preprocessing.input_size)
    made = Backbone(network, name=name, layer=layer, dim=dim, preprocessing=preprocessing, description=name, weights={})
    made.provenance = provenance
    return made


def _trained(
    name: str, layer: str, weights: str | os.PathLike[str] | None, width: float | None
) -> tuple[_Loaded, str, dict[str, object]]:
    located = _locate(name, weights)
    with unchanged(located.path, WeightFileError):
        kind = sniff(located.path)
        if name in NETWORKS:
            loaded, file = _load_table(name, layer, located.path, kind, width)
        else:
            loaded, file = _load_torchvision(name, layer, located.path, kind)
        sha256 = file_digest(located.path)
    record: dict[str, object] = {
        "file": located.path.name,
        "sha256": sha256,
        "source": located.source,
        "format": file.format,
    }
    if file.pretraining is not None:
        record["pretraining"] = file.pretraining.training
    return loaded, file.note, record


def _locate(name: str, weights: str | os.PathLike[str] | None) -> Located:
    if isinstance(weights, str) and name not in NETWORKS and not is_there(Path(weights)):
        for published in named_weights(name):
            if weights == published.label:
                return locate_weights(name, None, [published.file])
    return locate_weights(name, weights, known_files(name))


def _load_table(name: str, layer: str, path: Path, kind: str, width: float | None) -> tuple[_Loaded, WeightFile]:
    network = NETWORKS[name]
    normalization = _MATCONVNET_MEAN
    whose: Callable[[Shapes], str] = partial(network_of, like=name)
    if kind in ("mat5", "hdf5"):
        file, network = open_matconvnet(path, kind, network)
    else:
        file = open_state_dict(path, kind)
        if name in TORCHVISION_TWINS and any(key.endswith("features.0.weight") for key in file.shapes):
            names = _torchvision_vgg_names(network)
            file = file.renamed(_with_modules(file.shapes, names))
            whose = partial(_whose_vgg, names=names, twin=TORCHVISION_TWINS[name])
            normalization = _published(TORCHVISION_TWINS[name], path).normalization
    made = file.pretraining
    if made is not None and (made.network != name or width not in (None, made.width)):
        asked = name if width is None else f"{name} of width {width:g}"
        refuse(path, f"weights of {asked}", f"those of {made.network} of width {made.width:g}", "ask for that network")
    share = made.width if made is not None else 1.0 if width is None else width
    network = network.scaled(share) if share != 1 else network
    with torch.device("meta"):
        module, whole = build_network(network, layer), build_network(network, TABLE_LAYERS[-1])

    def covered(present: Collection[str]) -> str:
        needs = {step: set(_parameters(network, step)) for step in TABLE_LAYERS}
        return ", ".join(step for step in TABLE_LAYERS if needs[step] <= set(present))

    shapes = {key: tuple(tensor.shape) for key, tensor in whole.state_dict().items()}
    wanted = NetworkShapes(f"{network.title} layer '{layer}'", shapes, frozenset(_parameters(network, layer)))
    file = unwrapped(file, wanted)
    # Of a torchvision VGG the ReLU after fc6 is classifier.1, and what the file has there is below the cut.
    modules = [
        *(key for key, _ in module.named_children()),
        *("classifier.1", "classifier.4")[: TABLE_LAYERS.index(layer)],
    ]
    fill(module, file, wanted, in_head=above(modules), covered=covered, whose=whose)
    normalization = file.normalization or normalization
    loaded = _Loaded(module, network.dim(layer), network.title, network.input_size, normalization, share)
    return loaded, file


def _parameters(network: Network, layer: str) -> list[str]:
    layers = [name for name, _ in network.convs()] + ["fc6", "fc7"][: TABLE_LAYERS.index(layer)]
    return [f"{name}.{part}" for name in layers for part in ("weight", "bias")]


def _torchvision_vgg_names(network: Network) -> dict[str, str]:
    """Map torchvision's modules of a VGG to the table's: its Sequential counts conv, ReLU, pool and dropout alike."""
    modules, index = {f"classifier.{3 * number}": f"fc{6 + number}" for number in range(3)}, 0
    for name, conv in network.convs():
        modules[f"features.{index}"] = name
        index += 3 if conv.pool else 2
    return modules


def _with_modules(names: Collection[str], modules: Mapping[str, str]) -> dict[str, str]:
    """Map the names of a VGG's tensors, behind any prefix, to those with other names of modules."""
    matches = {name: re.fullmatch(r"(.*?)((?:features|classifier)\.\d+|conv\d_\d|fc\d)(\..*)", name) for name in names}
    return {name: m[1] + modules[m[2]] + m[3] for name, m in matches.items() if m and m[2] in modules}


def _whose_vgg(shapes: Shapes, names: Mapping[str, str], twin: str) -> str:
    back = _with_modules(shapes, {new: old for old, new in names.items()})
    return network_of({back.get(name, name): shape for name, shape in shapes.items()}, like=twin)


def _load_torchvision(name: str, layer: str, path: Path, kind: str) -> tuple[_Loaded, WeightFile]:
    file = open_state_dict(path, kind)
    file = file.renamed(rename_old_densenet(file.shapes))
    published = _published(name, path)
    input_size = _INPUT_SIZES.get(path.name, published.input_size)
    with torch.random.fork_rng(devices=[]), WithoutMemory():  # the file fills all that matters
        cut, shapes = build_cut(name, layer, input_size)
    needed = frozenset(key for key in cut.graph.state_dict() if key in shapes and not is_counter(key))
    wanted = NetworkShapes(f"{name} layer '{layer}'", shapes, needed)
    file = unwrapped(file, wanted)
    modules = [str(node.target) for node in cut.graph.graph.nodes if node.op == "call_module"]
    covered = covered_nodes(cut.graph, shapes)
    fill(cut.graph, file, wanted, in_head=above(modules), covered=covered, whose=partial(network_of, like=name))
    loaded = _Loaded(cut, zeros_dim(cut, input_size), name, input_size, file.normalization or published.normalization)
    return loaded, file


def _published(name: str, path: Path) -> NamedWeights:
    """Give the published weights that `path` is named after; torchvision's first for a file of another name."""
    published = named_weights(name)
    return next((weights for weights in published if weights.file.name == path.name), published[0])


def _random(name: str, layer: str, weights: str, width: float | None) -> tuple[_Loaded, str, dict[str, object]]:
    seed = weights.removeprefix("random:")
    if not seed.isdecimal() or int(seed) >= 1 << 63:
        raise ValueError(f"weights: expected random:SEED with a whole number below 2^63, got {weights!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        if name in NETWORKS:
            share = 1.0 if width is None else width
            table = NETWORKS[name].scaled(share)
            network = build_network(table, layer)
            loaded = _Loaded(network, table.dim(layer), table.title, table.input_size, _MATCONVNET_MEAN, share)
        else:
            published = named_weights(name)[0]
            size = published.input_size
            cut, _ = build_cut(name, layer, size)
            loaded = _Loaded(cut.eval(), zeros_dim(cut, size), name, size, published.normalization)
    digest = hashlib.sha256()
    for tensor in loaded.network.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    record: dict[str, object] = {"file": weights, "sha256": digest.hexdigest(), "source": "random weights, untrained"}
    return loaded, f"random weights, seed {seed}: untrained", record | {"format": "none"}
