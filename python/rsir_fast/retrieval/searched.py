"""What is searched: the rows of features as they lie, and the columns that they can be chosen by."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.archive.all_rows import AllRows
from rsir_fast.archive.footprints import footprints
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.retrieval.filtering import allowed_rows
from rsir_fast.retrieval.hits import Labels
from rsir_fast.retrieval.where import Where

__all__ = ["Searched", "predicted"]

_PREDICTED = ("label", "probability")


class Searched:
    """The rows of features in the order of their ids, hidden ones among them, with columns.

    Parameters
    ----------
    database : Features
    """

    def __init__(self, database: Features) -> None:
        self.database = database

    @property
    def rows(self) -> AllRows:
        """As they lie."""
        return self.database.all_rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names: ``item``, what is known of items, and of a hash model ``label`` and ``probability``."""
        return (*self.rows.items.columns, *(_PREDICTED if self._is_labelled else ()))

    @property
    def _is_labelled(self) -> bool:
        return "hash" in self.database.provenance and "probabilities" in self.rows.fields

    def check_column(self, name: str) -> None:
        """Raise ValueError where nothing can be chosen by a column: a model without a classifier gives no labels."""
        if name in _PREDICTED and self._is_labelled and len(self) and (self.predicted.labels < 0).all():
            raise ValueError(
                f"where: expected a model that gives labels for {name}, got one trained without a classifier; leave it "
                "out"
            )

    def column(self, name: str) -> Any:
        """Return a column as a pyarrow.ChunkedArray."""
        if name not in _PREDICTED or not self._is_labelled:
            return self.rows.items.column(name)
        import pyarrow as pa

        if name == "probability":
            return pa.chunked_array([pa.array(self.predicted.probabilities)])
        labels = pa.array(self.predicted.labels.astype(np.int32), mask=self.predicted.labels < 0)
        classes = pa.array(self.database.provenance["hash"]["classes"], pa.string())
        return pa.chunked_array([pa.DictionaryArray.from_arrays(labels, classes)])

    @cached_property
    def predicted(self) -> Labels:
        """Of a hash model: the most probable labels."""
        return predicted(self.rows.fields["probabilities"])

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where rows lie; -1 for ids that none has."""
        return self.rows.places(ids)

    def footprints(self, which: NDArray[np.int64]) -> NDArray[Any]:
        """Return where rows lie on Earth: geometries of shapely in degrees, None of what has no place."""
        return footprints(self.rows.items.rows(which))

    def ids(self, where: Where | None) -> NDArray[np.int64]:
        """Return the ids of the rows that may be found, ascending."""
        allowed = self.allowed(where)
        return self.rows.ids if allowed is None else self.rows.ids[allowed]

    def allowed(self, where: Where | None) -> NDArray[np.bool_] | None:
        """Return which rows may be found, bool [n]; None: all."""
        if where is None:
            return self.rows.live
        found = allowed_rows(where, self)
        return found if self.rows.live is None else found & self.rows.live


def predicted(probabilities: RowBlocks | NDArray[Any]) -> Labels:
    """Return the most probable label of each row, and its probability; none where no class is preferred."""
    scores = np.asarray(probabilities)
    labels = scores.argmax(1)
    highest = scores[np.arange(len(scores)), labels]
    preferred = highest > scores.min(1)  # a model without a classifier gives all classes the same
    return Labels(np.where(preferred, labels, -1), np.where(preferred, highest, np.float32(np.nan)))
