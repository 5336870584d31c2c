"""NumPy .npz archives: a state dict of arrays, optionally 8-bit with one common scale."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from rsir_fast.backbones.weights.normalization import Normalization
from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.backbones.weights.weightfile import MAX_BYTES, WeightFile, as_float32, tensor_bytes

__all__ = ["open_npz"]

_FIX = "download the file again, or write it with numpy.savez(path, **{name: array})"

# Bytes of an array's length field, by format version.
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_MAX_HEADER = 64 << 10  # The shape of a weight tensor takes some 100 bytes.

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
    with damaged(path, "an .npz archive of arrays", _FIX):
        headers = _read_headers(path)
        with np.load(path, allow_pickle=False) as archive:
            scale = float(archive["scale"]) if _is_scalar(headers.get("scale")) else None
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        refuse(path, "a positive 'scale'", scale, _FIX)
    shapes = {name: header.shape for name, header in headers.items() if not (scale and name == "scale")}

    def read(name: str) -> Tensor:
        with np.load(path, allow_pickle=False) as archive:
            values = archive[name]
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
            name = info.filename.removesuffix(".npy")
            if info.file_size > MAX_BYTES:
                refuse(path, f"at most {MAX_BYTES} bytes of weights", f"{info.file_size} in '{name}'", _FIX)
            with archive.open(info) as member:
                shape, dtype = _read_header(path, name, member)
                data_bytes = info.file_size - member.tell()
            if dtype.hasobject:
                refuse(path, f"numbers in '{name}'", "Python objects (a pickle)", _FIX)
            declared = tensor_bytes(shape, dtype.itemsize)
            total += declared
            if declared != data_bytes:
                found = f"{data_bytes} bytes for {dtype} {shape}"
                refuse(path, f"{declared} bytes of data in '{name}'", found, _FIX)
            if total > MAX_BYTES:
                refuse(path, f"at most {MAX_BYTES} bytes of weights", f"at least {total} declared", _FIX)
            headers[name] = _Header(shape, dtype)
    return headers


def _read_header(path: Path, name: str, member: IO[bytes]) -> _Header:
    """Read one header; its length is looked at first, because numpy reads a whole gigabyte where one is declared."""
    version = npy.read_magic(member)
    if version not in _LENGTH_BYTES:
        refuse(path, f"'{name}' in npy format 1.0, 2.0 or 3.0", f"{version[0]}.{version[1]}", _FIX)
    field = member.read(_LENGTH_BYTES[version])
    length = int.from_bytes(field, "little")
    if length > _MAX_HEADER:
        refuse(path, f"a header of at most {_MAX_HEADER} bytes in '{name}'", f"{length} bytes declared", _FIX)
    content = io.BytesIO(field + member.read(length))
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(content)
    return _Header(tuple(shape), dtype)
