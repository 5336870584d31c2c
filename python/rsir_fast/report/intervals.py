"""How sure a mAP or an accuracy is, in words: the rows of a table, and how its intervals were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rsir_fast.protocols.intervals import FEWEST_CLASSES
from rsir_fast.report.describe import Row
from rsir_fast.report.format import MISSING, count, percent, span

if TYPE_CHECKING:
    from rsir_fast.protocols.intervals import MapIntervals, UnitInterval

__all__ = ["how_sure", "interval_method", "interval_rows"]


_NOT_OF = (
    "none of them speaks of other data sets, splits or trainings; the other figures come of the same queries, and have "
    "none of their own"
)


def interval_rows(
    found: Sequence[MapIntervals | None], form: Callable[[float | None], str] = percent
) -> list[tuple[str, list[str]]]:
    """Return a row by query and one by class, each with a text a column; none where no column has intervals.

    Examples
    --------
    >>> from rsir_fast.protocols.intervals import MapIntervals, UnitInterval
    >>> one = MapIntervals(
    ...     level=0.95, by_query=UnitInterval(low=0.546, high=0.567, units=9, resamples=99), by_class=None
    ... )
    >>> interval_rows([one, None])
    [('95 % interval, by query', ['54.60 to 56.70 %', '–']), ('95 % interval, by class', ['–', '–'])]
    """
    level = next((each.level for each in found if each is not None), None)
    if level is None:
        return []
    by_query = [None if each is None else each.by_query for each in found]
    by_class = [None if each is None else each.by_class for each in found]
    return [
        (f"{100 * level:g} % interval, by {unit}", [_ends(one, form) for one in row])
        for unit, row in (("query", by_query), ("class", by_class))
    ]


def _ends(one: UnitInterval | None, form: Callable[[float | None], str]) -> str:
    return MISSING if one is None else span(one.low, one.high, form)


def how_sure(found: MapIntervals | None, form: Callable[[float | None], str] = percent) -> str:
    """Say the intervals of a headline in a line; nothing where there are none."""
    rows = [(label.split(", ")[1], texts[0]) for label, texts in interval_rows([found], form) if texts[0] != MISSING]
    return "" if found is None else f"{100 * found.level:g} %: {', '.join(f'{text} {unit}' for unit, text in rows)}"


def interval_method(found: MapIntervals | None, of: str = "mAP", *, classes: bool = True) -> list[Row]:
    """Say how the intervals were made, `of` which figures, and what they speak of; `classes`: images have some."""
    if found is None:
        return []
    drawn = count(found.by_query.resamples)
    text = f"{100 * found.level:g} %, percentile bootstrap of {of}: {drawn} draws of the queries"
    if found.by_class is None and not classes:
        text += ", which speak of other queries of their kind; no interval by class, as images have none"
    elif found.by_class is None:
        few = f"no interval by class, as there are fewer than {FEWEST_CLASSES}"
        text += f", which speak of other queries of these classes; {few}"
    else:
        text += (
            f", which speak of other queries of these classes, and {count(found.by_class.resamples)} of the "
            f"{count(found.by_class.units)} classes with all their queries, which speak of other classes (of few too "
            "narrowly: of 5 they hold the truth in 84 % of trials, of 21 in 92)"
        )
    return [Row("Intervals", f"{text}; {_NOT_OF}")]
