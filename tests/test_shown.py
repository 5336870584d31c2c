"""What objects show of themselves: one line, a small table, no numbers, nothing that steers a terminal or a page."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from html_page import Page
from rsir_fast.datasets import Split
from rsir_fast.encoders.hash_network import DHCNN, HashHead
from rsir_fast.extraction import Skipped
from rsir_fast.hashing import HashModel
from rsir_fast.hashing.baselines import iterative_quantization
from rsir_fast.pretraining import PretrainingRecipe, pretrain
from rsir_fast.retrieval import Search, find, fit_steps
from scene_files import write_scenes

HOSTILE = "<b>x\u202e\x1b[2J مزرعة"


def code_features(items):
    rows = np.random.default_rng(0).random((len(items), 10), dtype=np.float32)
    made = {"bits": 8, "classes": ["a", "b"], "training": {}}
    return rf.Features(rows, items, np.arange(len(items)) % 2, ("a", "b"), HOSTILE, provenance={"hash": made})


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = write_scenes(tmp_path_factory.mktemp("shown") / "scenes", classes=2, per_class=3)
    dataset = rf.open_dataset(folder, name=HOSTILE)
    backbone = rf.backbones.load_backbone("squeezenet1_1", weights="random:0")
    features = rf.encode(dataset, backbone, workers=0)
    recipe = PretrainingRecipe(epochs=1, batch_size=4)
    codes = code_features(("a/1", "b/1", "a/2", "b/2"))
    numbers = np.random.default_rng(0).random((40, 16), dtype=np.float32)
    model = HashModel(DHCNN(backbone, HashHead(backbone.dim, 64, 2)), ("a", HOSTILE), {"dataset": HOSTILE})
    return [
        dataset,
        backbone,
        backbone.preprocessing,
        features,
        rf.evaluate_ge2018(features),
        Split(HOSTILE, ("a",) * 1, tuple(f"b{i}" for i in range(5000)), 3),
        model,
        model.as_backbone(),
        find(codes, codes, Search(k=3)),
        iterative_quantization(numbers, 8),
        fit_steps("power,pca:4", numbers),
        pretrain(folder, "cnn-f", width=0.05, recipe=recipe, device="cpu", workers=0),
        rf.Features(numbers, tuple(map(str, range(40))), None, (), HOSTILE, skipped=(Skipped("x", HOSTILE),)),
    ]


def test_one_line_and_a_table(objects):
    for shown in objects:
        line = repr(shown)
        assert line.startswith(f"{type(shown).__name__}(")
        assert line.endswith(")")
        assert len(line) <= 250, line
        assert line.isprintable(), line
        assert "array(" not in line
        table = shown._repr_html_()
        page = Page(table)
        assert {tag for tag, _ in page.tags} == {"table", "caption", "tbody", "tr", "th", "td", "bdi"}
        assert "\x1b" not in table
        assert "\u202e" not in table


def test_what_they_say(objects):
    said = [repr(shown) for shown in objects]
    assert said[1] == "Backbone(squeezenet1_1:gap, 512 values an image, 224 x 224 pixels, random:0)"
    assert "Features(6 x 512 float32, 2 classes, squeezenet1_1:gap, <b>x" in said[3]
    assert "6 images, squeezenet1_1:gap, mAP query excluded " in said[4]
    assert said[6].startswith("HashModel(64 bits, 2 classes, squeezenet1_1:gap, trained on <b>x")
    assert "1 image skipped" in said[-1]


def test_long_names_do_not_make_long_lines():
    features = rf.Features(np.zeros((1, 2), np.float32), ("a",), [0], ("a",), "x" * 5000)
    assert len(repr(features)) < 150
    assert "x" * 5000 in features._repr_html_()
