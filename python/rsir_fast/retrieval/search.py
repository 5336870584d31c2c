"""From a query to what is found: one way for Python and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.shown import counted
from rsir_fast.errors import FeaturesError
from rsir_fast.retrieval.by_code import find_by_code
from rsir_fast.retrieval.hits import Hits
from rsir_fast.retrieval.nearest import nearest
from rsir_fast.retrieval.query import Query, Search
from rsir_fast.retrieval.searched import Searched

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset

__all__ = ["encode_queries", "find", "query_files", "search"]


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
        By Euclidean distance of the vectors, or Hamming distance of a hash model's codes; equal distances by id.

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
        own = np.array(query.ids)
        return find(database, _rows(database, own), query, own=own, threads=threads)
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
        Ids of the rows of the database that the queries are: re-ranking by neighbours leaves them out of their own.
    threads : int, optional
        Never changes the answer.
    """
    searched = Searched(database)
    if "hash" in {*database.provenance, *asked.provenance} and search.field in (None, "codes"):
        _refuse("codes; leave it out, or search the field u", normalize=search.normalize, steps=search.steps)
        _refuse("codes; leave it out, or search the field u", rerank=search.rerank)
        return find_by_code(searched, asked, search, threads=threads)
    why = "vectors, as it goes with the codes of a hash model"
    _refuse(why, rerank_codes=search.rerank_codes, same_label=search.same_label or None)
    field = database.searched_field(search.field)
    queries = asked.matrix if len(asked.fields) == 1 else asked.field(search.field).matrix
    width = searched.rows.fields[field].shape[1]
    if queries.shape[1] != width:
        raise ValueError(f"vectors: expected {width} values each, got {queries.shape[1]}")
    order = None if (np.diff(database.ids) > 0).all() else database.ids
    allowed = searched.allowed(search.where)
    squared, places = nearest(searched.rows, field, queries, search, allowed, own, order=order, threads=threads)
    ids = searched.rows.ids_at(places)
    return Hits(database, tuple(asked.items), ids, squared, skipped=asked.skipped, notes=asked.notes)


def _refuse(why: str, **given: object) -> None:
    for name, value in given.items():
        if value not in (None, ""):
            raise ValueError(f"{name}: expected none for {why}; got {value!r}")


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


def _rows(database: Features, ids: NDArray[np.int64]) -> Features:
    """Return some rows as features."""
    rows = database.all_rows
    places = rows.places(ids)
    if (places < 0).any():
        raise ValueError(
            f"ids: expected ids of the {counted(len(database), 'row', 'rows')} of {database.name}, got "
            f"{ids[places < 0][0]}"
        )
    arrays = {name: field[places] for name, field in rows.fields.items()}
    items = tuple(database.items[row] for row in database.rows_of(ids).tolist())
    return Features(arrays, items, None, (), database.name, provenance=database.provenance)
