from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rsir_fast
from rsir_fast.errors import MachineError
from rsir_fast.report import result_json, write_report

FILES = ["per_class.svg", "pr_curve.svg", "precision_at_n.svg", "report.html", "result.json"]


def write(folder, evaluation, **options):
    return write_report(folder, evaluation.result, evaluation.load_image, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_five_files_and_returns_where_they_are(evaluation, tmp_path):
    paths = write(tmp_path / "new" / "run", evaluation)
    assert sorted(path.name for path in paths.values()) == FILES == names(tmp_path / "new" / "run")
    assert all(path.stat().st_size > 0 for path in paths.values())
    assert all(path.name == name for name, path in paths.items())


def test_every_file_has_the_same_bytes_on_a_second_run(make_evaluation, tmp_path):
    for folder in ("one", "two"):
        write(tmp_path / folder, make_evaluation(["a", "b", "c"]))
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_json_differs_in_the_timing_only(make_evaluation, tmp_path):
    slow = make_evaluation(["a", "b"])
    slow.content["timing"] = {"rank_s": 99.0}
    first, second = make_evaluation(["a", "b"]).result.to_json(), slow.result.to_json()
    assert first != second
    without = [{k: v for k, v in json.loads(text).items() if k != "timing"} for text in (first, second)]
    assert json.dumps(without[0]) == json.dumps(without[1])


def test_json_gives_every_number_back_exactly(evaluation):
    assert json.loads(evaluation.result.to_json()) == evaluation.content
    values = [*np.random.default_rng(3).random(500).tolist(), 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
    assert json.loads(result_json({"values": values}))["values"] == values


def test_json_has_null_for_what_is_no_number():
    loaded = json.loads(result_json({"a": float("nan"), "b": [float("inf"), -np.inf, np.float32("nan")]}))
    assert loaded == {"a": None, "b": [None, None, None]}


def test_json_order_is_the_same_for_every_insertion_order():
    one = {"b": 1, "precision_at": {"10": 1, "2": 2, "100": 3}}
    other = {"precision_at": {"100": 3, "10": 1, "2": 2}, "b": 1}
    assert result_json(one) == result_json(other)
    assert list(json.loads(result_json(one))["precision_at"]) == ["2", "10", "100"]


def test_json_takes_numpy_values_paths_and_any_text():
    given = {
        "n": np.int64(3),
        "x": np.float64(0.25),
        "ok": np.True_,
        "v": np.arange(3),
        "p": Path("a/b"),
        "t": ("农田", '"\n'),
        "empty": {},
        "none": [],
        "nested": [[1], {"k": []}],
    }
    text = result_json(given)
    assert "农田" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "n": 3,
        "x": 0.25,
        "ok": True,
        "v": [0, 1, 2],
        "p": "a/b",
        "t": ["农田", '"\n'],
        "empty": {},
        "none": [],
        "nested": [[1], {"k": []}],
    }


def test_json_names_the_place_of_what_it_cannot_write():
    with pytest.raises(TypeError, match=r"result\.a\[1\]\.b should be .* is a set"):
        result_json({"a": [0, {"b": {1}}]})


def test_file_names_that_are_no_unicode_can_be_reported(evaluation, tmp_path):
    name = b"scene-\xff.jpg".decode("utf-8", "surrogateescape")
    evaluation.content["dataset"]["skipped"] = [{"item": name, "reason": "not an image"}]
    paths = write(tmp_path, evaluation)
    loaded = json.loads(paths["result.json"].read_text("utf-8"))
    assert loaded["dataset"]["skipped"][0]["item"] == name
    assert "scene-" in paths["report.html"].read_text("utf-8")


def test_a_failure_while_rendering_leaves_an_earlier_report_whole(evaluation, tmp_path):
    write(tmp_path, evaluation)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    evaluation.content["query_excluded"]["map"] = 0.0
    evaluation.content["features"]["note"] = {1, 2}
    with pytest.raises(TypeError):
        write(tmp_path, evaluation)
    assert names(tmp_path) == FILES
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_a_report_that_cannot_come_whole_does_not_come_at_all(evaluation, tmp_path):
    (tmp_path / "report.html").mkdir()
    (tmp_path / "result.json").write_text("of before")
    with pytest.raises(MachineError, match=r"report.html: cannot be written: Is a directory .*; choose another"):
        write(tmp_path, evaluation)
    assert names(tmp_path) == ["report.html", "result.json"]
    assert (tmp_path / "result.json").read_text() == "of before"


def test_a_file_in_place_of_the_folder_is_named(evaluation, tmp_path):
    blocked = tmp_path / "taken"
    blocked.write_text("not a folder")
    with pytest.raises(MachineError, match="taken"):
        write(blocked, evaluation)
    assert blocked.read_text() == "not a folder"


def test_importing_the_room_loads_neither_torch_nor_matplotlib():
    code = "import sys, rsir_fast.report; sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(Path(rsir_fast.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
