"""``rsir search`` by hash code, with a model that was really trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_scenes
from side_by_side import table

NETWORK = ["-e", "squeezenet1_1", "-w", "random:0", "--device", "cpu", "--quiet"]
BITS = 12


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def train(scenes, out, seed):
    options = ["--freeze-backbone", "--bits", BITS, "--epochs", 20, "--seed", seed]
    rsir("train", "dhcnn", scenes, *NETWORK, *options, "--out", out)
    return out / "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    scenes = write_scenes(folder / "scenes")
    model = train(scenes, folder / "run", 0)
    rsir("features", scenes, "-e", model, "--out", folder / "codes", "--device", "cpu", "--quiet")
    return folder


@pytest.fixture
def query(folder):
    return folder / "scenes/class1/class1_3.jpg"


@pytest.fixture
def by_code(folder):
    def call(*arguments, code=0):
        model = folder / "run/model.safetensors"
        return rsir("search", folder / "codes", *arguments, "-w", model, "--device", "cpu", code=code)

    return call


def test_every_result_carries_its_label_and_probability(folder, query, by_code):
    done = by_code(query, "-k", 5, "--json")
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert (result["distance"], result["bits"], result["rerank_codes"], result["same_label"]) == (
        "hamming",
        BITS,
        None,
        False,
    )
    (answer,) = result["queries"]
    database = Features.load(folder / "codes")
    u, scores = table(database)[:, :BITS], table(database)[:, BITS:]
    own = database.items.index("class1/class1_3.jpg")
    hamming = ((u > 0) != (u[own] > 0)).sum(1)
    order = np.argsort(hamming, kind="stable")[:5]
    assert [entry["item"] for entry in answer["results"]] == [database.items[item] for item in order]
    assert [entry["rank"] for entry in answer["results"]] == [1, 2, 3, 4, 5]
    for entry, item in zip(answer["results"], order, strict=True):
        assert entry["distance"] == hamming[item]
        assert isinstance(entry["distance"], int)
        assert entry["label"] == f"class{scores[item].argmax()}"
        assert entry["probability"] == pytest.approx(float(scores[item].max()))
        assert entry["class"] == database.items[item].split("/")[0]
        assert entry["path"] == str(folder / "scenes" / entry["item"])
        assert "euclidean" not in entry
    assert answer["label"] == f"class{scores[own].argmax()}"
    # The query is computed alone, the database in batches: the last bits of the network's sums may differ.
    assert answer["probability"] == pytest.approx(float(scores[own].max()), abs=1e-4)


def test_rerank_orders_by_euclidean_distance(query, by_code):
    """More candidates than images: all of them, the query's own image first."""
    (answer,) = json.loads(by_code(query, "-k", 6, "--rerank-codes", 1000, "--json").stdout)["queries"]
    euclidean = [entry["euclidean"] for entry in answer["results"]]
    assert answer["results"][0]["item"] == "class1/class1_3.jpg"
    assert euclidean[0] < 1e-3 < euclidean[1]
    assert euclidean == sorted(euclidean)
    assert all(0 <= entry["distance"] <= BITS for entry in answer["results"])


def test_same_label_gives_what_there_is(folder, by_code):
    answers = json.loads(by_code(folder / "scenes/class2", "-k", 18, "--same-label", "--json").stdout)["queries"]
    predicted = np.asarray(Features.load(folder / "codes")["probabilities"]).argmax(1)
    assert len(answers) == 6
    for answer in answers:
        label = int(answer["label"].removeprefix("class"))
        assert {entry["label"] for entry in answer["results"]} == {answer["label"]}
        assert len(answer["results"]) == (predicted == label).sum() < 18


def test_table(folder, query, by_code):
    lines = by_code(query, "-k", 2).stdout.splitlines()
    assert lines[0].startswith(f"query {query}"[:60])
    assert any(line.split() == ["rank", "id", "distance", "label", "probability", "class", "image"] for line in lines)
    stdout = by_code(folder / "scenes/class0", "-k", 2, "--rerank-codes", 3).stdout
    assert stdout.count("query ") == stdout.count("euclidean") == 6


def test_an_unreadable_query_is_listed(query, by_code, tmp_path):
    (tmp_path / "bad.jpg").write_text("x")
    assert "bad.jpg" in by_code(query, tmp_path / "bad.jpg", code=3).stderr
    for options in ([], ["--rerank-codes", 12], ["--same-label"]):
        result = by_code(tmp_path / "bad.jpg", *options, "--json", code=1)
        assert result.stdout == ""
        assert "bad.jpg" in result.stderr


def test_the_model_is_needed_and_no_other(folder, query, tmp_path):
    done = rsir("search", folder / "codes", query, code=2)
    assert "--weights: expected the model that is meant (12 bits of squeezenet1_1:gap, SHA-256 " in done.stderr
    sha256 = Features.load(folder / "codes").provenance["weights"]["sha256"]
    assert sha256[:16] in done.stderr
    other = train(folder / "scenes", tmp_path / "other", 1)
    done = rsir("search", folder / "codes", query, "-w", other, code=1)
    assert f"found another with model.safetensors (weights: {sha256[:16]}..., now " in done.stderr
    done = rsir("search", folder / "codes", query, "-w", tmp_path / "none", code=1)
    assert "found no such file" in done.stderr


def test_features_of_a_model_in_memory(folder, query, by_code, tmp_path):
    codes = Features.load(folder / "codes")
    provenance = codes.provenance | {"weights": {"file": "none: in memory", "sha256": "", "source": "rsir train dhcnn"}}
    Features(table(codes), codes.items, None, (), "demo", provenance=provenance).save(tmp_path / "f")
    model = folder / "run/model.safetensors"
    done = rsir("search", tmp_path / "f", query, "-w", model, code=1)
    assert "made by a model in memory" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rerank-codes", 9], "--rerank-codes: expected at least k (10) candidates to order, got 9"),
        (["--rerank-codes", 0], "--rerank"),
        (["--normalize", "row"], "--normalize: expected no such option for features of a trained model"),
        (["--field", "gap"], "--field: expected no such option for features of a trained model"),
    ],
)
def test_options_that_do_not_fit_codes(query, by_code, options, message):
    done = by_code(query, *options, code=2)
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("options", [["--rerank-codes", 20], ["--same-label"]])
def test_options_of_codes_do_not_fit_other_features(query, options, tmp_path):
    plain = Features(np.zeros((1, 512), np.float32), ("a",), None, (), "plain", provenance={"name": "squeezenet1_1"})
    plain.save(tmp_path / "f")
    done = rsir("search", tmp_path / "f", query, *options, code=2)
    assert f"{options[0]}: expected no such option for these features" in done.stderr
