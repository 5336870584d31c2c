"""Weights into a network: every tensor is accounted for, those of the network and those of the file.

Names and shapes that match by chance are another network: a ResNet-34 holds every tensor of a ResNet-18.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn

from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.backbones.weights.weightfile import WeightFile
from rsir_fast.backbones.weights.wrapped import NetworkShapes, is_counter

__all__ = ["fill"]

Shapes = Mapping[str, tuple[int, ...]]

_FIX = "use a file of this network"


def fill(
    module: nn.Module,
    file: WeightFile,
    network: NetworkShapes,
    *,
    in_head: Callable[[str], bool],
    covered: Callable[[Collection[str]], str],
    whose: Callable[[Shapes], str],
) -> None:
    """Load the tensors of `module`, a network cut at a layer, from `file`; the classifier's above the cut are not read.

    Parameters
    ----------
    module : nn.Module
        May be on the meta device; tensors are assigned, not copied.
    file : WeightFile
        Under the network's own names; see `unwrapped`.
    network : NetworkShapes
        Counters such as ``num_batches_tracked`` are optional: they do not exist in old files and do nothing in eval
        mode.
    in_head : callable
        Whether a name belongs to the classifier above the cut, which may differ or be missing.
    covered : callable
        Given the names present, words for the layers they are enough for; empty if for none.
    whose : callable
        Given the shapes of a file that does not fit, the name of the network that it does fit; empty if none is known.

    Raises
    ------
    WeightFileError
        A wrong shape (layer, expected, found); missing tensors (layers covered, layer asked); tensors that the network
        does not have; NaN or infinite values.
    """
    state = {name: tensor for name, tensor in module.state_dict().items() if name in network.shapes}
    _check_both_ways(file, network, in_head, covered, whose)
    loaded = {name: _read(file, name, tensor) for name, tensor in state.items() if name in file.shapes}
    finite = {name for name, tensor in loaded.items() if bool(torch.isfinite(tensor).all())}
    if len(finite) < len(loaded):
        _refuse_not_finite(file, network.title, {n: t for n, t in loaded.items() if n not in finite}, covered(finite))
    module.load_state_dict(loaded, strict=False, assign=True)


def _check_both_ways(
    file: WeightFile,
    network: NetworkShapes,
    in_head: Callable[[str], bool],
    covered: Callable[[Collection[str]], str],
    whose: Callable[[Shapes], str],
) -> None:
    checked = [name for name in file.shapes if name in network.needed or not (in_head(name) or is_counter(name))]
    wrong = [name for name in checked if network.shapes.get(name, file.shapes[name]) != file.shapes[name]]
    foreign = [name for name in checked if name not in network.shapes]
    missing = [name for name in network.shapes if name in network.needed and name not in file.shapes]
    if not (wrong or foreign or missing):
        return
    other = whose(file.shapes)
    if other:
        difference = f"{wrong[0]} of shape {file.shapes[wrong[0]]}" if wrong else _some([*foreign, *missing])
        without = "without " if missing and not (wrong or foreign) else ""
        found = f"those of {other} ({without}{difference})"
        refuse(file.path, f"weights for {network.title}", found, f"load it as {other}, or {_FIX}")
    if wrong:
        layer, _, part = wrong[0].rpartition(".")
        what = f"{network.title}: layer '{layer}' to have {part} of shape {network.shapes[wrong[0]]}"
        refuse(file.path, what, file.shapes[wrong[0]], _FIX)
    if missing:
        present = [name for name in checked if name in network.needed and torch.isfinite(file.read(name).float()).all()]
        _refuse_partial(file, network.title, missing, covered(present))
    found = f"{len(foreign)} that it does not have ({_some(foreign)}): another network"
    refuse(file.path, f"weights for {network.title}, only its tensors", found, _FIX)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _read(file: WeightFile, name: str, like: Tensor) -> Tensor:
    tensor = file.read(name)
    if tensor.is_floating_point() != like.is_floating_point():
        refuse(file.path, f"'{name}' as {like.dtype}", f"{tensor.dtype}", _FIX)
    with damaged(file.path, f"'{name}' in a type that converts to {like.dtype}", _FIX):
        return tensor.to(like.dtype)


def _refuse_partial(file: WeightFile, title: str, missing: list[str], covered: str) -> NoReturn:
    if covered:
        found = f"a partial file that covers {covered} (missing: {_some(missing)})"
        refuse(file.path, f"weights for {title}", found, "ask for a layer that is covered or use a complete file")
    names = ", ".join(list(file.shapes)[:3]) or "none"
    found = f"a file without {_some(missing)} (its {len(file.shapes)} tensors: {names}, ...)"
    refuse(file.path, f"weights for {title}", found, _FIX)


def _refuse_not_finite(file: WeightFile, title: str, loaded: Mapping[str, Tensor], covered: str) -> NoReturn:
    """Say which tensor, and what is whole: torchvision publishes files of features whose classifier is NaN."""
    name, tensor = next(iter(loaded.items()))
    stored = file.read(name)
    count = int(tensor.numel() - torch.isfinite(tensor).sum())
    kind = "NaN" if bool(tensor.isnan().any()) else "infinite"
    if kind == "infinite" and bool(torch.isfinite(stored).all()):
        kind = f"too large for {tensor.dtype}"
    more = f" and {len(loaded) - 1} more tensors" if len(loaded) > 1 else ""
    found = f"{count} of {tensor.numel()} values of '{name}'{more} {kind}, in {stored.dtype}"
    fix = "use a complete file, in a precision that holds its values"
    if covered:
        found, fix = f"{found}; it covers {covered}", f"ask for a layer that is covered or {fix}"
    refuse(file.path, f"finite weights for {title}", found, fix)
