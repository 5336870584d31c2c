"""An option beyond the paper chosen on one data set and measured on another, where nothing was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rsir_fast.archive import Features
from rsir_fast.base.progress import OnProgress
from rsir_fast.errors import DatasetError
from rsir_fast.protocols.choose_ge2018_result import Ge2018Choice, ReportedOption
from rsir_fast.protocols.compare_ge2018 import OPTIONS, Option, compare_ge2018
from rsir_fast.protocols.facts import describe_dataset
from rsir_fast.protocols.ge2018 import check_classes, evaluate_ge2018
from rsir_fast.protocols.intervals import RESAMPLES
from rsir_fast.protocols.tested import pair_test, with_holm

__all__ = ["choose_ge2018"]


def choose_ge2018(
    choose_on: tuple[str, Features],
    report_on: tuple[str, Features],
    options: Sequence[Option] = OPTIONS,
    *,
    threads: int | None = None,
    device: Any = None,
    progress: OnProgress | None = None,
) -> Ge2018Choice:
    """Choose among options by mAP on one data set, and measure the chosen one alone on another.

    Post-processing and re-ranking look at no label, but whoever picks the best of many on some images looks at theirs.
    Both are transductive: they are fitted on the database that is ranked, of each data set its own.

    Parameters
    ----------
    choose_on, report_on : (label, Features)
        Of other images, with classes.
    options : sequence of Option
        Candidates. Default: plain and weighted query expansion, database augmentation, diffusion, post-processing, and
        combinations; the paper's method is one of them.
    threads, device, progress
        As in `rsir_fast.protocols.compare_ge2018.compare_ge2018`.

    Returns
    -------
    Ge2018Choice
        The candidates on the images chosen on; of the chosen one, and of the paper's method beside it, mAP on the
        images reported on with intervals by query and by class, and the paired test of the gain.

    Raises
    ------
    DatasetError
        If either cannot be evaluated, or all images reported on are among those chosen on.
    ValueError
        If these features allow none of the options, or not the chosen one.

    Notes
    -----
    As long as an evaluation for each option on the first data set, and two on the second.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, classes = np.repeat(np.arange(4), 5), ("a", "b", "c", "d")
    >>> items = tuple(f"{classes[label]}/{number}" for number, label in enumerate(labels))
    >>> rows = [(rng.random((20, 8)) + np.eye(4, 8)[labels]).astype(np.float32) for _ in range(2)]
    >>> one, other = (Features(matrix, items, labels, classes, name) for matrix, name in zip(rows, ("one", "other")))
    >>> options = [Option(), Option("center,l2"), Option(rerank="expand:3")]
    >>> found = choose_ge2018(("one", one), ("other", other), options)
    >>> found.chosen.rerank, len(found.candidates), found.shared
    ('expand:3', 3, 0)
    """
    (label, first), (other_label, second) = choose_on, report_on
    labels = check_classes(second.name, second.labels)
    shared = _shared(first, second)
    if shared == len(second):
        raise DatasetError(
            f"{other_label}: expected other images than those chosen on, got features that all occur in {label}; "
            "report on another data set, or on other classes"
        )
    compared = compare_ge2018([choose_on], options, threads=threads, device=device, progress=progress)
    best, best_map = None, -1.0
    for row in compared.rows:
        found = None if row.query_excluded is None else row.query_excluded.map
        if found is not None and found > best_map:
            best, best_map = Option(row.steps, row.rerank), found
    if best is None:
        raise ValueError(f"{label}: expected features that allow one of the options, but {compared.rows[0].refused}")
    made = second.field()

    def measure(option: Option) -> tuple[ReportedOption, Any]:
        figures = evaluate_ge2018(
            made,
            steps=option.steps,
            rerank=option.rerank,
            examples=0,
            resamples=RESAMPLES,
            threads=threads,
            device=device,
        ).query_excluded
        reported = ReportedOption(
            steps=option.steps,
            rerank=option.rerank,
            map=figures.map,
            anmrr=figures.anmrr,
            map_intervals=figures.map_intervals,
        )
        return reported, figures.average_precision

    plain, plain_ap = measure(Option())
    chosen, chosen_ap = (plain, plain_ap) if best == Option() else measure(best)
    gain = None if best == Option() else pair_test((Option().label, best.label), plain_ap, chosen_ap, labels)
    return Ge2018Choice(
        protocol="choose ge2018",
        chosen_on=compared.dataset,
        reported_on=describe_dataset(second),
        features=(label, other_label),
        shared=shared,
        candidates=compared.rows,
        plain=plain,
        chosen=chosen,
        gain=None if gain is None else with_holm([gain])[0],
    )


def _shared(first: Features, second: Features) -> int:
    """Return how many rows of the second occur in the first, bit for bit."""
    known = {row.tobytes() for row in np.asarray(first.field().vectors)}
    return sum(row.tobytes() in known for row in np.asarray(second.field().vectors))
