"""PyTorch checkpoints (.pth, .pt) and safetensors: a state dict of tensors, and never code."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from rsir_fast.backbones.weights.pretrained import PreTraining
from rsir_fast.backbones.weights.weightfile import MAX_BYTES, WeightFile, damaged, refuse

__all__ = ["open_checkpoint", "open_safetensors"]

_FIX = "download the file again, or write it with torch.save(model.state_dict(), path)"
_UNSAFE = "get the file from its official address, or write its state dict to .safetensors where you trust it"
_CODE = re.compile(r"GLOBAL (\S+)")
_WRAPPERS = ("state_dict", "model_state_dict", "model")


def open_checkpoint(path: Path) -> WeightFile:
    """Open a state dict written by ``torch.save``, with ``weights_only=True``: code in the pickle is refused, not run.

    A state dict may be wrapped as ``{"state_dict": ...}`` (or ``model_state_dict``, ``model``), and its names may all
    begin with ``module.``.

    Raises
    ------
    WeightFileError
        The file is damaged, holds code, is larger unpacked than on disk, or is no state dict.
    """
    with damaged(path, "a state dict of tensors", _FIX):
        _check_archive(path)
        tensors = _state_dict(path, _load(path))
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return WeightFile(path, shapes, tensors.__getitem__, "PyTorch checkpoint")


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            # torch warns about the pickle's protocol before it refuses it; the error says enough.
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except pickle.UnpicklingError as error:
        code = _CODE.search(str(error))
        if code:
            refuse(path, "a state dict of tensors", f"a pickle with code in it ({code[1]}), which was not run", _UNSAFE)
        refuse(path, "a state dict of tensors", "a pickle that is damaged or of other things, which was not run", _FIX)


def _check_archive(path: Path) -> None:
    """Refuse a zip whose members unpack to more than the file itself: torch.save stores, it never compresses."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    size = os.path.getsize(path)
    if unpacked > size:
        refuse(path, f"at most {size} bytes of stored tensors", f"{unpacked} bytes when unpacked", _FIX)


def _state_dict(path: Path, content: object) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping):
        refuse(path, "a state dict (names to tensors)", f"a {type(content).__name__}", _FIX)
    tensors = {str(name): value.detach() for name, value in content.items() if _is_plain(value)}
    if not tensors:
        refuse(path, "a state dict (names to tensors)", "no tensor by name in it", _FIX)
    if all(name.startswith("module.") for name in tensors):
        return {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _is_plain(value: object) -> bool:
    """Tell dense numbers on the CPU from sparse, quantised and data-less (meta) tensors."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def open_safetensors(path: Path) -> WeightFile:
    """Open a .safetensors file; its header is checked against the file's size before any tensor is read.

    Raises
    ------
    WeightFileError
        The header or the data is damaged.
    """
    fix = "download the file again, or write it with safetensors.torch.save_file(model.state_dict(), path)"
    with damaged(path, "a safetensors file", fix), safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        made = PreTraining.read(path, file.metadata())
    if os.path.getsize(path) > MAX_BYTES:
        refuse(path, f"at most {MAX_BYTES} bytes", f"{os.path.getsize(path)} bytes", fix)

    def read(name: str) -> Tensor:
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return torch.clone(tensor)

    if made is None:
        return WeightFile(path, shapes, read, "safetensors")
    return WeightFile(path, shapes, read, "safetensors", made.normalization, made.note, made)
