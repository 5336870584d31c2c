"""What is asked of a database: serialisable, the same from Python and from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, InstanceOf, StrictInt, field_validator, model_validator

from rsir_fast.base.text import listed
from rsir_fast.retrieval.asked import Asked
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.steps import parse_steps
from rsir_fast.retrieval.where import Where

if TYPE_CHECKING:
    from rsir_fast.archive import Features

__all__ = ["Normalize", "Query", "Search", "normalize_by_default", "searched_by"]

Normalize = Literal["row", "feature", "none"]


def normalize_by_default(given: Normalize | None, steps: object) -> Normalize:
    """Return how vectors are normalised where nothing is said: by row, the paper's way; where there are steps, not.

    Examples
    --------
    >>> normalize_by_default(None, ""), normalize_by_default(None, "power,l2"), normalize_by_default("row", "l2")
    ('row', 'none', 'row')
    """
    return given or ("none" if steps else "row")


def searched_by(database: Features) -> Literal["row", "none"]:
    """Return how vectors are normalised in searches that do not say: as their archive was made for, else by row.

    Vectors of CLIP models have length 1 and are compared as they are.
    """
    return "none" if database.spec is not None and database.spec.reads_text else database.normalize


_WAYS = ("images", "ids", "vectors", "texts", "at", "liked")
Example: TypeAlias = Annotated[StrictInt, Field(ge=0, lt=1 << 63)] | InstanceOf[str]


class Search(Asked):
    """How results are chosen and ordered.

    Attributes
    ----------
    k : int
        Results a query.
    offset : int
        Leave out so many before them: a page of k has the offset k times its number.
    min_distance, max_distance : float or None
        Leave out what is nearer, or farther: Euclidean distances as answers tell them, Hamming distances of codes.
    field : str or None
        What is searched. Default: the codes of a hash model, else the only field of vectors.
    where : Where or None
        Which rows may be found.
    normalize : {"row", "feature", "none"} or None
        Gaussian normalisation of vectors. Default: what the archive was made with, ``"row"``, or ``"none"`` of imported
        vectors, which are compared as published; ``"none"`` where there are steps, which otherwise come after it (as of
        `rsir_fast.evaluate_ge2018`), and of CLIP models, whose vectors have length 1.
    steps : str
        Post-processing, fitted on the database: `rsir_fast.retrieval.parse_steps`.
    rerank : str
        `rsir_fast.retrieval.parse_rerank`. Neighbours are those of the whole database, whatever `where` allows.
    rerank_codes : int or None
        Order that many nearest codes by the Euclidean distance of u.
    same_label : bool
        Of a hash model: only rows of the query's predicted label.
    """

    k: Annotated[int, Field(ge=0)] = 10
    offset: Annotated[int, Field(ge=0)] = 0
    min_distance: Annotated[float, Field(ge=0)] | None = None
    max_distance: Annotated[float, Field(ge=0)] | None = None
    field: str | None = None
    where: Where | None = None
    normalize: Normalize | None = None
    steps: str = ""
    rerank: str = ""
    rerank_codes: int | None = None
    same_label: bool = False

    @field_validator("steps")
    @classmethod
    def _known_steps(cls, text: str) -> str:
        parse_steps(text)
        return text

    @field_validator("rerank")
    @classmethod
    def _known_stages(cls, text: str) -> str:
        parse_rerank(text)
        return text

    @model_validator(mode="after")
    def _deep_enough(self) -> Search:
        most = self.k + self.offset
        if self.rerank_codes is not None and self.rerank_codes < most:
            told = f"k ({self.k})" if not self.offset else f"k and offset ({most})"
            raise ValueError(
                f"rerank_codes: expected at least {told} candidates to order, got {self.rerank_codes}; raise it, "
                "or lower k"
            )
        if None not in (self.min_distance, self.max_distance) and self.min_distance > self.max_distance:  # type: ignore[operator]
            raise ValueError(
                f"min_distance: expected at most max_distance ({self.max_distance:g}), got {self.min_distance:g}"
            )
        return self

    @property
    def normalized(self) -> Normalize:
        """How vectors are normalised."""
        return normalize_by_default(self.normalize, self.steps)


class Query(Search):
    """What is asked, by one of these ways, and how results are chosen.

    Attributes
    ----------
    images : tuple of str
        Files, folders of them, or windows of rasters: ``scene.tif#xywh=COLUMN,ROW,WIDTH,HEIGHT``.
    ids : tuple of int
        Of items of the database itself.
    vectors : tuple of tuple of float
        As the field that is searched.
    texts : tuple of str
        Where the encoder reads text, too: CLIP models of open_clip. The images that fit a text best are its nearest.
    at : tuple of float or None
        Longitude and latitude (WGS 84): the item whose footprint holds this place; of several the one whose centre is
        nearest.
    liked, unliked : tuple of int or str
        Ids of items, and images as above, that are one query together: what is like these, and unlike those.
    strategy : {"mean", "best"}
        ``mean``: the query is 2 m(liked) - m(unliked), without unliked ones m(liked), where m is the mean of vectors,
        normalised first as the search does. ``best``: items are ordered by their distance to the nearest liked one;
        those that have an unliked one as near, or nearer, come last, the nearest to it at the very end.

    Raises
    ------
    ValueError
        If nothing is asked, or in several ways; for an option that is none.

    Examples
    --------
    >>> from rsir_fast.retrieval.where import Column
    >>> query = Query(ids=(3,), k=2, where=Column(column="class", value="forest"))
    >>> Query.model_validate_json(query.model_dump_json()) == query
    True
    """

    images: tuple[InstanceOf[str], ...] = ()
    ids: tuple[Annotated[int, Field(ge=0, lt=1 << 63)], ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    texts: tuple[str, ...] = ()
    at: tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]] | None = None
    liked: tuple[Example, ...] = ()
    unliked: tuple[Example, ...] = ()
    strategy: Literal["mean", "best"] = "mean"

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, content: Any) -> Any:
        """Take paths, arrays and one of anything, too."""
        if not isinstance(content, dict):
            return content
        found = dict(content)
        for name in ("ids", "vectors", "liked", "unliked"):
            if hasattr(found.get(name), "tolist"):
                found[name] = found[name].tolist()
        for name in ("images", "texts", "liked", "unliked"):
            some = found.get(name)
            if _is_path(some) or (isinstance(some, int) and name != "images"):
                some = [some]
            if isinstance(some, Iterable):
                found[name] = tuple(str(each) if _is_path(each) else each for each in some)
        ids, vectors = found.get("ids"), found.get("vectors")
        if isinstance(ids, int):
            found["ids"] = (ids,)
        if isinstance(vectors, list | tuple) and vectors and isinstance(vectors[0], int | float):
            found["vectors"] = (vectors,)
        return found

    @field_validator("vectors")
    @classmethod
    def _of_one_length(cls, vectors: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) > 1 or 0 in lengths:
            raise ValueError(f"vectors: expected the same number of values in each, got {listed(lengths)}")
        return vectors

    @model_validator(mode="after")
    def _asks_once(self) -> Query:
        given = [name for name in _WAYS if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"query: expected images, ids, vectors, texts, at or liked, got {' and '.join(given) or 'none of them'}"
            )
        if self.unliked and not self.liked:
            raise ValueError("unliked: expected liked ones to go with them, got none; say what is searched for")
        return self


def _is_path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")
