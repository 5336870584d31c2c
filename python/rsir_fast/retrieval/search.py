"""From a query to what is found: one way for Python and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.row_blocks import RowBlocks
from rsir_fast.errors import FeaturesError
from rsir_fast.ops import euclidean_topk, gaussian_normalize, gaussian_statistics
from rsir_fast.retrieval.by_code import find_by_code, predicted
from rsir_fast.retrieval.diffusion import Diffusion
from rsir_fast.retrieval.expansion import Expansion
from rsir_fast.retrieval.hits import Hits
from rsir_fast.retrieval.query import Query, Search
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.steps import fit_steps
from rsir_fast.retrieval.where import Columns, allowed_rows

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset

Matrix = NDArray[np.float32]

__all__ = ["columns_of_items", "encode_queries", "find", "query_files", "search"]


def search(
    database: Features,
    query: Query,
    *,
    weights: str | Path | None = None,
    device: str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> Hits:
    """Find what a query asks for.

    Parameters
    ----------
    database : Features
        As of `Features.load`, or `rsir_fast.encode`.
    query : Query
        Images go through the encoder that made the database, run as it was then: an image of the database has a
        distance of exactly 0 to itself.
    weights : path or str, optional
        Of that encoder, as for `rsir_fast.load_encoder`.
    device : str, optional
        Where the encoder runs. Default: the kind that the database was made on.
    engine : {"torch", "onnx", "openvino", "auto"}, optional
        What computes a network. Default, and ``"auto"``: what computed the database; ``notes`` say where it cannot.
    threads : int, optional
        Of the search. Never changes the answer.

    Returns
    -------
    Hits
        By Euclidean distance of the vectors, or Hamming distance of a hash model's codes; equal distances by row.

    Raises
    ------
    FeaturesError
        If the database does not say which encoder made it, or is empty.
    ValueError
        If what is asked does not go with the database.

    Examples
    --------
    >>> x = np.array([[0, 1, 2], [0, 2, 4], [5, 0, 1], [9, 0, 2]], np.float32)
    >>> demo = Features(x, ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1]), ("a", "b"), "demo")
    >>> search(demo, Query(ids=[0], k=2)).ids
    array([[0, 1]])
    >>> from rsir_fast.retrieval.where import Column
    >>> search(demo, Query(ids=[0], k=2, where=Column(column="class", value="b"))).ids
    array([[3, 2]])
    """
    if not len(database):
        raise FeaturesError(f"{database.name}: expected features of one image or more to search, found none")
    if query.ids:
        beyond = [row for row in query.ids if row >= len(database)]
        if beyond:
            raise ValueError(f"ids: expected rows of the {len(database)} of {database.name}, got {beyond[0]}")
        return find(database, _rows(database, list(query.ids)), query, own=np.array(query.ids), threads=threads)
    if query.vectors:
        if "hash" in database.provenance and query.field != "u":
            raise ValueError("vectors: expected field='u' to go with them, as the database has codes; name it")
        vectors = np.array(query.vectors, np.float32)
        names = tuple(f"vector {number}" for number in range(len(vectors)))
        asked = Features(vectors, names, None, (), "queries")
        return find(database, asked, query, threads=threads)
    asked = encode_queries(database, query_files(query.images), weights=weights, device=device, engine=engine)
    return find(database, asked, query, threads=threads)


def encode_queries(
    database: Features,
    images: Dataset,
    *,
    weights: str | Path | None = None,
    device: str | None = None,
    engine: EngineName | None = None,
) -> Features:
    """Encode images as those of a database were; arguments as for `search`."""
    from dataclasses import replace

    from rsir_fast.datasets import Reader
    from rsir_fast.extraction.again import encode_like, encoder_of

    as_there = replace(images, reader=Reader.of(database.provenance))
    return encode_like(database, as_there, encoder_of(database, weights), device=device, engine=engine)


def find(
    database: Features,
    asked: Features,
    search: Search,
    *,
    own: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> Hits:
    """Find the rows nearest to queries that are encoded already.

    Parameters
    ----------
    database, asked : Features
        Of one encoder.
    search : Search
    own : array, int64 [q], optional
        The rows of the database that the queries are: re-ranking by neighbours leaves them out of their own.
    threads : int, optional
        Never changes the answer.
    """
    allowed = None
    if search.where is not None:
        allowed = allowed_rows(search.where, columns_of_items(database), len(database))
    if "hash" in {*database.provenance, *asked.provenance} and search.field in (None, "codes"):
        _refuse("codes; leave it out, or search the field u", normalize=search.normalize, steps=search.steps)
        _refuse("codes; leave it out, or search the field u", rerank=search.rerank)
        return find_by_code(database, asked, search, allowed, threads=threads)
    why = "vectors, as it goes with the codes of a hash model"
    _refuse(why, rerank_codes=search.rerank_codes, same_label=search.same_label or None)
    vectors = database.field(search.field).vectors
    queries = asked.matrix if len(asked.fields) == 1 else asked.field(search.field).matrix
    if queries.shape[1] != vectors.shape[1]:
        raise ValueError(f"vectors: expected {vectors.shape[1]} values each, got {queries.shape[1]}")
    squared, ids = _nearest(vectors, queries, search, allowed, own, threads)
    return Hits(database, tuple(asked.items), ids, squared, skipped=asked.skipped, notes=asked.notes)


def _refuse(why: str, **given: object) -> None:
    for name, value in given.items():
        if value not in (None, ""):
            raise ValueError(f"{name}: expected none for {why}; got {value!r}")


def columns_of_items(database: Features) -> Columns:
    """Return what rows can be chosen by: ``item``, ``class``, and of a hash model ``label`` and ``probability``."""
    columns: dict[str, NDArray[Any]] = {"item": np.array([*database.items, None], object)[:-1]}
    if database.labels is not None:
        columns["class"] = np.array([*database.classes, None], object)[database.labels]
    if "hash" in database.provenance:
        labels = predicted(database["probabilities"])
        columns["label"] = np.array([*database.provenance["hash"]["classes"], None], object)[labels.labels]
        columns["probability"] = labels.probabilities
    return columns


def query_files(paths: tuple[str, ...] | list[Path]) -> Dataset:
    """Make one data set of query images and folders of them, named as given."""
    from rsir_fast.base.looking import is_folder
    from rsir_fast.datasets import Dataset, Skipped, open_dataset

    files: list[str] = []
    notes: list[str] = []
    unreadable: list[Skipped] = []
    for path in paths:
        if is_folder(path):
            folder = open_dataset(path, all_items=True)
            files += [str(Path(folder.root or path) / item) for item in folder.items]
            notes += folder.notes
            unreadable += [entry._replace(item=f"{folder.root}/{entry.item}") for entry in folder.unreadable]
        else:
            files.append(str(path))
    return Dataset("queries", Path(), tuple(dict.fromkeys(files)), notes=tuple(notes), unreadable=tuple(unreadable))


def _rows(database: Features, ids: list[int]) -> Features:
    """Return some rows as features."""
    arrays = {field.name: database[field.name][ids] for field in database.fields}
    items = tuple(database.items[row] for row in ids)
    return Features(arrays, items, None, (), database.name, provenance=database.provenance)


def _nearest(
    vectors: RowBlocks,
    queries: NDArray[np.float32],
    search: Search,
    allowed: NDArray[np.bool_] | None,
    own: NDArray[np.int64] | None,
    threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return squared distances and rows [q, k]; where the queries are all rows, of one array, which is faster."""
    normalize, stages = search.normalized, parse_rerank(search.rerank)
    is_all = own is not None and queries.dtype == vectors.dtype and np.array_equal(own, np.arange(len(vectors)))
    if normalize != "feature" and not (search.steps or stages):  # where they lie, whose copy may be large
        items = queries if is_all else vectors
        return euclidean_topk(queries, items, search.k, normalize=normalize, where=allowed, threads=threads)
    items = queries if is_all else np.asarray(vectors)
    if normalize == "feature":
        statistics = gaussian_statistics(items, threads=threads)
        queries, items = _changed(
            queries, items, lambda x: gaussian_normalize(x, "feature", statistics=statistics, threads=threads)
        )
    elif normalize == "row":
        queries, items = _changed(queries, items, lambda x: gaussian_normalize(x, threads=threads))
    if search.steps:
        fitted = fit_steps(search.steps, items)
        queries, items = _changed(queries, items, fitted.transform)
    for stage in stages:
        if isinstance(stage, Expansion):
            queries, items = stage.apply(queries, items, own, threads=threads)
        else:
            return _diffused(stage, items, search.k, allowed, own, threads)
    return euclidean_topk(queries, items, search.k, where=allowed, threads=threads)


def _changed(queries: Matrix, items: Matrix, change: Callable[[Matrix], Matrix]) -> tuple[Matrix, Matrix]:
    """Return what becomes of both, one array where they are one."""
    changed = change(items)
    return changed if queries is items else change(queries), changed


def _diffused(
    stage: Diffusion,
    items: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_] | None,
    own: NDArray[np.int64] | None,
    threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if own is None:
        raise ValueError(
            f"{stage}: expected queries that are rows of the database (ids), whose graph it walks; or expand, augment"
        )
    squared = np.full((len(own), k), np.inf, np.float32)
    ids = np.full((len(own), k), -1, np.int64)
    graph = stage.graph(items, threads=threads)
    for start, distances, found in stage.rankings(graph, items, own, threads=threads):
        for row, (near, each) in enumerate(zip(distances, found, strict=True), start=start):
            kept = np.flatnonzero(allowed[each])[:k] if allowed is not None else np.arange(min(k, len(each)))
            squared[row, : len(kept)], ids[row, : len(kept)] = near[kept], each[kept]
    return squared, ids
