"""The tables of the first paper from images: every row against its parts, with what is here and what is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rsir_fast as rf
from network_files import write_network
from rsir_fast.descriptors import describe_dataset, load_descriptor
from rsir_fast.errors import DatasetError
from rsir_fast.metrics import bootstrap_interval, compare_paired
from rsir_fast.protocols.methods import list_sources
from rsir_fast.protocols.reproduce_ge2018 import reproduce_ge2018
from rsir_fast.report import result_json
from scene_files import write_broken, write_scenes

SETTINGS = {
    "backbones": ["cnn-m:fc7"],
    "descriptors": ["bovw-4", "morphological-62", "bovw-15000"],
    "turns": True,
    "steps": "center,l2",
    "rerank": "expand:2",
    "device": "cpu",
}
PRESENT = [
    "cnn-m:pool5",
    "cnn-m:fc6",
    "cnn-m:fc7",
    "bovw-4",
    "morphological-62",
    "cnn-m:fc7, 8 turns",
    "cnn-m:fc7, 8 turns, center,l2",
    "cnn-m:fc7, 8 turns, center,l2, expand:2",
]


@pytest.fixture(autouse=True, scope="module")
def nowhere_else(tmp_path_factory):
    """Whatever weights this machine has are not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.delenv("RSIR_WEIGHTS", raising=False)
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", per_class=6, size=64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("weights"), "cnn-m")


@pytest.fixture(scope="module")
def done(scenes, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduce") / "out"
    return out, reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, **SETTINGS)


def rows(result, number=0):
    return {row["method"]: row for row in result["datasets"][number]["rows"]}


def test_every_row_has_figures_or_a_reason(done):
    found = rows(done[1])
    assert [name for name, row in found.items() if row["missing"] is None] == PRESENT
    assert found["cnn-alex:fc6"]["missing"] == "weights not found: imagenet-caffe-alex.mat"
    assert found["cnn-19:pool5"]["missing"] == "weights not found: imagenet-vgg-verydeep-19.mat"
    assert "expected at least 15000 distinct local descriptors" in found["bovw-15000"]["missing"]
    assert len(found) == 12 + 3 + 3
    json.dumps(done[1], allow_nan=False)


@pytest.mark.parametrize(("method", "layer"), [("cnn-m:pool5", "pool5"), ("cnn-m:fc6", "fc6"), ("cnn-m:fc7", "fc7")])
def test_a_layer_is_that_of_extraction_and_evaluation_by_hand(scenes, weights, done, method, layer):
    backbone = rf.load_backbone("cnn-m", layer, weights / "cnn-m.safetensors")
    by_hand = rf.evaluate_ge2018(rf.extract(scenes, backbone, device="cpu"))
    row = rows(done[1])[method]
    for convention in ("query_excluded", "query_included"):
        figures = json.loads(result_json(by_hand.result[convention]))
        assert {key: row[convention][key] for key in figures} == figures
        values = by_hand.average_precision[convention]
        _, low, high = bootstrap_interval(values)
        assert (row[convention]["interval"]["low"], row[convention]["interval"]["high"]) == (low, high)
        assert np.nanmean(values) == pytest.approx(row[convention]["map"])
    assert row["dim"] == backbone.dim
    assert row["bytes"] == 4 * backbone.dim
    assert row["features"]["layer"] == layer
    assert row["features"]["weights"]["source"] == "the folder given"
    assert row["settings"]["normalize"] == "row"
    assert row["timing"]["query_ms"] > 0


def test_a_descriptor_is_that_of_describing_by_hand(scenes, done):
    for name, normalize in (("bovw-4", "row"), ("morphological-62", "feature")):
        made = describe_dataset(scenes, load_descriptor(name))
        by_hand = rf.evaluate_ge2018(made, normalize=normalize).result
        assert rows(done[1])[name]["query_excluded"]["map"] == by_hand["query_excluded"]["map"]


def test_rows_beyond_the_paper_build_on_one_another(scenes, weights, done):
    backbone = rf.load_backbone("cnn-m", "fc7", weights / "cnn-m.safetensors")
    features = rf.extract(scenes, rf.backbones.averaged(backbone, turns=True), device="cpu")
    found = rows(done[1])
    for name, options in {
        "cnn-m:fc7, 8 turns": {},
        "cnn-m:fc7, 8 turns, center,l2": {"steps": "center,l2"},
        "cnn-m:fc7, 8 turns, center,l2, expand:2": {"steps": "center,l2", "rerank": "expand:2"},
    }.items():
        by_hand = rf.evaluate_ge2018(features, **options).result
        assert found[name]["query_excluded"]["map"] == by_hand["query_excluded"]["map"]
        assert (found[name]["timing"]["query_ms"] is None) == bool(options)


def test_every_row_is_compared_with_the_reference(scenes, weights, done):
    result = done[1]
    assert result["datasets"][0]["reference"] == "cnn-m:pool5"
    assert rows(result)["cnn-m:pool5"]["query_excluded"]["against_reference"] is None
    ap = {
        layer: rf.evaluate_ge2018(
            rf.extract(scenes, rf.load_backbone("cnn-m", layer, weights / "cnn-m.safetensors"), device="cpu")
        ).average_precision["query_excluded"]
        for layer in ("pool5", "fc6")
    }
    compared = compare_paired(ap["pool5"], ap["fc6"])
    against = rows(result)["cnn-m:fc6"]["query_excluded"]["against_reference"]
    assert against["difference"] == pytest.approx(compared.difference.mean)
    assert (against["p_value"], against["queries"]) == (compared.p_value, compared.queries)


def test_again_takes_what_is_there_and_another_reference(scenes, weights, done):
    out, result = done
    stages = []
    again = reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, progress=stages.append, **SETTINGS)
    assert result_json(again) == result_json(result)
    assert [stage.what for stage in stages] == PRESENT
    assert {stage.total for stage in stages} == {18}
    other = reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, reference="bovw-4", **SETTINGS)
    assert other["datasets"][0]["reference"] == "bovw-4"
    assert rows(other)["bovw-4"]["query_excluded"]["against_reference"] is None
    turned = rows(other)["cnn-m:pool5"]["query_excluded"]["against_reference"]["difference"]
    assert turned == pytest.approx(-rows(result)["bovw-4"]["query_excluded"]["against_reference"]["difference"])


def test_several_data_sets_and_new_weights(scenes, weights, tmp_path):
    other = write_scenes(tmp_path / "other", classes=2, per_class=4)
    write_broken(other / "class0")
    settings = {"backbones": [], "descriptors": ["colour-histogram"], "device": "cpu", "out": tmp_path / "out"}
    folder = write_network(tmp_path / "w", "cnn-alex")
    first = reproduce_ge2018({"a": scenes, "b": other}, weights=folder, **settings)
    assert [entry["name"] for entry in first["datasets"]] == ["a", "b"]
    assert [entry["dataset"]["items"] for entry in first["datasets"]] == [18, 15]
    assert len(first["datasets"][1]["dataset"]["skipped"]) == 3
    write_network(tmp_path / "w", "cnn-m")
    second = reproduce_ge2018({"a": scenes, "b": other}, weights=folder, **settings)
    assert rows(first)["cnn-m:fc6"]["missing"]
    assert rows(second)["cnn-m:fc6"]["missing"] is None
    assert rows(second)["cnn-alex:fc6"] == rows(first)["cnn-alex:fc6"]


def test_a_weight_file_that_ends_early_fills_the_layers_that_it_reaches(scenes, data_root, tmp_path):
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path}
    found = rows(reproduce_ge2018({"a": scenes}, weights=data_root / "weights", **settings))
    assert found["cnn-alex:pool5"]["label"] == "CNN-Alex (8-bit conv trunk), pool5"
    reason = "weights not found: imagenet-caffe-alex.mat; bvlc_alexnet_conv_q7.npz ends at pool5"
    assert found["cnn-alex:fc6"]["missing"] == found["cnn-alex:fc7"]["missing"] == reason


def test_a_damaged_weight_file_says_so(scenes, tmp_path):
    path = write_network(tmp_path / "w", "cnn-m") / "cnn-m.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path / "out"}
    found = rows(reproduce_ge2018({"a": scenes}, weights=tmp_path / "w", **settings))
    assert "cnn-m.safetensors: expected" in found["cnn-m:fc6"]["missing"]
    assert found["cnn-m:fc6"]["missing"].startswith("weights not found: imagenet-vgg-m.mat; ")
    (tmp_path / "w/imagenet-vgg-m.mat").write_bytes(b"other content")
    found = rows(reproduce_ge2018({"a": scenes}, weights=tmp_path / "w", **settings))
    assert "imagenet-vgg-m.mat: expected the published file" in found["cnn-m:fc6"]["missing"]


def test_what_cannot_be_done(scenes, tmp_path):
    quick = {"out": tmp_path, "backbones": [], "descriptors": []}
    for settings, error, message in [
        ({"datasets": {}}, ValueError, "datasets: expected at least one"),
        ({"reference": "cnn-m:fc9"}, ValueError, "reference: expected one of cnn-alex:pool5; .*got 'cnn-m:fc9'"),
        ({"backbones": ["resnet1000"]}, ValueError, "unknown network 'resnet1000'; close names"),
        ({"descriptors": ["hog", "hog"]}, ValueError, "each network and descriptor once, got hog twice"),
        ({"steps": "zca"}, ValueError, "zca"),
        ({"datasets": {"a b": scenes, "a-b": scenes}}, ValueError, "different names with letters or digits"),
        ({"datasets": {"--": scenes}}, ValueError, "different names with letters or digits"),
        ({"datasets": {"one": scenes / "class0"}}, DatasetError, "one: expected images in one folder per class"),
    ]:
        with pytest.raises(error, match=message):
            reproduce_ge2018(**{"datasets": {"a": scenes}, **quick, **settings})
    assert not list(tmp_path.iterdir())


def test_rows_without_turns():
    sources = list_sources(["mobilenet_v2", "cnn-alex:pool5"], [], rerank="diffuse:5")
    beyond = [str(method) for source in sources[4:] for method in source.methods]
    assert beyond == ["mobilenet_v2:gap", "mobilenet_v2:gap, diffuse:5", "cnn-alex:pool5, diffuse:5"]
