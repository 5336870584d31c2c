#!/usr/bin/env python3
"""Search and rank drawn databases by every path, and compare each answer with another path's to the last bit.

    tools/differential.py --cases 200                 a few of each kind, as the tests do it
    tools/differential.py --cases 200000 --state F    a campaign; goes on where it stopped
    tools/differential.py --large --cases 500         of 512 to 5,000 rows

Every case follows from its kind and number: `--only KIND --first N --cases 1` does one again. What a path answers is
compared with the dense pass of another instruction set, one thread; of every 50th small case that pass is itself
compared with the plain NumPy of `rsir_fast.ops.reference`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import sys
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import rsir_fast as rf
from rsir_fast.base import compiled
from rsir_fast.ops import reference

BATCH = 100
ISAS = tuple(compiled.cpu.supported_isas())
HOSTILE = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, 1e-45, -1e-45, 1e-40, 0.0, -0.0]


class Draw:
    """The choices of one case."""

    def __init__(self, kind: str, number: int, *, large: bool) -> None:
        self.rng = np.random.default_rng([zlib.crc32(kind.encode()), number, large])
        self.number, self.large = number, large

    def of(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def rows(self) -> int:
        return self.between(512, 5000) if self.large else self.between(17, 200)

    def width(self) -> int:
        if self.large:
            return self.of(self.between(1, 64), 64, 300)
        return self.of(self.between(1, 33), self.between(33, 130), self.between(256, 600))

    def matrix(self, n: int, d: int) -> np.ndarray:
        """Rows of one of many characters: near to each other, equal, all of one size or of very different ones."""
        rng = self.rng
        x = rng.standard_normal((n, d), np.float32)
        match self.of("plain", "relu", "classes", "integers", "offset", "sizes", "copies", "hostile", "tiny", "huge"):
            case "relu":
                x = np.maximum(x, 0)
            case "classes":
                x = (
                    rng.standard_normal((5, d), np.float32)[rng.integers(5, size=n)]
                    + np.float32(self.of(0.3, 1e-3)) * x
                )
            case "integers":
                x = np.rint(x * self.of(0.5, 2, 20))
            case "offset":
                x = x * np.float32(self.of(1e-3, 0.1)) + np.float32(100)
            case "sizes":
                x *= np.float32(10) ** rng.integers(-6, 7, size=(n, 1)).astype(np.float32)
            case "copies":
                x = x[rng.integers(min(n, self.of(1, 3, max(1, n // 2))), size=n)]
            case "hostile":
                places = rng.random((n, d)) < self.of(0.3, 2.0) / d
                x[places] = rng.choice(np.array(HOSTILE, np.float32), size=int(places.sum()))
            case "tiny":
                x *= np.float32(1e-22)
            case "huge":
                x *= np.float32(1e19)
        dtype = self.of(np.float32, np.float32, np.float32, np.float64, np.float16)
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(x.astype(dtype))

    def neighbours(self, n: int) -> int:
        return int(min(n, self.of(1, self.between(1, 10), self.between(1, n), n)))

    def path(self) -> dict[str, Any]:
        return {"isa": self.of(*ISAS), "threads": self.of(1, 2, 3)}

    def where(self, n: int) -> Any:
        """Rows that are allowed, in one of the forms, or None."""
        allowed = self.rng.random(n) < self.of(0.02, 0.5, 0.95)
        if not allowed.any():
            return None
        packed = np.packbits(allowed, bitorder="little")
        return self.of(None, allowed, packed, np.flatnonzero(allowed))

    def parts(self, x: np.ndarray) -> list[np.ndarray]:
        """The rows as some blocks, each memory of its own."""
        cuts = sorted({0, len(x), *(self.between(0, len(x)) for _ in range(self.of(1, 3)))})
        return [x[a:b].copy() for a, b in pairwise(cuts)]


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def dense(draw: Draw, queries: np.ndarray, x: np.ndarray, k: int, path: dict[str, Any], **options: Any) -> Any:
    """The answer to compare with: of the dense pass, by instructions that the path does not use."""
    others = [isa for isa in ISAS if isa != path["isa"]]
    if draw.large:
        others = [isa for isa in others if isa != "scalar"] or others  # which is slow
    isa = draw.of(*others)
    answer = rf.euclidean_topk(queries, x, k, method="dense", isa=isa, threads=1, **options)
    if draw.number % 50 == 0 and not draw.large:
        first, second = (m.astype(np.float32) if m.dtype == np.float16 else m for m in (queries, x))
        if options.get("normalize") == "row":
            first, second = reference.gaussian_normalize(first), reference.gaussian_normalize(second)
        plain = reference.euclidean_topk(first, second, k, options.get("where"))
        assert same(answer.squared, plain[0]), "the dense pass and NumPy differ in a distance"
        assert same(answer.ids, plain[1]), "the dense pass and NumPy differ in an id"
    return answer


def search(draw: Draw) -> None:
    """Other queries; a database as one matrix or as blocks, normalised or not, all rows allowed or some."""
    n, d = draw.rows(), draw.width()
    x, q = draw.matrix(n, d), draw.matrix(draw.between(1, 40), d)
    if draw.of(True, False):
        q = np.concatenate([q, x[draw.rng.integers(n, size=4)].astype(q.dtype)])
    path, normalize, where = draw.path(), draw.of("none", "row"), draw.where(n)
    allowed = len(reference.allowed_rows(where, n))
    k = draw.neighbours(draw.of(allowed, allowed, n))
    method = "auto" if k > allowed else draw.of("certified", "auto")
    database = rf.prepare(
        draw.of(x, draw.parts(x)),
        normalize,
        precision=draw.of("auto", "int8", "int16"),
        copy=draw.of(True, False),
        **path,
    )
    found = rf.euclidean_topk(q, database, k, where=where, method=method, **path)
    expected = dense(draw, q, x, k, path, normalize=normalize, where=where)
    assert same(found.squared, expected.squared), "distances"
    assert same(found.ids, expected.ids), "ids"


def own_rows(draw: Draw) -> None:
    """Rows searched for themselves, each pair once; widths at which that is done, and memory of some rows or all."""
    few = draw.of(True, False)
    if few:  # neighbours, so that super-blocks may be small
        n, d = draw.between(500, 2000 if draw.large else 700), draw.between(272, 600)
    else:
        n = draw.between(512, 2000) if draw.large else draw.between(96, 200)
        d = draw.of(draw.between(1024, 1100), draw.between(4096, 4200))
    x = draw.matrix(n, d)
    k, path = draw.between(1, 4) if few else draw.neighbours(n if not draw.large else 200), draw.path()
    database = rf.prepare(x, precision=draw.of("auto", "int8", "int16", "int16"), copy=False, **path)
    least = compiled.cpu.least_own_memory(k)
    memory = draw.of(None, least, draw.between(least, least * n // 96))
    found = rf.euclidean_topk(x, database, k, method="certified", memory=memory, **path)
    expected = dense(draw, x, x, k, path)
    assert same(found.squared, expected.squared), "distances"
    assert same(found.ids, expected.ids), "ids"


def ranks(draw: Draw) -> None:
    """Ranks of relevant rows: of the rows themselves, each pair once, or of others; one matrix or blocks."""
    n, d = draw.rows(), draw.width()
    x = draw.matrix(n, d)
    labels = draw.rng.integers(draw.of(1, 3, 20), size=n)
    path = draw.path()
    own = draw.of(True, True, False)
    q, query_labels = x, labels
    if not own:
        q = draw.matrix(draw.between(1, 40), d)
        query_labels = draw.rng.integers(20, size=len(q))
    normalize, where = ("none", None) if draw.of(True, False) else (draw.of("none", "row"), draw.where(n))
    database = draw.of(x, draw.parts(x)) if draw.of(True, False) else x
    if isinstance(database, list):
        database = rf.RowBlocks(database)
    self_ids = np.arange(n) if own and where is None and draw.of(True, False) else None
    ids = np.asarray(dense(draw, q, x, n, path, normalize=normalize, where=where).ids)
    block = draw.of(None, None, draw.between(1, len(q)))
    for some in rf.relevant_ranks(
        q, database, query_labels, labels, self_ids=self_ids, where=where, normalize=normalize, block=block, **path
    ):
        compare_ranks(some, ids, query_labels, labels, self_ids)


def compare_ranks(some: Any, ids: np.ndarray, query_labels: np.ndarray, labels: np.ndarray, self_ids: Any) -> None:
    at = 0
    for i, count in enumerate(some.counts):
        query = some.start + i
        ranking = ids[query][ids[query] >= 0]
        expected = np.flatnonzero(labels[ranking] == query_labels[query]) + 1
        assert same(np.asarray(some.ranks[at : at + count]), expected.astype(np.int64)), f"ranks of query {query}"
        if self_ids is not None:
            place = int(np.flatnonzero(ranking == self_ids[query])[0]) + 1
            assert int(some.self_ranks[i]) == place, f"own rank of query {query}"
        at += count


def codes(draw: Draw) -> None:
    """Hash codes of any length, few of them different, prepared or not."""
    n, bits = draw.rows(), draw.of(draw.between(1, 80), 16, 32, 48, 64, 128, 256, draw.between(80, 520))
    q = draw.between(1, draw.of(3, 40, 150))
    width = (bits + 7) // 8
    pool = draw.rng.integers(256, size=(draw.of(n, n, 5), width), dtype=np.uint8)
    x = pool[draw.rng.integers(len(pool), size=n)]
    queries = np.concatenate([x[draw.rng.integers(n, size=q)], draw.rng.integers(256, size=(q, width), dtype=np.uint8)])
    for one in (x, queries):
        one[:, -1] &= 0xFF >> (8 * width - bits)
    k, path, where = draw.neighbours(n), draw.path(), draw.where(n)
    database = draw.of(x, rf.prepare(x, metric="hamming", bits=bits, copy=draw.of(True, False), **path))
    found = rf.hamming_topk(queries, database, k, bits, where=where, **path)
    rows = reference.allowed_rows(where, n)
    distances = np.bitwise_count(queries[:, None, :] ^ x[None, rows, :]).sum(axis=2, dtype=np.int32)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    missing = ((0, 0), (0, k - order.shape[1]))
    worst = np.iinfo(np.int32).max
    assert same(found.distances, np.pad(np.take_along_axis(distances, order, 1), missing, constant_values=worst)), (
        "distances"
    )
    assert same(found.ids, np.pad(rows[order], missing, constant_values=-1)), "ids"


KINDS: dict[str, Callable[[Draw], None]] = {"search": search, "own rows": own_rows, "ranks": ranks, "codes": codes}


def run_batch(kind: str, first: int, count: int, large: bool) -> list[str]:
    """What went wrong in some cases."""
    return [line for number in range(first, first + count) for line in run_case(kind, number, large)]


def run_case(kind: str, number: int, large: bool) -> list[str]:
    """What went wrong in a case, if anything."""
    try:
        with np.errstate(all="ignore"):
            KINDS[kind](Draw(kind, number, large=large))
    except Exception as error:  # whatever it is, the campaign goes on and tells it
        return [f"{kind} {number}: {type(error).__name__}: {error}"]
    return []


def run_kind(kind: str, given: argparse.Namespace, done: dict[str, int], pool: Any) -> int:
    """Run what is left of a kind, batch after batch; return how many cases differed."""
    name = f"{kind}, large" if given.large else kind
    failed, start, began = 0, given.first + done.get(name, 0), time.monotonic()
    end, batch = given.first + given.cases, 4 if given.large else BATCH
    waiting = [
        (first, pool.submit(run_batch, kind, first, min(batch, end - first), given.large))
        for first in range(start, end, batch)
    ]
    for first, future in waiting:
        for line in future.result():
            failed += 1
            print(line, flush=True)
        if given.state is not None and not failed:
            done[name] = min(first + batch, end) - given.first
            given.state.write_text(json.dumps(done))
    print(
        f"{name}: cases {given.first} to {end - 1}, {failed} differ ({time.monotonic() - began:.0f} s from {start})",
        flush=True,
    )
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", action="append", choices=KINDS, help="kind of case; repeat")
    parser.add_argument("--large", action="store_true", help="512 to 5,000 rows")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--state", type=Path, help="file of what is done; a later call goes on from it")
    given = parser.parse_args(arguments)
    done = json.loads(given.state.read_text()) if given.state is not None and given.state.exists() else {}
    with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
        return min(1, sum(run_kind(kind, given, done, pool) for kind in given.only or KINDS))


if __name__ == "__main__":
    sys.exit(main())
