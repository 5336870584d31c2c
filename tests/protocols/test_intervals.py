"""Intervals of an evaluation's mAP, by query and by class, beside a plain program; what results of before have."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

import rsir_fast as rf
from rsir_fast.datasets import LabelSets
from rsir_fast.protocols import Dhcnn2021Result, Ge2018Result, evaluate_multilabel
from rsir_fast.protocols.intervals import accuracy_intervals, map_intervals
from rsir_fast.protocols.tested import pair_test
from rsir_fast.report import result_table, write_report
from rsir_fast.report.format import span


def by_hand(values, labels, resamples, by_class):
    """Draw rows, or classes with all their rows, and sort the means."""
    names = np.unique(labels)
    units = [np.flatnonzero(labels == name) for name in names] if by_class else [[row] for row in range(len(values))]
    draws = np.random.RandomState(0).randint(0, len(units), (resamples, len(units)))
    means = [np.mean([values[row] for unit in draw for row in units[unit]]) for draw in draws]
    return np.quantile(means, [0.025, 0.975])


def differences_of_classes(values, labels):
    """Draw classes as a test does, 50,000 times."""
    units = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    sums, sizes = np.array([[values[unit].sum(), len(unit)] for unit in units]).T
    draws = np.random.RandomState(0).randint(0, len(units), (50_000, len(units)))
    return sums[draws].sum(1) / sizes[draws].sum(1)


def test_intervals_are_those_of_a_plain_program(monkeypatch):
    monkeypatch.setattr("rsir_fast.protocols.intervals._BY_CLASS", 700)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3, 4], (5, 7, 3, 2, 4))
    values = rng.random(21) + labels / 4
    found = map_intervals(np.append(values, np.nan), np.append(labels, 5), 600)  # of class 5 nothing is relevant
    for one, units, resamples, by_class in ((found.by_query, 21, 600, False), (found.by_class, 5, 700, True)):
        assert (one.units, one.resamples) == (units, resamples)
        assert [one.low, one.high] == pytest.approx(by_hand(values, labels, resamples, by_class), abs=1e-14)
    assert map_intervals(values[:5], labels[:5], 50).by_class is None
    assert map_intervals(values[:17], labels[:17], 50).by_class is None  # of four classes it would be far too narrow
    between = pair_test(("a", "b"), values, values[::-1], labels).by_class
    ends = np.quantile(differences_of_classes(values[::-1] - values, labels), [0.025, 0.975])
    assert [between.low, between.high] == pytest.approx(ends, abs=1e-14)
    few = pair_test(("a", "b"), values[:17], values[16::-1], labels[:17]).by_class
    assert (few.low, few.high, few.exact, few.p_value is None) == (None, None, True, False)
    assert map_intervals([np.nan], np.array([0])) is None


def test_of_many_queries_fewer_are_drawn():
    rng = np.random.default_rng(1)
    found = map_intervals(rng.random(9_000), rng.integers(0, 400, 9_000))
    assert (found.by_query.resamples, found.by_class.resamples) == (932, 20_971)
    assert found.by_query.high - found.by_query.low == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / 9_000), rel=0.1)


@pytest.fixture
def features():
    rng = np.random.default_rng(2)
    items = tuple(f"{'abcdef'[i % 6]}/{i}.png" for i in range(24))
    return rf.Features(rng.random((24, 6), dtype=np.float32), items, np.arange(24) % 6, tuple("abcdef"), "demo")


@pytest.mark.parametrize("protocol", ["ge2018", "dhcnn2021"])
def test_results_and_reports_state_them(protocol, features, hash_features, tmp_path):
    result = rf.evaluate_ge2018(features) if protocol == "ge2018" else rf.evaluate_dhcnn2021(hash_features)
    for figures in result.by_place.values():
        assert figures.map_intervals == map_intervals(figures.average_precision, np.array(result.queries.labels))
    first = next(iter(result.by_place.values())).map_intervals
    assert (first.by_class is None) == (protocol == "dhcnn2021")  # of three classes
    texts = [span(one.low, one.high) for one in (first.by_query, first.by_class) if one is not None]
    console = Console(width=80)
    with console.capture() as captured:
        console.print(result_table(result))
    page = write_report(tmp_path, result)["report.html"].read_text()
    for unit, text in zip(("query", "class"), texts, strict=False):
        line = next(line for line in captured.get().splitlines() if f"95 % interval, by {unit}" in line)
        assert text in line
        assert f"{text} by {unit}" in page
    assert "2,000 draws of the queries" in page
    few = "no interval by class, as there are fewer than 5"
    assert ("50,000 of the 6 classes" if first.by_class else few) in page


def test_the_accuracy_of_labels_has_them(hash_features, tmp_path):
    result = rf.evaluate_dhcnn2021(hash_features)
    scores = np.asarray(hash_features["probabilities"])
    predicted = np.array(result.classes)[scores.argmax(1)[30:]]
    truth = np.array(hash_features.classes)[hash_features.labels[30:]]
    right = (predicted == truth).astype(float)
    found = result.labels.accuracy_intervals
    assert result.labels.overall_accuracy == right.mean()
    assert found == accuracy_intervals(right, hash_features.labels[30:])
    for end in (found.by_query.low, found.by_query.high):  # where the score test of this accuracy just holds
        assert abs(right.mean() - end) / np.sqrt(end * (1 - end) / len(right)) == pytest.approx(1.959964, abs=1e-6)
    assert (found.by_query.units, found.by_query.resamples) == (len(right), 0)
    said = f"{span(found.by_query.low, found.by_query.high)} by query"
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(result))
    page = write_report(tmp_path, result)["report.html"].read_text()
    for text in (captured.get(), page):
        assert said in text
    assert "bootstrap of mAP, expected over ties, and of the labels" in page
    assert "accuracy, which by query has Wilson" in page
    assert "the other figures come of the same queries, and have none of their own" in page


def test_where_all_answers_are_alike_an_accuracy_still_has_a_width():
    labels = np.arange(12) % 6
    low = 12 / (12 + 1.959964**2)
    for right, ends in ((np.ones(12), (low, 1)), (np.zeros(12), (0, 1 - low))):
        found = accuracy_intervals(right, labels)
        assert (found.by_query.low, found.by_query.high) == pytest.approx(ends, abs=1e-6)
        assert found.by_class is None
    mixed = labels % 2 == 0
    assert accuracy_intervals(mixed, labels).by_class == map_intervals(mixed, labels).by_class


@pytest.mark.parametrize("classes", [True, False])
def test_several_labels_have_them_by_query_and_by_the_class_of_a_folder(classes, features, tmp_path):
    sets = LabelSets(("x", "y", "z"), np.random.default_rng(3).random((24, 3)) < 0.4)
    given = features if classes else rf.Features(features.matrix, features.items, None, (), "demo")
    result = evaluate_multilabel(given, sets)
    found = result.query_excluded
    assert found.map_intervals == map_intervals(found.average_precision, given.labels)
    assert (found.weighted_map_intervals.by_class is not None) == classes
    assert found.weighted_map_intervals.by_query.low < found.weighted_map < found.weighted_map_intervals.by_query.high
    assert result.rules.units == (("query", "class") if classes else ("query",))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(result_table(result))
    assert captured.get().count("95 % interval, by query") == 2
    page = write_report(tmp_path, result)["report.html"].read_text()
    one = found.weighted_map_intervals.by_query
    for text in (captured.get(), page):
        assert f"{one.low:.4f} to {one.high:.4f}" in text
    assert ("no interval by class, as images have none" in page) != classes


@pytest.mark.parametrize("kind", [Ge2018Result, Dhcnn2021Result])
def test_a_result_of_before_has_none_and_is_shown(kind, features, hash_features, tmp_path):
    made = rf.evaluate_ge2018(features) if kind is Ge2018Result else rf.evaluate_dhcnn2021(hash_features)
    content = json.loads(made.to_json())
    del content["rules"]["units"]
    for place in made.by_place:
        del content[place]["map_intervals"]
    if kind is Dhcnn2021Result:
        del content["labels"]["accuracy_intervals"]
    (tmp_path / "result.json").write_text(json.dumps(content))
    old = kind.load(tmp_path)
    assert "_intervals" not in old.to_json()
    console = Console(width=80)
    with console.capture() as captured:
        console.print(result_table(old))
    assert "interval" not in captured.get()
