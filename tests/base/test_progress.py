"""One kind of progress for all work, and what became of its former names."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.errors import DatasetError, RsirError
from rsir_fast.protocols.compare_ge2018 import Option, compare_ge2018


def some_features() -> rf.Features:
    matrix = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    return rf.Features(matrix, tuple(map(str, range(12))), np.arange(12) % 3, ("a", "b", "c"), "demo")


def test_former_fields_name_the_new_ones():
    at = rf.Progress("extract", 1, 2)
    with pytest.raises(AttributeError, match="images_per_s.*it is called rate now"):
        _ = at.images_per_s
    with pytest.raises(AttributeError, match="'colour'$"):
        _ = at.colour


@pytest.mark.parametrize("room", ["training", "hashing"])
def test_the_former_type_names_the_new_one(room):
    module = importlib.import_module(f"rsir_fast.{room}")
    with pytest.raises(ImportError, match=f"rsir_fast.{room}.TrainingProgress is called rsir_fast.Progress now"):
        _ = module.TrainingProgress
    assert not hasattr(module, "no_such_name")


def test_former_arguments_name_the_new_one():
    with pytest.raises(TypeError, match="train_dhcnn: expected progress, got extraction_progress"):
        rf.train_dhcnn([], None, bits=16, extraction_progress=print)
    with pytest.raises(TypeError, match="reproduce_dhcnn2021: expected progress, got training_progress"):
        rf.reproduce_dhcnn2021([], None, out="x", training_progress=print)


def test_an_evaluation_is_watched_and_stopped():
    features, seen = some_features(), []
    whole = rf.evaluate_ge2018(features, block=5, progress=seen.append)
    assert [(at.stage, at.done, at.total) for at in seen] == [("rank", 5, 12), ("rank", 10, 12), ("rank", 12, 12)]
    unwatched = rf.evaluate_ge2018(features)
    assert whole.model_copy(update={"timing": unwatched.timing}) == unwatched
    with pytest.raises(RsirError, match="evaluation stopped after 10 of 12 queries"):
        rf.evaluate_ge2018(features, block=5, progress=lambda at: at.done < 10)


def test_a_comparison_is_watched_and_stopped():
    given, seen = [("one", some_features())], []
    options = [Option("", ""), Option("l2", ""), Option("", "expand:2")]
    compare_ge2018(given, options, progress=seen.append)
    assert [(at.stage, at.done, at.total) for at in seen] == [("compare", done, 3) for done in (1, 2, 3)]
    with pytest.raises(RsirError, match="comparison stopped after 2 of 3 evaluations"):
        compare_ge2018(given, options, progress=lambda at: at.done < 2)


def test_a_reproduction_is_stopped_before_a_run(tmp_path):
    data = rf.generate_scenes(tmp_path / "scenes", classes=2, per_class=2, size=48)
    from rsir_fast.protocols.reproduce_ge2018 import reproduce_ge2018

    with pytest.raises(RsirError, match=r"stopped after 0 of \d+ runs, before scenes: .*; call again"):
        reproduce_ge2018({"scenes": data}, out=tmp_path / "out", progress=lambda at: at.stage != "run")
    with pytest.raises(DatasetError, match="cancelled after 1 of 4 scenes"):
        rf.generate_scenes(tmp_path / "other", classes=2, per_class=2, size=48, progress=lambda at: at.done < 1)
