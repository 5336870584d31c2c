"""MATLAB level 5 files (MathWorks, "MAT-File Format"), read so that no content can crash or exhaust the process.

The kinds of arrays that models are made of are read: cells, structs, text and numbers, plain or compressed, in both
byte orders. Every element must lie inside the one around it, and sizes are compared with the bytes that are there
before anything is allocated.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.backbones.weights.mat_budget import Budget
from rsir_fast.backbones.weights.refusing import refuse

__all__ = ["read_mat5"]

_HEADER_BYTES, _TAG_BYTES = 128, 8
_INT32, _MATRIX, _COMPRESSED = 5, 14, 15
_STORAGE = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 3: "utf-16", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x08
_MAX_FIELDS = 4096


class _Element(NamedTuple):
    """Type and data of one tagged element, and where the next one starts."""

    type: int
    data: memoryview
    end: int


def read_mat5(path: Path, names: Collection[str], budget: Budget) -> dict[str, Any]:
    """Read variables of a level 5 file.

    Parameters
    ----------
    path : Path
    names : collection of str
        Variables to read; others are passed over.
    budget : Budget
        Bounds the bytes of the file when unpacked, and the number and depth of its values.

    Returns
    -------
    dict
        By name: dict (scalar struct), list (cell or struct array, in MATLAB's column order), str, array of the class's
        dtype in MATLAB's axis order, or None for kinds that no model needs (sparse, object, function handle).

    Raises
    ------
    ValueError
        The content contradicts itself; the message says how.
    WeightFileError
        It asks for more than `budget`.
    """
    variables: dict[str, Any] = {}
    with open(path, "rb") as file:
        header = file.read(_HEADER_BYTES)
        size = path.stat().st_size
        if header[126:] not in (b"IM", b"MI"):
            raise ValueError("no byte order in the header")
        reader = _Reader("little" if header[126:] == b"IM" else "big", names, budget)
        while file.tell() < size:
            kind, count = reader.words(memoryview(file.read(_TAG_BYTES)))
            if count > size - file.tell():
                raise ValueError(f"a variable of {count} bytes where {size - file.tell()} are left")
            content = memoryview(_unpack(file.read(count), budget) if kind == _COMPRESSED else file.read(count))
            if kind == _COMPRESSED:
                kind, content, _ = reader.element(content, 0)
            else:
                budget.take(count)
            if kind != _MATRIX:
                raise ValueError(f"a variable of type {kind}")
            name, value = reader.matrix(content, depth=0)
            if name in names:
                variables[name] = value
    return variables


def _unpack(packed: bytes, budget: Budget) -> bytes:
    unpacker = zlib.decompressobj()
    # One byte more than allowed tells a bomb from a file that is exactly as large as allowed.
    content = unpacker.decompress(packed, budget.left + 1)
    if len(content) > budget.left:
        found = "more (a decompression bomb?)"
        refuse(budget.path, f"at most {budget.max_bytes} bytes unpacked", found, "download the file again")
    if not unpacker.eof:
        raise ValueError("compressed data without an end")
    budget.take(len(content))
    return content


class _Reader:
    def __init__(self, order: Literal["little", "big"], names: Collection[str], budget: Budget) -> None:
        self.order = order
        self.names = names
        self.budget = budget
        self.mark = "<" if order == "little" else ">"

    def words(self, tag: memoryview) -> tuple[int, int]:
        if len(tag) < _TAG_BYTES:
            raise ValueError(f"{len(tag)} bytes where a tag of 8 should be")
        return int.from_bytes(tag[:4], self.order), int.from_bytes(tag[4:8], self.order)

    def element(self, data: memoryview, start: int) -> _Element:
        kind, count = self.words(data[start : start + _TAG_BYTES])
        begin = start + _TAG_BYTES
        if kind >> 16:
            # Up to four bytes of data share the tag: the count is packed above the type.
            kind, count, begin = kind & 0xFFFF, kind >> 16, start + 4
            if count > 4:
                raise ValueError(f"a small element of {count} bytes")
        if count > len(data) - begin:
            raise ValueError(f"an element of {count} bytes where {len(data) - begin} are left")
        return _Element(kind, data[begin : begin + count], begin + count + -(begin + count) % 8)

    def numbers(self, element: _Element) -> NDArray[Any]:
        if element.type not in _STORAGE:
            raise ValueError(f"numbers of type {element.type}")
        return np.frombuffer(element.data, dtype=self.mark + _STORAGE[element.type])

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Name and value; the value is None where a variable's name is not among those to read."""
        self.budget.enter(depth)
        if not data:
            # MATLAB writes an element never assigned as a matrix of no bytes.
            return "", np.zeros((0, 0))
        flags = self.element(data, 0)
        if len(flags.data) != 8:
            raise ValueError("array flags of the wrong size")
        flag, _ = self.words(flags.data)
        if flag & 0xFF == _OPAQUE:
            # Objects of MATLAB's newer kind have no dimensions, and no model needs them.
            return "", None
        dims = self.element(data, flags.end)
        label = self.element(data, dims.end)
        if dims.type != _INT32 or not 8 <= len(dims.data) <= 128:
            raise ValueError(f"dimensions of type {dims.type} in {len(dims.data)} bytes")
        shape = tuple(self.numbers(dims).tolist())
        if min(shape) < 0:
            raise ValueError(f"dimensions {shape}")
        name = bytes(label.data).decode("latin-1")
        if depth == 0 and name not in self.names:
            return name, None
        return name, self._value(flag, shape, data[label.end :], depth)

    def _value(self, flag: int, shape: tuple[int, ...], data: memoryview, depth: int) -> Any:
        kind, count = flag & 0xFF, math.prod(shape)
        if kind == _CELL:
            return list(self._matrices(data, count, depth))
        if kind == _STRUCT:
            return self._structs(data, count, depth)
        if kind == _CHAR:
            return self._text(self.element(data, 0)) if count else ""
        if kind not in _NUMBERS:
            return None
        real = self.element(data, 0)
        values = self._array(real, kind, shape)
        if flag >> 8 & _COMPLEX:
            # Not values + 1j * imaginary: an infinite imaginary part would make the real one NaN.
            both = np.empty(shape, dtype=np.result_type(values.dtype, np.complex64), order="F")
            both.real, both.imag = values, self._array(self.element(data, real.end), kind, shape)
            return both
        return values

    def _array(self, element: _Element, kind: int, shape: tuple[int, ...]) -> NDArray[Any]:
        # MATLAB stores numbers in the smallest type that holds them, so storage and class may differ.
        stored = self.numbers(element)
        if stored.size != math.prod(shape):
            raise ValueError(f"{stored.size} numbers for dimensions {shape}")
        # Doubles of one byte each take eight times the memory of the file; the first copy is in the budget already.
        self.budget.take(max(0, stored.size * np.dtype(_NUMBERS[kind]).itemsize - stored.nbytes))
        # Damage can put values into the wide type that the narrow one cannot hold; they are wrong either way.
        with np.errstate(all="ignore"):
            return stored.astype(_NUMBERS[kind]).reshape(shape, order="F")

    def _text(self, element: _Element) -> str:
        encoding = _ENCODINGS.get(element.type)
        if encoding is None:
            raise ValueError(f"text of type {element.type}")
        suffix = {"little": "-le", "big": "-be"}[self.order] if encoding in ("utf-16", "utf-32") else ""
        return bytes(element.data).decode(encoding + suffix, errors="replace")

    def _structs(self, data: memoryview, count: int, depth: int) -> Any:
        length = self.element(data, 0)
        labels = self.element(data, length.end)
        if len(length.data) != 4:
            raise ValueError("no length of field names")
        width = int.from_bytes(length.data, self.order)
        number, odd = divmod(len(labels.data), max(width, 1))
        if odd or number > _MAX_FIELDS:
            raise ValueError(f"{len(labels.data)} bytes of field names of {width} each")
        if not number:
            return {}
        names = (bytes(labels.data[i * width : (i + 1) * width]) for i in range(number))
        fields = [name.partition(b"\0")[0].decode("latin-1") for name in names]
        values = self._matrices(data[labels.end :], count * number, depth)
        structs = [{field: next(values) for field in fields} for _ in range(count)]
        return structs[0] if count == 1 else structs

    def _matrices(self, data: memoryview, count: int, depth: int) -> Iterator[Any]:
        self._check_room(data, count)
        start = 0
        for _ in range(count):
            kind, content, start = self.element(data, start)
            if kind != _MATRIX:
                raise ValueError(f"an element of type {kind} where an array should be")
            yield self.matrix(content, depth + 1)[1]

    def _check_room(self, data: memoryview, count: int) -> None:
        if count * _TAG_BYTES > len(data):
            raise ValueError(f"{count} arrays declared in {len(data)} bytes")
