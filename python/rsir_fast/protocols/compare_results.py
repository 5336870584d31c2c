"""Any evaluations of the same queries beside one another: intervals, paired tests by query and by class, Holm."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base.looking import is_folder
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.base.reading import read_json, reading
from rsir_fast.base.shown import counted
from rsir_fast.base.text import listed, printable
from rsir_fast.errors import DatasetError, RsirError
from rsir_fast.protocols.compare_results_result import ComparedMap, PlaceComparison, ResultsComparison
from rsir_fast.protocols.dhcnn2021_result import CodeFigures, Dhcnn2021Result
from rsir_fast.protocols.evaluation import EvaluationResult
from rsir_fast.protocols.ge2018_result import Ge2018Result
from rsir_fast.protocols.intervals import FEWEST_CLASSES, LEVEL, RESAMPLES, MapIntervals, map_intervals
from rsir_fast.protocols.multilabel_result import MultilabelResult
from rsir_fast.protocols.result import mean
from rsir_fast.protocols.tested import pair_test, with_holm

__all__ = ["compare_results", "load_evaluation"]

_KINDS: dict[str, type[EvaluationResult]] = {
    "ge2018": Ge2018Result,
    "dhcnn2021": Dhcnn2021Result,
    "multilabel": MultilabelResult,
}
_EXPECTED, _REMEDY = "a result of `rsir evaluate`", "make it again, or name another"
_OF_MODELS = (
    "which tests no pair of rows; to compare what it trained, evaluate the models: `rsir evaluate dhcnn2021 DATA -e "
    "FOLDER/models/RUN/model.safetensors` (ITQ, random projection and the features have none, and of metric learning "
    "it ranks the signs of the values)"
)
_TABLES = {
    "reproduce ge2018": "which compares its rows in its report; to compare one with other results, evaluate it: `rsir "
    "evaluate ge2018 FOLDER/features/DATA/ROW`",
    "reproduce dhcnn2021": _OF_MODELS,
    "reproduce hashing": _OF_MODELS,
}
"""Tables, and how a row of one, in its FOLDER, is compared."""


def load_evaluation(path: str | Path) -> EvaluationResult:
    """Read the ``result.json`` of an evaluation, or the one in a folder, whichever its protocol.

    Raises
    ------
    DatasetError
        If it is damaged, or of something else.

    Examples
    --------
    >>> load_evaluation("nowhere")
    Traceback (most recent call last):
        ...
    rsir_fast.errors.DatasetError: nowhere: expected a result of `rsir evaluate`, found no such file; make it again, \
or name another
    """
    file = Path(path) / "result.json" if is_folder(Path(path)) else Path(path)
    with reading(file, _EXPECTED, _REMEDY, DatasetError):
        content: Any = read_json(file)
    protocol = content.get("protocol") if isinstance(content, dict) else None
    kind = _KINDS.get(protocol) if isinstance(protocol, str) else None
    if protocol in _TABLES:
        way = _TABLES[protocol].replace("FOLDER", shlex.quote(printable(file.parent)))
        raise DatasetError(f"{file}: expected {_EXPECTED}, found a table of `rsir {protocol}`, {way}")
    if kind is None:
        found = f"one of {protocol!r}" if isinstance(protocol, str) else "no result of an evaluation"
        *most, last = _KINDS
        raise DatasetError(f"{file}: expected {_EXPECTED} {', '.join(most)} or {last}, found {found}; name another")
    return kind.load(file)


def compare_results(
    results: Sequence[tuple[str, EvaluationResult]], *, progress: OnProgress | None = None
) -> ResultsComparison:
    """Compare evaluations of the same queries, each with each: what differs, and whether by more than chance.

    Parameters
    ----------
    results : sequence of (name, Ge2018Result, Dhcnn2021Result or MultilabelResult)
        Two or more, each by another name. Their queries may stand in any order.
    progress : callable, optional
        Called with a `rsir_fast.Progress` of the stage ``"compare"`` after every pair; returning False stops.

    Returns
    -------
    ResultsComparison
        In ``places``, for each convention that all have: mAP of every result with its intervals, and of every pair
        the difference of AP on the queries that both have a value for, with interval and p-value by query and by
        class (`rsir_fast.metrics.compare_paired`), and p corrected for all pairs (`rsir_fast.metrics.holm_adjusted`).
        The class of an image with several labels is that of its folder; where images have none, by query alone.

    Raises
    ------
    DatasetError
        If they are not of the same queries, classes, galleries and relevance, state no queries, or have no convention
        in common. What results of before do not state (the images of a gallery, the labels of each) is told in
        ``notes`` instead.
    ValueError
        If there are fewer than two, or two of one name.

    Notes
    -----
    Seeded: the same bits on every machine, with any number of threads. O(pairs resamples q) time.

    Examples
    --------
    >>> import rsir_fast as rf
    >>> items, labels = ("a/1", "a/2", "b/1", "b/2"), np.array([0, 0, 1, 1])
    >>> near, far = [[0, 1], [0, 2], [1, 0], [2, 0]], [[0, 1], [1, 0], [0, 2], [2, 0]]
    >>> made = [rf.Features(np.array(x, np.float32), items, labels, ("a", "b"), "demo") for x in (near, far)]
    >>> found = compare_results([(name, rf.evaluate_ge2018(x)) for name, x in zip(("near", "far"), made)])
    >>> pair = found.places[0].pairs[0]
    >>> pair.first, pair.second, round(pair.difference, 3), pair.by_query.p_value, pair.by_class.p_value
    ('near', 'far', -0.583, 0.125, 0.5)
    """
    _check(results)
    answers = [_Answers.of(name, result) for name, result in results]
    first = answers[0]
    aligned = [first, *(one.in_order_of(first) for one in answers[1:])]
    labels = first.labels if all(one.classes is not None for one in aligned) else None
    places = [place for place in first.values if all(place in one.values for one in aligned)]
    if not places:
        raise DatasetError(
            "expected results with figures of the same convention, got "
            + "; ".join(f"{', '.join(one.values)} of {one.name}" for one in aligned)
        )
    total, done = len(places) * len(aligned) * (len(aligned) - 1) // 2, 0
    compared = []
    for place in places:
        pairs = []
        for one, other in combinations(aligned, 2):
            pairs.append(pair_test((one.name, other.name), one.values[place], other.values[place], labels))
            done += 1
            if is_stopped(progress, Progress("compare", done, total)):
                raise RsirError(f"comparison stopped after {done} of {total} tests")
        maps = tuple(one.mean_ap(place, labels) for one in aligned)
        compared.append(PlaceComparison(place=place, results=maps, pairs=with_holm(pairs)))
    return ResultsComparison(
        protocol="compare results",
        dataset=results[0][1].dataset.name,
        queries=len(first.items),
        classes=0 if labels is None else len(np.unique(labels)),
        relevance=first.relevance,
        level=LEVEL,
        resamples=RESAMPLES,
        places=tuple(compared),
        **_notes(results, aligned, places),
    )


def _notes(
    results: Sequence[tuple[str, EvaluationResult]], aligned: Sequence[_Answers], places: Sequence[str]
) -> dict[str, Any]:
    """Say which results are of models that were trained on queries, and what could not be checked."""
    known = [
        (name, found.queries.trained_on or 0, len(found.queries.items)) for name, found in results if found.queries
    ]
    notes = [
        f"leakage: the model of {name} was trained on {trained} of {counted(queries, 'query', 'queries')}"
        for name, trained, queries in known
        if trained
    ]
    unstated = {
        "the images that are ranked": [
            one.name for one in aligned if any(one.galleries[place].digest is None for place in places)
        ],
        "the labels of each image": [one.name for one in aligned if one.counts is not None and one.labelled is None],
    }
    notes += [
        f"not checked: whether {what} are the same, which {listed(names)} of before "
        f"{'does' if len(names) == 1 else 'do'} not state; evaluate again to be sure"
        for what, names in unstated.items()
        if names
    ]
    return {"notes": tuple(notes)} if notes else {}


def _check(results: Sequence[tuple[str, EvaluationResult]]) -> None:
    names = [name for name, _ in results]
    if len(names) < 2:
        raise ValueError(f"expected two results or more to compare, got {len(names)}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"expected each result once, got {twice} twice; leave one out")


class _Gallery(NamedTuple):
    """What was ranked: in words, by a digest, None in what was written before, and classes by those of the queries."""

    words: str
    digest: str | None
    label_map: tuple[tuple[str, str], ...] = ()

    def is_of(self, other: _Gallery) -> bool:
        if self.digest is None or other.digest is None:
            return self.words == other.words
        return (self.digest, self.label_map) == (other.digest, other.label_map)


@dataclass(frozen=True)
class _Answers:
    """The AP of every query of a result by convention, and what it was found in.

    `classes` are names of the classes of the queries, None where they have none, `labels` their numbers; `intervals`
    what the result says of how sure its means are; `galleries` what was ranked; `counts` how many images have each of
    the labels that make one relevant, None where that is the class, and `labelled` a digest of the labels of all.
    """

    name: str
    items: tuple[str, ...]
    classes: tuple[str, ...] | None
    values: dict[str, NDArray[np.float64]]
    intervals: dict[str, MapIntervals | None]
    galleries: dict[str, _Gallery]
    counts: dict[str, int] | None = None
    labelled: str | None = None

    @classmethod
    def of(cls, name: str, result: EvaluationResult) -> _Answers:
        queries = result.queries
        if queries is None:
            raise DatasetError(
                f"{name}: expected a result that names its queries, found none, as it was written before they were "
                "stated; evaluate again"
            )
        return cls(
            name,
            queries.items,
            tuple(result.class_names[label] for label in queries.labels) or None,
            {place: figures.average_precision for place, figures in result.by_place.items()},
            {place: figures.map_intervals for place, figures in result.by_place.items()},
            {place: _gallery(result, place, figures) for place, figures in result.by_place.items()},
            _label_counts(result),
            result.labels.digest if isinstance(result, MultilabelResult) else None,
        )

    @property
    def relevance(self) -> Literal["class", "label"]:
        return "class" if self.counts is None else "label"

    @property
    def labels(self) -> NDArray[np.int64] | None:
        if self.classes is None:
            return None
        return np.unique(self.classes, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def in_order_of(self, other: _Answers) -> _Answers:
        """Return these with the queries in the order of others, which are of the same."""
        alone, missing = set(self.items) - set(other.items), set(other.items) - set(self.items)
        if alone or missing:
            examples = [
                f"{len(items)} of {one.name} alone, such as {min(items)}"
                for one, items in ((other, missing), (self, alone))
                if items
            ]
            raise DatasetError(
                f"expected results of the same queries, got {len(other.items)} of {other.name} and "
                f"{len(self.items)} of {self.name}: {'; '.join(examples)}; evaluate both on the same images and split"
            )
        row = {item: number for number, item in enumerate(self.items)}
        order = [row[item] for item in other.items]
        classes = None if self.classes is None else tuple(self.classes[number] for number in order)
        pairs = list(zip(classes or (), other.classes or (), strict=False))
        changed = next((at for at, (own, others) in enumerate(pairs) if own != others), None)
        if changed is not None:
            own, others = pairs[changed]
            raise DatasetError(
                f"expected results of the same classes, but {other.items[changed]} is {others} in {other.name} and "
                f"{own} in {self.name}"
            )
        self._check_relevance(other)
        for place in (place for place in other.values if place in self.values):
            one, two = other.galleries[place], self.galleries[place]
            if not two.is_of(one):
                which = f"{two.words} in {self.name}" if two.words != one.words else f"other ones in {self.name}"
                raise DatasetError(
                    f"expected results of the same gallery, but {place.replace('_', ' ')} ranks {one.words} in "
                    f"{other.name} and {which}; evaluate both on the same images and split"
                )
        values = {place: values[order] for place, values in self.values.items()}
        return replace(self, items=other.items, classes=classes, values=values)

    def _check_relevance(self, other: _Answers) -> None:
        """Raise DatasetError where others went by class and these by label, or by other labels."""
        if self.counts is None or other.counts is None:
            if self.relevance != other.relevance:
                raise DatasetError(
                    f"expected results of the same relevance, but an image is relevant by {other.relevance} in "
                    f"{other.name} and by {self.relevance} in {self.name}; evaluate both by one protocol"
                )
            return
        for label in sorted(other.counts.keys() | self.counts.keys()):
            one, two = other.counts.get(label, 0), self.counts.get(label, 0)
            if one != two:
                raise DatasetError(
                    f"expected results of the same labels, but {printable(label)} is of "
                    f"{counted(one, 'image', 'images')} in {other.name} and of {two} in {self.name}; evaluate both "
                    "with one table of labels"
                )
        if self.labelled is not None and other.labelled is not None and self.labelled != other.labelled:
            raise DatasetError(
                f"expected results of the same labels, but other images have them in {self.name} than in {other.name}, "
                "as many of each; evaluate both with one table of labels"
            )

    def mean_ap(self, place: str, labels: NDArray[np.int64] | None) -> ComparedMap:
        """Return the mAP with the intervals that the result states, so that a figure has one; else with new ones."""
        values = self.values[place]
        intervals = self.intervals[place] or map_intervals(values, labels, RESAMPLES)
        by_class = None if intervals is None else intervals.by_class
        if intervals is not None and (labels is None or (by_class is not None and by_class.units < FEWEST_CLASSES)):
            intervals = intervals.model_copy(update={"by_class": None})
        return ComparedMap(name=self.name, map=mean(values), map_intervals=intervals)


def _label_counts(result: EvaluationResult) -> dict[str, int] | None:
    """Return how many images have each label, where images are relevant by their labels."""
    if not isinstance(result, MultilabelResult):
        return None
    return dict(zip(result.labels.names, result.labels.counts, strict=True))


def _gallery(result: EvaluationResult, place: str, figures: Any) -> _Gallery:
    """Return what was ranked, and by which relevance: results that differ in it are not of the same task."""
    label_map = () if result.rules is None else result.rules.label_map
    return _Gallery(_words(result, figures), result.galleries.get(place), label_map)


def _words(result: EvaluationResult, figures: Any) -> str:
    """Say what was ranked.

    A place of codes is named after its gallery. Figures of features have one place for all, which `rules` tell apart.
    """
    rules = result.rules
    if isinstance(figures, CodeFigures) or rules is None or rules.gallery == ("all",):
        images = figures.database if isinstance(figures, CodeFigures) else result.dataset.items
        return counted(images, "image", "images")
    if rules.gallery_dataset is not None:
        pairs = ", ".join(f"{one} = {other}" for one, other in rules.label_map)
        return f"{rules.gallery_dataset} ({pairs})"
    split = rules.split
    share = [] if split.train is None else [f"{split.train:.0%} for training"]
    said = [*share, *(f"seed {seed}" for seed in split.seeds), *([split.file] if split.file else [])]
    return f"the {rules.gallery[0]} images of a split ({', '.join(said)})"
