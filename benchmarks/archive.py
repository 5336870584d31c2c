"""`make bench-archive`: an archive's life and its filtered searches, beside LanceDB, DuckDB and faiss.

Each library makes a store of the same items, vectors with class, time, place and a number, in a process of its own. It
is opened by new processes, searched turn by turn, and grows, shrinks and is compacted in a copy. Answers are asserted:
ours byte by byte against `euclidean_topk` on the rows that are allowed, those of others within their rounding. A
command that was cut goes on where it stopped (`parts.py`); what is made stays beside its parts until all is measured.
"""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import archive_data
from archive_codes import codes
from archive_data import FILTERS, MORE, QUERIES, Filter
from archive_stores import STORES, WAYS, Kept, installed
from engines import Engine
from parts import Parts, begin, log
from run import finish, parser, warn_if_busy

LIFE = ("add of 1,000 items", "remove of 1 item", "remove of 1,000 items", "compact")


class Measured:
    """Where everything is, and how much of it is measured."""

    def __init__(self, chosen: Namespace, folder: Path, stores: list[str]) -> None:
        self.chosen, self.folder, self.stores = chosen, folder, stores
        self.data = folder / "data"
        self.budget = 0.0 if chosen.small else 0.3

    def store(self, name: str) -> Path:
        return self.folder / f"{name}.store"

    @contextmanager
    def process(self, name: str, store: Path | None = None) -> Iterator[Engine]:
        """A process that has imported a library and opened nothing yet."""
        with Engine(name, program="archive_stores.py") as engine:
            engine.import_s = engine.ask("begin", name, str(store or self.store(name)), str(self.data))
            yield engine

    # Each of these is a part.

    def make_data(self) -> dict[str, Any]:
        shutil.rmtree(self.data, ignore_errors=True)
        archive_data.make(self.data, self.chosen.rows, self.chosen.dim)
        return {}

    def make(self, name: str) -> dict[str, Any]:
        shutil.rmtree(self.store(name), ignore_errors=True)
        with self.process(name) as engine:
            found = engine.ask("make")
        return {"name": name, **found, "bytes": size(self.store(name))}

    def open(self) -> dict[str, Any]:
        """By new processes, one library after the other."""
        found: dict[str, list[dict[str, float]]] = {name: [] for name in self.stores}
        for _ in range(1 if self.chosen.small else 3):
            for name in self.stores:
                with self.process(name) as engine:
                    found[name].append({**engine.ask("first", self.chosen.k), "import_s": engine.import_s})
        return {"rows": [{"name": name, **_medians(times)} for name, times in found.items()]}

    def search(self, where: Filter, engines: dict[str, Engine]) -> dict[str, Any]:
        """One query and many: every way a turn after the other; its last answer is asserted."""
        truth = Truth(self, where)
        rows = []
        for q in (1, QUERIES):
            ways = [(name, way) for name, way in WAYS if name in engines and (where.kind or "mask" not in way)]
            ways = [pair for pair in ways if where.kind or pair != ("faiss", "gather")]
            ways = [pair for pair in ways if pair[1] != "mask" or q == 1]
            asked = {
                pair: min(q, self.chosen.few) if STORES[pair[0]].per_query and pair[1] != "mask" else q for pair in ways
            }
            times: dict[tuple[str, str], list[float]] = {pair: [] for pair in ways}
            for _ in range(self.chosen.rounds):
                for name, way in ways:
                    turn = engines[name].ask("turn", way, where, asked[name, way], self.chosen.k, self.budget)
                    times[name, way].append(median(turn))
                    if way not in ("mask", "mask + all"):
                        truth.check(name, *engines[name].ask("last"))
            told = [
                {
                    "name": n,
                    "way": w,
                    "queries": asked[n, w],
                    "ms": 1e3 * median(t) * q / (asked[n, w] if w != "mask" else q),
                }
                for (n, w), t in times.items()
            ]
            rows.append({"filter": where.name, "q": q, "allowed": truth.count, "ways": told})
        return {"rows": rows}

    def life(self, name: str) -> dict[str, Any]:
        """Grow, shrink and compact a copy of a store; what is found then is asserted."""
        copy = self.folder / f"{name}.copy"
        shutil.rmtree(copy, ignore_errors=True)
        # Files that are never changed are shared; one file that is, DuckDB's, is copied.
        shutil.copytree(self.store(name), copy, copy_function=shutil.copy2 if name == "duckdb" else os.link)
        rows = self.chosen.rows
        draw = np.random.default_rng(5).permutation(rows)
        few, gone = draw[:3].tolist(), draw[3 : 3 + 3 * MORE].reshape(3, -1)[:, : max(1, min(MORE, rows // 10))]
        times: dict[str, list[float]] = {step: [] for step in LIFE}
        with self.process(name, copy) as engine:
            engine.ask("open")
            for number in range(3):
                times[LIFE[0]].append(engine.ask("change", "add", number))
                times[LIFE[1]].append(engine.ask("change", "remove", [few[number]]))
                times[LIFE[2]].append(engine.ask("change", "remove", gone[number].tolist()))
            truth = Truth(self, Filter(), hidden=np.concatenate([few, gone.ravel()]), grown=True)
            self._asserted(engine, truth, name)
            times[LIFE[3]].append(engine.ask("change", "compact"))
            self._asserted(engine, truth, name)
        shutil.rmtree(copy)
        return {"rows": [{"name": name, "step": step, "ms": 1e3 * median(each)} for step, each in times.items()]}

    def _asserted(self, engine: Engine, truth: Truth, name: str) -> None:
        engine.ask("turn", STORES[name].ways[0], Filter(), 2, self.chosen.k, 0.0)
        truth.check(name, *engine.ask("last"))


class Truth:
    """What is to be found among the rows that a filter allows: `euclidean_topk` on a matrix of them."""

    def __init__(self, of: Measured, where: Filter, hidden: Any = (), grown: bool = False) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        import rsir_fast as rf

        self.matrix: NDArray[np.float32] = np.load(of.data / "vectors.npy", mmap_mode="r")
        self.queries = np.load(of.data / "queries.npy")
        items = pq.read_table(of.data / "items.parquet")
        if grown:
            more = [pq.read_table(of.data / f"more-{number}.parquet") for number in range(3)]
            added = [each["vector"].combine_chunks().flatten().to_numpy() for each in more]
            width = self.matrix.shape[1]
            self.matrix = np.concatenate([self.matrix, *(each.reshape(-1, width) for each in added)])
            items = pa.concat_tables([items, *(each.drop_columns(["vector"]) for each in more)])
        allowed = where.allows(items) if where.kind else np.ones(len(items), bool)
        allowed[np.asarray(hidden, np.int64)] = False
        ids = np.flatnonzero(allowed)
        self.allowed, self.count = allowed, len(ids)
        rows = self.matrix if len(ids) == len(self.matrix) else np.ascontiguousarray(self.matrix[ids])
        self.squared, places = rf.euclidean_topk(self.queries, rows, of.chosen.k)
        self.ids = np.append(ids, -1)[places]

    def check(self, name: str, squared: Any, ids: Any) -> None:
        """Assert an answer of the first queries."""
        q = len(ids)
        if name == "rsir_fast":
            assert squared.tobytes() == self.squared[:q].tobytes(), "our distances are not those of the matrix"
            assert ids.tobytes() == self.ids[:q].tobytes(), "our ids are not those of the matrix"
            return
        least = min(self.squared.shape[1], self.count)
        wanted, squared, ids = self.squared[:q, :least], squared[:, :least], ids[:, :least]
        assert ids.shape == wanted.shape, f"{name}: {ids.shape} answers, not {wanted.shape}"
        assert self.allowed[ids].all(), f"{name}: ids that are not allowed"
        assert all(len(set(row)) == least for row in ids.tolist()), f"{name}: ids twice"
        true = np.stack(
            [((self.matrix[row] - query) ** 2.0).sum(1) for row, query in zip(ids, self.queries, strict=False)]
        )
        slack = 1e-4 * float(wanted.max(initial=1))
        np.testing.assert_allclose(squared, true, rtol=1e-4, atol=slack, err_msg=name)
        np.testing.assert_allclose(np.sort(true, 1), wanted, rtol=1e-4, atol=slack, err_msg=name)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _medians(times: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(each[name] for each in times) for name in times[0]}


def searches(measured: Measured, parts: Parts) -> Iterator[dict[str, Any]]:
    """Measure, or take up, the searches of each filter; the processes begin with the first that is measured."""
    engines: dict[str, Engine] = {}

    def search(where: Filter) -> dict[str, Any]:
        log(f"search: {where.name}")
        for name in measured.stores if not engines else ():
            engines[name] = Engine(name, program="archive_stores.py")
            engines[name].ask("begin", name, str(measured.store(name)), str(measured.data))
            engines[name].ask("open")
        return measured.search(where, engines)

    try:
        for where in FILTERS:
            yield from parts.measured(f"search {where.name}", partial(search, where))["rows"]
    finally:
        for engine in engines.values():
            engine.close()


def measure(measured: Measured, parts: Parts) -> dict[str, Any]:
    """Measure, or take up, all parts."""
    chosen, stores = measured.chosen, measured.stores

    def told(what: str, call: Any) -> Any:
        log(what)
        return call()

    parts.measured("data", partial(told, "data", measured.make_data), counts=False)
    made = [
        parts.measured(f"make {name}", partial(told, f"make {name}", partial(measured.make, name))) for name in stores
    ]
    opened = parts.measured("open", partial(told, "open", measured.open))["rows"]
    found = list(searches(measured, parts))
    life = [
        row
        for name in stores
        if issubclass(STORES[name], Kept)
        for row in parts.measured(f"life {name}", partial(told, f"life {name}", partial(measured.life, name)))["rows"]
    ]
    result = {"made": made, "open": opened, "searches": found, "life": life, "codes": None}
    if chosen.codes:
        place = measured.folder / "codes.store"
        result["codes"] = parts.measured("codes", partial(told, "codes", partial(codes, place, chosen.codes)))
    return result


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=512)
    options.add_argument("--k", type=int, default=100)
    options.add_argument("--rounds", type=int, default=2, help="turns of every way in every search")
    options.add_argument(
        "--few", type=int, default=2, help="queries of 64 that are asked of those that take each alone"
    )
    options.add_argument("--peers", nargs="*", choices=list(STORES)[1:], default=list(STORES)[1:])
    options.add_argument("--codes", type=int, default=0, metavar="N", help="an archive of N codes of 64 bits, too")
    chosen = options.parse_args()
    if chosen.small:
        chosen.rows, chosen.dim, chosen.k, chosen.rounds = 3_000, 32, 10, 1
        chosen.codes = min(chosen.codes, 3_000)
    warn_if_busy()
    stores = ["rsir_fast", *(name for name in chosen.peers if installed(name))]
    for name in chosen.peers:
        if name not in stores:
            log(f"{name} is left out, as it is not installed: pip install '.[bench]'")
    settings = {name: getattr(chosen, name) for name in ("rows", "dim", "k", "rounds", "few", "codes")}
    result, out, parts = begin("archive", chosen, stores=stores, **settings)
    result |= settings | measure(Measured(chosen, parts.folder, stores), parts)
    finish(result, out, parts)


if __name__ == "__main__":
    main()
