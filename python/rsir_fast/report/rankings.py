"""Example rankings as a page shows them: pictures with captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rsir_fast.report import format as text
from rsir_fast.report.thumbnails import Thumbnail, Thumbnails

if TYPE_CHECKING:
    from rsir_fast.protocols.facts import Example

__all__ = ["Picture", "Ranking", "ranking"]


class Picture(NamedTuple):
    """One image of a ranking with its caption; `verdict` says which label it was given, where there is one."""

    thumbnail: Thumbnail
    name: str
    distance: str
    relevant: bool
    verdict: str = ""
    mislabelled: bool = False


class Ranking(NamedTuple):
    """One query and what was returned for it."""

    note: str
    query: Picture
    average_precision: str
    right: int
    results: list[Picture]
    missing: list[str]


def ranking(example: Example, thumbnails: Thumbnails) -> Ranking:
    """Put an example of a protocol into words and pictures.

    Examples
    --------
    >>> from rsir_fast.protocols.facts import Example, Hit
    >>> hit = Hit(item=1, class_name="beach", label="river", probability=0.61, distance=3, relevant=True)
    >>> example = Example(query=0, query_class="beach", average_precision=0.5, results=(hit,))
    >>> shown = ranking(example, Thumbnails(None))
    >>> shown.results[0].verdict, shown.results[0].distance, shown.right
    ('≠ label river, 61 %', '3 bits', 1)
    """
    query = Picture(
        thumbnails(example.query),
        example.query_class,
        "",
        True,
        *_verdict(example.query_class, example.query_label, example.query_probability),
    )
    results = [
        Picture(
            thumbnails(hit.item),
            hit.class_name,
            _distance(hit.distance),
            hit.relevant,
            *_verdict(hit.class_name, hit.label, hit.probability),
        )
        for hit in example.results
    ]
    places = [("the query", query), *((f"rank {rank}", hit) for rank, hit in enumerate(results, 1))]
    return Ranking(
        note=example.note,
        query=query,
        average_precision=text.fraction(example.average_precision),
        right=sum(1 for hit in example.results if hit.relevant),
        results=results,
        missing=[f"{place}: {shown.thumbnail.problem}" for place, shown in places if shown.thumbnail.uri is None],
    )


def _distance(value: float) -> str:
    """Say a Hamming distance, which is a whole number, in bits."""
    return text.counted(value, "bit", "bits") if isinstance(value, int) else text.distance(value)


def _verdict(true: str, label: str | None, probability: float | None) -> tuple[str, bool]:
    if label is None or probability is None:
        return "", False
    share = f"{100 * probability:.0f} %"
    return (f"= label, {share}", False) if label == true else (f"≠ label {label}, {share}", True)
