"""The rules of an evaluation in one line of plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rsir_fast.report.describe import Row

if TYPE_CHECKING:
    from rsir_fast.protocols.protocol import AnmrrRule, MapAt, Protocol, SplitSource

__all__ = ["anmrr_in_words", "map_at_rows", "rules_in_words", "rules_rows", "wrong_labels"]

_GALLERY = {
    "train": "the training images",
    "test": "the other test images",
    "rest": "all images but the queries",
    "all": "all other images",
    "other": "the images of another data set",
}
_RELEVANCE = {"class": "an image of the query's class", "label": "an image that shares a label with the query"}
_DIVISOR = {
    "found": "the number of relevant images found within k",
    "min": "min(k, R), R relevant images in the gallery",
    "relevant": "R, the number of relevant images in the gallery",
}
_RANK_LIMIT = {"2ng": "K = 2 NG, NG relevant images", "mpeg7": "K = min(4 NG, 2 max NG), as in MPEG-7"}
_PENALTY = {"1.25k": "1.25 K", "k+1": "K + 1"}
_SHORT = {"found": "found", "min": "min(k, R)", "relevant": "R"}
_TIES = {"expected": "expected over a random order", "index": "ordered by item index"}


def map_at_rows(figures: Sequence[MapAt | None]) -> list[tuple[str, list[float | None]]]:
    """Lay out mAP@k of several galleries or conventions: a row for each divisor, the one that was asked for first.

    Examples
    --------
    >>> from rsir_fast.protocols.protocol import MapAt
    >>> for row in map_at_rows([MapAt(k=20, divisor="min", found=0.97, min=0.96, relevant=0.24), None]):
    ...     print(row)
    ('mAP@20, divisor min(k, R)', [0.96, None])
    ('mAP@20, divisor found', [0.97, None])
    ('mAP@20, divisor R', [0.24, None])
    """
    first = next((found for found in figures if found is not None), None)
    if first is None:
        return []
    return [
        (
            f"mAP@{first.k}, divisor {_SHORT[divisor]}",
            [None if found is None else found.by_divisor[divisor] for found in figures],
        )
        for divisor in first.by_divisor
    ]


def rules_rows(rules: Protocol | None) -> list[Row]:
    """Return the row of a report; none for a result of before, which does not state its rules."""
    return [] if rules is None else [Row("Protocol", rules_in_words(rules))]


def rules_in_words(rules: Protocol) -> str:
    r"""Say the rules of an evaluation in one line.

    Examples
    --------
    >>> from rsir_fast.protocols.protocol import Protocol, SplitSource
    >>> rules = Protocol(split=SplitSource(kind="drawn", train=0.8, seeds=(0,)), gallery=("train",), cutoffs=(1, 11))
    >>> print(rules_in_words(rules).replace("; ", "\n"))
    queries: the test images of a split drawn in each class, 80 % for training, seed 0
    gallery: the training images
    relevant: an image of the query's class
    mAP over the whole ranking
    precision and recall at 1, 11
    equal distances: expected over a random order
    """
    gallery, relevant = ", then ".join(_GALLERY[each] for each in rules.gallery), _RELEVANCE[rules.relevance]
    if rules.gallery_dataset is not None:
        pairs = ", ".join(one if one == other else f"{one} = {other}" for one, other in rules.label_map)
        gallery = f"the images of {rules.gallery_dataset}"
        relevant = f"an image of the class that is the query's ({pairs})"
    said = [f"queries: {_queries(rules.split)}"]
    if rules.split.label_noise is not None:
        said.append(f"taught with {wrong_labels(rules.split.label_noise, rules.split.noise)}")
    said += [f"gallery: {gallery}", f"relevant: {relevant}", "mAP over the whole ranking"]
    if rules.map_at is not None and rules.divisor is not None:
        said.append(f"mAP@{rules.map_at}: AP@k divides by {_DIVISOR[rules.divisor]}")
    if rules.cutoffs:
        said.append(f"precision and recall at {', '.join(map(str, rules.cutoffs))}")
    said.append(f"equal distances: {_TIES[rules.ties]}")
    if rules.units:
        said.append(f"intervals: {' and '.join(f'by {unit}' for unit in rules.units)}")
    return "; ".join(said)


def anmrr_in_words(rule: AnmrrRule) -> str:
    """Say how ANMRR is formed.

    Examples
    --------
    >>> from rsir_fast.protocols.protocol import AnmrrRule
    >>> anmrr_in_words(AnmrrRule(penalty="k+1"))
    'K = 2 NG, NG relevant images; one beyond rank K counts as rank K + 1'
    """
    return f"{_RANK_LIMIT[rule.k]}; one beyond rank K counts as rank {_PENALTY[rule.penalty]}"


def wrong_labels(share: float, kind: str | None) -> str:
    """Say how many of the labels that a network was taught are wrong.

    Examples
    --------
    >>> wrong_labels(0.2, "symmetric")
    '20 % of the labels wrong in training (symmetric)'
    """
    return f"{100 * share:.4g} % of the labels wrong in training{'' if kind is None else f' ({kind})'}"


def _queries(split: SplitSource) -> str:
    if split.kind == "leave one out":
        return "every image in turn"
    of = {"drawn": "the test images of a split drawn in each class", "given": "the test images of a given split"}
    told = [of.get(split.kind, "the images of drawn classes that are not trained on")]
    if split.unseen is not None:
        told.append(f"{100 * split.unseen:.4g} % of the classes")
    if split.file is not None:
        told.append(f"file {split.file}")
    if split.train is not None:
        told.append(f"{100 * split.train:.4g} % for training")
    if split.shots is not None:
        told.append(f"{split.shots} training {'image' if split.shots == 1 else 'images'} a class kept")
    if split.seeds:
        told.append(f"{'seed' if len(split.seeds) == 1 else 'seeds'} {', '.join(map(str, split.seeds))}")
    return ", ".join(told)
