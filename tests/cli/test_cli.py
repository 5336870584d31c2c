"""The command line as a stranger uses it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from rsir_fast.archive import Features
from rsir_fast.cli import app
from scene_files import write_broken, write_scenes

NETWORK = ["-e", "squeezenet1_1", "--weights", "random:0", "--workers", "0"]


def rsir(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("cli") / "scenes")


@pytest.fixture(scope="module")
def features(tmp_path_factory, scenes):
    out = tmp_path_factory.mktemp("cli") / "features"
    rsir("features", scenes, "--out", out, *NETWORK, "--quiet")
    return out


def test_help_is_light():
    """`rsir --help` loads neither torch nor anything else that is slow."""
    heavy = ["torch", "torchvision", "numpy", "scipy", "h5py", "matplotlib", "pyarrow", "PIL", "pydantic", "jinja2"]
    program = (
        "import sys; sys.argv = ['rsir', '--help']\n"
        "from rsir_fast.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("demo", "doctor", "features", "search", "evaluate", "train", "reproduce"):
        assert command in done.stdout


COMMANDS = "demo", "doctor", "features", "search", "evaluate ge2018", "evaluate dhcnn2021", "train dhcnn", "compare"


@pytest.mark.parametrize("command", [*COMMANDS, "reproduce dhcnn2021", "reproduce hashing", "train hashing"])
def test_every_command_explains_itself(command):
    assert "Usage" in rsir(*command.split(), "--help").stdout


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", rsir("--version").stdout)


class TestFeatures:
    def test_json_is_one_object_and_notes_go_to_stderr(self, tmp_path, scenes):
        result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, "--json")
        summary = json.loads(result.stdout)
        assert summary["rows"] == 18
        assert summary["dim"] == 512
        assert summary["backbone"]["weights"]["file"] == "random:0"
        assert summary["timing"]["images_per_s"] > 0
        assert "18/18 images" in result.stderr

    def test_quiet(self, tmp_path, scenes):
        result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, "--quiet")
        assert result.stderr == ""
        assert "features  18 x 512 float32" in result.stdout

    def test_dry_run_writes_nothing(self, tmp_path, scenes):
        result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, "--dry-run")
        assert "nothing written" in result.stdout
        assert not (tmp_path / "f").exists()
        (tmp_path / "file").write_text("x")
        rsir("features", scenes, "--out", tmp_path / "file", *NETWORK, "--dry-run", code=1)

    def test_bad_device(self, tmp_path, scenes):
        result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, "--device", "foo", code=2)
        assert "--device: expected a device such as cpu, cuda or cuda:1, got 'foo'" in result.stderr

    def test_a_decoder_that_cannot_be(self, tmp_path, scenes):
        on_cpu = ["--device", "cpu", "--decoder", "cuda"]
        result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, *on_cpu, code=2)
        assert "decoder: 'cuda' expects to go with a CUDA device, got device cpu" in result.stderr
        assert not (tmp_path / "f").exists()

    def test_the_same_again_is_answered_and_another_request_refused(self, tmp_path, scenes, features):
        copy = shutil.copytree(features, tmp_path / "f")
        result = rsir("features", scenes, "--out", copy, *NETWORK)
        assert "was finished already" in result.stderr
        rsir("features", scenes, "--out", copy, *NETWORK, "--batch-size", "5")  # a run of the same encoder
        result = rsir("features", scenes, "--out", copy, *NETWORK, "-w", "random:1", code=1)
        assert "weights: random:0, now random:1" in result.stderr
        assert result.stderr.count("finished") == 0  # one sentence, not two that contradict each other
        shutil.rmtree(copy / "versions")
        rsir("features", scenes, "--out", copy, *NETWORK)  # unfinished: the same command goes on
        rsir("features", scenes, "--out", copy, *NETWORK, "--resume")  # as it was asked for before
        rsir("features", scenes, "--out", copy, *NETWORK, "--force")

    def test_nothing_is_downloaded_for_a_wrong_network_or_a_dry_run(self, tmp_path, monkeypatch):
        monkeypatch.setenv("RSIR_OFFLINE", "1")
        missing = tmp_path / "data/UCMerced_LandUse"
        result = rsir("features", missing, "--out", tmp_path / "f", "-e", "cnn-mm", code=2)
        assert "downloading" not in result.stderr
        result = rsir("features", missing, "--out", tmp_path / "f", *NETWORK, "--dry-run", code=1)
        assert "no folder at" in result.stderr
        result = rsir("features", missing, "--out", tmp_path / "f", *NETWORK, code=1)
        assert "switched off by RSIR_OFFLINE=1" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_unreadable_images_are_listed_with_exit_code_3(self, tmp_path):
        readable = write_broken(tmp_path / "images")
        result = rsir("features", tmp_path / "images", "--out", tmp_path / "f", *NETWORK, "--quiet", code=3)
        for name, good in readable.items():
            assert (name in result.stderr) == (not good)
        assert "3 images could not be read" in result.stderr
        assert len(Features.load(tmp_path / "f")) == 7


class TestEvaluate:
    def test_from_images_with_all_files(self, tmp_path, scenes):
        result = rsir("evaluate", "ge2018", scenes, "--out", tmp_path, *NETWORK)
        assert {"result.json", "report.html", "pr_curve.svg", "per_class.svg", "features"} <= {
            path.name for path in tmp_path.iterdir()
        }
        assert "mAP" in result.stdout
        assert str(tmp_path / "report.html") in result.stdout.replace("\n", "")
        page = (tmp_path / "report.html").read_text()
        assert page.count("data:image/jpeg;base64,") > 20

    def test_json_is_the_same_on_a_second_run_and_with_any_threads(self, tmp_path, features):
        def run(out, *more):
            printed = rsir("evaluate", "ge2018", features, "--out", tmp_path / out, "--json", "--quiet", *more).stdout
            assert printed == (tmp_path / out / "result.json").read_text()
            return re.sub(r'"timing": \{.*?\}', "", printed, flags=re.DOTALL)

        first = run("a")
        assert run("b") == first
        assert run("c", "--threads", "1") == first
        assert run("d", "--threads", "2") == first

    def test_options_of_the_network_do_not_go_with_features(self, tmp_path, features):
        result = rsir("evaluate", "ge2018", features, "--out", tmp_path, "--encoder", "cnn-m", code=2)
        assert "--encoder: expected a folder of images to go with it" in result.stderr

    def test_the_device_ranks_features_too_and_is_recorded(self, tmp_path, features):
        rsir("evaluate", "ge2018", features, "--out", tmp_path, "--quiet", "--device", "cpu")
        assert json.loads((tmp_path / "result.json").read_text())["timing"]["device"] == "cpu"
        result = rsir("evaluate", "ge2018", features, "--out", tmp_path, "--device", "foo", code=2)
        assert "--device: expected a device such as cpu" in result.stderr

    def test_a_data_set_may_hold_a_manifest_of_its_own(self, tmp_path, scenes):
        data = shutil.copytree(scenes, tmp_path / "data")
        (data / "manifest.json").write_text("{}")
        rsir("evaluate", "ge2018", data, "--out", tmp_path / "run", *NETWORK)

    def test_a_folder_that_rsir_wrote_is_no_data_set(self, tmp_path, scenes):
        rsir("demo", scenes, "--out", tmp_path / "run", *NETWORK, "--quiet")
        result = rsir("evaluate", "ge2018", tmp_path / "run", *NETWORK, code=1)
        assert f"name {tmp_path / 'run/features'}" in result.stderr

    def test_an_impossible_out_is_known_before_the_work(self, tmp_path, scenes, features):
        (tmp_path / "file").write_text("x")
        for source in (scenes, features):
            options = NETWORK if source == scenes else []
            result = rsir("evaluate", "ge2018", source, "--out", tmp_path / "file", *options, code=1)
            assert "expected a folder for the report, found a file" in result.stderr
            assert "rank:" not in result.stderr

    def test_features_that_are_not_finite_are_noted(self, tmp_path):
        matrix = np.ones((4, 3), np.float32)
        matrix[2] = np.nan
        Features(matrix, tuple("abcd"), [0, 0, 1, 1], ("x", "y"), "odd").save(tmp_path / "f")
        result = rsir("evaluate", "ge2018", tmp_path / "f", "--out", tmp_path / "run")
        assert "rsir: 1 image has features that are not finite (NaN or infinity); it ranks last" in result.stderr

    def test_per_class_table(self, tmp_path, features):
        asked = ["--map-at", "3", "--divisor", "relevant", "--cutoffs", "1,4"]
        stdout = rsir("evaluate", "ge2018", features, "--out", tmp_path, "--per-class", *asked).stdout
        rows = [line.strip().split("  ")[0] for line in stdout.splitlines()]
        at_3 = [f"mAP@3, divisor {by}" for by in ("R", "found", "min(k, R)")]
        assert [row for row in rows if "@3" in row] == at_3
        assert [row for row in rows if row.startswith("precision")] == [f"precision, recall at {n}" for n in (1, 4)]
        assert all(row in (tmp_path / "report.html").read_text() for row in at_3)
        assert "class2" in stdout

    def test_without_classes(self, tmp_path, scenes):
        shutil.copytree(scenes / "class0", tmp_path / "images")
        result = rsir("evaluate", "ge2018", tmp_path / "images", "--out", tmp_path / "run", *NETWORK, code=1)
        assert "one folder per class" in result.stderr
        assert not (tmp_path / "run").exists()  # known before the first image is looked at
        assert "rsir search" in result.stderr


class TestSearch:
    def test_an_image_of_the_database_finds_itself_first(self, features, scenes):
        query = scenes / "class1/class1_3.jpg"
        result = json.loads(rsir("search", features, query, "-k", "4", "--json").stdout)
        (answer,) = result["queries"]
        assert answer["query"] == str(query)
        assert answer["results"][0]["item"] == "class1/class1_3.jpg"
        # The query is computed alone, the database in batches: the last bits of the network's sums may differ.
        assert answer["results"][0]["distance"] < 1e-4
        assert [entry["rank"] for entry in answer["results"]] == [1, 2, 3, 4]
        distances = [entry["distance"] for entry in answer["results"]]
        assert distances == sorted(distances)

    @pytest.mark.parametrize("normalize", ["row", "feature", "none"])
    def test_table_for_a_folder_of_queries(self, features, scenes, normalize):
        stdout = rsir("search", features, scenes / "class2", "-k", "2", "--normalize", normalize).stdout
        assert stdout.count("query ") == 6

    def test_an_unreadable_query_is_listed(self, features, scenes, tmp_path):
        (tmp_path / "bad.jpg").write_text("x")
        result = rsir("search", features, scenes / "class0/class0_0.jpg", tmp_path / "bad.jpg", code=3)
        assert "bad.jpg" in result.stderr
        result = rsir("search", features, tmp_path / "missing.jpg", code=1)  # nothing is left to search for
        assert "missing.jpg" in result.stderr

    def test_queries_in_a_folder_that_holds_the_images_deeper(self, features, scenes, tmp_path):
        shutil.copytree(scenes / "class1", tmp_path / "outer/Images/class1")
        result = json.loads(rsir("search", features, tmp_path / "outer", "-k", "1", "--json").stdout)
        found = [query["results"][0]["item"] for query in result["queries"]]
        assert found == [f"class1/class1_{number}.jpg" for number in range(6)]

    def test_other_weights_are_refused(self, features, scenes):
        query = scenes / "class0/class0_0.jpg"
        result = rsir("search", features, query, "--weights", "random:5", code=1)
        assert "expected the encoder that is recorded, squeezenet1_1:gap, found another with random:5" in result.stderr

    def test_features_without_provenance(self, tmp_path, scenes):
        Features(np.zeros((1, 512), np.float32), ("a",), None, (), "plain").save(tmp_path / "f")
        result = rsir("search", tmp_path / "f", scenes / "class0/class0_0.jpg", code=1)
        assert "expected features that say which encoder made them" in result.stderr


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_closed_streams(features, scenes, closed):
    command = [sys.executable, "-c", "from rsir_fast.cli import main; main()", "search", str(features)]
    command.append(str(scenes / "class0/class0_0.jpg"))
    number = {"stdout": 1, "stderr": 2}[closed]
    shell = f"{shlex.join(command)} {number}>&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


class TestDoctor:
    def test_json(self):
        found = json.loads(rsir("doctor", "--json").stdout)
        assert found["rsir_fast"]["cpu"]["supported_isas"][-1] == "scalar"
        names = {network["name"] for network in found["networks"]}
        assert {"cnn-alex", "cnn-m", "cnn-16", "mobilenet_v2", "resnet50"} <= names

    @pytest.mark.parametrize("json_", [(), ("--json",)])
    def test_what_cannot_be_used_ends_with_1_after_all_else(self, monkeypatch, json_):
        monkeypatch.setenv("RSIR_FORCE_ISA", "sse9")
        monkeypatch.setenv("RSIR_NUM_THREADS", "-1")
        result = rsir("doctor", *json_, code=1)
        assert "mobilenet_v2" in result.stdout
        assert "RSIR_FORCE_ISA: expected an instruction set that this machine runs" in result.stderr
        assert "RSIR_NUM_THREADS: expected a whole number of at least 1, got '-1'" in result.stderr
        assert len(result.stderr.splitlines()) == 1

    def test_table(self):
        stdout = rsir("doctor").stdout
        assert "cnn-m" in stdout
        assert "imagenet-vgg-m.mat" in stdout.replace("\n", "")


class TestDemo:
    def test_own_images_after_the_synthetic_ones(self, tmp_path, monkeypatch, scenes):
        monkeypatch.chdir(tmp_path)
        rsir("demo", "--scenes-per-class", "2", *NETWORK, "--quiet")
        rsir("demo", scenes, *NETWORK, "--quiet")
        assert {path.name for path in (tmp_path / "runs").iterdir()} == {"demo", "demo-scenes"}

    def test_own_images(self, tmp_path, scenes):
        rsir("demo", scenes, "--out", tmp_path, *NETWORK, "--quiet")
        assert (tmp_path / "report.html").is_file()

    def test_synthetic_scenes(self, tmp_path):
        result = rsir("demo", "--out", tmp_path, "--scenes-per-class", "2", *NETWORK, "--json", "--quiet")
        dataset = json.loads(result.stdout)["dataset"]
        assert len(dataset["classes"]) >= 10
        assert dataset["items"] == 2 * len(dataset["classes"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["features"], 2, "DATA: expected a value"),
        (["features", "x", "--out", "y", "--batch-size", "0"], 2, "--batch-size"),
        (["features", "nowhere", "--out", "y"], 1, "nowhere"),
        (["evaluate", "ge2018", "nowhere"], 1, "nowhere"),
        (["search", "nowhere", "q.jpg"], 1, "expected a folder of features"),
        (["frobnicate"], 2, "there is no such command"),
    ],
)
def test_wrong_usage_and_missing_inputs(tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    result = rsir(*arguments, code=code)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_unknown_network_and_layer(tmp_path, scenes):
    result = rsir("features", scenes, "--out", tmp_path / "f", "-e", "resnet5", code=2)
    assert "resnet50" in result.stderr
    result = rsir("features", scenes, "--out", tmp_path / "f", *NETWORK, "-e", "squeezenet1_1:fc9", code=2)
    assert "fc9" in result.stderr


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    scenes = write_scenes(tmp_path / "scenes", per_class=150)
    out = tmp_path / "f"
    arguments = ["features", str(scenes), "--out", str(out), "-e", "squeezenet1_1", "--weights", "random:0"]
    command = [sys.executable, "-c", "from rsir_fast.cli import main; main()", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 120
            while not list(out.glob("work/*/[0-9]*/part.json")) and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert re.search(
        r"interrupted; the features of \d+ images are kept in .*; run the same command again to go on", stderr
    )
    assert "Traceback" not in stderr
    resumed = CliRunner().invoke(app, [*arguments, "--resume", "--json"])
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["timing"]["images"] < 450
