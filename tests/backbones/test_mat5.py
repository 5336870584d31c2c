"""The reader of MATLAB level 5 files: against scipy's on what scipy writes, and on files that lie about their sizes."""

from __future__ import annotations

import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from rsir_fast.backbones.weights.mat5 import read_mat5
from rsir_fast.backbones.weights.mat_budget import Budget
from rsir_fast.backbones.weights.mat_reader import read_mat
from rsir_fast.errors import WeightFileError

INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]


def cell(*items: Any) -> np.ndarray:
    array = np.empty((1, len(items)), dtype=object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


def variables() -> dict[str, Any]:
    """One variable of every kind that scipy can write and a model may hold."""
    rng = np.random.default_rng(5)
    pairs = np.zeros((1, 3), dtype=[("x", object), ("name_of_31_characters_exactly_ab", object)])
    for i in range(3):
        pairs[0, i] = (np.arange(i + 1.0), f"item {i}")
    return {
        "double": rng.standard_normal((2, 3, 4)),
        "single": rng.standard_normal((5, 1, 2, 3)).astype(np.float32),
        "whole": np.arange(-3.0, 9.0).reshape(3, 4),
        "complex": np.array([[1 + 2j, 3 - 4j, complex(1, np.inf)]]),
        **{f"n_{kind}": np.array([[np.iinfo(kind).min, 3, np.iinfo(kind).max]], dtype=kind) for kind in INTEGERS},
        "logical": np.array([[True, False, True]]),
        "empty": np.zeros((0, 0)),
        "flat": np.zeros((0, 3), dtype=np.float32),
        "text": "a layer's name",
        "short": "ab",
        "accents": "Straße → 日本",
        "no_text": "",
        "struct": {"type": "conv", "stride": np.array([[4.0, 4.0]]), "inner": {"pad": 2.0, "none": np.zeros((0, 0))}},
        "structs": pairs,
        "no_structs": np.zeros((0, 0), dtype=[("x", object)]),
        "cell": cell(np.float32(1.5), "text", cell(np.zeros((2, 0)), {"a": 1.0}), np.arange(4, dtype=np.int16)),
        "no_cell": np.empty((0, 0), dtype=object),
        "sparse": scipy.sparse.csc_matrix(np.eye(3)),
    }


def plain(value: Any) -> Any:
    """Give scipy's result in the reader's terms."""
    if not isinstance(value, np.ndarray):
        return None
    items = value.reshape(-1, order="F")
    if value.dtype.names is not None:
        structs = [{name: plain(item[name]) for name in value.dtype.names} for item in items]
        return structs[0] if len(structs) == 1 else structs
    if value.dtype == object:
        return [plain(item) for item in items]
    if value.dtype.kind == "U":
        return str(items[0]) if items.size else ""
    return value.astype(np.uint8) if value.dtype == bool else value


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)
        assert found.flags.writeable
    else:
        assert found == expected


def read(path: Path, names: Any, max_bytes: int = 1 << 20) -> dict[str, Any]:
    return read_mat5(path, names, Budget(path, max_bytes))


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_scipy_writes_as_scipy_reads_it(tmp_path, compressed):
    path = tmp_path / "all.mat"
    written = variables()
    scipy.io.savemat(path, written, do_compression=compressed, long_field_names=True)
    expected = scipy.io.loadmat(path)
    found = read(path, written)
    assert list(found) == list(written)
    for name in written:
        assert_same(found[name], plain(expected[name]))
    assert list(read(path, ["single"])) == ["single"]


def element(kind: int, data: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, dims: tuple[int, ...], content: bytes, name: bytes = b"", order: str = "<") -> bytes:
    head = element(6, struct.pack(order + "II", kind, 0), order)
    head += element(5, struct.pack(f"{order}{len(dims)}i", *dims), order) + element(1, name, order)
    return element(14, head + content, order)


def write(path: Path, *elements: bytes, order: str = "<") -> Path:
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + mark + b"".join(elements))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_doubles_stored_as_bytes_in_both_orders(tmp_path, order):
    """MATLAB itself writes whole numbers like this; scipy never does."""
    values = element(2, bytes([1, 2, 3, 4, 5, 6]), order)
    text = matrix(4, (1, 2), element(4, "hé".encode("utf-16-le" if order == "<" else "utf-16-be"), order), order=order)
    whole = matrix(6, (2, 3), values, b"meta", order)
    pair = matrix(
        1,
        (1, 2),
        text + matrix(7, (1, 1), element(3, struct.pack(order + "h", -7), order), order=order),
        b"layers",
        order,
    )
    found = read_mat(write(tmp_path / "m.mat", whole, pair, order=order), "mat5")
    assert_same(found["meta"], np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]))
    assert_same(found["layers"], ["hé", np.array([[-7]], dtype=np.float32)])


def test_unassigned_cells_and_kinds_no_model_needs(tmp_path):
    handle = matrix(16, (1, 1), matrix(4, (1, 1), element(16, b"f")))
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"MCOS"))
    path = write(tmp_path / "m.mat", opaque, matrix(1, (1, 3), element(14, b"") + handle + opaque, b"layers"))
    assert_same(read_mat(path, "mat5"), {"layers": [np.zeros((0, 0)), None, None]})


def outcome(path: Path) -> str:
    try:
        read_mat(path, "mat5")
    except WeightFileError:
        return "refused"
    return "read"


def test_any_single_byte_may_be_wrong(tmp_path):
    """Every position times a few values: a result or one line, never a crash, and never much memory."""
    layers = cell({"type": "conv", "weights": cell(np.ones((2, 2), np.float32), np.zeros(2))}, {"name": "relu1"})
    structs = np.zeros((1, 2), dtype=[("a", object)])
    structs["a"] = [["x", 3.0]]
    path, mutant, results = tmp_path / "m.mat", tmp_path / "mutant.mat", {"read": 0, "refused": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for compressed in (False, True):
        scipy.io.savemat(path, {"layers": layers, "meta": structs}, do_compression=compressed)
        content = path.read_bytes()
        for position in range(116, len(content)):
            for value in {0, 1, 0x7F, 0x80, 0xFF, content[position] ^ 1, content[position] ^ 0x10} - {
                content[position]
            }:
                mutant.write_bytes(content[:position] + bytes([value]) + content[position + 1 :])
                results[outcome(mutant)] += 1
    assert min(results.values()) > 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10, "100 MB"


def nested(depth: int) -> bytes:
    content = matrix(6, (1, 1), element(9, bytes(8)))
    for level in range(depth):
        content = matrix(1, (1, 1), content, b"layers" if level == depth - 1 else b"")
    return content


def fields(names: bytes, width: int) -> bytes:
    return element(5, struct.pack("<i", width)) + element(1, names)


HUGE = 1 << 27
BOMBS = {
    "nested cells": (nested(20_000), "at most 12 levels"),
    "cell dimensions": (matrix(1, (1, HUGE), bytes(64), b"layers"), f"{HUGE} arrays declared in 64 bytes"),
    "overflowing dimensions": (matrix(1, (HUGE,) * 8, bytes(64), b"layers"), "arrays declared in 64 bytes"),
    "negative dimensions": (matrix(1, (-1, -1), bytes(64), b"layers"), "dimensions (-1, -1)"),
    "struct dimensions": (
        matrix(2, (1, HUGE), fields(b"abcd", 1), b"layers"),
        f"{4 * HUGE} arrays declared in 0 bytes",
    ),
    "field names": (matrix(2, (1, 0), fields(b"a" * 100_000, 1), b"layers"), "100000 bytes of field names of 1 each"),
    "field name width": (matrix(2, (1, 1), fields(b"abcd", 0x7FFFFFFF), b"layers"), "4 bytes of field names"),
    "numbers": (matrix(6, (HUGE, HUGE), element(9, bytes(8)), b"layers"), "1 numbers for dimensions"),
    "values": (matrix(1, (1, 100_001), element(14, b"") * 100_001, b"layers"), "at most 100000 values"),
    "element beyond its parent": (
        element(14, element(6, struct.pack("<II", 1, 0)) + struct.pack("<II", 5, HUGE)),
        f"an element of {HUGE} bytes where 0 are left",
    ),
    "variable beyond the file": (struct.pack("<II", 14, HUGE), f"a variable of {HUGE} bytes where 0 are left"),
    "endless deflate": (element(15, zlib.compress(nested(1))[:-8]), "compressed data without an end"),
    "compressed twice": (element(15, zlib.compress(element(15, zlib.compress(nested(1))))), "a variable of type 15"),
    "half a tag": (nested(1) + b"abc", "3 bytes where a tag of 8 should be"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_sizes_that_are_not_there(tmp_path, name):
    content, found = BOMBS[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightFileError) as caught:
        read_mat(write(tmp_path / "m.mat", content), "mat5")
    assert found in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10, "100 MB"


def test_bytes_stored_as_doubles_count_as_doubles(tmp_path):
    """A byte each in the file, eight in memory."""
    path = write(tmp_path / "m.mat", matrix(6, (1, 100_000), element(2, bytes(100_000)), b"layers"))
    assert read(path, ["layers"], 900_000)["layers"].nbytes == 800_000
    with pytest.raises(WeightFileError, match="at most 700000 bytes"):
        read(path, ["layers"], 700_000)
