"""PyTorch checkpoints (.pth, .pt, .ckpt) and safetensors: named tensors, and never code."""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from rsir_fast.backbones.weights.pretrained import PreTraining
from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.backbones.weights.weightfile import MAX_BYTES, WeightFile
from rsir_fast.base.sealed import checked, checksums

__all__ = ["open_checkpoint", "open_safetensors"]

_FIX = "download the file again, or write it with torch.save(model.state_dict(), path)"
_CODE = re.compile(r"GLOBAL (\S+)")
_MAX_DEPTH = 8

# What other programs keep in a zip beside their weights, by the end of a member's name.
_ARCHIVES = {
    "/constants.pkl": ("a TorchScript archive", "torch.jit.load({path!r}).state_dict()"),
    "/archive_format": ("a program of torch.export", "torch.export.load({path!r}).state_dict"),
    "/serialized_state_dict.pt": ("a program of torch.export", "torch.export.load({path!r}).state_dict"),
}


def open_checkpoint(path: Path) -> WeightFile:
    """Open named tensors written by ``torch.save``, with ``weights_only=True``: code in the pickle is refused, not run.

    Dicts inside dicts become names with dots: ``{"state_dict": {"fc.bias": ...}}`` has ``state_dict.fc.bias``. What
    belongs to an optimiser is left out.

    Raises
    ------
    WeightFileError
        The file is damaged, holds code, is larger unpacked than on disk, or has no tensor by name.
    """
    with damaged(path, "a state dict of tensors", _FIX):
        _check_archive(path)
        content = _load(path)
        if not isinstance(content, Mapping):
            refuse(path, "a state dict (names to tensors)", f"a {type(content).__name__}", _FIX)
        tensors: dict[str, Tensor] = {}
        places: dict[str, tuple[str, ...]] = {}
        for keys, name, tensor in _tensors(content, (), set()):
            whole = ".".join([*keys, name])
            if whole in tensors:
                refuse(path, "tensors of different names", f"'{whole}' twice", _FIX)
            tensors[whole], places[whole] = tensor.detach(), keys
        if not tensors:
            refuse(path, "a state dict (names to tensors)", "no tensor by name in it", _FIX)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def read(name: str) -> Tensor:
        found = _unusual(tensors[name])
        if found:
            refuse(path, f"'{name}' as plain numbers", found, "write it with torch.save, dense and in floating point")
        return tensors[name]

    return WeightFile(path, shapes, read, "PyTorch checkpoint", places=places)


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings(), _plain_types():
            # torch warns about the pickle's protocol before it refuses it; the error says enough.
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
            return content
    except pickle.UnpicklingError as error:
        code = _CODE.search(str(error))
        if code is None:
            found = "a pickle that is damaged or of other things, which was not run"
            refuse(path, "a state dict of tensors", found, _FIX)
        fix = (
            "get the state dict from its official address; or, where you trust the file, load it with "
            f"torch.load({path.name!r}, weights_only=False), where {code[1]} can be imported, and write "
            "torch.save(model.state_dict(), NEW) of the model, or of the dict in it that holds the tensors"
        )
        refuse(path, "a state dict of tensors", f"a pickle with code in it ({code[1]}), which was not run", fix)


def _plain_types() -> AbstractContextManager[Any]:
    """Let settings and figures pass that trainings store beside the tensors: values without code."""
    allowed = getattr(torch.serialization, "safe_globals", None)  # torch 2.5
    if allowed is None:
        return contextlib.nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    plain: AbstractContextManager[Any] = allowed([argparse.Namespace, np.dtype, *kinds, *names])
    return plain


def _check_archive(path: Path) -> None:
    """Name other programs' archives; refuse members that unpack to more than the file: torch.save never compresses."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
        names = archive.namelist()
    for end, (what, load) in _ARCHIVES.items():
        if any(name.endswith(end) for name in names):
            fix = f"where you trust it, torch.save({load.format(path=path.name)}, NEW) and use that file"
            refuse(path, "a state dict of tensors", what, fix)
    size = os.path.getsize(path)
    if unpacked > size:
        refuse(path, f"at most {size} bytes of stored tensors", f"{unpacked} bytes when unpacked", _FIX)


def _tensors(
    content: Mapping[Any, Any], keys: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], str, Tensor]]:
    """Yield the keys of the dicts that a tensor lies in, its own key, and the tensor; each dict is looked at once."""
    if id(content) in seen or len(keys) > _MAX_DEPTH:
        return
    seen.add(id(content))
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield keys, str(key), value
        elif isinstance(value, Mapping) and not str(key).startswith("optim"):
            yield from _tensors(value, (*keys, str(key)), seen)


def _unusual(tensor: Tensor) -> str:
    """Say what a tensor is that does not hold dense numbers on the CPU."""
    if tensor.is_quantized:
        return f"a quantised tensor ({tensor.dtype})"
    if tensor.layout != torch.strided:
        return f"a sparse tensor ({tensor.layout})"
    if tensor.device.type != "cpu":
        return f"a tensor without data ({tensor.device.type})"
    return ""


def open_safetensors(path: Path) -> WeightFile:
    """Open a .safetensors file; its header is checked against the file's size before any tensor is read.

    Raises
    ------
    WeightFileError
        The header or the data is damaged, or the file is a hash model.
    """
    fix = "download the file again, or write it with safetensors.torch.save_file(model.state_dict(), path)"
    with damaged(path, "a safetensors file", fix), safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        made = PreTraining.read(path, file.metadata())
        table = checksums(file.metadata()) if made is not None else {}
    if os.path.getsize(path) > MAX_BYTES:
        refuse(path, f"at most {MAX_BYTES} bytes", f"{os.path.getsize(path)} bytes", fix)

    def read(name: str) -> Tensor:
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return torch.clone(checked(name, tensor, table))

    if made is None:
        return WeightFile(path, shapes, read, "safetensors")
    return WeightFile(path, shapes, read, "safetensors", made.normalization, made.note, made)
