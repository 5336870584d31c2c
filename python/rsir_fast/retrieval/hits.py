"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, InstanceOf

from rsir_fast.base.objects import url_of_path
from rsir_fast.base.shown import Shown, counted
from rsir_fast.datasets.windows import item_name
from rsir_fast.encoders.fields import Frozen
from rsir_fast.retrieval.instants import iso

if TYPE_CHECKING:
    from rsir_fast.archive import Features
    from rsir_fast.archive.tables import ItemRow
    from rsir_fast.datasets import Skipped

__all__ = ["Answer", "Found", "Hits", "Labels"]

Name = InstanceOf[str]


class Found(Frozen):
    """One result.

    Attributes
    ----------
    rank : int
        From 1.
    id : int
        Of the item in its archive: no other item ever has it.
    item, path : str
        Of the image: its name, and where it lies (``s3://BUCKET/KEY`` in a store).
    class_ : str or None
        JSON: ``class``.
    bounds : tuple of float or None
        West, south, east, north in degrees (WGS 84); west > east crosses the antimeridian.
    time : str or None
        When it was taken (ISO 8601, UTC).
    columns : dict or None
        What else is known of it.
    distance : float or int
        Euclidean; of codes in bits.
    label, probability
        Of a hash model: the predicted label.
    euclidean : float or None
        Of codes that were ordered by it.
    """

    rank: int
    id: int
    item: Name
    path: Name
    class_: Name | None = Field(default=None, serialization_alias="class")
    label: Name | None = None
    probability: float | None = None
    distance: int | float
    euclidean: float | None = None
    bounds: tuple[float, float, float, float] | None = None
    time: str | None = None
    columns: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it JSON-able, without what the search does not give."""
        always = {"rank", "id", "item", "path", "class"}
        return {
            key: value for key, value in self.model_dump(by_alias=True).items() if key in always or value is not None
        }


class Answer(Frozen):
    """The results of one query, with its own label where a hash model gave one."""

    query: Name
    label: Name | None = None
    probability: float | None = None
    results: tuple[Found, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it JSON-able, without what the search does not give."""
        said = {} if self.label is None else {"label": self.label, "probability": self.probability}
        return {"query": self.query, **said, "results": [found.as_json() for found in self.results]}


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels that a hash model predicted.

    Attributes
    ----------
    labels : array, int64
        Indices into the model's classes; -1 where there is no item, or the model prefers no class: it was trained
        without a classifier.
    probabilities : array, float32
        NaN where there is no label.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Hits(Shown):
    """What a search found for q queries; places without a row are last and have id -1.

    Attributes
    ----------
    database : Features
        What was searched.
    queries : tuple of str
        Names of the queries.
    ids : array, int64 [q, k]
        Of items of the database, best first: an archive's own numbers, in memory those of rows.
    squared : array, float32 [q, k], or None
        **Squared** Euclidean distances, +inf where there is no row; of codes None but where they were ordered by it.
    hamming : array, int32 [q, k], or None
        Of codes: bits that differ; 2147483647 (the int32 maximum) where there is no row.
    predicted, of_queries : Labels or None
        Of a hash model: the predicted labels of the rows, [q, k], and of the queries, [q].
    skipped : tuple of Skipped
        Query images that could not be read, and why; they are not among `queries`.
    notes : tuple of str
        What the queries have to say of themselves, such as why no distance need be exactly 0.
    how : dict
        JSON-able: by what was searched; of an archive ``version`` and ``digest`` name what it held.
    """

    database: Features
    queries: tuple[str, ...]
    ids: NDArray[np.int64]
    squared: NDArray[np.float32] | None = None
    hamming: NDArray[np.int32] | None = None
    predicted: Labels | None = None
    of_queries: Labels | None = None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def distances(self) -> NDArray[Any]:
        """As answers tell them [q, k]: Euclidean ones, float64, or of codes bits that differ."""
        if self.hamming is not None:
            return self.hamming
        assert self.squared is not None  # one of the two is there
        return np.sqrt(self.squared.astype(np.float64))

    def __len__(self) -> int:
        return len(self.queries)

    def _facts(self) -> dict[str, str]:
        return {
            "queries": counted(len(self), "query", "queries"),
            "results": f"{self.ids.shape[1]:,} each",
            "order": "by Euclidean distance" if self.squared is not None else "by Hamming distance",
            "left out": counted(len(self.skipped), "image skipped", "images skipped") if self.skipped else "",
        }

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """The results of each query, with the items' names and classes."""
        return tuple(self._answer(row) for row in range(len(self)))

    def as_json(self) -> list[dict[str, Any]]:
        """Return the answers, JSON-able: what this search does not give is left out."""
        return [answer.as_json() for answer in self.answers]

    def geojson(self) -> dict[str, Any]:
        """Return the answers as GeoJSON (RFC 7946), to be opened in a GIS.

        Returns
        -------
        dict
            A FeatureCollection, JSON-able. Geometries are the items' footprints: longitude and latitude (WGS 84), outer
            rings counterclockwise, cut at the antimeridian; null of an item without a place. Properties: ``query``,
            ``rank``, ``id``, ``item``, ``distance``, ``class``, ``time``, of a hash model ``label`` and
            ``probability``, and the columns of the archive, but for those of these names.

        Examples
        --------
        >>> from rsir_fast.archive import Features
        >>> demo = Features(np.eye(2, dtype=np.float32), ("a", "b"), None, (), "demo")
        >>> found = Hits(demo, ("a",), np.array([[1]]), np.array([[2.0]], np.float32)).geojson()
        >>> found["features"][0]["properties"]["item"], found["features"][0]["geometry"]
        ('b', None)
        """
        from rsir_fast.retrieval.geojson import feature_collection

        told = []
        for answer in self.answers:
            for found in answer.results:
                said = found.as_json()
                columns = said.pop("columns", {})
                for name in ("path", "bounds"):  # of this machine; in the geometry
                    said.pop(name, None)
                told.append(({**columns, "query": answer.query, **said, "time": found.time}, self.items[found.id]))
        return feature_collection(told)

    def _answer(self, row: int) -> Answer:
        there = int((self.ids[row] >= 0).sum())
        of = self.of_queries
        return Answer(
            query=url_of_path(self.queries[row]),
            **({} if of is None else self._label(of.labels[row], of.probabilities[row])),
            results=tuple(self._found(row, place) for place in range(there)),
        )

    @cached_property
    def items(self) -> dict[int, ItemRow]:
        """What is known of each item that was found, by id."""
        ids = np.unique(self.ids[self.ids >= 0])
        rows = self.database.rows_of(ids).tolist()
        return dict(zip(ids.tolist(), self.database.about(rows), strict=True))

    def _found(self, row: int, place: int) -> Found:
        number = int(self.ids[row, place])
        item, file = self.items[number], self.database.file(self.items[number])
        euclidean = None if self.squared is None else float(np.sqrt(np.float64(self.squared[row, place])))
        said: dict[str, Any] = {}
        if self.predicted is not None:
            said |= self._label(self.predicted.labels[row, place], self.predicted.probabilities[row, place])
        if self.hamming is not None:
            said |= {"distance": int(self.hamming[row, place]), "euclidean": euclidean}
        else:
            said["distance"] = euclidean
        return Found(
            rank=place + 1,
            id=number,
            item=item.name,
            path=item.name if file is None else url_of_path(item_name(str(file), item.window)),
            class_=item.class_name,
            bounds=item.bounds,
            time=None if item.time is None else iso(item.time),
            columns=dict(item.columns) or None,
            **said,
        )

    def _label(self, label: int, probability: float) -> dict[str, Any]:
        """Name a predicted label; nothing where the model gives none."""
        if label < 0:
            return {}
        return {"label": self.database.provenance["hash"]["classes"][label], "probability": float(probability)}
