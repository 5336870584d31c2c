"""Which pass answers a search: chosen from the sizes alone, never changing an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["METHODS", "Method", "SearchPlan", "check_method", "choose_pass", "is_tiny", "read_rows"]

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


MIN_CERTIFIED_ROWS = 512
"""Below, the dense pass is done before the bounds are set up."""

DENSE_DEPTH = 8
"""A search for more than n / DENSE_DEPTH neighbours excludes too little."""

WILD_SHARE = 16
"""Where more than n / WILD_SHARE rows must be decided for every query, all may as well."""

MIN_PLAIN_QUERIES = 6
"""Quantising a database costs about as much as so many dense queries."""


FEW_ROWS = 256
"""Where no more than n / FEW_ROWS rows are allowed, they are decided before the codes of the others are passed over."""

PANEL = 16
"""Rows whose codes are read together."""


def check_method(method: str) -> None:
    """Raise ValueError for no such method."""
    if method not in METHODS:
        raise ValueError(f"method: expected 'auto', 'certified' or 'dense', got {method!r}")


TINY = {"certified": 1 << 22, "dense": 1 << 16}
"""Elements of queries times rows: less is done before another thread is awake."""


def is_tiny(q: int, n: int, d: int, method: Literal["certified", "dense"]) -> bool:
    """Tell whether a search is too little work for more than one thread."""
    return q * n * d < TINY[method]


def read_rows(n: int, allowed: int, method: Literal["certified", "dense"]) -> int:
    """Return how many of n rows a pass may have to read where so many are allowed."""
    return allowed if method == "dense" else min(n, PANEL * allowed)


def choose_pass(
    q: int,
    n: int,
    d: int,
    k: int,
    *,
    allowed: int,
    prepared: bool,
    max_width: int,
    wild: int = 0,
    method: Method = "auto",
) -> tuple[Literal["certified", "dense"], str]:
    """Return the pass for q queries, n rows of width d (some of them wild) and k neighbours, and the reason.

    Only `allowed` rows can be answers: all n, or fewer.

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
    if n < MIN_CERTIFIED_ROWS:
        return "dense", f"n = {n} is below {MIN_CERTIFIED_ROWS}: little to exclude"
    if DENSE_DEPTH * k > allowed:
        return "dense", f"k = {k} is more than 1/{DENSE_DEPTH} of {few}: little to exclude"
    if FEW_ROWS * allowed <= n:
        return "dense", f"{few} are at most 1/{FEW_ROWS} of n = {n}: sooner decided than looked for among the others"
    if WILD_SHARE * wild > allowed:
        return "dense", f"{wild} of {n} rows have elements that no bound covers (not finite, or beyond 2^40)"
    if not prepared and q * allowed < MIN_PLAIN_QUERIES * n:
        return "dense", f"{q} queries are too few to quantise the database for; prepare it for repeated searches"
    return "certified", "excludes most rows at a quarter of the cost"
