"""Networks written down a second time, in MatConvNet's terms, with writers of .mat files and a float64 reference.

Nothing here reads the package's own table: agreement between the two is what the tests test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import torch.nn.functional as F


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test may find a file of this machine, or the network, by accident."""
    monkeypatch.setenv("RSIR_OFFLINE", "1")
    monkeypatch.delenv("RSIR_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch-home")))


def conv(name: str, shape: tuple[int, int, int, int], stride: Any = 1, pad: Any = 0) -> dict[str, Any]:
    """One convolution; shape is MatConvNet's (H, W, Cin / groups, Cout)."""
    return {"name": name, "type": "conv", "shape": shape, "stride": stride, "pad": pad}


def relu(number: int) -> dict[str, Any]:
    return {"name": f"relu{number}", "type": "relu"}


def lrn(number: int, kappa: float, alpha: float) -> dict[str, Any]:
    return {"name": f"norm{number}", "type": "lrn", "param": [5.0, kappa, alpha, 0.75]}


def pool(number: int, side: int, stride: int, pad: Any) -> dict[str, Any]:
    return {
        "name": f"pool{number}",
        "type": "pool",
        "method": "max",
        "pool": [side, side],
        "stride": stride,
        "pad": pad,
    }


def _tail(channels: int, groups: int, pad: list[int], side: int, stride: int, conv4: int = 0) -> list[dict[str, Any]]:
    middle = conv4 or channels
    return [
        conv("conv3", (3, 3, 256, middle), pad=[1, 1, 1, 1]),
        relu(3),
        conv("conv4", (3, 3, middle // groups, middle), pad=1),
        relu(4),
        conv("conv5", (3, 3, middle // groups, channels), stride=[1, 1], pad=[1, 1]),
        relu(5),
        pool(5, side, stride, pad),
    ]


TRUNKS: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "cnn-alex": (
        227,
        [
            conv("conv1", (11, 11, 3, 96), stride=4),
            relu(1),
            lrn(1, 1.0, 2e-5),
            pool(1, 3, 2, [0, 1, 0, 1]),  # Caffe imports write this pad although 55 needs none.
            conv("conv2", (5, 5, 48, 256), pad=2),
            relu(2),
            lrn(2, 1.0, 2e-5),
            pool(2, 3, 2, 0),
            *_tail(256, 2, [0, 0, 0, 0], 3, 2, conv4=384),
        ],
    ),
    "cnn-f": (
        224,
        [
            conv("conv1", (11, 11, 3, 64), stride=[4, 4]),
            relu(1),
            lrn(1, 2.0, 1e-4),
            pool(1, 3, 2, [0, 1, 0, 1]),
            conv("conv2", (5, 5, 64, 256), pad=2),
            relu(2),
            lrn(2, 2.0, 1e-4),
            pool(2, 3, 2, 0),
            *_tail(256, 1, [0, 0, 0, 0], 3, 2),
        ],
    ),
    "cnn-m": (
        224,
        [
            conv("conv1", (7, 7, 3, 96), stride=2),
            relu(1),
            lrn(1, 2.0, 1e-4),
            pool(1, 3, 2, 0),
            conv("conv2", (5, 5, 96, 256), stride=2, pad=1),
            relu(2),
            lrn(2, 2.0, 1e-4),
            pool(2, 3, 2, [0, 1, 0, 1]),
            *_tail(512, 1, [0, 0, 0, 0], 3, 2),
        ],
    ),
    "cnn-s": (
        224,
        [
            conv("conv1", (7, 7, 3, 96), stride=2),
            relu(1),
            lrn(1, 2.0, 1e-4),
            pool(1, 3, 3, [0, 2, 0, 2]),
            conv("conv2", (5, 5, 96, 256)),
            relu(2),
            pool(2, 2, 2, [0, 1, 0, 1]),
            *_tail(512, 1, [0, 1, 0, 1], 3, 3),
        ],
    ),
}

FC = [conv("fc6", (6, 6, 256, 4096)), relu(6), conv("fc7", (1, 1, 4096, 4096)), relu(7)]


@dataclass
class MatModel:
    """A model with random weights: `layers` may be changed by a test before it is written."""

    input_size: int
    layers: list[dict[str, Any]]
    average: np.ndarray
    arrays: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def write(self, path: Path, *, version: str = "v5", layout: str = "new", compress: bool = False) -> Path:
        layers = [self._fields(layer, layout) for layer in self.layers]
        size = np.array([[self.input_size, self.input_size, 3]], dtype=np.float64)
        normalization = {"keepAspect": 1.0, "averageImage": self.average, "imageSize": size}
        if layout == "new":
            variables: dict[str, Any] = {"layers": layers, "meta": {"normalization": normalization, "classes": {}}}
        else:
            variables = {"normalization": normalization, "layers": layers, "classes": {"name": "cat"}}
        (_write_v5 if version == "v5" else _write_v73)(path, variables, compress)
        return path

    def _fields(self, layer: dict[str, Any], layout: str) -> dict[str, Any]:
        fields = {key: value for key, value in layer.items() if key != "shape"}
        if layer["type"] == "conv":
            weight, bias = self.arrays[layer["name"]]
            if layout == "new":
                fields["weights"] = [weight, bias]
            else:
                # Another order of fields than in new files: readers must go by name.
                fields = {"biases": bias, **fields, "filters": weight}
        if layout == "old" and layer["type"] == "lrn":
            fields["type"] = "normalize"
        return dict(reversed(fields.items())) if layout == "old" else fields

    def reference(self, images: np.ndarray) -> np.ndarray:
        """Features of uint8 RGB images [n, 3, H, W], in float64 and with every pad written out."""
        average = torch.from_numpy(self.average.astype(np.float64)).permute(2, 0, 1)
        x = torch.from_numpy(images).double() - average
        for layer in self.layers:
            x = self._apply(layer, x)
        return x.reshape(len(x), -1).numpy()

    def _apply(self, layer: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
        if layer["type"] == "relu":
            return x.clamp(min=0)
        if layer["type"] == "lrn":
            n, kappa, alpha, beta = layer["param"]
            half, squares = int(n) // 2, F.pad(x * x, (0, 0, 0, 0, 2, 2))
            window = sum(squares[:, i : i + x.shape[1]] for i in range(2 * half + 1))
            return x / (kappa + alpha * window) ** beta
        top, bottom, left, right = np.resize(layer["pad"], 4).tolist()  # A pair has equal halves here.
        stride = int(np.ravel(layer["stride"])[0])
        if layer["type"] == "pool":
            padded = F.pad(x, (left, right, top, bottom), value=-torch.inf)
            return F.max_pool2d(padded, int(layer["pool"][0]), stride)
        weight, bias = (torch.from_numpy(array.astype(np.float64)) for array in self.arrays[layer["name"]])
        kernels = weight.permute(3, 2, 0, 1)
        groups = x.shape[1] // kernels.shape[1]
        padded = F.pad(x, (left, right, top, bottom))
        parts = zip(padded.chunk(groups, 1), kernels.chunk(groups, 0), strict=True)
        return torch.cat([F.conv2d(part, kernel, stride=stride) for part, kernel in parts], 1) + bias.view(1, -1, 1, 1)


def _write_v5(path: Path, variables: dict[str, Any], compress: bool) -> None:
    scipy.io.savemat(path, {name: _v5(value) for name, value in variables.items()}, do_compression=compress)


def _v5(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _v5(item) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict | np.ndarray):
        cell = np.empty((1, len(value)), dtype=object)
        cell[0] = [_v5(item) for item in value]
        return cell
    return np.atleast_2d(np.float64(value)) if isinstance(value, list | int | float) else value


def _write_v73(path: Path, variables: dict[str, Any], _: bool) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        for name, value in variables.items():
            _v73(file, references, name, value)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def _v73(parent: h5py.Group, references: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, item in value.items():
            _v73(group, references, key, item)
    elif isinstance(value, str):
        node = parent.create_dataset(name, data=np.array([[ord(character)] for character in value], dtype=np.uint16))
        node.attrs["MATLAB_class"] = np.bytes_("char")
    elif isinstance(value, list) and value and isinstance(value[0], dict | np.ndarray):
        node = parent.create_dataset(name, (len(value), 1), dtype=h5py.ref_dtype)
        node.attrs["MATLAB_class"] = np.bytes_("cell")
        for i, item in enumerate(value):
            key = f"n{len(references)}"
            _v73(references, references, key, item)
            node[i, 0] = references[key].ref
    else:
        array = value if isinstance(value, np.ndarray) else np.atleast_2d(np.float64(value))
        node = parent.create_dataset(name, data=np.ascontiguousarray(array.T))
        node.attrs["MATLAB_class"] = np.bytes_("single" if array.dtype == np.float32 else "double")


def _random_arrays(layers: list[dict[str, Any]], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    arrays = {}
    for layer in layers:
        if layer["type"] == "conv":
            shape = layer["shape"]
            scale = np.float32(np.sqrt(2 / np.prod(shape[:3])))
            few = rng.standard_normal(min(int(np.prod(shape)), 1_000_003), dtype=np.float32) * scale
            weight = np.resize(few, shape)  # drawn once where there are tens of millions
            arrays[layer["name"]] = (weight, rng.standard_normal((1, shape[3]), dtype=np.float32))
    return arrays


@pytest.fixture(scope="session")
def mat_model() -> Callable[..., MatModel]:
    """``mat_model(name, fc=False)``: a fresh description with seeded weights and a full mean image."""

    def make(name: str, fc: bool = False) -> MatModel:
        size, trunk = TRUNKS[name]
        layers = [dict(layer) for layer in [*trunk, *(FC if fc else [])]]
        average = np.random.default_rng(7).uniform(90, 130, (size, size, 3)).astype(np.float32)
        return MatModel(size, layers, average, _random_arrays(layers, seed=3))

    return make


@pytest.fixture(scope="session")
def pixels() -> Callable[..., np.ndarray]:
    """``pixels(n, size)``: random uint8 images [n, 3, size, size]."""

    def make(n: int, size: int) -> np.ndarray:
        return np.random.default_rng(11).integers(0, 256, (n, 3, size, size), dtype=np.uint8)

    return make
