"""MatConvNet SimpleNN models (.mat): old and new field layout, checked layer by layer against the network's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones.caffenets import Conv, Network, Pool
from rsir_fast.backbones.weights.mat_reader import MatValue, read_mat
from rsir_fast.backbones.weights.normalization import Normalization
from rsir_fast.backbones.weights.refusing import refuse
from rsir_fast.backbones.weights.weightfile import WeightFile, as_float32

__all__ = ["open_matconvnet"]

_FIX = "use the model of this network from https://www.vlfeat.org/matconvnet/pretrained/"
_TYPES = {"normalize": "lrn"}  # old name -> new name
_IGNORED = {"dropout"}
_HARMLESS = {"cudnn", "nocudnn", "verbose", "cudnnworkspacelimit"}

# differ(field, expected, found)
_Differ = Callable[[str, object, object], NoReturn]


@dataclass(frozen=True)
class _Expected:
    """One layer of the table in MatConvNet's terms; `size` is the side of its input."""

    name: str
    type: str
    size: int
    conv: Conv | None = None
    pool: Pool | None = None
    weights: tuple[int, int, int, int] | None = None  # (H, W, Cin / groups, Cout)


def open_matconvnet(path: Path, kind: str, network: Network) -> tuple[WeightFile, Network]:
    """Open a MatConvNet model of `network`; models cut short after some layer are accepted.

    Weights (H, W, Cin / groups, Cout) become torch's (Cout, Cin / groups, H, W); fully connected layers, which are
    convolutions in MatConvNet, become matrices over the flattened (C, H, W). The mean comes from the file.

    Parameters
    ----------
    path : Path
    kind : {"mat5", "hdf5"}
    network : Network
        What the file is checked against.

    Returns
    -------
    WeightFile
        Tensors named as in `build_network`.
    Network
        `network` itself; its geometry without LRN if the model has no LRN layer at all (also said in ``note``).

    Raises
    ------
    WeightFileError
        Damaged file, or a layer that differs from the table: names layer, expected and found.
    """
    variables = read_mat(path, kind)
    layers = _layers(path, variables)
    without_lrn = network.lrn is not None and all(_type(layer) != "lrn" for layer in layers)
    geometry = network.without_lrn() if without_lrn else network
    arrays: dict[str, NDArray[np.generic]] = {}
    for expected, layer in zip(_table(geometry), layers, strict=False):
        _check_layer(path, expected, layer, network)
        if expected.weights:
            weight, bias = _weights(path, expected, layer)
            weight = weight.transpose(3, 2, 0, 1)
            arrays[f"{expected.name}.weight"] = weight if expected.conv else weight.reshape(len(weight), -1)
            arrays[f"{expected.name}.bias"] = bias
    trained_with_batch_norm = without_lrn or path.name.startswith("imagenet-matconvnet-")
    file = WeightFile(
        path,
        {name: array.shape for name, array in arrays.items()},
        lambda name: as_float32(path, name, arrays[name]),
        f"MatConvNet .mat {'v7.3' if kind == 'hdf5' else 'v5'}",
        _normalization(path, variables, network.input_size),
        "MatConvNet's own batch-norm model, without LRN" if trained_with_batch_norm else "",
    )
    return file, geometry


def _layers(path: Path, variables: dict[str, MatValue]) -> list[dict[str, MatValue]]:
    layers = variables.get("layers")
    if "params" in variables and "vars" in variables:
        refuse(path, "a SimpleNN model (a cell array of layers)", "a DagNN model (vars, params)", _FIX)
    if not isinstance(layers, list) or not layers or not all(isinstance(layer, dict) for layer in layers):
        found = f"variables {', '.join(sorted(variables)) or 'of other names'}"
        refuse(path, "a MatConvNet model with a cell array 'layers' of structs", found, _FIX)
    return [layer for layer in layers if _type(layer) not in _IGNORED]


def _type(layer: dict[str, MatValue]) -> str:
    name = _words(layer.get("type", "no type"))
    return _TYPES.get(name, name)


def _words(value: MatValue) -> str:
    """Give text as it is, and say what stands where text should be."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return value if isinstance(value, str) else f"a {type(value).__name__}"


def _table(network: Network) -> Iterator[_Expected]:
    """Yield the layers of the table up to fc7's ReLU, in MatConvNet's order."""
    size, channels = network.input_size, 3
    for name, conv in network.convs():
        suffix = name.removeprefix("conv")
        shape = (conv.kernel, conv.kernel, channels // conv.groups, conv.channels)
        yield _Expected(name, "conv", size, conv=conv, weights=shape)
        size, channels = conv.output_size(size), conv.channels
        yield _Expected(f"relu{suffix}", "relu", size)
        if conv.lrn:
            yield _Expected(f"norm{suffix}", "lrn", size)
        if conv.pool:
            yield _Expected(f"pool{suffix.partition('_')[0]}", "pool", size, pool=conv.pool)
            size = conv.pool.output_size(size)
    for number in (6, 7):
        yield _Expected(f"fc{number}", "conv", size, weights=(size, size, channels, network.units))
        yield _Expected(f"relu{number}", "relu", 1)
        size, channels = 1, network.units


def _check_layer(path: Path, expected: _Expected, layer: dict[str, MatValue], network: Network) -> None:
    def differ(what: str, wanted: object, found: object) -> NoReturn:
        refuse(path, f"{network.title} layer '{expected.name}' to have {what} {wanted}", found, _FIX)

    if _type(layer) != expected.type:
        differ("type", expected.type, f"{_type(layer)} ('{_words(layer.get('name', 'no name'))}')")
    if expected.type == "conv":
        conv = expected.conv
        stride, pad = (conv.stride, conv.pad) if conv else (1, 0)
        _compare(differ, "stride", (stride,) * 2, _numbers(differ, layer, "stride", 2, 1))
        _compare(differ, "pad", (pad,) * 4, _numbers(differ, layer, "pad", 4, 0))
        _compare(differ, "dilate", (1, 1), _numbers(differ, layer, "dilate", 2, 1))
        _check_options(differ, layer)
    elif expected.type == "relu":
        _compare(differ, "leak", (0,), _numbers(differ, layer, "leak", 1, 0))
    elif expected.pool:
        pool = expected.pool
        method = _words(layer.get("method", "max"))
        if method != "max":
            differ("method", "max", method)
        _compare(differ, "pool", (pool.kernel,) * 2, _numbers(differ, layer, "pool", 2, 1))
        _compare(differ, "stride", (pool.stride,) * 2, _numbers(differ, layer, "stride", 2, 1))
        _check_pool_pad(differ, expected, _numbers(differ, layer, "pad", 4, 0))
        _check_options(differ, layer)
    elif expected.type == "lrn" and network.lrn:
        lrn = network.lrn
        # MatConvNet writes alpha already divided by the window size.
        wanted = (lrn.size, lrn.k, lrn.alpha / lrn.size, lrn.beta)
        found = _numbers(differ, layer, "param", 4, 0)
        if not np.allclose(found, wanted, rtol=1e-4, atol=0):
            differ("param [n kappa alpha beta]", wanted, found)


def _check_options(differ: _Differ, layer: dict[str, MatValue]) -> None:
    """Refuse options handed to MatConvNet's function that may change what it computes."""
    options = layer.get("opts", [])
    words = [option for option in (options if isinstance(options, list) else [options]) if isinstance(option, str)]
    unknown = [word for word in words if word and word.lower() not in _HARMLESS]
    if unknown:
        differ("opts", "without effect on the result", ", ".join(unknown))


def _compare(differ: _Differ, what: str, wanted: tuple[int, ...], found: tuple[float, ...]) -> None:
    if found != wanted:
        differ(what, wanted, tuple(int(value) if value == int(value) else value for value in found))


def _check_pool_pad(differ: _Differ, expected: _Expected, found: tuple[float, ...]) -> None:
    """Compare pads by their effect: Caffe imports pad pools that need none, which leaves every window as it was."""
    pool = expected.pool
    assert pool is not None
    top, bottom, left, right = found
    wanted = pool.output_size(expected.size)
    sizes = {(expected.size + pad - pool.kernel) // pool.stride + 1 for pad in (bottom, right)}
    if (top, left) != (0, 0) or sizes != {wanted} or max(bottom, right) >= pool.kernel:
        overhang = pool.overhang
        differ("pad [top bottom left right]", [0, overhang, 0, overhang], [int(pad) for pad in found])


def _numbers(differ: _Differ, layer: dict[str, MatValue], field: str, count: int, default: float) -> tuple[float, ...]:
    """Give a field as `count` numbers; MATLAB may store 1 (all equal), 2 (vertical, horizontal) or `count`."""
    value = layer.get(field, np.zeros(0))
    wanted = f"as {count} finite numbers"
    if not isinstance(value, np.ndarray):
        differ(field, wanted, f"'{_words(value)}'")
    if value.dtype.kind not in "fiu":
        differ(field, wanted, f"numbers of type {value.dtype}")
    if value.size not in {0, 1, count} | ({2} if count == 4 else set()):
        differ(field, wanted, f"{value.size} numbers")
    flat: list[float] = value.astype(np.float64).reshape(-1).tolist()
    if not np.isfinite(flat).all():
        differ(field, wanted, flat)
    if not flat:
        return (float(default),) * count
    if len(flat) == 1:
        return tuple(flat * count)
    if len(flat) == 2 and count == 4:
        return (flat[0], flat[0], flat[1], flat[1])
    return tuple(flat)


def _weights(
    path: Path, expected: _Expected, layer: dict[str, MatValue]
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Weight and bias of a layer: the cell ``weights``, or ``filters`` and ``biases`` of older files."""
    pair = layer.get("weights", [])
    if isinstance(pair, np.ndarray) and not pair.size:
        pair = []
    if not isinstance(pair, list):
        refuse(path, f"layer '{expected.name}' to have weights as a cell of two arrays", f"'{_words(pair)}'", _FIX)
    pair = pair or [layer.get("filters"), layer.get("biases")]
    if len(pair) != 2 or not all(isinstance(array, np.ndarray) for array in pair):
        refuse(path, f"layer '{expected.name}' to have weights and biases", f"fields {', '.join(layer)}", _FIX)
    weight: NDArray[Any] = np.asarray(pair[0])
    bias: NDArray[Any] = np.asarray(pair[1]).reshape(-1)
    assert expected.weights is not None
    # MATLAB drops trailing axes of length 1.
    shape = (*weight.shape, *(1,) * (4 - weight.ndim))
    if shape != expected.weights:
        what = f"layer '{expected.name}' to have weights (H, W, Cin/groups, Cout) of shape {expected.weights}"
        refuse(path, what, shape, _FIX)
    if bias.shape != expected.weights[3:]:
        refuse(path, f"layer '{expected.name}' to have {expected.weights[3]} biases", bias.size, _FIX)
    return weight.reshape(shape), bias


def _normalization(path: Path, variables: dict[str, MatValue], input_size: int) -> Normalization:
    meta = variables.get("meta")
    fields = meta.get("normalization") if isinstance(meta, dict) else variables.get("normalization")
    average = fields.get("averageImage") if isinstance(fields, dict) else None
    size = fields.get("imageSize") if isinstance(fields, dict) else None
    if isinstance(size, np.ndarray) and size.size >= 2 and size.reshape(-1)[:2].tolist() != [input_size, input_size]:
        refuse(path, f"normalization.imageSize of {input_size} x {input_size}", size.reshape(-1).tolist(), _FIX)
    if not isinstance(average, np.ndarray) or average.size == 0:
        refuse(path, "normalization.averageImage (the mean to subtract)", "none", _FIX)
    if average.dtype.kind not in "fiu":
        refuse(path, "normalization.averageImage of real numbers", f"numbers of type {average.dtype}", _FIX)
    with np.errstate(over="ignore"):
        average = average.astype(np.float32)
    if not np.isfinite(average).all():
        refuse(path, "normalization.averageImage of finite numbers", "NaN or infinite ones", _FIX)
    if average.size == 3:
        red, green, blue = (float(value) for value in average.reshape(-1))
        return Normalization("RGB", 1.0, (red, green, blue))
    if average.shape != (input_size, input_size, 3):
        expected = f"normalization.averageImage of shape {(input_size, input_size, 3)} or (1, 1, 3)"
        refuse(path, expected, average.shape, _FIX)
    red, green, blue = (float(value) for value in average.mean(axis=(0, 1), dtype=np.float64))
    image = np.ascontiguousarray(average.transpose(2, 0, 1))
    return Normalization("RGB", 1.0, (red, green, blue), mean_image=image)
