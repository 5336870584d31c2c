"""Evaluations beside one another, and an option chosen elsewhere, against plain programs; on the command line."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.datasets import LabelSets, Split
from rsir_fast.errors import DatasetError
from rsir_fast.protocols import (
    Ge2018Choice,
    ResultsComparison,
    between_datasets,
    between_parts,
    choose_ge2018,
    compare_results,
    evaluate_between,
    evaluate_multilabel,
    load_evaluation,
)
from rsir_fast.protocols.compare_ge2018 import Option

CLASSES = ("ant", "bee", "cat", "dog")


def made(seed, per_class=4, name="demo", spread=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(4 * per_class) % 4
    matrix = rng.random((len(labels), 9)) + spread * np.eye(4, 9)[labels]
    items = tuple(f"{CLASSES[label]}/{number}.png" for number, label in enumerate(labels))
    return Features(matrix.astype(np.float32), items, labels, CLASSES, name)


def reordered(features, seed=0):
    order = np.random.default_rng(seed).permutation(len(features))
    items = tuple(features.items[row] for row in order)
    return Features(features.matrix[order], items, features.labels[order], features.classes, features.name)


def turned_every_way(differences):
    """The share of ways to turn the signs whose sum is as far from 0 as the one found."""
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=len(differences))]
    return np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)


@pytest.fixture(scope="module")
def evaluated():
    given = {"one": made(0), "two": reordered(made(1, spread=0.4)), "three": made(2, spread=0.3)}
    return {name: rf.evaluate_ge2018(features, examples=0) for name, features in given.items()}


def test_pairs_are_those_of_a_plain_program(evaluated):
    found = compare_results(list(evaluated.items()))
    assert (found.queries, found.classes, [place.place for place in found.places]) == (
        16,
        4,
        ["query_excluded", "query_included"],
    )
    place, p_values = found.places[0], []
    for pair, (first, second) in zip(place.pairs, itertools.combinations(evaluated, 2), strict=True):
        ap = {}
        for name in (first, second):
            result = evaluated[name]
            ap[name] = dict(zip(result.queries.items, result.query_excluded.per_query, strict=True))
        differences = np.array([ap[second][item] - ap[first][item] for item in sorted(ap[first])])
        by_class = differences.reshape(4, 4).sum(1)  # items sort by class
        assert (pair.first, pair.second, pair.queries) == (first, second, 16)
        assert pair.difference == pytest.approx(differences.mean(), abs=1e-15)
        assert (pair.by_query.units, pair.by_class.units, pair.by_class.exact) == (16, 4, True)
        assert pair.by_query.p_value == turned_every_way(differences)
        assert pair.by_class.p_value == turned_every_way(by_class)
        assert [pair.by_class.low, pair.by_class.high] == [None, None]  # of four classes
        p_values.append(pair.by_query.p_value)
    smallest = int(np.argmin(p_values))
    assert place.pairs[smallest].by_query.p_holm == min(1, 3 * min(p_values))
    for one in place.results:
        assert one.map == evaluated[one.name].query_excluded.map
        assert one.map_intervals == evaluated[one.name].query_excluded.map_intervals  # one figure, one interval
    assert compare_results(list(evaluated.items())).to_json() == found.to_json()
    assert ResultsComparison.model_validate(json.loads(found.to_json())).to_json() == found.to_json()


def test_what_cannot_be_compared(evaluated, hash_features):
    one = evaluated["one"]
    fewer = rf.evaluate_ge2018(made(3, per_class=3))
    with pytest.raises(DatasetError, match=r"same queries, got 16 of a and 12 of b: 4 of a alone, such as ant/12\.png"):
        compare_results([("a", one), ("b", fewer)])
    labels = np.array(one.queries.labels)
    labels[:2] = labels[1::-1]
    other = one.model_copy(update={"queries": one.queries.model_copy(update={"labels": tuple(labels.tolist())})})
    with pytest.raises(DatasetError, match=r"same classes, but ant/0\.png is ant in a and bee in b"):
        compare_results([("a", one), ("b", other)])
    more = one.model_copy(update={"dataset": one.dataset.model_copy(update={"items": 20}), "galleries": {}})
    with pytest.raises(DatasetError, match="query excluded ranks 16 images in a and 20 images in b"):
        compare_results([("a", one), ("b", more)])
    with pytest.raises(DatasetError, match="b: expected a result that names its queries"):
        compare_results([("a", one), ("b", one.model_copy(update={"queries": None}))])
    coded = rf.evaluate_dhcnn2021(hash_features)
    labels = np.array(coded.queries.labels)
    rows = np.eye(15, 20, dtype=np.float32)
    whole = rf.evaluate_ge2018(Features(rows, coded.queries.items, labels, coded.classes, "x"))
    with pytest.raises(DatasetError, match="test_vs_train, test_vs_test of a; query_excluded, query_included of b"):
        compare_results([("a", coded), ("b", whole)])
    with pytest.raises(ValueError, match="two results or more to compare, got 1"):
        compare_results([("a", one)])
    with pytest.raises(ValueError, match="each result once, got a twice"):
        compare_results([("a", one), ("a", one)])


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def test_results_on_the_command_line(evaluated, hash_features, tmp_path):
    evaluated = {**evaluated, "coded": rf.evaluate_dhcnn2021(hash_features)}
    for name, result in evaluated.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(result.to_json())
        assert load_evaluation(tmp_path / name).to_json() == result.to_json()
    one, two = tmp_path / "one", tmp_path / "two" / "result.json"
    written = rsir("compare", one, two, "--form", "csv").stdout
    maps, pairs = (list(csv.DictReader(io.StringIO(text))) for text in written.split("\n\n"))
    assert float(maps[0]["map_by_query"]) == evaluated["one"].query_excluded.map
    assert [row["group"] for row in pairs] == [
        f"query {side}, by {unit}" for side in ("excluded", "included") for unit in ("query", "class")
    ]
    asked = json.loads(rsir("compare", one, two, "--json").stdout)
    assert float(pairs[1]["p_value"]) == asked["places"][0]["pairs"][0]["by_class"]["p_value"]
    shown = " ".join(rsir("compare", one, two).stdout.split())
    assert "by other classes" not in shown
    assert "no interval by class, as there are fewer than 5" in shown
    made(0).save(tmp_path / "features")
    for arguments, words, status in (
        ([one, tmp_path / "features"], "expected results alone or features alone", 2),
        ([one, tmp_path / "nowhere"], f"{tmp_path}/nowhere: expected a result of `rsir evaluate`, found no such", 1),
        ([one, tmp_path], f"{tmp_path}: expected a result of `rsir evaluate`, found no result.json in it", 1),
        ([one, two, "--steps", "l2"], "--steps: is for features; results are compared as they are", 2),
        ([one, tmp_path / "coded"], "expected results of the same queries", 1),
        ([one, "--choose-on", tmp_path / "features"], "expected --choose-on FEATURES and --report-on FEATURES", 2),
        ([], "expected folders of `rsir features`, results of `rsir evaluate`", 2),
    ):
        assert words in " ".join(rsir("compare", *arguments, code=status).stderr.split())
    (tmp_path / "two" / "result.json").write_text('{"protocol": "compare results"}')
    assert "found one of 'compare results'" in rsir("compare", one, two, code=1).stderr


@pytest.fixture(scope="module")
def labelled():
    """Two evaluations by shared labels, of images with folders and without."""
    sets = LabelSets(("field", "river", "road"), np.random.default_rng(7).random((16, 3)) < 0.5)
    given = {"one": made(0), "two": made(1, spread=0.4)}
    bare = {name: Features(each.matrix, each.items, None, (), each.name) for name, each in given.items()}
    return [
        {name: evaluate_multilabel(features, sets, cutoffs=(1,)) for name, features in each.items()}
        for each in (given, bare)
    ]


def test_results_of_several_labels_are_tested_by_query_and_by_the_class_of_their_folder(labelled):
    filed, bare = labelled
    with_classes, without = (compare_results(list(each.items())) for each in labelled)
    ap = {name: np.array(result.query_excluded.per_query, float) for name, result in filed.items()}
    differences = (ap["two"] - ap["one"])[~np.isnan(ap["one"])]
    (place,), (alone,) = with_classes.places, without.places
    assert place.place == "query_excluded"
    assert place.pairs[0].difference == pytest.approx(differences.mean(), abs=1e-15)
    assert place.pairs[0].by_query.p_value == turned_every_way(differences)
    of_folders = np.array([np.nansum((ap["two"] - ap["one"])[label::4]) for label in range(4)])
    assert place.pairs[0].by_class.p_value == turned_every_way(of_folders)
    assert (with_classes.relevance, with_classes.classes, without.classes) == ("label", 4, 0)
    assert (alone.pairs[0].by_query, alone.pairs[0].by_class) == (place.pairs[0].by_query, None)
    assert alone.results[0].map_intervals.by_class is None
    assert alone.results[0].map_intervals.by_query == place.results[0].map_intervals.by_query
    # Where one says no classes, both are tested by query alone.
    mixed = compare_results([("one", filed["one"]), ("two", bare["two"])])
    assert (mixed.classes, mixed.places[0].pairs[0].by_class) == (0, None)


def test_relevance_must_be_the_same(evaluated, labelled):
    filed, _ = labelled
    with pytest.raises(DatasetError, match="relevant by class in a and by label in b; evaluate both by one protocol"):
        compare_results([("a", evaluated["one"]), ("b", filed["one"])])
    labels = filed["two"].labels
    fewer = labels.model_copy(update={"counts": (labels.counts[0], 1, labels.counts[2])})
    changed = filed["two"].model_copy(update={"labels": fewer})
    words = rf"river is of {labels.counts[1]} images in a and of 1 in b; evaluate both with one table of labels"
    with pytest.raises(DatasetError, match=words):
        compare_results([("a", filed["one"]), ("b", changed)])


def test_several_labels_on_the_command_line(labelled, tmp_path):
    for folder, results in zip(("filed", "bare"), labelled, strict=True):
        for name, result in results.items():
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / "result.json").write_text(result.to_json())
    text, alone = (
        " ".join(rsir("compare", folder / "one", folder / "two", "--form", "markdown").stdout.split())
        for folder in (tmp_path / "filed", tmp_path / "bare")
    )
    assert "16 queries of 4 classes; relevant: an image that shares a label with the query; classes are" in text
    assert "by class" in text
    assert "16 queries, which have no classes: tested by query alone; relevant: an image that shares a label" in alone
    assert "by class" not in alone
    assert rsir("compare", tmp_path / "bare/one", tmp_path / "bare/two").stdout


@pytest.mark.parametrize(
    ("protocol", "remedies"),
    [
        ("reproduce ge2018", ["which compares its rows in its report", "rsir evaluate ge2018 {}/features/DATA/ROW"]),
        *(
            (
                f"reproduce {table}",
                [
                    "which tests no pair of rows",
                    "rsir evaluate dhcnn2021 DATA -e {}/models/RUN/model.safetensors",
                    "(ITQ, random projection and the features have none",
                ],
            )
            for table in ("dhcnn2021", "hashing")
        ),
    ],
)
@pytest.mark.parametrize("name", ["table", "a table"])
def test_a_table_in_place_of_a_result_is_named(protocol, remedies, name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"protocol": protocol, "rows": []}))
    said = "".join(rsir("compare", folder, code=1).stderr.split())  # wrapped where the terminal ends
    for words in (f"found a table of `rsir {protocol}`", *remedies):
        assert words.format(shlex.quote(str(folder))).replace(" ", "") in said


OPTIONS = [Option(), Option("center,l2"), Option(rerank="expand:2"), Option("l2", "augment:3"), Option("pca:99")]


def test_what_is_chosen_there_is_measured_here():
    first, second = made(11, spread=0.5, name="A"), made(5, per_class=5, spread=0.6, name="B")
    found = choose_ge2018(("A", first), ("B", second), OPTIONS)
    there = {
        option: rf.evaluate_ge2018(first, steps=option.steps, rerank=option.rerank, examples=0).query_excluded.map
        for option in OPTIONS[:4]
    }
    best = max(there, key=there.get)
    assert best != Option()
    assert (found.chosen.steps, found.chosen.rerank) == best
    assert found.candidates[4].refused is not None
    assert found.gain_where_chosen == there[best] - there[Option()]
    here = rf.evaluate_ge2018(second, steps=best.steps, rerank=best.rerank, resamples=10_000).query_excluded
    plain = rf.evaluate_ge2018(second, resamples=10_000).query_excluded
    assert (found.chosen.map, found.chosen.map_intervals) == (here.map, here.map_intervals)
    assert (found.plain.map, found.plain.map_intervals) == (plain.map, plain.map_intervals)
    differences = here.average_precision - plain.average_precision
    by_class = np.array([differences[second.labels == label].sum() for label in range(4)])
    assert found.gain.difference == pytest.approx(differences.mean(), abs=1e-15)
    assert found.gain.by_class.p_value == turned_every_way(by_class)
    assert Ge2018Choice.model_validate(json.loads(found.to_json())).to_json() == found.to_json()


def test_choosing_on_the_command_line(tmp_path):
    for name, seed in (("A", 4), ("B", 5)):
        made(seed, spread=0.5, name=name).save(tmp_path / name)
    asked = ["compare", "--choose-on", tmp_path / "A", "--steps", "center,l2", "--rerank", "expand:2"]
    two = rsir(*asked, "--report-on", tmp_path / "B", "--threads", "2", "--json").stdout
    assert rsir(*asked, "--report-on", tmp_path / "B", "--threads", "1", "--json").stdout == two
    text = rsir(*asked, "--report-on", tmp_path / "B", "--form", "markdown", "-q").stdout
    content = json.loads(two)
    assert f"{100 * content['chosen']['map']:.2f}" in text
    assert "B: 16 queries of 4 classes, query excluded" in text
    assert "chosen: the best mAP" in text
    same = rsir(*asked, "--report-on", tmp_path / "A", code=1)
    assert "expected other images than those chosen on" in " ".join(same.stderr.split())


def test_other_galleries_are_refused(evaluated):
    one, two = made(0, per_class=6), made(3, per_class=6)
    split = Split("demo", one.items[:12], one.items[12:], 0)
    results = [
        (gallery, evaluate_between(between_parts(features, split, gallery), examples=0))
        for features, gallery in ((one, "train"), (two, "test"))
    ]
    with pytest.raises(DatasetError, match=r"ranks the train images of a split .* in train and the test images"):
        compare_results(results)
    other = made(5, per_class=5, name="elsewhere")
    maps = [{"ant": "ant", "bee": "bee"}, {"ant": "bee", "bee": "ant"}]
    results = [(f"map {i}", evaluate_between(between_datasets(one, other, given))) for i, given in enumerate(maps)]
    with pytest.raises(DatasetError, match=r"elsewhere \(ant = ant, bee = bee\) in map 0"):
        compare_results(results)
