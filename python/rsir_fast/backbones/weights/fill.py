"""Weights into a network: every shape checked first, and a file that covers too little says what it covers."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from rsir_fast.backbones.weights.weightfile import WeightFile, damaged, refuse

__all__ = ["fill"]


def fill(
    module: nn.Module,
    file: WeightFile,
    *,
    target: str,
    names: Collection[str],
    covered: Callable[[Collection[str]], str],
) -> None:
    """Load the tensors `names` of `module` from `file`; what else the file holds is not read.

    A tensor with NaN or infinite values counts as absent: torchvision publishes feature-only files whose classifier is
    filled with NaN.

    Parameters
    ----------
    module : nn.Module
        May be on the meta device; tensors are assigned, not copied.
    file : WeightFile
    target : str
        Network and layer, for messages.
    names : collection of str
        Names in ``module.state_dict()`` that must come from the file. ``num_batches_tracked`` counters are optional:
        they do not exist in old files and do nothing in eval mode.
    covered : callable
        Given the names present, words for the layers they are enough for; empty if for none.

    Raises
    ------
    WeightFileError
        A wrong shape (layer, expected, found) or missing tensors (layers covered, layer asked).
    """
    state = {name: tensor for name, tensor in module.state_dict().items() if name in names}
    for name, tensor in state.items():
        found = file.shapes.get(name)
        if found is not None and tuple(found) != tuple(tensor.shape):
            layer, _, part = name.rpartition(".")
            what = f"{target}: layer '{layer}' to have {part} of shape {tuple(tensor.shape)}"
            refuse(file.path, what, tuple(found), "use a file of this network")
    loaded = {name: _read(file, name, tensor) for name, tensor in state.items() if name in file.shapes}
    present = {name for name, tensor in loaded.items() if bool(torch.isfinite(tensor).all())}
    missing = [name for name in state if name not in present and not name.endswith("num_batches_tracked")]
    if missing:
        _refuse_partial(file, target, missing, covered(present))
    module.load_state_dict(loaded, strict=False, assign=True)


def _read(file: WeightFile, name: str, like: Tensor) -> Tensor:
    tensor = file.read(name)
    if tensor.is_floating_point() != like.is_floating_point():
        refuse(file.path, f"'{name}' as {like.dtype}", f"{tensor.dtype}", "use a file of this network")
    with damaged(file.path, f"'{name}' in a type that converts to {like.dtype}", "use a file of this network"):
        return tensor.to(like.dtype)


def _refuse_partial(file: WeightFile, target: str, missing: list[str], covered: str) -> None:
    some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    if covered:
        found = f"a partial file that covers {covered} (missing: {some})"
        refuse(file.path, f"weights for {target}", found, "ask for a layer that is covered or use a complete file")
    names = ", ".join(list(file.shapes)[:3]) or "none"
    found = f"a file without {some} (its tensors: {names}, ...)"
    refuse(file.path, f"weights for {target}", found, "use a file of this network")
