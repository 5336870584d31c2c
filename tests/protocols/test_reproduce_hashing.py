"""Methods in one table: each number against its parts, interrupted and gone on with; and as a user calls it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.backbones import all_turns
from rsir_fast.cli import app, checked
from rsir_fast.errors import RsirError
from rsir_fast.hashing import METHODS, RECIPES
from rsir_fast.protocols import HashingTableResult
from rsir_fast.report import result_table
from rsir_fast.report.comparison import comparison_grid, runs_grid
from scene_files import write_scenes
from small_network import small_network

SETTINGS = {
    "methods": ("dpsh", "greedyhash", "triplet"),
    "lengths": (8,),
    "seeds": (0,),
    "train": 0.5,
    "freeze_backbone": True,
    "epochs": 2,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", classes=5, per_class=6, size=32)


@pytest.fixture(scope="module")
def features(scenes):
    return rf.encode(scenes, all_turns(small_network()), device="cpu")


@pytest.fixture(scope="module")
def done(scenes, features, tmp_path_factory):
    out = tmp_path_factory.mktemp("hashing") / "out"
    return out, rf.reproduce_hashing(scenes, small_network, out=out, features=features, **SETTINGS)


def halves(scenes):
    return rf.stratified_split(rf.open_dataset(scenes), train=0.5, seed=0)


def coded(scenes, features, name):
    """Train by hand, and return u of all images."""
    recipe = replace(RECIPES["modern"], loss=METHODS[name]())
    given = {
        "bits": 8,
        "recipe": recipe,
        "epochs": 2,
        "freeze_backbone": True,
        "device": "cpu",
        "split": halves(scenes),
    }
    model = rf.train_dhcnn(scenes, small_network(), features=features, **given)
    return rf.hashing.encode.encode_features(model, features)["u"]


def mean_ap(scores, labels, queries, database):
    """Return the mean over queries of plain AP, the best score first; ties are not expected."""
    found = []
    for query in queries:
        others = database[database != query]
        relevant = labels[others[np.argsort(-scores[query, others], kind="stable")]] == labels[query]
        hits = np.cumsum(relevant)
        found.append((hits / np.arange(1, len(others) + 1))[relevant].mean())
    return np.mean(found)


def test_every_row_is_there(done):
    _, result = done
    assert [(row.method, row.bits) for row in result.rows] == [
        ("features, Euclidean", None),
        ("triplet, hard, 8 values", None),
        ("DPSH", 8),
        ("GreedyHash", 8),
        ("GreedyHash: its label", 8),
        ("GreedyHash: its probabilities", 8),
        ("ITQ", 8),
        ("random projection", 8),
    ]
    measures = {row.method: row.measures for row in result.rows}
    assert measures["GreedyHash"]["overall_accuracy"].mean is not None
    assert measures["DPSH"]["overall_accuracy"].missing == "gives no labels"
    assert measures["triplet, hard, 8 values"]["map_by_index"].missing == "distances of floats: ties, if any, by index"
    assert list(result.curves.methods) == ["DPSH", "GreedyHash", "ITQ", "random projection"]


def test_with_one_seed_every_mean_has_an_interval_or_a_reason(done):
    result = done[1]
    grid, runs = comparison_grid(result), runs_grid(result)
    for row in grid.rows:
        for key in ("map_expected", "test_map_expected", "overall_accuracy"):
            cell = row.cells[key]
            assert (cell.low <= cell.mean <= cell.high) if cell.mean is not None else cell.remark
    named = {row.method: row.runs[0] for row in result.rows}
    for method in ("features, Euclidean", "triplet, hard, 8 values", "GreedyHash: its probabilities", "ITQ"):
        found = named[method].map_intervals
        assert (found.by_query.units, found.by_class.units) == (15, 5)
        assert found.by_query.low <= named[method].map_expected <= found.by_query.high
    for grid_of in (grid, runs):
        (said,) = (note for note in grid_of.notes if note.startswith("In brackets"))
        assert "the 5 classes are drawn with all their test images, 50,000 times" in said
        assert "kappa is of the same labels: no interval of their own" in said
    console = Console(width=100)
    with console.capture() as captured:
        console.print(result_table(result))
    assert "95 % intervals, for which there is no room here, are in report.html" in " ".join(captured.get().split())


def test_values_of_metric_learning_are_ranked_by_their_angle(scenes, features, done):
    u = np.asarray(coded(scenes, features, "triplet"), np.float64)
    unit = u / np.linalg.norm(u, axis=1, keepdims=True)
    split = halves(scenes)
    train, test = (np.array([features.items.index(item) for item in part]) for part in (split.train, split.test))
    (row,) = [row for row in done[1].rows if row.method == "triplet, hard, 8 values"]
    assert row.remark == "8 float32 values an image, of length 1 together"
    for measure, database in (("map_expected", train), ("test_map_expected", test)):
        expected = mean_ap(unit @ unit.T, features.labels, test, database)
        assert getattr(row.runs[0], measure) == pytest.approx(expected, abs=1e-6)


def test_codes_are_those_of_training_by_hand(scenes, features, done):
    codes = np.where(np.asarray(coded(scenes, features, "dpsh")) > 0, 1, -1)
    split = halves(scenes)
    train, test = (np.array([features.items.index(item) for item in part]) for part in (split.train, split.test))
    (row,) = [row for row in done[1].rows if row.method == "DPSH"]
    assert row.runs[0].map_by_index == pytest.approx(mean_ap(codes @ codes.T, features.labels, test, train), abs=1e-12)


def test_interrupted_it_is_the_same_bytes_and_costs_stay_apart(scenes, features, done, tmp_path):
    def until(progress) -> bool:
        return not (progress.stage == "run" and "GreedyHash" in progress.what)

    with pytest.raises(RsirError, match="stopped after 2 of 6 runs, before GreedyHash"):
        rf.reproduce_hashing(scenes, small_network, out=tmp_path, features=features, progress=until, **SETTINGS)
    again = rf.reproduce_hashing(scenes, small_network, out=tmp_path, features=features, **SETTINGS)
    assert again.to_json() == done[1].to_json()
    assert "costs" not in json.loads(again.to_json())
    assert {cost.method for cost in again.costs} >= {"DPSH", "GreedyHash", "ITQ", "features, Euclidean"}
    assert all(cost.runs == 1 and cost.seconds > 0 for cost in again.costs)


def test_published_figures_of_rivals_stand_apart(done):
    result = done[1].model_copy(update={"dataset": done[1].dataset.model_copy(update={"name": "UCMerced_LandUse"})})
    published = {row.label: row.cells for row in comparison_grid(result).rows if row.group == "published"}
    assert published["DPSH"]["quoted"].mean == 0.929
    assert "metric and split not known" in published["IDHN"]["quoted"].remark
    assert "map_expected" not in published["GreedyHash"]


def test_what_is_refused(scenes, features, tmp_path):
    for wrong, message in [
        ({"methods": ("dpsh", "lsh")}, "methods: expected of dhcnn, dpsh, .*, got 'lsh'"),
        ({"methods": ("csq", "csq")}, "methods: expected at least one, each once"),
        ({"freeze_backbone": False}, "features: expected none where the backbone is trained"),
    ]:
        with pytest.raises(ValueError, match=message):
            rf.reproduce_hashing(
                scenes, small_network, out=tmp_path / "out", features=features, **{**SETTINGS, **wrong}
            )
    assert not list(tmp_path.glob("out/*/*"))


def test_the_command_ranks_unseen_classes_by_given_features(scenes, tmp_path):
    rf.encode(scenes, rf.backbones.load_backbone("squeezenet1_1", weights="random:0"), out=tmp_path / "f", device="cpu")
    quick = [
        "-e",
        "squeezenet1_1",
        "-w",
        "random:0",
        "--device",
        "cpu",
        "--freeze-backbone",
        "--features",
        tmp_path / "f",
    ]
    quick += ["--recipe", "matlab", "--epochs", "1"]  # of images as they are
    given = [scenes, *quick, "--methods", "csq,dsh", "--bits", "8", "--unseen", "0.5", "--draws", "1", "-o", tmp_path]
    found = CliRunner().invoke(app, ["reproduce", "hashing", *map(str, given)])
    assert found.exit_code == 0, found.output
    assert "6 of 6: cosine-preserving, 8 bits, seed 0" in found.stderr
    assert "\nDSH: " in found.stderr
    result = HashingTableResult.load(tmp_path)
    assert len(result.settings.unseen_classes[0]) == 3
    assert {row.method for row in result.rows} >= {"CSQ", "DSH", "ITQ"}
    assert "Hash codes by DSH" not in (tmp_path / "report.html").read_text()
    assert "Hash codes by CSQ, DSH" in (tmp_path / "report.html").read_text()
    assert "Li W.-J." not in (tmp_path / "report.html").read_text()


def test_names_of_methods_in_the_command_are_those_of_the_library():
    assert tuple(METHODS) == checked.HASHING
    found = CliRunner().invoke(app, ["reproduce", "hashing", "data", "--methods", "dpsh,lsh"])
    assert found.exit_code == 2
    assert "--methods: expected methods of dhcnn, dpsh" in found.stderr
