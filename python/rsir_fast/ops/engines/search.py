"""What every engine makes of a search: its operands checked and read, ready to be asked for neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.ops._outputs import delivered, given_answer
from rsir_fast.ops._plan import MAX_ITEMS

__all__ = [
    "ALL",
    "MAX_ITEMS",
    "Labels",
    "RankedSearch",
    "Ranks",
    "Search",
    "Sides",
    "answer",
    "check_items",
    "check_normalize",
    "check_width",
    "chosen",
]

ALL = slice(None)


class Search(Protocol):
    """A search for the nearest items of `q` queries among `n`."""

    distances: str
    """Their dtype."""

    @property
    def q(self) -> int:
        """Queries."""

    @property
    def n(self) -> int:
        """Items."""

    @property
    def allowed(self) -> int:
        """Items that can be answers: those that `where` names."""

    def restore(self, part: Any) -> Any:
        """Return distances or ids as the kind of array that the queries are, on their device."""

    def direct(self, given: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
        """Return a caller's arrays as this engine writes them; None where it cannot."""

    def topk(self, k: int, out: tuple[Any, Any] | None = None, rows: slice = ALL) -> tuple[Any, Any]:
        """Return distances and ids, [q, k], of some consecutive queries, in the engine's own arrays."""


Q = TypeVar("Q", bound=Sized)
D = TypeVar("D", bound=Sized)


class Sides(Generic[Q, D]):
    """The two sides of a search, as every engine keeps them."""

    queries: Q
    database: D

    @property
    def q(self) -> int:
        """Queries."""
        return len(self.queries)

    @property
    def n(self) -> int:
        """Items."""
        return len(self.database)

    @property
    def allowed(self) -> int:
        """Items that can be answers: all, where there is no `where`."""
        return self.n


class Labels(NamedTuple):
    """Which items are relevant: those whose label is the query's; and which one each query itself is."""

    of_queries: NDArray[np.int64]
    of_items: NDArray[np.int64]
    own: NDArray[np.int64] | None


Ranks = tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]
"""The first query of a block; relevant items of each query; their ranks; the ranks of the queries' own items,
0 for those that are not allowed."""


class RankedSearch(Search, Protocol):
    """One that tells where relevant items stand as well."""

    def ranks(self, labels: Labels, block: int | None) -> Iterator[Ranks]:
        """Rank all items for every query, a block of queries at a time."""


def answer(search: Search, k: Any, out: Any, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the k nearest items of all queries, written to `out` if that is given, as the queries' kind of array.

    Parameters
    ----------
    inputs
        Queries and database as the caller gave them.
    """
    k = as_count(k, "k")
    given = given_answer(out, inputs, k, search.distances)
    written = search.direct(given)
    distances, ids = search.topk(k, written)
    whole: tuple[Any, Any] = delivered(out, written, (search.restore(distances), search.restore(ids)))
    return whole


def chosen(normalize: str | None) -> Literal["none", "row"]:
    """Return the normalisation of a search whose database was not prepared with one."""
    if normalize not in (None, "none", "row"):
        raise ValueError(f"normalize: expected 'none' or 'row', got {normalize!r}")
    return "row" if normalize == "row" else "none"


def check_normalize(made_with: str, normalize: str | None) -> None:
    """Raise ValueError if the caller asks for another normalisation than a database was prepared with."""
    if normalize not in (None, made_with):
        raise ValueError(
            f"normalize: expected {made_with!r}, with which the database was prepared, got {normalize!r}; "
            "leave it out, or prepare the database again"
        )


def check_width(queries: int, database: int) -> None:
    """Raise ValueError unless both sides have as many columns."""
    if queries != database:
        raise ValueError(
            f"queries have {queries} features, the database has {database}; "
            "expected both from the same backbone and layer"
        )


def check_items(n: int, name: str = "database") -> None:
    """Raise ValueError for more rows than an id can name."""
    if n > MAX_ITEMS:
        raise ValueError(f"{name}: expected at most {MAX_ITEMS} rows, got {n}; search it in parts")
