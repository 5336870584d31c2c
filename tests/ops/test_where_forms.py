"""The forms in which a caller names the allowed rows, as one bitmap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast.ops import reference
from rsir_fast.ops._where import PANEL, AllowedRows, as_bitmap


class OnlyDlpack:
    """An array of another library: nothing but DLPack."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@given(allowed=st.lists(st.booleans(), max_size=200), data=st.data())
def test_every_form_is_the_same_bitmap(allowed, data):
    n, booleans = len(allowed), np.array(allowed, dtype=bool)
    bitmap = np.packbits(booleans, bitorder="little")
    ids = np.flatnonzero(booleans)
    ids = np.concatenate([ids, ids[: len(ids) // 3]])[data.draw(st.permutations(range(len(ids) + len(ids) // 3)))]
    stray = bitmap.copy()  # bits behind the last row
    if n % 8:
        stray[-1] |= 255 << n % 8 & 255
    forms = [booleans, bitmap, ids, ids.astype(np.uint16), ids.astype(np.int32), ids.tolist(), allowed or booleans]
    forms += [torch.from_numpy(booleans), torch.from_numpy(bitmap), torch.from_numpy(ids)]
    forms += [OnlyDlpack(ids), OnlyDlpack(bitmap), ids[::-1], np.repeat(bitmap, 2)[::2]]
    for form in forms:
        found = as_bitmap(form, n)
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        assert found.tobytes() == bitmap.tobytes()
        rows = AllowedRows.of(form, n)
        assert rows.count == booleans.sum()
        assert rows.passed == min(n, PANEL * len({row // PANEL for row in np.flatnonzero(booleans)}))
        assert isinstance(rows.for_kernels, int) == booleans.all()  # all rows take the way of no filter
    assert AllowedRows.of(stray, n).count == booleans.sum()
    for form in (booleans, bitmap, stray, ids, np.array(allowed, dtype=bool)):
        assert reference.allowed_rows(form, n).tolist() == np.flatnonzero(booleans).tolist()


def test_all_and_none():
    assert as_bitmap(None, 5) is None
    assert AllowedRows.of(None, 5) == AllowedRows(None, 5)
    assert as_bitmap([], 9).tolist() == [0, 0]
    assert as_bitmap(range(9), 9).tolist() == [255, 1]
    assert as_bitmap([], 0).shape == (0,)


def test_a_bitmap_is_not_copied():
    bitmap = np.array([5], dtype=np.uint8)
    assert as_bitmap(bitmap, 3) is bitmap
    assert np.shares_memory(as_bitmap(torch.from_numpy(bitmap), 3), bitmap)


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        (
            np.zeros(3, np.uint8),
            ValueError,
            "expected a bitmap of 2 bytes for 10 rows, got 3; uint8 is always a bitmap",
        ),
        (np.zeros(9, bool), ValueError, "expected one boolean for each of 10 rows, got 9"),
        ([3, 10], ValueError, "expected ids of rows 0 to 9, got 3 to 10"),
        ([-1, 4], ValueError, "expected ids of rows 0 to 9, got -1 to 4"),
        (np.array([2**64 - 1], np.uint64), ValueError, "expected integers of at most"),
        ([0.0, 1.0], TypeError, r"expected a bitmap \(uint8\), booleans or ids \(integers\), got float64"),
        (["a"], TypeError, "expected a bitmap"),
        (3, ValueError, r"expected one axis \(a bitmap, booleans or ids\), got shape \[\]"),
        (np.zeros((2, 5), bool), ValueError, "expected one axis"),
        (np.ma.array([1], mask=[True]), TypeError, "expected an array without mask"),
    ],
)
def test_errors_say_what_was_expected(where, error, message):
    with pytest.raises(error, match=f"where: {message}"):
        as_bitmap(where, 10)


def test_ids_of_no_rows():
    with pytest.raises(ValueError, match="where: expected no ids of a database without rows, got 0 to 0"):
        as_bitmap([0], 0)
