"""From a query to what is found: one way for Python and the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.errors import FeaturesError
from rsir_fast.retrieval.at_place import item_at
from rsir_fast.retrieval.by_code import find_by_code
from rsir_fast.retrieval.examples import FORMULAS, best, mean_query
from rsir_fast.retrieval.hits import Hits
from rsir_fast.retrieval.nearest import nearest
from rsir_fast.retrieval.paging import paged
from rsir_fast.retrieval.queries import Encoding, query_files, rows_of_ids
from rsir_fast.retrieval.query import Query, Search, searched_by
from rsir_fast.retrieval.searched import Searched

__all__ = ["find", "search"]


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
    hits = _answered(database, _compared(database, query), Encoding(weights, device, engine), threads)
    of = {} if database.version is None else {"version": database.version.number, "digest": database.version.digest}
    return replace(hits, how={**of, **hits.how})


def _answered(database: Features, query: Query, encoding: Encoding, threads: int | None) -> Hits:
    if query.liked:
        return _by_examples(database, query, encoding, threads)
    ids = query.ids if query.at is None else (item_at(Searched(database), query.at),)
    if ids:
        own = np.array(ids)
        return find(database, rows_of_ids(database, own), query, own=own, threads=threads)
    if query.vectors or query.texts:
        asked = _vectors(database, query) if query.vectors else encoding.texts(database, query.texts)
        return find(database, asked, query, threads=threads)
    asked = encoding.images(database, query_files(query.images))
    return find(database, asked, query, threads=threads)


def _compared(database: Features, query: Query) -> Query:
    """Return a query that compares vectors as they are where their encoder, or their archive, does so."""
    if query.texts and query.normalize not in (None, "none"):
        raise ValueError(
            f"normalize: expected none beside texts, whose vectors go with those of images as they are, got "
            f"{query.normalize!r}; leave it out"
        )
    is_said = query.normalize is not None or query.steps or _has_codes(database, query)
    return query if is_said or searched_by(database) == "row" else query.model_copy(update={"normalize": "none"})


def _vectors(database: Features, query: Query) -> Features:
    _no_codes("vectors", database, query)
    names = tuple(f"vector {number}" for number in range(len(query.vectors)))
    return Features(np.array(query.vectors, np.float32), names, None, (), "queries")


def _no_codes(what: str, database: Features, query: Query) -> None:
    if _has_codes(database, query):
        raise ValueError(f"{what}: expected field='u' to go with them, as the database has codes; name it")


def _has_codes(database: Features, query: Query) -> bool:
    """Whether codes are searched, not vectors."""
    return "hash" in database.provenance and query.field != "u"


def _by_examples(database: Features, query: Query, encoding: Encoding, threads: int | None) -> Hits:
    """Search by liked and unliked examples together."""
    _no_codes("liked", database, query)
    field, searched = database.searched_field(query.field), Searched(database)
    liked, unliked = (encoding.examples(database, side, field) for side in (query.liked, query.unliked))
    name = f"like {', '.join(liked.items)}" + (f"; unlike {', '.join(unliked.items)}" if len(unliked) else "")
    notes = tuple(dict.fromkeys((*liked.notes, *unliked.notes)))
    if query.strategy == "mean":
        matrix = mean_query(liked.matrix, unliked.matrix, query, threads=threads)
        hits = find(database, Features(matrix, (name,), None, (), "queries"), query, threads=threads)
    else:
        _refuse("strategy='best'", steps=query.steps, rerank=query.rerank)
        _refuse("strategy='best'", normalize="feature" if query.normalize == "feature" else None)
        allowed = searched.allowed(query.where)

        def answer(search: Search) -> Hits:
            squared, places = best(searched.rows, field, liked.matrix, unliked.matrix, search, allowed, threads=threads)
            how = {"distance": "euclidean", "field": field, "normalize": search.normalized}
            return Hits(database, (name,), searched.rows.ids_at(places), squared, how=how)

        hits = paged(query, len(database), answer)
    how = {**hits.how, "strategy": query.strategy, "formula": FORMULAS[query.strategy]}
    return replace(hits, how=how, notes=(*hits.notes, *notes))


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
    return paged(search, len(database), lambda deep: _found(database, asked, deep, own, threads))


def _found(
    database: Features, asked: Features, search: Search, own: NDArray[np.int64] | None, threads: int | None
) -> Hits:
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
    how = {"distance": "euclidean", "field": field, "normalize": search.normalized}
    how |= {name: chain for name, chain in (("steps", search.steps), ("rerank", search.rerank)) if chain}
    return Hits(database, tuple(asked.items), ids, squared, skipped=asked.skipped, notes=asked.notes, how=how)


def _refuse(why: str, **given: object) -> None:
    for name, value in given.items():
        if value not in (None, ""):
            raise ValueError(f"{name}: expected none for {why}; got {value!r}")
