"""Every torchvision classification network, cut at a named layer or averaged over its last feature map."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from rsir_fast.backbones.weights import KnownFile, Normalization

__all__ = [
    "NamedWeights",
    "build_cut",
    "build_network",
    "covered_nodes",
    "is_dropout",
    "is_torchvision_cut",
    "layer_aliases",
    "named_weights",
    "next_modules",
    "torchvision_names",
]

# Graph node of the last feature map, the one that the network itself averages, by family. Nodes that are no module
# ("relu", "permute") are tensor operations of the network's forward pass: densenet's final ReLU, swin's change from
# channels-last to channels-first. The vision transformer has a sequence of tokens in place of a map.
_LAST_MAP = {
    "alexnet": "features",
    "convnext": "features",
    "densenet": "relu",
    "efficientnet": "features",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks",
    "mnasnet": "layers",
    "mobilenet": "features",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "resnext": "layer4",
    "shufflenet": "conv5",
    "squeezenet": "features",
    "swin": "permute",
    "vgg": "features",
    "vit": "encoder",
    "wide": "layer4",
}

# "flatten" follows the adaptive pool, which changes nothing at the networks' own input size of 224.
_ALIASES = {
    "alexnet": {"pool5": "flatten", "fc6": "classifier.2", "fc7": "classifier.5"},
    "vgg": {"pool5": "flatten", "fc6": "classifier.1", "fc7": "classifier.4"},
}

_HASH = re.compile(r"-([0-9a-f]{8,})\.pth$")


@dataclass(frozen=True)
class NamedWeights:
    """A weight file published by torchvision: its enum name, and the preprocessing its network was trained with."""

    label: str
    file: KnownFile
    input_size: int
    normalization: Normalization


def torchvision_names() -> list[str]:
    """Names of all classification networks, sorted."""
    return sorted(torchvision.models.list_models(module=torchvision.models))


def _family(name: str) -> str:
    match = re.match(r"[a-z]+", name)
    return match[0] if match else name


def layer_aliases(name: str) -> tuple[str, ...]:
    """Layer names beside the graph nodes: ``gap`` for all, and pool5, fc6, fc7 for alexnet and vgg.

    >>> layer_aliases("vgg16")
    ('gap', 'pool5', 'fc6', 'fc7')
    """
    return ("gap", *_ALIASES.get(_family(name), {}))


def named_weights(name: str) -> list[NamedWeights]:
    """List all published weight files of a network, torchvision's first (``IMAGENET1K_V1``) first."""
    published = []
    for weights in torchvision.models.get_model_weights(name):
        steps = weights.transforms()
        url = weights.url
        file_name = url.rsplit("/", 1)[-1]
        prefix = _HASH.search(file_name)
        known = KnownFile(file_name, url, sha256_prefix=prefix[1] if prefix else "")
        normalization = Normalization("RGB", 255.0, tuple(steps.mean), tuple(steps.std))
        published.append(NamedWeights(weights.name, known, int(steps.crop_size[0]), normalization))
    return published


class _Mean(nn.Module):
    """Mean over positions of [n, c, h, w], or over the patch tokens of [n, 1 + patches, c]."""

    def forward(self, values: Tensor) -> Tensor:
        if values.ndim == 3:
            # The first token is the class token; the others are the image's patches.
            return values[:, 1:].mean(dim=1)
        return values.mean(dim=(2, 3))


class _Cut(nn.Module):
    """The network's graph up to one node, then the mean or nothing."""

    def __init__(self, graph: fx.GraphModule, head: nn.Module) -> None:
        super().__init__()
        self.graph = graph
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        values = self.graph(images)["out"]
        if not isinstance(values, Tensor):
            raise ValueError(
                f"expected a layer that gives one tensor, got {type(values).__name__}; choose another node"
            )
        result: Tensor = self.head(values)
        return result


def build_cut(name: str, layer: str, input_size: int) -> tuple[_Cut, dict[str, tuple[int, ...]]]:
    """Build a torchvision network, randomly initialised, without the modules after `layer`.

    Parameters
    ----------
    name : str
        One of `torchvision_names`.
    layer : str
        ``"gap"``: mean over positions of the last feature map (vision transformers: of the patch tokens after the
        final layer norm, without the class token); an alias of `layer_aliases`; or any node of the network's graph as
        named by ``torchvision.models.feature_extraction.get_graph_node_names``.
    input_size : int
        Vision transformers are built for this size; the others take any.

    Returns
    -------
    nn.Module
        Maps [n, 3, H, W] to the layer's output.
    dict of str to tuple of int
        Shapes of the whole network's tensors. Those of its ``graph.state_dict()`` that are among them a weight file
        must give; the rest are constants of the graph.

    Raises
    ------
    ValueError
        No such layer; the message names close ones.
    """
    model = build_network(name, input_size).eval()
    node = _node(name, layer)
    try:
        # The graph differs between training and eval mode in dropout alone, which torchvision would warn about.
        graph = create_feature_extractor(model, {node: "out"}, suppress_diff_warning=True).eval()
    except ValueError as error:
        raise ValueError(_unknown_layer(name, layer, model)) from error
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    return _Cut(graph, _Mean() if layer == "gap" else nn.Identity()), shapes


def _node(name: str, layer: str) -> str:
    family = _family(name)
    return _LAST_MAP[family] if layer == "gap" else _ALIASES.get(family, {}).get(layer, layer)


def next_modules(model: nn.Module, name: str, layer: str) -> Iterator[nn.Module]:
    """Yield the modules of a whole network that come after a layer, up to the first with parameters."""
    nodes, node = get_graph_node_names(model, suppress_diff_warning=True)[1], _node(name, layer)
    last = max(place for place, each in enumerate(nodes) if each == node or each.startswith(f"{node}."))
    modules = dict(model.named_modules())
    for each in nodes[last + 1 :]:
        module = modules.get(each, nn.Identity())  # some nodes are operations
        if next(module.parameters(), None) is not None:
            return
        yield module


def is_dropout(module: nn.Module) -> bool:
    """Tell whether a module sets values to 0 by chance in training: vision transformers have some of chance 0."""
    return isinstance(module, nn.Dropout) and module.p > 0


def is_torchvision_cut(module: nn.Module) -> bool:
    """Tell whether `build_cut` made a network."""
    return isinstance(module, _Cut)


def build_network(name: str, input_size: int | None = None) -> nn.Module:
    """Build a whole torchvision network, randomly initialised; for another input size than its own if it needs that."""
    model: nn.Module = torchvision.models.get_model(name, weights=None, **_arguments(name, input_size))
    return model


def _arguments(name: str, input_size: int | None) -> dict[str, Any]:
    """Give the constructor arguments under which the published weights were trained."""
    if _family(name) in ("googlenet", "inception"):
        # The weights come from TensorFlow, whose input range transform_input restores.
        return {"transform_input": True, "aux_logits": False, "init_weights": False}
    if _family(name) == "vit" and input_size is not None:
        return {"image_size": input_size}
    return {}


def _unknown_layer(name: str, layer: str, model: nn.Module) -> str:
    nodes = get_graph_node_names(model, suppress_diff_warning=True)[1]
    modules = {".".join(node.split(".")[:depth]) for node in nodes for depth in range(1, node.count(".") + 2)}
    choices = sorted(modules | set(layer_aliases(name)))
    close = difflib.get_close_matches(layer, choices, n=5, cutoff=0.4) or choices[:5]
    aliases = ", ".join(layer_aliases(name))
    return f"'{name}' has no layer '{layer}'; close names: {', '.join(close)}; always there: {aliases}"


def covered_nodes(graph: fx.GraphModule, names: Collection[str]) -> Callable[[Collection[str]], str]:
    """Give a function that tells, for the tensors present, up to which node of `graph` they are enough."""

    def covered(present: Collection[str]) -> str:
        last = ""
        for node in graph.graph.nodes:
            target = str(node.target)
            if node.op == "get_attr" and target in names and target not in present:
                break
            if node.op == "call_module":
                owned = {f"{target}.{name}" for name in graph.get_submodule(target).state_dict()}
                if any(not name.endswith("num_batches_tracked") for name in owned - set(present)):
                    break
                last = target if owned else last
        return f"layers up to '{last}'" if last else ""

    return covered


def rename_old_densenet(shapes: Collection[str]) -> dict[str, str]:
    """Map the names in published densenet files ("norm.1.weight") to today's ("norm1.weight")."""
    pattern = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
    return {name: match[1] + match[2] for name in shapes if (match := pattern.match(name))}


def zeros_dim(module: nn.Module, input_size: int) -> int:
    """Length of the flattened output, by one forward pass of a zero image."""
    with torch.inference_mode():
        return int(module(torch.zeros(1, 3, input_size, input_size)).flatten(1).shape[1])
