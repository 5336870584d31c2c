"""MATLAB files, v5 and v7.3, as plain Python: struct -> dict, cell -> list, char -> str, numbers -> array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones.weights.mat5 import read_mat5
from rsir_fast.backbones.weights.mat_budget import Budget
from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.backbones.weights.weightfile import tensor_bytes

__all__ = ["MatValue", "read_mat"]

# dict (scalar struct), list (cell or struct array, in MATLAB's column order), str, an array in MATLAB's axis order, or
# None for a kind of value that no model needs.
MatValue = Any

_FIX = "download the file again"
_VARIABLES = ("layers", "meta", "normalization", "classes", "vars", "params")
_MAX_BYTES = 2 << 30  # VGG-19, the largest of these networks, is 575 MB in single and 1.15 GB in double precision.
_MAX_RATIO = 1100  # No deflate stream unpacks to more than 1032 times its size.


def read_mat(path: Path, kind: str) -> dict[str, MatValue]:
    """Read the variables of a MatConvNet model.

    Parameters
    ----------
    path : Path
    kind : {"mat5", "hdf5"}
        As `sniff` names it: MATLAB v5 or v7.3 (HDF5, read by h5py).

    Returns
    -------
    dict
        Top-level variables by name.

    Raises
    ------
    WeightFileError
        The file is damaged, or unpacks to more bytes, values or levels than any network has.
    """
    with damaged(path, "a whole MATLAB file", _FIX):
        budget = Budget(path, _MAX_BYTES)
        return _read_hdf5(path, budget) if kind == "hdf5" else read_mat5(path, _VARIABLES, budget)


def _read_hdf5(path: Path, budget: Budget) -> dict[str, MatValue]:
    with h5py.File(path, "r") as file:
        reader = _Hdf5Reader(path, file, budget)
        return {name: reader.value(reader.member(file, name), 0) for name in file if name in _VARIABLES}


class _Hdf5Reader:
    """Walks MATLAB's HDF5 layout: cells are arrays of references, arrays have their axes reversed."""

    def __init__(self, path: Path, file: h5py.File, budget: Budget) -> None:
        self.path = path
        self.file = file
        self.budget = budget

    def member(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        """Give a member that lies in this file: an external link would open another one."""
        # `get_info` looks at the link itself; `name in group` and `group.get` would follow it.
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            refuse(self.path, f"data inside the file for '{name}'", "a link to another file or place", _FIX)
        return group[name]

    def value(self, node: h5py.Group | h5py.Dataset, depth: int) -> MatValue:
        self.budget.enter(depth)
        if isinstance(node, h5py.Group):
            return {name: self.value(self.member(node, name), depth + 1) for name in node}
        if node.attrs.get("MATLAB_empty", 0):
            return {"cell": [], "char": ""}.get(_matlab_class(node), np.zeros((0, 0)))
        if h5py.check_ref_dtype(node.dtype) is h5py.Reference:
            return [self.value(self.file[reference], depth + 1) for reference in self._read(node).reshape(-1)]
        if node.dtype.hasobject:
            # Entries of variable length may all point to one large text, which makes a small file endless.
            refuse(self.path, f"numbers or references in '{node.name}'", "data of variable length", _FIX)
        values = self._read(node).T
        if _matlab_class(node) == "char":
            return values.reshape(-1, order="F").astype("<u2").tobytes().decode("utf-16-le", errors="replace")
        return values

    def _read(self, node: h5py.Dataset) -> NDArray[Any]:
        if node.external or node.is_virtual:
            refuse(self.path, f"data inside the file for '{node.name}'", "a link to another file", _FIX)
        declared = tensor_bytes(node.shape, node.dtype.itemsize)
        if declared > 1024 + _MAX_RATIO * node.id.get_storage_size():
            found = f"{node.id.get_storage_size()} stored bytes"
            refuse(self.path, f"{declared} bytes of data in '{node.name}'", found, _FIX)
        self.budget.take(declared)
        values: NDArray[Any] = node[()]
        return values


def _matlab_class(node: h5py.Dataset) -> str:
    name = node.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
