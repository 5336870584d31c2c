"""Arrays of other libraries as NumPy arrays, and what to do with those that cannot be read."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["cannot_read", "read_foreign", "remedy_for", "restore_to", "tensor_remedy"]

Array = NDArray[Any]

ON_HOST = (1, 3, 11)
"""DLPack's numbers of host memory: plain, pinned for CUDA, pinned for ROCm."""


def read_foreign(x: Any, name: str) -> Array | None:
    """Return what ``x`` holds as a NumPy array, without a copy where there need be none; None if it is no array.

    Raises
    ------
    TypeError
        It is an array, but not one that can be read here.
    """
    if (columns := _arrow_columns(x, name)) is not None:
        return columns
    problem: Exception | None = None
    if hasattr(x, "__dlpack__"):
        _check_on_host(x, name)
        try:
            return np.from_dlpack(x)
        except MemoryError:
            raise
        except Exception as error:  # of the other library: its dtype or its kind of array is not NumPy's
            problem = error
    if any(hasattr(x, way) for way in ("__array__", "__array_interface__", "__array_struct__")):
        try:
            return np.asarray(x)
        except MemoryError:
            raise
        except Exception as error:
            problem = error
    elif problem is not None:
        return _by_torch(x, name, problem)
    if problem is not None:
        raise cannot_read(x, name, problem) from None
    return None


def restore_to(x: Any) -> Any:
    """Return what makes arrays of the library of ``x`` of NumPy arrays, or None where there is no such function."""
    namespace = x.__array_namespace__() if hasattr(x, "__array_namespace__") else sys.modules.get(type(x).__module__)
    back = getattr(namespace, "from_dlpack", None)
    return None if back is None else lambda result: _checked(back(result), result)


def cannot_read(x: Any, name: str, problem: Exception | None = None) -> TypeError:
    """Return the error for an argument that cannot be read as an array, with a remedy."""
    kind = type(x).__name__
    because = "" if problem is None or not str(problem) else f" ({str(problem).splitlines()[0]})"
    return TypeError(
        f"{name}: expected a NumPy array, a torch tensor or an array with DLPack, got {kind}{because}; "
        f"{_remedy(x, name)}"
    )


def tensor_remedy(x: Any, name: str) -> str:
    """Return how to make a tensor of one that holds no plain numbers."""
    if x.is_quantized:
        return f"pass {name}.dequantize()"
    if x.is_nested:
        return f"pass {name}.to_padded_tensor(0.0)"
    if str(x.layout) != "torch.strided":
        return f"pass {name}.to_dense()"
    if x.device.type == "meta":
        return "pass a tensor that was given data, such as a model's after its weights are loaded"
    if x.is_floating_point() and x.element_size() < 2:
        return f"pass {name}.float()"
    return f"pass {name}.detach().clone() as a plain torch.Tensor"


def remedy_for(array: Array, name: str) -> str:
    """Return how to make floating point elements of an array that has others."""
    dtype = array.dtype
    if dtype.fields is not None:
        return f"pass one field, {name}[{next(iter(dtype.fields))!r}], or a matrix of all of them"
    if dtype.kind == "O" and array.ndim == 1:
        return f"make a matrix of the rows with numpy.stack(numpy.asarray({name}))"
    if dtype.kind == "c":
        return f"take {name}.real or abs({name})"
    if dtype.type is np.void:
        what = f", as {name}.view(ml_dtypes.bfloat16) if that is what was saved" if dtype.itemsize == 2 else ""
        return f"say what the bytes are with {name}.view(dtype){what}"
    if dtype == np.longdouble:
        return f"round them with {name}.astype(numpy.float64)"
    return f"convert them with numpy.asarray({name}).astype(numpy.float32)"


class _Kind(NamedTuple):
    """What arrays of one kind have, and what to do with them."""

    has: str
    remedy: str


REMEDIES = (
    _Kind("instead_of_array", "{x.instead_of_array}"),
    _Kind("to_pylist", "pass numpy.array({name}.to_pylist(), dtype=numpy.float32)"),
    _Kind("toarray", "pass {name}.toarray()"),
    _Kind("__cuda_array_interface__", "pass torch.as_tensor({name}, device='cuda'), which shares its memory"),
    _Kind("__dlpack__", "pass torch.from_dlpack({name}), detached and in host memory"),
)
"""By the first attribute that the argument has."""


def _remedy(x: Any, name: str) -> str:
    for kind in REMEDIES:
        if hasattr(x, kind.has):
            return kind.remedy.format(x=x, name=name)
    if type(x).__name__ == "PyCapsule":
        return "a capsule can be read only once: pass the array that it was made of"
    if type(x) in (list, tuple, memoryview, bytearray) or type(x).__name__ == "array":
        return f"convert it with numpy.asarray({name}, dtype=numpy.float32)"
    if isinstance(x, str) or hasattr(x, "__fspath__"):
        return "read the file first, with numpy.load or rsir_fast.Features.load(...).matrix"
    return "pass the numbers as a matrix, one row per item"


def _check_on_host(x: Any, name: str) -> None:
    try:
        device = tuple(int(number) for number in x.__dlpack_device__())
    except MemoryError:
        raise
    except Exception as error:
        raise cannot_read(x, name, error) from None
    if device[0] not in ON_HOST:
        raise TypeError(
            f"{name}: expected an array in host memory or a torch tensor, got {type(x).__name__} on a device "
            f"(DLPack {device}); pass torch.from_dlpack({name}), which shares its memory, or a copy in host memory"
        )


def _by_torch(x: Any, name: str, problem: Exception) -> Array:
    """Read what has only DLPack and a dtype that torch has and NumPy has not, bfloat16: widened exactly."""
    import torch
    from torch.utils.dlpack import from_dlpack

    try:
        tensor = from_dlpack(x)
    except MemoryError:
        raise
    except Exception:
        raise cannot_read(x, name, problem) from None
    if tensor.dtype != torch.bfloat16:
        raise cannot_read(x, name, problem) from None
    return np.asarray(tensor.float().numpy())


def _checked(restored: Any, result: Array) -> Any:
    """Return an answer in the caller's kind of array, unless that has no integers for it (jax without 64 bits)."""
    if result.dtype == np.int64 and str(restored.dtype) != "int64" and result.size and result.max() >= 2**31:
        raise ValueError(
            f"ids: expected arrays that hold 64-bit integers, as {result.max()} is needed, got {restored.dtype}; pass "
            "NumPy arrays, or let the library use 64 bits (jax: jax_enable_x64)"
        )
    return restored


def _arrow_columns(x: Any, name: str) -> Array | None:
    """Return a pyarrow column of fixed-size lists of numbers as a matrix, None for anything else.

    Raises
    ------
    TypeError
        There are nulls.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(x, (arrow.Table, arrow.RecordBatch)):
        numbers = (arrow.types.is_floating, arrow.types.is_integer)
        if any(not any(is_number(field.type) for is_number in numbers) for field in x.schema):
            raise TypeError(
                f"{name}: expected a column of fixed-size lists, or a table of numbers only, got {type(x).__name__} "
                f"with {x.num_columns} columns; pass one column, {name}.column(0)"
            )
    if arrow is None or not isinstance(x, (arrow.Array, arrow.ChunkedArray)):
        return None
    kind = x.type.storage_type if isinstance(x.type, arrow.BaseExtensionType) else x.type
    if not arrow.types.is_fixed_size_list(kind) or not arrow.types.is_primitive(kind.value_type):
        return None
    parts = [np.empty((0, kind.list_size), kind.value_type.to_pandas_dtype())]
    for chunk in x.chunks if isinstance(x, arrow.ChunkedArray) else [x]:
        lists = chunk.storage if isinstance(chunk, arrow.ExtensionArray) else chunk
        values = lists.flatten()  # of a slice, what it shows
        if lists.null_count:
            raise TypeError(
                f"{name}: expected a vector in every row, got {lists.null_count} nulls; leave them out with "
                f"{name}.drop_null()"
            )
        if values.null_count:
            raise TypeError(
                f"{name}: expected numbers in every vector, got {values.null_count} nulls; make them NaN with "
                f"numpy.array({name}.to_pylist(), dtype=numpy.float32)"
            )
        tensor = getattr(chunk, "to_numpy_ndarray", None)  # which knows its axes
        rows = values.to_numpy(zero_copy_only=False) if tensor is None else tensor()
        parts.append(rows.reshape(len(lists), kind.list_size) if tensor is None else rows)
    return parts[1] if len(parts) == 2 else np.concatenate(parts)
