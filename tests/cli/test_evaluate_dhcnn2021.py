"""``rsir evaluate dhcnn2021`` as a user calls it."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from html_page import Page
from rsir_fast.archive import Features
from rsir_fast.cli import app
from rsir_fast.errors import FeaturesError
from rsir_fast.retrieval import Search, find
from scene_files import write_scenes
from side_by_side import table

TRAIN = ["--freeze-backbone", "-e", "squeezenet1_1", "-w", "random:0", "--bits", "8", "--epochs", "3", "--quiet"]
AT_K = ["--map-at", "4", "--divisor", "found"]
FILES = {
    "queries.csv",
    "report.html",
    "result.json",
    "confusion_matrix.svg",
    "per_class.svg",
    "precision_by_number.svg",
    "precision_recall_by_radius.svg",
    "recall_by_number.svg",
}


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Scenes, a model trained on them, its codes of them, and another model."""
    root = tmp_path_factory.mktemp("dhcnn")
    scenes = write_scenes(root / "scenes")
    rsir("train", "dhcnn", scenes, *TRAIN, "--device", "cpu", "--out", root / "run")
    rsir("train", "dhcnn", scenes, *TRAIN, "--device", "cpu", "--seed", 1, "--out", root / "other")
    model = root / "run/model.safetensors"
    rsir("features", scenes, "-e", model, "--out", root / "codes", "--device", "cpu", "--quiet")
    return {"scenes": scenes, "model": model, "codes": root / "codes", "other": root / "other/model.safetensors"}


def evaluate(*arguments, code=0):
    return rsir("evaluate", "dhcnn2021", *arguments, code=code)


def figures(folder):
    result = json.loads((folder / "result.json").read_text())
    del result["timing"]
    return result


def test_it_explains_itself():
    assert "Song et al. 2021" in evaluate("--help").stdout


def test_from_codes_with_all_files(made, tmp_path):
    done = evaluate(made["codes"], "--out", tmp_path, "--per-class")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    result = figures(tmp_path)
    assert result["images"] == {"train": 15, "test": 3}
    assert f"({result['test_vs_train']['map']['expected']:.4f})" in done.stdout
    assert "test vs train" in done.stdout
    assert "class2" in done.stdout
    assert str(tmp_path / "report.html") in done.stdout.replace("\n", "")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 5 * (1 + 15)  # best, worst, three medians; all training images


def test_json_is_the_same_on_a_second_run_and_with_any_threads(made, tmp_path):
    def run(out, *more):
        done = evaluate(made["codes"], "--out", tmp_path / out, "--json", "--quiet", *more)
        assert done.stderr == ""
        assert done.stdout == (tmp_path / out / "result.json").read_text()
        return re.sub(r'"timing": \{.*?\}', "", done.stdout, flags=re.DOTALL)

    first = run("a")
    assert run("b", "--threads", 1) == run("c", "--threads", 2) == first


def test_from_images_by_the_model_and_what_is_there_is_used_again(made, tmp_path):
    images = made["scenes"], "-e", made["model"], "--out", tmp_path / "images", "--device", "cpu"
    assert "extract: 18/18 images" in evaluate(*images).stderr
    evaluate(made["codes"], "--out", tmp_path / "codes", "--quiet")
    assert figures(tmp_path / "images") == figures(tmp_path / "codes")
    before = list((tmp_path / "images/features/versions").iterdir())
    assert "extract:" not in evaluate(*images).stderr
    assert list((tmp_path / "images/features/versions").iterdir()) == before
    done = evaluate(tmp_path / "images", "-e", made["model"], code=1)
    assert f"name {tmp_path / 'images/features'}" in done.stderr


def test_the_default_folder_names_data_network_and_bits(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate(made["codes"], "-e", made["model"], "--quiet")
    assert {path.name for path in (tmp_path / "runs/dhcnn2021-scenes-squeezenet1_1-gap-8").iterdir()} == FILES


def test_number_of_results_of_an_example(made, tmp_path):
    for examples, pictures in ((2, 5 * 3), (0, 0)):
        evaluate(made["codes"], "--out", tmp_path, "--examples", examples, "--cutoffs", "2, 1,30", *AT_K, "--quiet")
        assert (tmp_path / "report.html").read_text().count("data:image/jpeg;base64,") == pictures
    result = figures(tmp_path)
    assert result["rules"]["cutoffs"] == [1, 2, 30]
    assert result["test_vs_train"]["cutoffs"] == [1, 2]  # of 15 images
    assert (result["rules"]["map_at"], result["rules"]["divisor"]) == (4, "found")
    assert {"k", "divisor", "found", "min", "relevant"} == set(result["test_vs_test"]["map_at"])
    done = evaluate(made["codes"], "--out", tmp_path, "--divisor", "min", code=2)
    assert "--divisor: expected --map-at K to go with it" in done.stderr


def test_unreadable_images_are_listed_with_exit_code_3(made, tmp_path):
    data = shutil.copytree(made["scenes"], tmp_path / "scenes")
    (data / "class0/class0_0.jpg").write_bytes(b"")
    done = evaluate(data, "-e", made["model"], "--out", tmp_path / "run", "--quiet", code=3)
    assert "class0_0.jpg" in done.stderr
    result = figures(tmp_path / "run")
    assert sum(result["images"].values()) == 17
    assert len(result["dataset"]["skipped"]) == 1


def test_features_that_are_not_finite_are_noted(made, tmp_path):
    codes = Features.load(made["codes"])
    matrix = np.array(table(codes))
    matrix[3] = np.nan
    Features(matrix, codes.items, codes.labels, codes.classes, "odd", provenance=codes.provenance).save(tmp_path / "f")
    done = evaluate(tmp_path / "f", "--out", tmp_path / "run")
    assert "(NaN or infinity); its code and label mean nothing" in done.stderr


def test_what_cannot_be_done_is_one_line(made, tmp_path):
    out = tmp_path / "run"
    plain = tmp_path / "plain"
    Features(np.ones((4, 3), np.float32), tuple("abcd"), [0, 0, 1, 1], ("x", "y"), "p").save(plain)
    (tmp_path / "file").write_text("x")
    fewer = shutil.copytree(made["scenes"], tmp_path / "fewer")
    shutil.rmtree(fewer / "class1")
    renamed = shutil.copytree(made["scenes"], tmp_path / "renamed")
    for path in list(renamed.rglob("*.jpg")):
        path.rename(path.with_name(f"x{path.name}"))
    scenes, codes, model = made["scenes"], made["codes"], made["model"]
    for arguments, code, message in [
        (
            [scenes],
            2,
            f"--encoder model.safetensors of `rsir train`, got {scenes} without --encoder",
        ),
        ([tmp_path / "nowhere", "-e", model, "--no-download"], 1, "nowhere"),
        (
            [scenes, "-e", tmp_path / "none.safetensors"],
            1,
            "expected a hash model of `rsir train`, version 1, found no",
        ),
        (
            [codes, "-e", tmp_path / "none.safetensors"],
            1,
            "expected a hash model of `rsir train`, version 1, found no",
        ),
        ([codes, "-e", made["other"]], 1, "expected the model that made these features, got another (weights: "),
        ([plain], 1, "p: expected features of a hash model"),
        ([codes, "--batch-size", "4"], 2, "--batch-size: expected a folder of images to go with it"),
        ([codes, "--device", "cpu"], 2, "--device: expected a folder of images to go with it"),
        (
            [fewer, "-e", model],
            1,
            "expected the classes of the model (class0, class1, class2), found class0, class2",
        ),
        ([renamed, "-e", model], 1, "expected train images of the model's split, such as class0/class0_"),
    ]:
        done = evaluate(*arguments, "--out", out, code=code)
        assert message in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.output
        assert not out.exists()
    for source in ([scenes, "-e", model], [codes]):
        done = evaluate(*source, "--out", tmp_path / "file", code=1)
        assert "expected a folder for the report, found a file" in done.stderr
        assert "rank:" not in done.stderr


def test_a_failure_leaves_an_earlier_report_whole(made, tmp_path):
    evaluate(made["codes"], "--out", tmp_path, "--quiet")
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    evaluate(made["codes"], "-e", made["other"], "--out", tmp_path, code=1)
    (tmp_path / "result.json").unlink()
    (tmp_path / "result.json").mkdir()
    done = evaluate(made["codes"], "--out", tmp_path, code=1)
    assert "result.json: cannot be written: Is a directory (EISDIR)" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert all((tmp_path / name).read_bytes() == before[name] for name in FILES - {"result.json"})


def test_codes_are_means_over_turns(made, tmp_path):
    """u and probabilities of every image's eight turns, by the plain model on turned files."""
    rsir("features", made["scenes"], "-e", f"{made['model']},turns=mean", "--out", tmp_path / "codes", "--quiet")
    mean = Features.load(tmp_path / "codes")
    turned = []
    for turn in range(8):
        folder = tmp_path / f"turn{turn}"
        for item in mean.items:
            image = Image.open(made["scenes"] / item).rotate(90 * (turn % 4))
            image = ImageOps.mirror(image) if turn >= 4 else image
            (folder / item).parent.mkdir(parents=True, exist_ok=True)
            image.save((folder / item).with_suffix(".png"))
        rsir("features", folder, "-e", made["model"], "--out", tmp_path / f"codes{turn}", "--quiet")
        turned.append(table(Features.load(tmp_path / f"codes{turn}")))
    # To the rounding of pixels: these were turned before they were resized.
    np.testing.assert_allclose(table(mean), np.mean(turned, axis=0), rtol=0, atol=5e-3)
    assert np.abs(table(mean) - turned[0]).max() > 0.05

    evaluate(tmp_path / "codes", "--out", tmp_path / "a")
    evaluate(made["scenes"], "-e", f"{made['model']},turns=mean", "--out", tmp_path / "b", "--device", "cpu")
    one, other = figures(tmp_path / "a"), figures(tmp_path / "b")
    assert one["test_vs_train"] == other["test_vs_train"]
    assert "means over the image's 8 turns" in Page((tmp_path / "b/report.html").read_text()).text

    query = made["scenes"] / mean.items[4]
    done = rsir("search", tmp_path / "codes", query, "-w", made["model"], "-k", 1, "--rerank-codes", 18, "--json")
    (found,) = json.loads(done.stdout)["queries"]
    assert found["results"][0]["euclidean"] == pytest.approx(0, abs=1e-3)
    with pytest.raises(FeaturesError, match=r"found those of another \(turns: mean, now upright\)"):
        find(mean, Features.load(made["codes"]), Search(k=1))
