"""What is asked of a database: serialisable, the same from Python and from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, InstanceOf, field_validator, model_validator

from rsir_fast.base.text import listed
from rsir_fast.retrieval.asked import Asked
from rsir_fast.retrieval.rerank import parse_rerank
from rsir_fast.retrieval.steps import parse_steps
from rsir_fast.retrieval.where import Where

__all__ = ["Normalize", "Query", "Search", "normalize_by_default"]

Normalize = Literal["row", "feature", "none"]


def normalize_by_default(given: Normalize | None, steps: object) -> Normalize:
    """Return how vectors are normalised where nothing is said: by row, the paper's way; where there are steps, not.

    Examples
    --------
    >>> normalize_by_default(None, ""), normalize_by_default(None, "power,l2"), normalize_by_default("row", "l2")
    ('row', 'none', 'row')
    """
    return given or ("none" if steps else "row")


class Search(Asked):
    """How results are chosen and ordered.

    Attributes
    ----------
    k : int
        Results a query.
    field : str or None
        What is searched. Default: the codes of a hash model, else the only field of vectors.
    where : Where or None
        Which rows may be found.
    normalize : {"row", "feature", "none"} or None
        Gaussian normalisation of vectors. Default: ``"row"``; ``"none"`` where there are steps, which otherwise come
        after it: as of `rsir_fast.evaluate_ge2018`.
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
        if self.rerank_codes is not None and self.rerank_codes < self.k:
            raise ValueError(
                f"rerank_codes: expected at least k ({self.k}) candidates to order, got {self.rerank_codes}; raise it, "
                "or lower k"
            )
        return self

    @property
    def normalized(self) -> Normalize:
        """How vectors are normalised."""
        return normalize_by_default(self.normalize, self.steps)


class Query(Search):
    """What is asked, by one of three ways, and how results are chosen.

    Attributes
    ----------
    images : tuple of str
        Files, or folders of them.
    ids : tuple of int
        Rows of the database itself.
    vectors : tuple of tuple of float
        As the field that is searched.

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
    ids: tuple[Annotated[int, Field(ge=0)], ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, content: Any) -> Any:
        """Take paths, arrays and one of anything, too."""
        if not isinstance(content, dict):
            return content
        found = dict(content)
        images = found.get("images")
        if _is_path(images):
            images = [images]
        if isinstance(images, Iterable):
            found["images"] = tuple(str(path) if _is_path(path) else path for path in images)
        for name in ("ids", "vectors"):
            if hasattr(found.get(name), "tolist"):
                found[name] = found[name].tolist()
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
        given = [name for name in ("images", "ids", "vectors") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"query: expected images, ids or vectors, got {' and '.join(given) or 'none of them'}")
        return self


def _is_path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__fspath__")
