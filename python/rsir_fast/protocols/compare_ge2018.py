"""What each option beyond the paper adds: one evaluation an option, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rsir_fast.archive import Features
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.errors import RsirError
from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison, HeadlineFigures, OptionRow
from rsir_fast.protocols.facts import describe_dataset
from rsir_fast.protocols.ge2018 import check_classes, evaluate_ge2018
from rsir_fast.protocols.ge2018_result import RetrievalFigures

__all__ = ["OPTIONS", "Option", "compare_ge2018"]


class Option(NamedTuple):
    """Steps and re-ranking as `rsir_fast.evaluate_ge2018` takes them; both empty for the paper's method."""

    steps: str = ""
    rerank: str = ""

    @property
    def label(self) -> str:
        """What people read."""
        return "; ".join(text for text in self if text) or "row normalisation (the paper)"


OPTIONS = (
    Option(),
    Option("l2"),
    Option("power:0.5,l2"),
    Option("center,l2"),
    Option("power:0.5,center,l2"),
    Option("power:0.5,l2,pca:64,l2"),
    Option("power:0.5,l2,whiten:32,l2"),
    Option(rerank="expand:10"),
    Option(rerank="expand:10:3"),
    Option(rerank="augment:10"),
    Option(rerank="diffuse:30"),
    Option("power:0.5,center,l2", "expand:10"),
    Option("power:0.5,center,l2", "expand:10:3"),
    Option("power:0.5,center,l2", "augment:10"),
    Option("power:0.5,center,l2", "diffuse:30"),
    Option("power:0.5,center,l2", "augment:10,diffuse:50"),
)
"""The paper's method, each option by itself, and combinations."""


def compare_ge2018(
    features: Sequence[tuple[str, Features]],
    options: Sequence[Option] = OPTIONS,
    *,
    threads: int | None = None,
    device: Any = None,
    progress: OnProgress | None = None,
) -> Ge2018Comparison:
    """Evaluate options beyond the paper on features of one data set.

    Parameters
    ----------
    features : sequence of (label, Features)
        Of the same images: other networks, layers, sizes, turns.
    options : sequence of Option
    threads, device : optional
        As in `rsir_fast.evaluate_ge2018`.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"compare"`` after every evaluation; returning False stops.

    Returns
    -------
    Ge2018Comparison
        ``dataset`` and ``rows``, each with ``features``, ``dim``, ``steps``, ``rerank`` and, for ``query_excluded``
        and ``query_included``, ``map`` with its intervals and ``anmrr``; or ``refused``, why it could not be.

    Raises
    ------
    DatasetError
        If the features cannot be evaluated at all.
    """
    for _, made in features:
        check_classes(made.name, made.labels)
    rows: list[OptionRow] = []
    for label, given in features:
        made = given.field()
        for option in options:
            found: dict[str, Any]
            try:
                result = evaluate_ge2018(
                    made, steps=option.steps, rerank=option.rerank, examples=0, threads=threads, device=device
                )
            except ValueError as error:
                found = {"refused": str(error)}
            else:
                found = {place: _headline(figures) for place, figures in result.by_place.items()}
            rows.append(OptionRow(features=label, dim=made.dim, steps=option.steps, rerank=option.rerank, **found))
            total = len(features) * len(options)
            if is_stopped(progress, Progress("compare", len(rows), total)):
                raise RsirError(f"comparison stopped after {len(rows)} of {total} evaluations")
    return Ge2018Comparison(protocol="ge2018", dataset=describe_dataset(features[0][1]), rows=tuple(rows))


def _headline(figures: RetrievalFigures) -> HeadlineFigures:
    return HeadlineFigures(map=figures.map, map_intervals=figures.map_intervals, anmrr=figures.anmrr)
