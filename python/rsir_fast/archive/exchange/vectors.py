"""The vectors of a batch of imported rows: which are sound, and what is wrong with the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.exchange.dequantize import Rule

__all__ = ["Checked", "checked", "usual_width"]


class Checked(NamedTuple):
    """The vectors of a batch.

    Attributes
    ----------
    matrix : array, float32 [m, width]
        Of the sound rows.
    sound : array, int64 [m]
        Which rows of the batch those are, ascending.
    wrong : list of (int, str)
        The others, and why.
    """

    matrix: NDArray[np.float32]
    sound: NDArray[np.int64]
    wrong: list[tuple[int, str]]

    def of(self, rows: NDArray[np.int64], dtype: str) -> NDArray[Any]:
        """Return the vectors of some of the sound rows, ascending; where it can be, those that there are."""
        some = self.matrix if len(rows) == len(self.sound) else self.matrix[np.isin(self.sound, rows)]
        return some.astype(dtype, copy=False)


def usual_width(column: Any) -> int:
    """Return how many numbers most vectors of a batch have; 0 if there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(column.type):
        return int(column.type.list_size)
    lengths = pc.list_value_length(column).drop_null().to_numpy()
    return 0 if not len(lengths) else int(np.bincount(lengths).argmax())


def checked(column: Any, width: int, rule: Rule | None) -> Checked:
    """Return the vectors of a batch.

    Parameters
    ----------
    column : pyarrow.Array
        Lists of numbers.
    width : int
        Of a vector.
    rule : Rule or None
        What whole numbers stand for; None for numbers that are none.
    """
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    wrong = [
        (row, "no vector" if lengths[row] < 0 else f"expected {width} numbers, got {lengths[row]}")
        for row in np.flatnonzero(lengths != width).tolist()
    ]
    sound = np.flatnonzero(lengths == width)
    flat = pc.list_flatten(column.take(sound) if len(sound) < len(column) else column)
    holes = flat.null_count
    numbers = (flat.fill_null(0) if holes else flat).to_numpy(zero_copy_only=False).reshape(-1, width)
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = numbers.astype(np.float32) if rule is None else rule.values(numbers)
    whole = np.isfinite(matrix).all(axis=1)
    if holes:
        whole &= flat.is_valid().to_numpy(zero_copy_only=False).reshape(-1, width).all(axis=1)
    if not whole.all():
        wrong += [(row, "the vector has values that are no finite float32 number") for row in sound[~whole].tolist()]
        matrix, sound = matrix[whole], sound[whole]
    return Checked(np.ascontiguousarray(matrix), sound, sorted(wrong))
