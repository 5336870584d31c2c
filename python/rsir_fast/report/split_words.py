"""The split of an evaluation of codes in words: what asks, what is ranked, and what of it the model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsir_fast.report.describe import Row
from rsir_fast.report.format import count, counted

if TYPE_CHECKING:
    from rsir_fast.protocols.dhcnn2021_result import Dhcnn2021Result

__all__ = ["database_in_words", "leakage", "queries_in_words", "split_rows", "to_be_read", "what_flatters"]

_OF = {
    "test_vs_train": "the training images",
    "test_vs_test": "the test images, each query left out of its own ranking by its index",
    "test_vs_rest": "all images but the queries, those of neither part of the split among them",
    "test_vs_all": "all images, each query left out of its own ranking by its index",
}
_DRAWN = {"given": "given", "unseen classes": "whole classes at random"}
_NEVER = " Test vs test ranks only images that the network has never seen."
_UNKNOWN = "which images the network has seen is not known, as none of them is here by its name"


def split_rows(result: Dhcnn2021Result) -> list[Row]:
    """State the split of the figures, and that of the training where it is another."""
    own, other, images = result.split, result.other_split, result.images
    source = None if result.rules is None else result.rules.split
    drawn = _DRAWN.get("" if source is None else source.kind, "at random in each class")
    told = [f"{count(images.train)} training and {count(images.test)} test images, {drawn}"]
    if source is not None and source.file is not None:
        told.append(f"file {source.file}")
    if drawn != "given":
        seeds = [own.seed] if other is None or source is None else list(source.seeds)
        told += [f"seed {seed}" for seed in seeds if seed is not None] or ["seed not stated"]
    left = _left_out(result)
    stated = own if other is None else other
    missing = stated.train + stated.test - images.train - images.test - left
    gone = f"; {counted(missing, 'image', 'images')} of the split not found" if missing else ""
    rows = [Row("Split", ", ".join(told) + gone)]
    if other is not None:
        seed = "" if own.seed is None else f", seed {own.seed}"
        rows.append(
            Row("Split of the training", f"{count(own.train)} training and {count(own.test)} test images{seed}")
        )
    return rows


def queries_in_words(result: Dhcnn2021Result) -> str:
    """Say which test images ask."""
    other = result.other_split
    if other is None or not other.trained_queries:
        return "every test image"
    known = f"{count(other.trained_queries)} that the model was trained on"
    return f"every test image, {known} among them" if other.kept else f"every test image but {known}"


def database_in_words(result: Dhcnn2021Result, place: str) -> str:
    """Say what a database is."""
    other, told, left = result.other_split, f"the database is {_OF[place]}", _left_out(result)
    if place == "test_vs_rest" and left:
        return f"{told}, and {counted(left, 'test image', 'test images')} left out, which the network was trained on"
    if place != "test_vs_train":
        return told
    if other is None:
        return f"{told}, as in the paper; the network has seen their labels"
    if other.trained_on is None:
        return f"{told} of the split; {_UNKNOWN}"
    return f"{told} of the split; the network has seen the labels of {count(other.trained_on)} of them"


def leakage(result: Dhcnn2021Result) -> str:
    """Say that the model was trained on queries; nothing where it was on none."""
    other = result.other_split
    if other is None or not other.kept:
        return ""
    queries = f"{count(other.trained_queries)} of {counted(result.images.test, 'query', 'queries')}"
    return f"leakage: the network was trained on {queries}, which flatters every score"


def what_flatters(result: Dhcnn2021Result) -> str:
    """Say, in sentences, which databases flatter the score."""
    other, leaking = result.other_split, leakage(result)
    never = _NEVER if _has_figure(result, "test_vs_test") else ""
    if other is None:
        if not _has_figure(result, "test_vs_train"):
            return f"Training images in a database, whose labels the network has seen, flatter the score.{never}"
        told = "Test vs train is the paper's way, but the network was trained on the labels of that database, which "
        return f"{told}flatters the score.{never}"
    told = "The split is not the one that the network was trained by: "
    if other.trained_on is None:
        return f"{told}{_UNKNOWN}."
    seen = f"{count(other.trained_on)} of the {counted(result.images.train, 'training image', 'training images')}"
    last = f" {leaking[0].upper() + leaking[1:]}." if leaking else never
    return f"{told}it has seen the labels of {seen}.{last}"


def to_be_read(result: Dhcnn2021Result) -> str:
    """Say in a line what is to be known when the figures are read; nothing where none is flattered."""
    if leakage(result):
        return leakage(result)
    other = result.other_split
    known = [place for place in ("test_vs_rest", "test_vs_all") if _has_figure(result, place)]
    if (other is None or other.trained_on) and _has_figure(result, "test_vs_train"):
        known.append("test_vs_train")
    if not known:
        return ""
    told = "training images in the database flatter the score"
    return f"{told}: read test vs test beside it" if _has_figure(result, "test_vs_test") else told


def _has_figure(result: Dhcnn2021Result, place: str) -> bool:
    figures = result.by_place.get(place)
    return figures is not None and figures.map.expected is not None


def _left_out(result: Dhcnn2021Result) -> int:
    """Return how many test images do not ask, as the model was trained on them."""
    other = result.other_split
    return 0 if other is None or other.kept else other.trained_queries or 0
