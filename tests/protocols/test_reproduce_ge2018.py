"""The tables of the first paper from images: every row against its parts, with what is here and what is not."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import rsir_fast as rf
from network_files import write_network
from rsir_fast.backbones.weights import KnownFile
from rsir_fast.descriptors import ColourHistogram, LocalBinaryPatterns, load_descriptor
from rsir_fast.errors import DatasetError, ImageError, NoImageReadError
from rsir_fast.extraction import encode
from rsir_fast.metrics import bootstrap_interval, compare_paired
from rsir_fast.protocols import sources
from rsir_fast.protocols.methods import list_sources
from rsir_fast.protocols.reproduce_ge2018 import reproduce_ge2018
from rsir_fast.report.ge2018_tables import map_grid
from rsir_fast.report.grid import to_markdown
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
    return {row.method: row for row in result.datasets[number].rows}


def test_every_row_has_figures_or_a_reason(done):
    found = rows(done[1])
    assert [name for name, row in found.items() if row.missing is None] == PRESENT
    assert found["cnn-alex:fc6"].missing == "weights not found: imagenet-caffe-alex.mat"
    assert found["cnn-19:pool5"].missing == "weights not found: imagenet-vgg-verydeep-19.mat"
    assert "expected at least 15000 distinct local descriptors" in found["bovw-15000"].missing
    assert len(found) == 12 + 3 + 3
    assert "NaN" not in done[1].to_json()


@pytest.mark.parametrize(("method", "layer"), [("cnn-m:pool5", "pool5"), ("cnn-m:fc6", "fc6"), ("cnn-m:fc7", "fc7")])
def test_a_layer_is_that_of_extraction_and_evaluation_by_hand(scenes, weights, done, method, layer):
    backbone = rf.backbones.load_backbone("cnn-m", layer, weights / "cnn-m.safetensors")
    by_hand = rf.evaluate_ge2018(rf.encode(scenes, backbone, device="cpu"), resamples=10_000)
    row = rows(done[1])[method]
    for convention in ("query_excluded", "query_included"):
        by_row, figures = getattr(row, convention), by_hand.by_place[convention]
        values, written = figures.average_precision, figures.content()
        del written["per_query"]  # in OUT/runs, as average_precision
        assert {key: by_row.content()[key] for key in written} == written
        _, low, high = bootstrap_interval(values)
        assert (by_row.interval.low, by_row.interval.high) == (low, high)
        assert np.nanmean(values) == pytest.approx(by_row.map)
    assert row.dim == backbone.dim
    assert row.bytes == 4 * backbone.dim
    assert row.features.layer == layer
    assert row.features.weights.source == "the folder given"
    assert row.settings.normalize == "row"
    assert row.timing.query_ms > 0


def test_a_descriptor_is_that_of_describing_by_hand(scenes, done):
    for name, normalize in (("bovw-4", "row"), ("morphological-62", "feature")):
        made = encode(scenes, load_descriptor(name))
        by_hand = rf.evaluate_ge2018(made, normalize=normalize)
        assert rows(done[1])[name].query_excluded.map == by_hand.query_excluded.map


def test_a_descriptor_compared_otherwise_shares_its_features(scenes, tmp_path):
    names = ["bovw-4", "bovw-4,normalize=minmax,distance=l1", "bovw-4-dense,norm=root"]
    settings = {"out": tmp_path, "backbones": [], "device": "cpu"}
    result = reproduce_ge2018({"a": scenes}, descriptors=names, **settings)
    found = rows(result)
    row = found["bovw-4,normalize=minmax,distance=l1"]
    made = encode(scenes, load_descriptor("bovw-4"))
    by_hand = rf.evaluate_ge2018(made, normalize="minmax", distance="l1")
    assert row.query_excluded.anmrr == by_hand.query_excluded.anmrr != found["bovw-4"].query_excluded.anmrr
    assert (row.settings.distance, row.timing.query_ms) == ("l1", None)
    assert row.label == "BoVW-4 (ours), min-max, L1 distance"
    assert list(found)[12:] == ["bovw-4", row.method, "bovw-4-dense,norm=root"]
    assert len(list((tmp_path / "features/a").iterdir())) == 2
    kept = json.loads((tmp_path / "runs/a/bovw-4/result.json").read_text())["settings"]
    assert "distance" not in kept  # a run of before is taken as it is
    with pytest.raises(ValueError, match="each network and descriptor once, got bovw-4-dense twice"):
        reproduce_ge2018({"a": scenes}, descriptors=["bovw-4-dense", "bovw-4,detector=dense"], **settings)


def test_rows_beyond_the_paper_build_on_one_another(scenes, weights, done):
    backbone = rf.backbones.load_backbone("cnn-m", "fc7", weights / "cnn-m.safetensors")
    features = rf.encode(scenes, rf.backbones.averaged(backbone, turns=True), device="cpu")
    found = rows(done[1])
    for name, options in {
        "cnn-m:fc7, 8 turns": {},
        "cnn-m:fc7, 8 turns, center,l2": {"steps": "center,l2"},
        "cnn-m:fc7, 8 turns, center,l2, expand:2": {"steps": "center,l2", "rerank": "expand:2"},
    }.items():
        by_hand = rf.evaluate_ge2018(features, **options)
        assert found[name].query_excluded.map == by_hand.query_excluded.map
        assert (found[name].timing.query_ms is None) == bool(options)


def test_every_row_is_compared_with_the_reference(scenes, weights, done):
    result = done[1]
    assert result.datasets[0].reference == "cnn-m:pool5"
    assert rows(result)["cnn-m:pool5"].against_reference is None
    ap = {
        layer: rf.evaluate_ge2018(
            rf.encode(scenes, rf.backbones.load_backbone("cnn-m", layer, weights / "cnn-m.safetensors"), device="cpu")
        ).query_excluded.average_precision
        for layer in ("pool5", "fc6")
    }
    compared = compare_paired(ap["pool5"], ap["fc6"])
    against = rows(result)["cnn-m:fc6"].against_reference
    assert against.difference == pytest.approx(compared.difference.mean)
    assert (against.p_value, against.queries) == (compared.p_value, compared.queries)
    by_class = compare_paired(ap["pool5"], ap["fc6"], groups=np.repeat([0, 1, 2], 6), resamples=50_000)
    turned = against.by_class
    assert (turned.low, turned.high, turned.p_value, turned.units) == (None, None, by_class.p_value, 3)
    others, least = [row.measured.against_reference for row in rows(result).values() if row.measured], 0.0
    others.remove(None)  # the reference itself
    for left, one in zip(range(len(others), 0, -1), sorted(others, key=lambda one: one.p_value), strict=True):
        least = max(least, min(1, left * one.p_value))
        assert one.p_holm == pytest.approx(least)


def test_again_takes_what_is_there_and_another_reference(scenes, weights, done):
    (out, result), stages = done, []
    again = reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, progress=stages.append, **SETTINGS)
    assert again.to_json() == result.to_json()
    kept = next(out.glob("runs/*/bovw-4/result.json"))
    content = json.loads(kept.read_text())
    del content["result"]["query_excluded"]["map_intervals"]  # as it was kept before there were any
    kept.write_text(json.dumps(content))
    assert reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, **SETTINGS).to_json() == result.to_json()
    stages = [at for at in stages if at.stage == "run"]  # a descriptor's own progress besides
    assert [at.what for at in stages][1::6] == ["Scenes: cnn-m, pool5, fc6, fc7", "Scenes: cnn-m, fc7, 8 turns"]
    assert [(at.stage, at.done, at.total) for at in stages] == [("run", number, 8) for number in range(8)]
    other = reproduce_ge2018({"Scenes": scenes}, out=out, weights=weights, reference="bovw-4", **SETTINGS)
    assert other.datasets[0].reference == "bovw-4"
    assert rows(other)["bovw-4"].against_reference is None
    turned = rows(other)["cnn-m:pool5"].against_reference.difference
    assert turned == pytest.approx(-rows(result)["bovw-4"].against_reference.difference)


def test_several_data_sets_and_new_weights(scenes, weights, tmp_path):
    other = write_scenes(tmp_path / "other", classes=2, per_class=4)
    write_broken(other / "class0")
    settings = {"backbones": [], "descriptors": ["colour-histogram"], "device": "cpu", "out": tmp_path / "out"}
    folder = write_network(tmp_path / "w", "cnn-alex")
    first = reproduce_ge2018({"a": scenes, "b": other}, weights=folder, **settings)
    assert [entry.name for entry in first.datasets] == ["a", "b"]
    assert [entry.dataset.items for entry in first.datasets] == [18, 15]
    assert len(first.datasets[1].dataset.skipped) == 3
    write_network(tmp_path / "w", "cnn-m")
    second = reproduce_ge2018({"a": scenes, "b": other}, weights=folder, **settings)
    assert rows(first)["cnn-m:fc6"].missing
    assert rows(second)["cnn-m:fc6"].missing is None
    assert rows(second)["cnn-alex:fc6"] == rows(first)["cnn-alex:fc6"]


def test_a_weight_file_that_ends_early_fills_the_layers_that_it_reaches(scenes, data_root, tmp_path):
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path}
    found = rows(reproduce_ge2018({"a": scenes}, weights=data_root / "weights", **settings))
    assert found["cnn-alex:pool5"].label == "CNN-Alex (8-bit conv trunk), pool5"
    reason = "weights not found: imagenet-caffe-alex.mat; bvlc_alexnet_conv_q7.npz ends at pool5"
    assert found["cnn-alex:fc6"].missing == found["cnn-alex:fc7"].missing == reason


def test_a_damaged_weight_file_says_so(scenes, tmp_path):
    path = write_network(tmp_path / "w", "cnn-m") / "cnn-m.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path / "out"}
    found = rows(reproduce_ge2018({"a": scenes}, weights=tmp_path / "w", **settings))
    assert "cnn-m.safetensors: expected" in found["cnn-m:fc6"].missing
    assert found["cnn-m:fc6"].missing.startswith("weights not found: imagenet-vgg-m.mat; ")
    (tmp_path / "w/imagenet-vgg-m.mat").write_bytes(b"other content")
    found = rows(reproduce_ge2018({"a": scenes}, weights=tmp_path / "w", **settings))
    assert "imagenet-vgg-m.mat: expected the published file" in found["cnn-m:fc6"].missing


def test_what_cannot_be_done(scenes, tmp_path):
    quick = {"out": tmp_path, "backbones": [], "descriptors": []}
    for settings, error, message in [
        ({"datasets": {}}, ValueError, "datasets: expected at least one"),
        ({"reference": "cnn-m:fc9"}, ValueError, "reference: expected one of cnn-alex:pool5; .*got 'cnn-m:fc9'"),
        ({"backbones": ["resnet1000"]}, ValueError, "unknown network 'resnet1000'; close names"),
        ({"descriptors": ["hog", "hog"]}, ValueError, "each network and descriptor once, got hog twice"),
        ({"steps": "zca"}, ValueError, "zca"),
        ({"datasets": {"a b": scenes, "A-b": scenes}}, ValueError, "names that differ in letters or digits, whatever"),
        ({"datasets": {"--": scenes}}, ValueError, "names that differ in letters or digits, whatever"),
        ({"backbones": ["cnn-m:fc7"]}, ValueError, "got cnn-m:fc7, which is a row already; leave it out, or add turns"),
        ({"turns": True}, ValueError, "expected networks to add rows to, got none"),
        ({"datasets": {"one": scenes / "class0"}}, DatasetError, "one: expected images in one folder per class"),
    ]:
        with pytest.raises(error, match=message):
            reproduce_ge2018(**{"datasets": {"a": scenes}, **quick, **settings})
    assert not list(tmp_path.iterdir())


def test_rows_without_turns():
    found = list_sources(["mobilenet_v2", "cnn-alex:fc6"], [], rerank="diffuse:5")
    assert [str(source) for source in found] == [
        "cnn-alex, pool5, fc6, fc7",
        *(f"{name}, pool5, fc6, fc7" for name in ("cnn-m", "cnn-16", "cnn-19")),
        "mobilenet_v2, gap",
    ]
    assert str(found[0].methods[-1]) == "cnn-alex:fc6, diffuse:5"
    assert list(map(str, found[4].methods)) == ["mobilenet_v2:gap", "mobilenet_v2:gap, diffuse:5"]


def test_rows_beyond_of_a_network_of_the_paper_share_its_pass(scenes, weights, tmp_path):
    settings = {"backbones": ["cnn-m:fc6"], "descriptors": [], "steps": "pca:3", "device": "cpu", "out": tmp_path}
    found = rows(reproduce_ge2018({"a": scenes}, weights=weights, **settings))
    assert [folder.name[:-9] for folder in (tmp_path / "features/a").iterdir()] == ["cnn-m-pool5-fc6-fc7"]
    beyond = found["cnn-m:fc6, pca:3"]
    assert (beyond.dim, beyond.bytes, beyond.features.dim) == (3, 12, found["cnn-m:fc6"].dim)


def test_a_row_that_cannot_be_done_says_why(scenes, weights, tmp_path):
    for options, reason in [({"steps": "pca:900"}, "expected at most"), ({"rerank": "expand:500"}, "500")]:
        settings = {"backbones": ["cnn-m:fc6"], "descriptors": [], "device": "cpu", "out": tmp_path}
        found = rows(reproduce_ge2018({"a": scenes}, weights=weights, **settings, **options))
        (row,) = [row for name, row in found.items() if name.startswith("cnn-m:fc6, ")]
        assert reason in row.missing
        assert found["cnn-m:fc6"].missing is None


def test_a_data_set_that_cannot_be_read_leaves_the_others(scenes, tmp_path):
    for label in range(2):
        (tmp_path / f"bad/class{label}").mkdir(parents=True)
        (tmp_path / f"bad/class{label}/x.jpg").write_bytes(b"no image")
    settings = {"backbones": [], "descriptors": ["lbp"], "device": "cpu", "out": tmp_path / "out"}
    result = reproduce_ge2018({"good": scenes, "bad": tmp_path / "bad"}, **settings)
    assert rows(result)["lbp"].query_excluded.map > 0
    assert "found none among 2" in rows(result, 1)["lbp"].missing
    assert [one.item for one in result.datasets[1].dataset.skipped] == ["class0/x.jpg", "class1/x.jpg"]
    with pytest.raises(NoImageReadError, match="bad: expected images that can be read, found none among 2"):
        reproduce_ge2018({"bad": tmp_path / "bad"}, **settings)


def test_queries_are_paired_by_image(scenes, tmp_path, monkeypatch):
    """Descriptors may refuse different images."""
    describe = {kind: kind.describe for kind in (ColourHistogram, LocalBinaryPatterns)}

    def refusing(kind, number):
        refused = np.asarray(rf.open_dataset(scenes).load_image(number)).sum()

        def described(self, image):
            if np.asarray(image).sum() == refused:
                raise ImageError("refused by this one")
            return describe[kind](self, image)

        return described

    monkeypatch.setattr(ColourHistogram, "describe", refusing(ColourHistogram, 1))
    monkeypatch.setattr(LocalBinaryPatterns, "describe", refusing(LocalBinaryPatterns, 9))
    settings = {"backbones": [], "descriptors": ["lbp", "colour-histogram"], "device": "cpu", "out": tmp_path}
    result = reproduce_ge2018({"a": scenes}, **settings)
    skipped = [one.item for one in result.datasets[0].dataset.skipped]
    assert skipped == ["class0/class0_1.jpg", "class1/class1_3.jpg"]
    ap = {}
    for name in settings["descriptors"]:
        features = encode(scenes, load_descriptor(name))
        found = rf.evaluate_ge2018(features).query_excluded.average_precision
        ap[name] = dict(zip(features.items, found, strict=True))
    common = [item for item in ap["lbp"] if item in ap["colour-histogram"]]
    assert len(common) == 16
    assert {row.images for row in rows(result).values() if row.missing is None} == {17}
    assert "17 of 18 images could be read" in to_markdown(map_grid(result.datasets[0], result.settings))
    compared = compare_paired(*([ap[name][item] for item in common] for name in settings["descriptors"]))
    against = rows(result)["colour-histogram"].against_reference
    assert (against.p_value, against.queries) == (compared.p_value, 16)
    assert against.difference == pytest.approx(compared.difference.mean)


def test_nothing_to_compare_is_no_number(tmp_path):
    """Classes of one image each: no query has a relevant one."""
    lonely = write_scenes(tmp_path / "data", classes=3, per_class=1)
    settings = {"backbones": [], "descriptors": ["lbp", "colour-histogram"], "device": "cpu", "out": tmp_path / "out"}
    result = reproduce_ge2018({"a": lonely}, **settings)
    assert "NaN" not in result.to_json()
    assert rows(result)["lbp"].query_excluded.map is None
    against = rows(result)["colour-histogram"].against_reference
    assert (against.difference, against.p_value, against.queries) == (None, None, 0)


def test_a_reference_without_figures(scenes, tmp_path):
    settings = {"backbones": [], "descriptors": ["lbp", "hog"], "device": "cpu", "out": tmp_path}
    result = reproduce_ge2018({"a": scenes}, reference="cnn-m:fc6", **settings)
    assert result.datasets[0].reference is None
    assert rows(result)["hog"].against_reference is None
    text = to_markdown(map_grid(result.datasets[0], result.settings))
    assert "Rows are not compared: cnn-m:fc6 has no figures here." in text
    assert "others are compared" not in text
    assert "against" not in text


def test_other_settings_leave_former_features_as_they_are(scenes, weights, tmp_path):
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path / "out"}
    first = reproduce_ge2018({"a": scenes}, weights=weights, **settings)
    kept = {path: path.read_bytes() for path in (tmp_path / "out/features").rglob("*") if path.is_file()}
    other = write_network(tmp_path / "other", "cnn-m", seed=1)
    for changed in ({"weights": weights, "batch_size": 5}, {"weights": weights, "precision": "bfloat16"}):
        reproduce_ge2018({"a": scenes}, **changed, **settings)
    second = reproduce_ge2018({"a": scenes}, weights=other, **settings)
    assert rows(second)["cnn-m:fc6"].features != rows(first)["cnn-m:fc6"].features
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(list((tmp_path / "out/features/a").iterdir())) == 4


def test_the_same_file_from_another_place_is_the_same(scenes, weights, tmp_path, monkeypatch):
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path}
    first = reproduce_ge2018({"a": scenes}, weights=weights, **settings)
    monkeypatch.setenv("RSIR_WEIGHTS", str(weights))
    assert reproduce_ge2018({"a": scenes}, **settings).to_json() == first.to_json()


def test_downloaded_once_found_ever_after(scenes, weights, tmp_path, monkeypatch):
    served = (weights / "cnn-m.safetensors").as_uri()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(
        sources, "known_files", lambda name: [KnownFile(f"{name}-net", served if name == "cnn-m" else None)]
    )
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path / "out"}
    assert rows(reproduce_ge2018({"a": scenes}, **settings))["cnn-m:fc6"].missing == "weights not found: cnn-m-net"
    found = [reproduce_ge2018({"a": scenes, "b": scenes}, download=True, **settings) for _ in range(2)]
    assert found[0].to_json() == found[1].to_json()
    assert rows(found[0], 1)["cnn-m:fc7"].missing is None
    assert "no official address" in rows(found[0])["cnn-16:fc7"].missing


def test_a_damaged_file_is_not_passed_over_in_silence(scenes, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("RSIR_WEIGHTS", str(weights))
    (tmp_path / "w").mkdir()
    (tmp_path / "w/imagenet-vgg-m.mat").write_bytes(b"other content")
    settings = {"backbones": [], "descriptors": [], "device": "cpu", "out": tmp_path / "out"}
    row = rows(reproduce_ge2018({"a": scenes}, weights=tmp_path / "w", **settings))["cnn-m:fc6"]
    assert row.missing is None
    assert row.remark.startswith("passed over: ")
    assert "imagenet-vgg-m.mat: expected the published file" in row.remark


def test_a_moved_folder_and_a_damaged_result(scenes, tmp_path):
    settings = {"backbones": [], "descriptors": ["lbp"], "device": "cpu", "out": tmp_path / "out"}
    (tmp_path / "one").mkdir()
    shutil.copytree(scenes, tmp_path / "one/data")
    first = reproduce_ge2018({"a": tmp_path / "one/data"}, **settings)
    (tmp_path / "one").rename(tmp_path / "two")
    settled = json.dumps({"settings": json.loads((tmp_path / "out/runs/a/lbp/result.json").read_bytes())["settings"]})
    for content in (None, b"{}", settled.encode(), b"no JSON"):
        if content is not None:
            (tmp_path / "out/runs/a/lbp/result.json").write_bytes(content)
        again = reproduce_ge2018({"a": tmp_path / "two/data"}, **settings)
        assert str(tmp_path) not in again.to_json()
        assert rows(again)["lbp"].query_excluded == rows(first)["lbp"].query_excluded
