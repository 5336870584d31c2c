"""Which pass answers a search: chosen from the sizes alone, never changing an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rsir_fast.base import compiled
from rsir_fast.base.counts import as_count

__all__ = ["MAX_ITEMS", "METHODS", "Method", "SearchPlan", "check_memory", "check_method", "choose_pass", "is_tiny"]

Method = Literal["auto", "certified", "dense"]
METHODS: tuple[Method, ...] = ("auto", "certified", "dense")


@dataclass(frozen=True)
class SearchPlan:
    """How a search was done; from `Database.plan`.

    Attributes
    ----------
    method : {"certified", "dense"}
        ``"certified"``: a pass over integer codes with a proven bound excludes most rows, the canonical distance
        decides among the rest. ``"dense"``: the canonical distance of every pair.
    reason : str
        Why this pass was chosen.
    prepared : bool
        Whether the database had been prepared.
    isa : str
        Instruction set that ran.
    threads : int
        Up to so many.
    candidates : int
        Pairs of query and row that the bounds left.
    decided : int
        Pairs whose canonical distance was computed among them.
    dense_queries : int
        Queries answered by the dense pass: all of them, or those with too many candidates.
    """

    method: Literal["certified", "dense"]
    reason: str
    prepared: bool
    isa: str
    threads: int
    candidates: int
    decided: int
    dense_queries: int


MAX_ITEMS = 2**32 - 1
"""Item ids take 32 bits of a 64-bit sort key."""

MIN_CERTIFIED_ROWS = 512
"""Below, the dense pass is done before the bounds are set up."""

DENSE_DEPTH = 8
"""A search for more than n / DENSE_DEPTH neighbours excludes too little."""

WILD_SHARE = 16
"""Where more than n / WILD_SHARE rows must be decided for every query, all may as well."""

MIN_PLAIN_QUERIES = 6
"""Quantising a database costs about as much as so many dense queries."""

DECIDE_COST = {"int8": 12, "int16": 7}
"""To decide an allowed row costs about as much as to read the codes of so many: measured for 1 to 512 queries of
128 and 512 columns; of rows allowed by chance it is reached at 4 and 12 %."""


def check_method(method: str) -> None:
    """Raise ValueError for no such method."""
    if method not in METHODS:
        raise ValueError(f"method: expected 'auto', 'certified' or 'dense', got {method!r}")


def check_memory(memory: object, k: object) -> None:
    """Raise TypeError or ValueError for a memory of own rows that does not hold the lists of a few of them."""
    if memory is not None:
        k = as_count(k, "k", most=MAX_ITEMS)
        as_count(memory, "memory", least=compiled.cpu.least_own_memory(k), unit=f" bytes for k = {k}")


TINY = {"certified": 1 << 22, "dense": 1 << 16}
"""Elements of queries times rows: less is done before another thread is awake."""


def is_tiny(q: int, n: int, d: int, method: Literal["certified", "dense"]) -> bool:
    """Tell whether a search is too little work for more than one thread."""
    return q * n * d < TINY[method]


def choose_pass(
    q: int,
    n: int,
    d: int,
    k: int,
    *,
    allowed: int,
    passed: int,
    precision: Literal["int8", "int16"] | None = None,
    prepared: bool,
    max_width: int,
    wild: int = 0,
    method: Method = "auto",
) -> tuple[Literal["certified", "dense"], str]:
    """Return the pass for q queries, n rows of width d (some of them wild) and k neighbours, and the reason.

    Parameters
    ----------
    allowed
        Rows that can be answers: all n, or fewer.
    passed
        Rows whose codes a certified search of these reads: all n, or fewer.
    precision
        Of the codes, where they are there.

    Raises
    ------
    ValueError
        For a method that these sizes do not allow.
    """
    impossible, few = "", f"the {allowed} allowed rows" if allowed < n else f"n = {n}"
    if not 1 <= k <= allowed:
        impossible = f"k = {k} is not within 1 and {few}"
    elif not 1 <= d <= max_width:
        impossible = f"d = {d} is not within 1 and {max_width}"
    if method == "dense":
        return "dense", "asked for"
    if method == "certified":
        if impossible:
            raise ValueError(f"method: 'certified' cannot be used where {impossible}; use method='auto'")
        return "certified", "asked for"
    if impossible:
        return "dense", impossible
    if allowed < MIN_CERTIFIED_ROWS:
        return "dense", f"{few} {'are' if allowed < n else 'is'} below {MIN_CERTIFIED_ROWS}: little to exclude"
    if DENSE_DEPTH * k > allowed:
        return "dense", f"k = {k} is more than 1/{DENSE_DEPTH} of {few}: little to exclude"
    if DECIDE_COST[precision or "int8"] * allowed <= passed:
        return "dense", f"{few} lie among {passed} whose codes would be read: sooner decided than looked for"
    if WILD_SHARE * wild > allowed:
        return "dense", f"{wild} of {n} rows have elements that no bound covers (not finite, or beyond 2^40)"
    if not prepared and q * allowed < MIN_PLAIN_QUERIES * n:
        return "dense", f"{q} queries are too few to quantise the database for; prepare it for repeated searches"
    return "certified", "excludes most rows at a quarter of the cost"
