"""The vectors of a file, field by field, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive.exchange.dequantize import Rule
from rsir_fast.archive.exchange.files import EmbeddingFile
from rsir_fast.archive.exchange.vectors import checked
from rsir_fast.encoders.fields import FieldSpec

__all__ = ["Batch", "FileRows"]


class Batch(NamedTuple):
    """Some rows of a file.

    Attributes
    ----------
    rows : array, int64 [m]
        Numbers of the sound ones, ascending.
    blocks : dict
        Their fields, [m, width] each.
    wrong : list of (int, str)
        Numbers of the others, and why.
    """

    rows: NDArray[np.int64]
    blocks: Mapping[str, NDArray[Any]]
    wrong: list[tuple[int, str]]


class FileRows:
    """The vectors of a file.

    Parameters
    ----------
    opened
        The file.
    columns
        By field, the columns that hold its numbers.
    fields
        What is made of them.
    rule
        What whole numbers stand for.
    """

    def __init__(
        self,
        opened: EmbeddingFile,
        columns: Mapping[str, Sequence[str]],
        fields: Sequence[FieldSpec],
        rule: Rule | None,
    ) -> None:
        self._opened, self._columns, self._fields, self._rule = opened, columns, fields, rule
        self._digests: dict[int, str] = {}
        self._is_read = False

    def batches(self) -> Iterator[Batch]:
        """Yield all rows, in order."""
        for first, lists in self._opened.vectors(self._columns):
            found = {
                field.name: checked(lists[field.name], field.width, Rule() if field.kind == "code" else self._rule)
                for field in self._fields
            }
            sound = found[self._fields[0].name].sound
            for each in found.values():
                sound = np.intersect1d(sound, each.sound)
            wrong = {row: reason for each in found.values() for row, reason in each.wrong}
            blocks = {field.name: found[field.name].of(sound, field.dtype) for field in self._fields}
            for at, row in enumerate((first + sound).tolist()):
                self._digests[row] = _digest(blocks, at)
            yield Batch(first + sound, blocks, [(first + row, wrong[row]) for row in sorted(wrong)])
        self._is_read = True

    def digest(self, row: int) -> str:
        """Return the SHA-256 of a row's numbers; of a row that is not sound, of nothing."""
        if row not in self._digests and not self._is_read:
            for _ in self.batches():
                pass
        return self._digests.get(row, hashlib.sha256().hexdigest())


def _digest(blocks: Mapping[str, NDArray[Any]], at: int) -> str:
    digest = hashlib.sha256()
    for block in blocks.values():  # whose rows are contiguous
        digest.update(block[at].data)
    return digest.hexdigest()
