"""MATLAB files, v5 and v7.3, as plain Python: struct -> dict, cell -> list, char -> str, numbers -> array."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones.weights.weightfile import refuse, tensor_bytes
from rsir_fast.errors import WeightFileError

__all__ = ["MatValue", "read_mat"]

# dict (scalar struct), list (cell or struct array, in MATLAB's column order), str, or an array in MATLAB's axis order.
MatValue = Any

_FIX = "download the file again"
_VARIABLES = ("layers", "meta", "normalization", "classes", "vars", "params")
_MAX_BYTES = 2 << 30  # VGG-19, the largest of these networks, is 575 MB in single and 1.15 GB in double precision.
_MAX_RATIO = 1100  # No deflate stream unpacks to more than 1032 times its size.
_MAX_DEPTH = 12  # layers -> layer -> weights -> W needs 4; a struct that refers to itself has no end.


def read_mat(path: Path, kind: str) -> dict[str, MatValue]:
    """Read the variables of a MatConvNet model.

    Parameters
    ----------
    path : Path
    kind : {"mat5", "hdf5"}
        As `sniff` names it: MATLAB v5 (read by scipy) or v7.3 (HDF5, read by h5py).

    Returns
    -------
    dict
        Top-level variables by name.

    Raises
    ------
    WeightFileError
        The file is damaged or unpacks to more than any network has.
    """
    try:
        return _read_hdf5(path) if kind == "hdf5" else _read_mat5(path)
    except WeightFileError:
        raise
    except (MemoryError, RecursionError) as error:
        refuse(path, "a MatConvNet model", f"impossible sizes ({type(error).__name__})", _FIX)
    except Exception as error:
        # Damaged files make scipy and h5py fail with almost any type of error; all of them mean the same here.
        refuse(path, "a whole MATLAB file", f"a damaged one ({type(error).__name__}: {error})", _FIX)


def _read_mat5(path: Path) -> dict[str, MatValue]:
    from scipy.io import loadmat

    _check_mat5_size(path)
    variables = loadmat(path, variable_names=_VARIABLES, chars_as_strings=True)
    return {name: _from_scipy(value) for name, value in variables.items() if name in _VARIABLES}


def _check_mat5_size(path: Path) -> None:
    """Unpack the compressed elements into nothing, to know their size before scipy allocates it."""
    compressed_type, total = 15, 0
    with open(path, "rb") as file:
        header = file.read(128)
        order: Literal["little", "big"] = "little" if header[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            element_type = int.from_bytes(tag[:4], order)
            remaining = int.from_bytes(tag[4:], order)
            if element_type != compressed_type:
                file.seek(remaining, 1)
                continue
            unpacker = zlib.decompressobj()
            while remaining and (piece := file.read(min(remaining, 1 << 20))):
                remaining -= len(piece)
                while piece:
                    total += len(unpacker.decompress(piece, 16 << 20))
                    piece = unpacker.unconsumed_tail
                    if total > _MAX_BYTES:
                        refuse(path, f"at most {_MAX_BYTES} bytes unpacked", "more (a decompression bomb?)", _FIX)


def _from_scipy(value: Any, depth: int = 0) -> MatValue:
    if depth > _MAX_DEPTH:
        raise RecursionError
    if not isinstance(value, np.ndarray):
        return value
    flat = value.reshape(-1, order="F")
    if value.dtype.names is not None:
        structs = [{name: _from_scipy(item[name], depth + 1) for name in value.dtype.names} for item in flat]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype == object:
        return [_from_scipy(item, depth + 1) for item in flat]
    if value.dtype.kind == "U":
        return str(flat[0]) if flat.size else ""
    return value


def _read_hdf5(path: Path) -> dict[str, MatValue]:
    with h5py.File(path, "r") as file:
        reader = _Hdf5Reader(path, file)
        return {name: reader.value(file[name]) for name in _VARIABLES if name in file}


class _Hdf5Reader:
    """Walks MATLAB's HDF5 layout: cells are arrays of references, arrays have their axes reversed."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self.file = file
        self.total = 0

    def value(self, node: h5py.Group | h5py.Dataset, depth: int = 0) -> MatValue:
        if depth > _MAX_DEPTH:
            raise RecursionError
        if isinstance(node, h5py.Group):
            return {name: self.value(node[name], depth + 1) for name in node}
        if node.attrs.get("MATLAB_empty", 0):
            return {"cell": [], "char": ""}.get(_matlab_class(node), np.zeros((0, 0)))
        if node.dtype == h5py.ref_dtype:
            return [self.value(self.file[reference], depth + 1) for reference in self._read(node).reshape(-1)]
        values = self._read(node).T
        if _matlab_class(node) == "char":
            return "".join(map(chr, values.reshape(-1, order="F")))
        return values

    def _read(self, node: h5py.Dataset) -> NDArray[Any]:
        if node.external or node.is_virtual:
            refuse(self.path, f"data inside the file for '{node.name}'", "a link to another file", _FIX)
        declared = tensor_bytes(node.shape, node.dtype.itemsize)
        if declared > 1024 + _MAX_RATIO * node.id.get_storage_size():
            found = f"{node.id.get_storage_size()} stored bytes"
            refuse(self.path, f"{declared} bytes of data in '{node.name}'", found, _FIX)
        self.total += declared
        if self.total > _MAX_BYTES:
            refuse(self.path, f"at most {_MAX_BYTES} bytes", f"at least {self.total} declared", _FIX)
        values: NDArray[Any] = node[()]
        return values


def _matlab_class(node: h5py.Dataset) -> str:
    name = node.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
