"""``rsir evaluate ge2018`` where not every image asks for all others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("between")
    for name, classes, seed in (("one", ("a", "b"), 0), ("two", ("X", "Y", "Z"), 1)):
        rng, labels = np.random.default_rng(seed), np.repeat(np.arange(len(classes)), 5)
        matrix = (rng.normal(size=(len(labels), 4)) + 2 * np.eye(4)[labels]).astype(np.float32)
        items = tuple(f"{classes[label]}/{i}.png" for i, label in enumerate(labels))
        rf.Features(matrix, items, labels, classes, name).save(place / name)
    return place


def evaluated(place, *words):
    return CliRunner().invoke(app, ["evaluate", "ge2018", str(place / "one"), *map(str, words)])


def test_another_data_set(folders, tmp_path):
    (tmp_path / "map.json").write_text('{"a": "X", "b": "Z"}')
    words = ["--gallery", folders / "two", "--label-map", tmp_path / "map.json"]
    done = evaluated(folders, *words, "-o", tmp_path / "out", "--json", "-q")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["rules"]["gallery_dataset"] == "two"
    assert found["rules"]["label_map"] == [["a", "X"], ["b", "Z"]]
    assert found["query_excluded"]["queries"] == 10
    assert "left out, as no class of the map: 5 images of two (Y)" in (tmp_path / "out/report.html").read_text()


def test_what_does_not_go_together(folders, tmp_path):
    split = tmp_path / "split.json"
    rf.Split("one", ("a/0.png", "b/5.png"), ("a/1.png", "b/6.png"), 5).save(split)
    for words, message in [
        (["--split", split, "--seed", "4"], "--seed: expected none beside a split in a file, which is drawn already"),
        (["--gallery", "test"], "--gallery: expected none beside no --split, which says which images are in it"),
        (["--split", "50/50", "--label-map", "x"], "--label-map: expected none beside no folder as --gallery"),
        (["--gallery", folders / "two", "--split", "50/50"], "--split: expected none beside a folder as --gallery"),
        (["--split", "50/50", "--rerank", "expand:3"], "--rerank: expected none beside --split or --gallery"),
        (["--split", "50/50", "--normalize", "minmax"], "--normalize minmax: expected none beside --split"),
    ]:
        done = evaluated(folders, *words)
        assert done.exit_code == 2, done.output
        assert message in done.stderr, done.stderr


@pytest.mark.parametrize("protocol", ["ge2018", "dhcnn2021", "multilabel"])
def test_features_are_not_made_again(folders, protocol):
    done = CliRunner().invoke(app, ["evaluate", protocol, str(folders / "one"), "--force"])
    assert done.exit_code == 2, done.output
    assert "--force: expected a folder of images to go with it, got a folder of features" in done.stderr
