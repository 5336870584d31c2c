"""What reading one MATLAB file may cost, whatever the file declares."""

from __future__ import annotations

from pathlib import Path

from rsir_fast.backbones.weights.refusing import refuse

__all__ = ["Budget"]

_FIX = "download the file again"
_MAX_DEPTH = 12  # layers -> layer -> weights -> W needs 4; a struct that refers to itself has no end.
_MAX_NODES = 100_000  # The largest models have some 40 layers of 10 fields and 2000 class names.


class Budget:
    """Counts the arrays and bytes that a reader is about to build, and refuses the file that asks for too many.

    Parameters
    ----------
    path : Path
        For messages.
    max_bytes : int
        For all arrays together.

    Examples
    --------
    >>> budget = Budget(Path("model.mat"), max_bytes=100)
    >>> budget.take(64)
    >>> budget.left
    36
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.left = max_bytes
        self._nodes = 0

    def enter(self, depth: int) -> None:
        """Count one cell, struct or array, `depth` levels below the top.

        Raises
        ------
        WeightFileError
            More than 12 levels or more than 100,000 values.
        """
        self._nodes += 1
        if depth > _MAX_DEPTH:
            refuse(self.path, f"at most {_MAX_DEPTH} levels of nested values", "more (a value inside itself?)", _FIX)
        if self._nodes > _MAX_NODES:
            refuse(self.path, f"at most {_MAX_NODES} values", "more (no model has so many)", _FIX)

    def take(self, count: int) -> None:
        """Count `count` bytes, before they are allocated.

        Raises
        ------
        WeightFileError
            All bytes so far are more than `max_bytes`.
        """
        self.left -= count
        if self.left < 0:
            found = f"at least {self.max_bytes - self.left} declared"
            refuse(self.path, f"at most {self.max_bytes} bytes", found, _FIX)
