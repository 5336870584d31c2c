"""What each library does in `archive.py`: it makes a store of the same items, opens it, finds, adds, removes, compacts.

As a program the process that holds one of them, as `worker.py`.
"""

from __future__ import annotations

import importlib.util
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import archive_data
import memory
from archive_data import Filter
from worker import QUICK, serve

Answer = tuple[NDArray[Any], NDArray[Any]]
"""Squared distances and ids, [q, k]; fewer columns where fewer rows are allowed."""


class Store(ABC):
    """One library. `ways`: what is measured of it; `alone`: those that tell how many rows are allowed, and no more."""

    ways: tuple[str, ...] = ("search",)
    package = ""
    per_query = False
    """Whether many queries take that many times as long as one: a few of them are measured then."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data

    @classmethod
    def load(cls) -> None:
        """Import all that is needed."""
        __import__(cls.package)

    @abstractmethod
    def make(self) -> None:
        """Make it of all items."""

    @abstractmethod
    def open(self) -> None: ...

    @abstractmethod
    def call(self, way: str, where: Filter, queries: NDArray[np.float32], k: int) -> Any: ...


class Kept(Store):
    """One that keeps what is added: it takes part in the life of an archive."""

    @abstractmethod
    def add(self, number: int) -> None: ...

    @abstractmethod
    def remove(self, ids: list[int]) -> None: ...

    @abstractmethod
    def compact(self) -> None: ...

    def more(self, number: int) -> Any:
        import pyarrow.parquet as pq

        return pq.read_table(self.data / f"more-{number}.parquet")


class Ours(Kept):
    """`mask`: a filter alone; `mask + all`: that, and the search of all rows."""

    ways = ("search", "mask + all", "mask")
    package = "rsir_fast"

    @classmethod
    def load(cls) -> None:
        import pyarrow as pa

        import rsir_fast as rf

        rf.Archive, rf.Query, pa.array([0])  # the last imports pandas, where it is installed

    def make(self) -> None:
        import rsir_fast as rf

        rf.import_vectors(self.folder, self.data / "vectors.npy", table=self.data / "items.parquet")

    def open(self) -> None:
        import rsir_fast as rf

        self.archive = rf.Archive(self.folder)

    def call(self, way: str, where: Filter, queries: NDArray[np.float32], k: int) -> Any:
        import rsir_fast as rf
        from rsir_fast.retrieval.searched import Searched

        tree = self._tree(where)
        if way != "search":
            mask = Searched(self.archive.features()).allowed(tree)
            if way == "mask":
                return mask
            tree = None
        hits = self.archive.search(rf.Query(vectors=queries, k=k, where=tree, normalize="none"))
        return hits.squared, hits.ids

    @staticmethod
    def _tree(where: Filter) -> Any:
        from rsir_fast.retrieval import Box, Column, Time

        if where.kind == "class":
            return Column(column="class", value=where.class_name)
        if where.kind == "box":
            return Box(box=where.box)
        return Time(after=where.span[0], before=where.span[1]) if where.kind else None

    def add(self, number: int) -> None:
        self.archive.import_(self.data / f"more-{number}.parquet")

    def remove(self, ids: list[int]) -> None:
        self.archive.remove(ids)

    def compact(self) -> None:
        self.archive.compact()


class Lance(Kept):
    """Without an index, so exact; `mask`: counting the rows that a filter allows."""

    ways = ("search", "mask")
    package = "lancedb"
    per_query = True

    def make(self) -> None:
        import lancedb

        parts = archive_data.batches(self.data)
        table = lancedb.connect(str(self.folder)).create_table("items", next(parts))
        for some in _gathered(parts, 16):
            table.add(some)

    def open(self) -> None:
        import lancedb

        self.table = lancedb.connect(str(self.folder)).open_table("items")

    def call(self, way: str, where: Filter, queries: NDArray[np.float32], k: int) -> Any:
        if way == "mask":
            return self.table.count_rows(where.sql)
        found = []
        for query in queries:
            search = self.table.search(query).distance_type("l2").select(["id", "_distance"]).limit(k)
            found.append((search.where(where.sql, prefilter=True) if where.kind else search).to_arrow())
        return _stacked([(each["_distance"], each["id"]) for each in found])

    def add(self, number: int) -> None:
        self.table.add(self.more(number))

    def remove(self, ids: list[int]) -> None:
        self.table.delete(f"id in ({', '.join(map(str, ids))})")

    def compact(self) -> None:
        self.table.optimize()


class Duck(Kept):
    """A table with an array a row; `mask`: counting the rows that a filter allows."""

    ways = ("search", "mask")
    package = "duckdb"
    per_query = True

    @property
    def _file(self) -> str:
        return str(self.folder / "items.duckdb")

    def make(self) -> None:
        import duckdb

        self.folder.mkdir(parents=True)
        with duckdb.connect(self._file) as base:
            base.execute("set memory_limit = '4GB'")
            for number, batch in enumerate(archive_data.batches(self.data)):
                base.register("batch", batch)
                base.execute(f"{'insert into items' if number else 'create table items as'} select * from batch")

    def open(self) -> None:
        import duckdb

        self.base = duckdb.connect(self._file)
        self.base.execute("set memory_limit = '4GB'")

    def call(self, way: str, where: Filter, queries: NDArray[np.float32], k: int) -> Any:
        only = f"where {where.sql}" if where.kind else ""
        if way == "mask":
            return self.base.execute(f"select count(*) from items {only}").fetchone()
        nearest = f"array_distance(vector, $1::float[{queries.shape[1]}])"
        text = f"select {nearest} as distance, id from items {only} order by distance limit {k}"
        found = [self.base.execute(text, [query]).fetchnumpy() for query in queries]
        return _stacked([(each["distance"] ** 2, each["id"]) for each in found])

    def add(self, number: int) -> None:
        self.base.register("batch", self.more(number))
        self.base.execute("insert into items select * from batch")

    def remove(self, ids: list[int]) -> None:
        self.base.execute(f"delete from items where id in ({', '.join(map(str, ids))})")

    def compact(self) -> None:
        self.base.execute("checkpoint")


class Faiss(Store):
    """A flat index, and the columns as arrays: a selector of the rows allowed, or these rows gathered."""

    ways = ("selector", "gather")
    package = "faiss"

    def make(self) -> None:
        import faiss

        matrix = np.load(self.data / "vectors.npy", mmap_mode="r")
        index = faiss.IndexFlatL2(matrix.shape[1])
        for first in range(0, len(matrix), archive_data.BLOCK):
            index.add(np.ascontiguousarray(matrix[first : first + archive_data.BLOCK]))
        self.folder.mkdir(parents=True)
        faiss.write_index(index, str(self.folder / "flat.index"))

    def open(self) -> None:
        import faiss
        import pyarrow.parquet as pq

        self.index = faiss.read_index(str(self.folder / "flat.index"))
        self.matrix = faiss.rev_swig_ptr(self.index.get_xb(), self.index.ntotal * self.index.d)
        self.matrix = self.matrix.reshape(self.index.ntotal, self.index.d)
        self.items = pq.read_table(self.data / "items.parquet")

    def call(self, way: str, where: Filter, queries: NDArray[np.float32], k: int) -> Any:
        import faiss

        if not where.kind:
            return self.index.search(queries, k)
        allowed = where.allows(self.items)
        if way == "selector":
            chosen = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            return self.index.search(queries, k, params=faiss.SearchParameters(sel=chosen))
        ids = np.flatnonzero(allowed)
        squared, found = faiss.knn(queries, self.matrix[ids], k)
        return squared, ids[found]


STORES: dict[str, type[Store]] = {"rsir_fast": Ours, "lancedb": Lance, "duckdb": Duck, "faiss": Faiss}
WAYS = [(name, way) for name, store in STORES.items() for way in store.ways]


def installed(name: str) -> bool:
    return importlib.util.find_spec(STORES[name].package) is not None


def _stacked(found: list[tuple[Any, Any]]) -> Answer:
    squared, ids = zip(*found, strict=True)
    return np.stack([np.asarray(each) for each in squared]), np.stack([np.asarray(each) for each in ids])


def _gathered(parts: Any, count: int) -> Any:
    """Yield tables of several parts each."""
    import pyarrow as pa

    some: list[Any] = []
    for part in parts:
        some.append(part)
        if len(some) == count:
            yield pa.concat_tables(some)
            some = []
    if some:
        yield pa.concat_tables(some)


class Keeper:
    """A store in this process, and its last answer."""

    def begin(self, name: str, folder: str, data: str) -> float:
        """Import the library, and what it imports when it is used; return the seconds."""
        start = time.perf_counter()
        STORES[name].load()
        self.store = STORES[name](Path(folder), Path(data))
        self.queries = np.load(Path(data) / "queries.npy")
        return time.perf_counter() - start

    def make(self) -> dict[str, float]:
        before = memory.reset()
        seconds = self._timed(self.store.make)
        return {"seconds": seconds, "extra_mib": memory.mib("VmHWM") - before}

    def open(self) -> float:
        return self._timed(self.store.open)

    def first(self, k: int) -> dict[str, float]:
        """Open it and find one answer: a process that has just begun."""
        opened = self.open()
        found = self._timed(lambda: self.store.call(self.store.ways[0], Filter(), self.queries[:1], k))
        return {"open_s": opened, "answer_s": opened + found, "anonymous_mib": memory.anonymous()}

    def turn(self, way: str, where: Filter, q: int, k: int, budget: float) -> list[float]:
        """Time calls until `budget` seconds are spent, at least one, after an untimed one where they are quick."""
        times: list[float] = []
        is_warm = not budget
        while not times or sum(times) < budget:
            start = time.perf_counter()
            self.answer = self.store.call(way, where, self.queries[:q], k)
            seconds = time.perf_counter() - start
            if is_warm or seconds >= QUICK:
                times.append(seconds)
            is_warm = True
        return times

    def last(self) -> Any:
        return self.answer

    def change(self, step: str, *arguments: Any) -> float:
        """Return the seconds of `add`, `remove` or `compact`."""
        return self._timed(lambda: getattr(self.store, step)(*arguments))

    def codes(self, folder: str, own: int, k: int) -> dict[str, Any]:
        """Open an archive of hash codes and search once, by an item of it."""
        import rsir_fast as rf

        Ours.load()

        def opened() -> None:
            self.archive = rf.Archive(folder)

        def searched() -> None:
            self.answer = self.archive.search(rf.Query(ids=[own], k=k))

        seconds = {"open_s": self._timed(opened)}
        seconds["answer_s"] = seconds["open_s"] + self._timed(searched)
        resident = {"resident_mib": memory.mib("VmRSS"), "most_mib": memory.mib("VmHWM")}
        found = {"ids": self.answer.ids, "distances": self.answer.hamming}
        return {**seconds, **resident, "anonymous_mib": memory.anonymous(), **found}

    @staticmethod
    def _timed(call: Any) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start


if __name__ == "__main__":
    serve(Keeper())
