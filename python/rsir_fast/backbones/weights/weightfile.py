"""What every weight file becomes: tensor shapes known before reading, tensors read one by one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsir_fast.backbones.weights.normalization import Normalization
from rsir_fast.backbones.weights.pretrained import PreTraining
from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.base.looking import is_folder

__all__ = ["MAX_BYTES", "WeightFile", "as_float32", "sniff", "tensor_bytes"]

# The largest classification network of torchvision (regnet_y_128gf) is 2.6 GB; anything beyond twice that is no
# weight file of ours, whatever its header promises.
MAX_BYTES = 6 << 30


@dataclass(frozen=True)
class WeightFile:
    """An opened weight file.

    Attributes
    ----------
    path : Path
    shapes : mapping of str to tuple of int
        Shape of every tensor, by name, known without reading the data.
    reader : callable
        ``reader(name)`` gives that tensor; `read` is the one to call.
    format : str
        For messages and provenance: "MatConvNet .mat", "npz", "safetensors", "PyTorch checkpoint".
    normalization : Normalization or None
        What the file or its format says about the input; None where it says nothing.
    note : str
        What sets this file apart ("8-bit conv trunk"); empty for an ordinary one.
    pretraining : PreTraining or None
        Of a file that `rsir train pretrain` wrote.
    places : mapping of str to tuple of str
        The keys of the nested dicts that a tensor lies in, where it does; they stand at the front of its name.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    reader: Callable[[str], Tensor]
    format: str
    normalization: Normalization | None = None
    note: str = ""
    pretraining: PreTraining | None = None
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def read(self, name: str) -> Tensor:
        """Read one tensor.

        Raises
        ------
        WeightFileError
            Its data is damaged.
        """
        with damaged(self.path, f"tensor '{name}' in a {self.format}"):
            return self.reader(name)

    def renamed(self, names: Mapping[str, str]) -> WeightFile:
        """Return the same file with its tensors under other names; `names` maps old to new, others are kept."""
        old = {names.get(name, name): name for name in self.shapes}
        shapes = {new: self.shapes[name] for new, name in old.items()}
        places = {new: self.places[name] for new, name in old.items() if name in self.places}
        return replace(self, shapes=shapes, reader=lambda new: self.reader(old[new]), places=places)

    def below(self, prefix: str) -> WeightFile:
        """Return the tensors whose names begin with `prefix`, which is taken off."""
        names = {name: name[len(prefix) :] for name in self.shapes if name.startswith(prefix)}
        return replace(self, shapes={name: self.shapes[name] for name in names}).renamed(names)


def tensor_bytes(shape: tuple[int, ...], itemsize: int) -> int:
    """Bytes of a tensor of `shape`, as an exact integer (no overflow).

    >>> tensor_bytes((4096, 9216), 4)
    150994944
    """
    return math.prod(shape) * itemsize


def sniff(path: Path) -> str:
    """Kind of a file by its content, never by its name.

    Returns
    -------
    str
        "mat5", "hdf5", "zip", "pickle" or "safetensors" for what the readers understand; otherwise words for a
        message: "an empty file", "a web page", "a Git LFS pointer", "plain text", "unknown binary data".
    """
    if is_folder(path):
        return "a folder"
    try:
        with open(path, "rb") as file:
            return _kind(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        refuse(path, "a readable weight file", error.strerror or error, "check the path and its permissions")


def _kind(file: BinaryIO, size: int) -> str:
    head = file.read(1024)
    if not head:
        return "an empty file"
    magic = b"\x89HDF\r\n\x1a\n"
    # MATLAB 7.3 puts 512 bytes of text before the HDF5 signature, so this comes before the text checks.
    if head.startswith(magic) or head[512:520] == magic:
        return "hdf5"
    if head.startswith(b"MATLAB 5.0 MAT-file") and size >= 128:
        return "mat5"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "pickle"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= max(size, 1 << 20):
        return "safetensors"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page (a failed download?)"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (run 'git lfs pull')"
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    return "plain text" if printable > 0.95 * len(head) else "unknown binary data"


def as_float32(path: Path, name: str, values: NDArray[np.generic]) -> Tensor:
    """Turn an array of a weight file into a float32 tensor of its own."""
    if values.dtype.kind not in "fiu":
        refuse(path, f"numbers in '{name}'", f"dtype {values.dtype}", "use the original weight file")
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
