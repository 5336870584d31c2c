"""NumPy .npz archives: a state dict of arrays, optionally 8-bit with one common scale."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from rsir_fast.backbones.weights.weightfile import (
    MAX_BYTES,
    Normalization,
    WeightFile,
    as_float32,
    refuse,
    tensor_bytes,
)
from rsir_fast.errors import WeightFileError

__all__ = ["open_npz"]

_FIX = "download the file again, or write it with numpy.savez(path, **{name: array})"

# What zipfile and numpy raise for truncated, corrupted, encrypted or exotic archives.
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, KeyError)

# Quantised archives hold Caffe weights as Caffe has them: BGR, 0-255, mean per channel.
_CAFFE = Normalization("BGR", 1.0, (104.0, 117.0, 123.0))


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def open_npz(path: Path) -> WeightFile:
    """Open an .npz of named arrays.

    Two forms: floating arrays named like the network's state dict; or integer arrays (int8 weights, int16 biases) with
    a scalar ``scale`` that all of them are multiplied by.

    Returns
    -------
    WeightFile
        Headers are read and checked against the sizes in the archive; no array has been allocated yet.

    Raises
    ------
    WeightFileError
        The archive is damaged, holds Python objects, or declares more bytes than it stores or than any network has.
    """
    try:
        headers = _read_headers(path)
        with np.load(path, allow_pickle=False) as archive:
            scale = float(archive["scale"]) if _is_scalar(headers.get("scale")) else None
    except WeightFileError:
        raise
    except _DAMAGED as error:
        refuse(path, "an .npz archive of arrays", f"a damaged one ({error})", _FIX)
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        refuse(path, "a positive 'scale'", scale, _FIX)
    shapes = {name: header.shape for name, header in headers.items() if not (scale and name == "scale")}

    def read(name: str) -> Tensor:
        try:
            with np.load(path, allow_pickle=False) as archive:
                values = archive[name]
        except _DAMAGED as error:
            refuse(path, f"array '{name}'", f"damaged data ({error})", _FIX)
        if values.dtype.kind in "iu" and scale is None:
            return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))
        tensor = as_float32(path, name, values)
        return tensor * scale if scale is not None and values.dtype.kind in "iu" else tensor

    if scale is None:
        return WeightFile(path, shapes, read, "npz")
    return WeightFile(path, shapes, read, "npz, 8-bit", _CAFFE, "8-bit conv trunk")


def _is_scalar(header: _Header | None) -> bool:
    return header is not None and header.shape == () and header.dtype.kind == "f"


def _read_headers(path: Path) -> dict[str, _Header]:
    """Shape and dtype of every array, checked against the archive's own sizes."""
    headers: dict[str, _Header] = {}
    total = 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                version = npy.read_magic(member)
                reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = reader(member)
                data_bytes = info.file_size - member.tell()
            name = info.filename.removesuffix(".npy")
            if dtype.hasobject:
                refuse(path, f"numbers in '{name}'", "Python objects (a pickle)", _FIX)
            declared = tensor_bytes(shape, dtype.itemsize)
            total += declared
            if declared != data_bytes:
                found = f"{data_bytes} bytes for {dtype} {shape}"
                refuse(path, f"{declared} bytes of data in '{name}'", found, _FIX)
            if total > MAX_BYTES:
                refuse(path, f"at most {MAX_BYTES} bytes of weights", f"at least {total} declared", _FIX)
            headers[name] = _Header(tuple(shape), dtype)
    return headers
