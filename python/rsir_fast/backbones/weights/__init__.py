"""Weight files: where they lie, and how each kind is read as if it were hostile."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rsir_fast.backbones.weights.checkpoint import open_checkpoint, open_safetensors
from rsir_fast.backbones.weights.fill import fill
from rsir_fast.backbones.weights.locate import KnownFile, Located, find_weights, local_weights, locate_weights, verify
from rsir_fast.backbones.weights.normalization import Normalization
from rsir_fast.backbones.weights.npz import open_npz
from rsir_fast.backbones.weights.pretrained import PreTraining
from rsir_fast.backbones.weights.refusing import damaged, refuse
from rsir_fast.backbones.weights.weightfile import WeightFile, sniff
from rsir_fast.backbones.weights.wrapped import NetworkShapes, is_counter, unwrapped
from rsir_fast.base.digests import file_digest

__all__ = [
    "KnownFile",
    "Located",
    "NetworkShapes",
    "Normalization",
    "PreTraining",
    "WeightFile",
    "file_digest",
    "fill",
    "find_weights",
    "is_counter",
    "local_weights",
    "locate_weights",
    "open_state_dict",
    "refuse",
    "sniff",
    "unwrapped",
    "verify",
]


def open_state_dict(path: Path, kind: str) -> WeightFile:
    """Open a file of named tensors.

    Parameters
    ----------
    path : Path
    kind : str
        From `sniff`: "zip" (.npz, .pth), "pickle" (old .pth) or "safetensors".

    Raises
    ------
    WeightFileError
        The content is no state dict in a format that can be read safely.
    """
    if kind == "safetensors":
        return open_safetensors(path)
    if kind == "pickle":
        return open_checkpoint(path)
    if kind == "zip":
        with damaged(path, "an .npz or .pth archive"), zipfile.ZipFile(path) as archive:
            arrays = all(name.endswith(".npy") for name in archive.namelist())
        return open_npz(path) if arrays else open_checkpoint(path)
    found = {"mat5": "a MATLAB file", "hdf5": "an HDF5 (MATLAB v7.3) file"}.get(kind, kind)
    fix = "MatConvNet models load as cnn-alex, cnn-f, cnn-m, cnn-s, cnn-16, cnn-19" if kind != found else ""
    refuse(path, "PyTorch .pth, .safetensors or .npz weights", found, fix or "download the file again")
