"""Names as the network has them, out of whatever a training wrapped around them.

DataParallel writes ``module.conv1.weight``, a compiled model ``_orig_mod.conv1.weight``, Lightning
``state_dict.model.conv1.weight``, an averaged model ``model_ema.module.conv1.weight``. No list of such words is ever
complete, so the network's own names are looked for at the end of the file's names, and what stands before them is the
prefix. What a file has under other prefixes (an optimiser, a loss) is no business of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn

import torch

from rsir_fast.backbones.weights.refusing import refuse
from rsir_fast.backbones.weights.weightfile import WeightFile

__all__ = ["NetworkShapes", "is_counter", "unwrapped"]

# Written into state dicts by batch normalisation and by the profiler thop; they do nothing in eval mode.
_COUNTERS = ("n_averaged", "num_batches_tracked", "total_ops", "total_params")


@dataclass(frozen=True)
class NetworkShapes:
    """The tensors of a network, as it names them.

    Attributes
    ----------
    title : str
        Network and layer, for messages.
    shapes : mapping of str to tuple of int
        Of the whole network, its classifier included.
    needed : frozenset of str
        Those up to the layer; counters are not among them.
    """

    title: str
    shapes: Mapping[str, tuple[int, ...]]
    needed: frozenset[str]


def is_counter(name: str) -> bool:
    """Whether a tensor counts something that no output depends on."""
    return name.rpartition(".")[2] in _COUNTERS


def unwrapped(file: WeightFile, network: NetworkShapes) -> WeightFile:
    """Return the tensors of `network` in `file` under the network's own names, and all others that lie beside them.

    Raises
    ------
    WeightFileError
        The file holds the network more than once, with other values: which one is meant cannot be known.

    Examples
    --------
    >>> from pathlib import Path
    >>> tensors = {"state_dict.module.fc.weight": torch.ones(2), "optimizer.lr": torch.ones(1)}
    >>> file = WeightFile(Path("m.pth"), {n: tuple(t.shape) for n, t in tensors.items()}, tensors.__getitem__, "demo")
    >>> list(unwrapped(file, NetworkShapes("demo", {"fc.weight": (2,)}, frozenset({"fc.weight"}))).shapes)
    ['fc.weight']
    """
    found = _prefixes(file.shapes, network.shapes)
    whole = [prefix for prefix in found if network.needed and _is_whole(file.shapes, prefix, network)]
    # A block of a network may hold names that the network also has: layer1.0.conv1.weight beside conv1.weight.
    whole = [prefix for prefix in whole if not any(_is_part(prefix, other, found) for other in whole)]
    if len(whole) > 1 and not _are_equal(file, whole, network.needed):
        _refuse_several(file, whole, network)
    if whole:
        return file.below(whole[0])
    # The prefix under which most is found: what is missing, or belongs to another network, is told from there.
    best = max(found, key=lambda prefix: len(found[prefix]), default="")
    return file.below(best)


def _prefixes(names: Collection[str], wanted: Collection[str]) -> dict[str, set[str]]:
    """Return what stands before names of the network, and the names found behind each."""
    found: dict[str, set[str]] = {}
    for name in names:
        start = 0
        while True:
            if name[start:] in wanted:
                found.setdefault(name[:start], set()).add(name[start:])
            start = name.find(".", start) + 1
            if not start:
                break
    return found


def _is_whole(shapes: Mapping[str, tuple[int, ...]], prefix: str, network: NetworkShapes) -> bool:
    return all(shapes.get(prefix + name) == network.shapes[name] for name in network.needed)


def _is_part(prefix: str, other: str, found: Mapping[str, set[str]]) -> bool:
    if prefix == other or not prefix.startswith(other):
        return False
    inside = prefix[len(other) :]
    return any(inside + name in found[other] for name in found[prefix])


def _are_equal(file: WeightFile, prefixes: list[str], names: Collection[str]) -> bool:
    first, *others = prefixes
    return all(
        torch.equal(file.read(first + name).float(), file.read(other + name).float())
        for name in names
        for other in others
    )


def _refuse_several(file: WeightFile, prefixes: list[str], network: NetworkShapes) -> NoReturn:
    names = " and ".join(f"'{prefix.removesuffix('.') or 'the names without a prefix'}'" for prefix in prefixes)
    refuse(
        file.path,
        f"one set of weights for {network.title}",
        f"{len(prefixes)} with different values, {names}",
        f"write the one you mean into a file of its own, such as with {_expression(file, prefixes[-1], network)}",
    )


def _expression(file: WeightFile, prefix: str, network: NetworkShapes) -> str:
    """Return a line of Python that writes the tensors under one prefix alone."""
    keys = file.places.get(prefix + min(network.needed), ())
    start = prefix.removeprefix("".join(f"{key}." for key in keys))
    kept = f" if k.startswith({start!r})" if start else ""
    inside = "".join(f"[{key!r}]" for key in keys)
    if file.format == "safetensors":
        load = "safetensors.torch.load_file"
        return f"safetensors.torch.save_file({{k: v for k, v in {load}({file.path.name!r}).items(){kept}}}, NEW)"
    if file.format.startswith("npz"):
        return f"numpy.savez(NEW, **{{k: v for k, v in numpy.load({file.path.name!r}).items(){kept}}})"
    return f"torch.save({{k: v for k, v in torch.load({file.path.name!r}){inside}.items(){kept}}}, NEW)"
