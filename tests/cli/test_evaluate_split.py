"""``rsir evaluate dhcnn2021 --split``: codes ranked by a split that is not the model's own."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app, tested
from scene_files import write_scenes

TRAIN = ["--freeze-backbone", "-e", "squeezenet1_1", "-w", "random:0", "--bits", "8", "--epochs", "3", "--quiet"]


def rsir(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def evaluate(*arguments, code=0):
    return rsir("evaluate", "dhcnn2021", *arguments, code=code)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Scenes, a model trained on the first half of them, its codes, and published lists."""
    root = tmp_path_factory.mktemp("split")
    scenes = write_scenes(root / "scenes")
    rsir(
        "train",
        "hashing",
        scenes,
        *TRAIN,
        "--method",
        "csq",
        "--train",
        "0.5",
        "--device",
        "cpu",
        "--out",
        root / "run",
    )
    model = root / "run/model.safetensors"
    rsir("features", scenes, "-e", model, "--out", root / "codes", "--device", "cpu", "--quiet")
    drawn = rf.stratified_split(rf.open_dataset(scenes), train=0.8)  # the same order: its test images are among ours
    (root / "train.txt").write_text("".join(f"{item}\n" for item in drawn.train))
    (root / "test.txt").write_text("".join(f"{item} {item[:6]}\n" for item in drawn.test))
    return {"scenes": scenes, "model": model, "codes": root / "codes", "list": root / "train.txt", "drawn": drawn}


def figures(folder):
    result = json.loads((folder / "result.json").read_text())
    del result["timing"]
    return result


def test_from_codes_and_from_images_by_lists_and_by_shares(made, tmp_path):
    evaluate(made["codes"], "--split", made["list"], "--out", tmp_path / "codes")
    images = [made["scenes"], "-e", made["model"], "--device", "cpu"]
    evaluate(*images, "--split", made["list"], "--out", tmp_path / "images")
    evaluate(made["codes"], "--split", "80/20", "--out", tmp_path / "shares")
    of_list, of_shares = figures(tmp_path / "codes"), figures(tmp_path / "shares")
    assert figures(tmp_path / "images") == of_list
    assert of_list["images"] == {"train": 15, "test": 3}
    assert of_list["split"] == {"seed": 0, "train": 9, "test": 9}
    assert of_list["queries"]["items"] == list(made["drawn"].test)
    assert of_list["other_split"] == {"train": 15, "test": 3, "trained_on": 9, "trained_queries": 0, "kept": False}
    assert of_list["rules"]["split"] == {"kind": "given", "train": 0.8333, "file": "train.txt"}
    assert of_shares["rules"]["split"] == {"kind": "drawn", "train": 0.8333, "seeds": [0]}
    assert of_shares["test_vs_train"] == of_list["test_vs_train"]


def test_leakage_is_refused_left_out_or_told(made, tmp_path):
    other = [made["codes"], "--split", "50/50", "--seed", 3]
    refused = evaluate(*other, "--out", tmp_path / "none", code=1).stderr
    assert "expected test images that the model was not trained on, but it was trained on " in refused
    assert "--trained-queries leave-out or --trained-queries keep" in refused
    assert len(refused.splitlines()) == 1
    assert not (tmp_path / "none").exists()
    before = evaluate(made["scenes"], "-e", made["model"], *other[1:], "--out", tmp_path / "none", code=1).stderr
    assert "expected test images that the model was not trained on" in before
    assert "extract" not in before

    kept = evaluate(*other, "--trained-queries", "keep", "--out", tmp_path / "kept")
    count = figures(tmp_path / "kept")["other_split"]["trained_queries"]
    assert 0 < count < 9
    assert f"note: leakage: {count} of 9 queries are images that the model was trained on" in kept.stderr
    assert f"leakage: the network was trained on {count} of 9 queries" in " ".join(kept.stdout.split())
    left = evaluate(*other, "--trained-queries", "leave-out", "--out", tmp_path / "left")
    assert f"note: {count} of 9 test images of the split are left out" in left.stderr
    assert figures(tmp_path / "left")["images"]["test"] == 9 - count


def test_the_default_folder_tells_evaluations_apart(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other/train.txt"
    other.parent.mkdir()
    other.write_text("".join(f"{item}\n" for item in made["drawn"].train[1:]))
    shutil.copy(made["list"].with_name("test.txt"), other.parent)
    seed = ["--split", "50/50", "--seed", 3]
    for words in (
        [],
        ["--split", made["list"]],
        ["--split", other],
        ["--split", "80/20"],
        [*seed, "--trained-queries", "leave-out"],
        [*seed, "--trained-queries", "keep"],
        ["--gallery", "rest,all"],
    ):
        evaluate(made["codes"], *words, "--quiet")
    names = {path.name.removeprefix("dhcnn2021-scenes-squeezenet1_1-gap-8-") for path in (tmp_path / "runs").iterdir()}
    drawn = {"csq-50_50-seed3-leave-out", "csq-50_50-seed3-keep"}
    assert {name for name in names if "train.txt" not in name} == drawn | {"csq", "csq-80_20", "csq-vs-rest_all"}
    assert len([name for name in names if re.fullmatch(r"csq-train\.txt-[0-9a-f]{8}", name)]) == 2
    assert len(names) == 7

    shutil.rmtree("runs")
    for words in (["--split", made["list"]], ["--split", other], ["--split", "50/50"], seed):
        rsir("evaluate", "ge2018", made["codes"], "--field", "u", *words, "--quiet")
    assert len(list((tmp_path / "runs").iterdir())) == 4


def test_a_report_lies_neither_among_images_nor_over_another_protocols(made, tmp_path):
    data = shutil.copytree(made["scenes"], tmp_path / "scenes")
    for out in (data, data / "class0"):
        refused = evaluate(made["codes"], "--out", out, code=1).stderr
        assert refused.endswith("class0_0.jpg; choose another with --out\n")
        assert len(refused.splitlines()) == 1
    assert sorted(path.name for path in data.iterdir()) == ["class0", "class1", "class2"]

    out = ["--out", tmp_path / "run", "--quiet"]
    evaluate(made["codes"], *out)
    evaluate(made["codes"], *out)  # its own is replaced
    refused = rsir("evaluate", "ge2018", made["codes"], "--field", "u", *out, code=1).stderr
    assert "or one of a result of ge2018, found a result of dhcnn2021; choose another with --out" in refused
    images = ["evaluate", "ge2018", made["scenes"], "-e", made["model"], "--field", "u", "--device", "cpu", *out]
    assert "found a result of dhcnn2021" in rsir(*images, code=1).stderr
    assert figures(tmp_path / "run")["protocol"] == "dhcnn2021"
    rsir(*images, "--force")
    assert figures(tmp_path / "run")["protocol"] == "ge2018"


@pytest.mark.parametrize("command", ["dhcnn2021", "ge2018"])
def test_a_list_may_name_what_could_not_be_read(made, tmp_path, command):
    data = shutil.copytree(made["scenes"], tmp_path / "scenes")
    (data / made["drawn"].test[0]).write_bytes(b"")
    rsir("features", data, "-e", made["model"], "--out", tmp_path / "codes", "--device", "cpu", "--quiet", code=3)
    field = ["--field", "u"] if command == "ge2018" else []
    split = ["--split", made["list"], "--out", tmp_path / "run"]
    rsir("evaluate", command, tmp_path / "codes", *field, *split, "--quiet", code=3)
    assert len(figures(tmp_path / "run")["queries"]["items"]) == 2


def test_a_draw_is_that_of_the_folder_whatever_could_be_read(made, tmp_path):
    data = shutil.copytree(made["scenes"], tmp_path / "scenes")
    lost = ["class0/class0_2.jpg", "class2/class2_0.jpg", "class2/class2_5.jpg"]
    for item in lost:
        (data / item).write_bytes((data / item).read_bytes()[:300])
    rsir("features", data, "-e", made["model"], "--out", tmp_path / "rows", "--device", "cpu", "--quiet", code=3)
    features, whole = rf.Features.load(tmp_path / "rows"), rf.open_dataset(data)
    assert sorted(entry.item for entry in features.skipped) == lost
    for seed in range(20):
        asked = tested.TestedOptions(split="50/50", seed=seed)
        of_features, of_folder = asked.split_of_features(features), asked.split_of(whole)
        assert set(of_features.train) == set(of_folder.train)
        assert set(of_features.test) == set(of_folder.test)

    train = ["train", "hashing", data, *TRAIN, "--method", "csq", "--split", "50/50", "--seed", 1, "--device", "cpu"]
    rsir(*train, "--out", tmp_path / "run", code=3)
    model = tmp_path / "run/model.safetensors"
    rsir("features", data, "-e", model, "--out", tmp_path / "codes", "--device", "cpu", "--quiet", code=3)
    split = ["--split", "50/50", "--seed", 1, "--quiet"]
    evaluate(tmp_path / "codes", *split, "--out", tmp_path / "of_codes", code=3)
    evaluate(data, "-e", model, "--device", "cpu", *split, "--out", tmp_path / "of_images", code=3)
    assert figures(tmp_path / "of_codes") == figures(tmp_path / "of_images")


def test_a_split_without_images_to_test_is_refused_by_its_file(made, tmp_path):
    for name, items in (("train_all.txt", rf.open_dataset(made["scenes"]).items), ("train_none.txt", ())):
        (tmp_path / name).write_text("".join(f"{item}\n" for item in items))
    message = {
        "train_all.txt": "train_all.txt: leaves no images to test on; name another split\n",
        "train_none.txt": "train_none.txt: names no images to train on; name another file\n",
        "no.json": "no such file; write it by --save-split FILE of `rsir train`\n",
    }
    for name, words in message.items():
        done = evaluate(made["codes"], "--split", tmp_path / name, "--out", tmp_path / "run", code=1)
        assert done.stderr.endswith(words), done.stderr
    assert (
        "expected shares such as 50/50, or a file, got 50-50" in evaluate(made["codes"], "--split=50-50", code=2).stderr
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "3"], "--seed: expected none beside no --split"),
        (["--trained-queries", "keep"], "--trained-queries: expected none beside no --split"),
        (["--seed", "3"], "which would name other images than the model's; give --split as well\n"),
        (["--trained-queries", "kep"], "--trained-queries: expected one of refuse, leave-out, keep, got 'kep'\n"),
        (["--split", "LIST", "--seed", "3"], "--seed: expected none beside a split in a file, which is drawn already"),
        (["--split", "80/10"], "--split: expected shares in per cent that add up to 100"),
    ],
)
def test_what_does_not_go_together_is_one_line(made, tmp_path, words, message):
    words = [made["list"] if word == "LIST" else word for word in words]
    done = evaluate(made["codes"], *words, "--out", tmp_path / "run", code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
