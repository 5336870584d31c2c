"""`make bench-growth`: how time grows with the number of rows and of queries, with fitted exponents.

Each series changes one size and keeps the others. seconds = c size^e is fitted to all its points, and to the two
largest, where what is done once (a pass over the database, threads that wake) weighs less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from evaluation import as_features, classed_features
from parts import begin, log
from run import finish, parser, warn_if_busy

Call = Callable[[], Any]


@dataclass(frozen=True)
class Series:
    what: str
    size: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Call]
    """Of a size, what is timed; making its data is not."""


def evaluation(items: int) -> Call:
    """Whole evaluations of as many classes as there are times 700 images."""
    import rsir_fast as rf

    per_class = min(700, items // 3)
    features = as_features(*classed_features(items // per_class, per_class, 512))
    return lambda: rf.evaluate_ge2018(features, examples=0, resamples=0)


def search(n: int, q: int, d: int, k: int) -> Call:
    """Queries that are no rows."""
    import rsir_fast as rf

    rng = np.random.default_rng(0)
    database = rf.prepare(rng.standard_normal((n, d), np.float32), copy=False)
    queries = rng.standard_normal((q, d), np.float32)
    return lambda: database.topk(queries, k)


def own_rows(n: int, d: int, k: int) -> Call:
    """Every row a query."""
    import rsir_fast as rf

    database = rf.prepare(np.random.default_rng(0).standard_normal((n, d), np.float32), copy=False)
    return lambda: database.topk(database, k)


def hamming(n: int, q: int) -> Call:
    """Codes of 64 bits."""
    import rsir_fast as rf

    rng = np.random.default_rng(0)
    database = rf.prepare(rng.integers(256, size=(n, 8), dtype=np.uint8), metric="hamming")
    queries = rng.integers(256, size=(q, 8), dtype=np.uint8)
    return lambda: database.topk(queries, 100)


def every_series(shrink: int) -> Iterator[Series]:
    some, many = 50_000 // shrink, 10_000_000 // shrink
    halves = (4_200, 8_400, 16_800, 31_500)
    yield Series("evaluate_ge2018, 512 values", "images", halves, evaluation)
    rows = (12_500, 25_000, 50_000, 100_000, 200_000)
    yield Series("search, 512 values, 256 queries, k 100", "rows", rows, lambda n: search(n, 256, 512, 100))
    queries = (1, 4, 16, 64, 256, 1024, 4096)
    yield Series("search of 50,000 x 512, k 100", "queries", queries, lambda q: search(some, q, 512, 100))
    yield Series(
        "own rows, 4,096 values, k 100", "rows", (1_050, 2_100, 4_200, 8_400), lambda n: own_rows(n, 4096, 100)
    )
    codes = (1_000_000, 2_000_000, 5_000_000, 10_000_000)
    yield Series("Hamming, 64 bits, 64 queries, k 100", "codes", codes, lambda n: hamming(n, 64))
    yield Series("Hamming, 10,000,000 x 64 bits, k 100", "queries", queries[:-1], lambda q: hamming(many, q))


def seconds(call: Call, least: float) -> float:
    """Median of as many calls as fit into a time, three at least."""
    call()
    times: list[float] = []
    while len(times) < 3 or sum(times) < least:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Fit seconds = c size^e."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", default="", help="only series whose name contains this, such as 'search'")
    chosen = options.parse_args()
    warn_if_busy()
    result, out, parts = begin("growth", chosen)

    def measure(series: Series) -> dict[str, Any]:
        sizes = [max(1, size // 400) for size in series.sizes] if chosen.small else series.sizes
        sizes, times = sorted(set(sizes)), []
        for size in sizes:
            log(f"{series.what}: {size:,} {series.size}")
            times.append(seconds(series.prepare(size), 0.0 if chosen.small else 1.0))
        points = [{"size": size, "seconds": taken} for size, taken in zip(sizes, times, strict=True)]
        fits = {"exponent": exponent(sizes, times), "last_exponent": exponent(sizes[-2:], times[-2:])}
        return {"what": series.what, "size": series.size, "points": points, **fits}

    every = [series for series in every_series(400 if chosen.small else 1) if chosen.only in series.what]
    result["series"] = [parts.measured(f"{each.size} {each.what}", partial(measure, each)) for each in every]
    finish(result, out, parts)


if __name__ == "__main__":
    main()
