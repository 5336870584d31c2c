"""What lies side by side in a folder is no one vector: it is ranked by its field, or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.archive import Features
from rsir_fast.encoders.former import spec_of
from rsir_fast.errors import FeaturesError
from rsir_fast.protocols.compare_ge2018 import Option, compare_ge2018
from rsir_fast.retrieval import concatenated

CLASSES = ("forest", "harbor", "river")
LABELS = np.repeat(np.arange(3), 4)
ITEMS = tuple(f"{CLASSES[label]}/{number}.jpg" for number, label in enumerate(LABELS))
STEPS = {"input_size": 8, "divisor": 255.0, "mean": [0.5] * 3, "std": [0.5] * 3}
MADE = {"name": "squeezenet1_1", "layer": "gap", "weights": {"file": "random:0"}, "preprocessing": STEPS}


def features(table, **more) -> Features:
    provenance = {**MADE, "dim": table.shape[1], **more}
    return Features(table, ITEMS, LABELS, CLASSES, "demo", provenance=provenance)


@pytest.fixture
def plain() -> Features:
    """Vectors by which the classes can be told apart, but not at once."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((3, 6))
    return features((centres[LABELS] + rng.standard_normal((12, 6))).astype(np.float32))


@pytest.fixture
def turns(plain) -> Features:
    """The same, and seven turns that tell nothing, far apart: side by side they decide every distance."""
    noise = 100 * np.random.default_rng(1).standard_normal((12, 42)).astype(np.float32)
    return features(np.hstack([plain.matrix, noise]), turns=8)


@pytest.fixture
def hashed(plain) -> Features:
    """Values of a hash layer, and probabilities of the classes that are all wrong."""
    wrong = 100 * np.eye(3, dtype=np.float32)[np.arange(12) % 3]
    made = {"bits": 6, "classes": list(CLASSES), "training": {}}
    return features(np.hstack([plain.matrix, wrong]), layer="gap, hash 6", hash=made)


def figures(found: Features) -> dict:
    result = rf.evaluate_ge2018(found, normalize="none", examples=0)
    return result.by_place


@pytest.mark.parametrize("kind", ["turns", "hashed"])
def test_what_is_searched_alone_is_ranked(kind, plain, request):
    whole = request.getfixturevalue(kind)
    assert figures(whole) == figures(plain)
    together = features(whole.arrays)  # what was ranked before: one vector of everything
    assert figures(together) != figures(plain)
    assert np.array_equal(whole.matrix, plain.matrix)
    rows = compare_ge2018([("one", plain), ("all", whole)], [Option()]).rows
    assert rows[0].model_copy(update={"features": "all"}) == rows[1]
    assert np.array_equal(concatenated([whole, plain]).matrix, concatenated([plain, plain]).matrix)


def test_arrays_are_asked_for_by_name(turns, hashed):
    assert [field.name for field in turns.fields] == ["gap", *(f"gap@{turn}" for turn in range(1, 8))]
    assert np.array_equal(np.hstack([turns[field.name] for field in turns.fields]), turns.arrays)
    assert [field.name for field in hashed.fields] == ["u", "codes", "probabilities"]
    assert np.array_equal(hashed["codes"], rf.pack_codes(hashed.arrays[:, :6]))
    assert hashed["probabilities"].shape == (12, 3)
    with pytest.raises(KeyError, match="expected one of the fields u, probabilities, got 'gap'"):
        hashed["gap"]
    with pytest.raises(ValueError, match="field: expected one of the vectors .* have, u, got 'probabilities'"):
        hashed.field("probabilities")
    with pytest.raises(TypeError, match=r"pass its \.matrix, or its \['codes'\]"):
        rf.euclidean_topk(turns, turns.matrix, 1)


def test_one_of_several_layers_is_named(plain):
    both = features(plain.matrix, layer="pool5+fc6", layers=[["pool5", 4], ["fc6", 2]])
    for ask in (lambda: both.matrix, lambda: rf.evaluate_ge2018(both), lambda: concatenated([both, plain])):
        with pytest.raises(FeaturesError, match=r"found pool5, fc6; choose one with \.field\('pool5'\)"):
            ask()
    assert np.array_equal(both.field("fc6").matrix, plain.matrix[:, 4:])
    assert both.field("fc6").provenance["layer"] == "fc6"
    assert both.field("fc6").spec == both.spec.alone("fc6") == spec_of({**MADE, "layer": "fc6", "dim": 2})


def test_a_field_alone_says_what_made_it(turns, plain):
    assert turns.field().provenance == plain.provenance
    assert turns.field().spec == plain.spec == turns.spec.alone("gap")
    assert turns.field("gap@3").provenance["turn"] == 3
    assert plain.field() is plain
    assert plain.field("gap") is plain


@pytest.mark.parametrize(
    "made",
    [
        {"layers": [["pool5", 4], ["fc6", 3]]},
        {"turns": 8},
        {"hash": {"bits": 3, "classes": ["a"]}},
        {"hash": {"bits": "many"}},
        {"layers": "fc6"},
    ],
)
def test_provenance_that_does_not_fit_the_rows_is_refused(made, plain):
    wrong = replace(plain, arrays=plain.matrix[:, :5].copy(), provenance={**plain.provenance, **made})
    for ask in (lambda: wrong.matrix, lambda: rf.evaluate_ge2018(wrong), lambda: wrong["u"]):
        with pytest.raises(FeaturesError, match="demo: expected features that say which fields their rows of 5 values"):
            ask()


@pytest.mark.parametrize("kind", ["turns", "hashed", "plain"])
def test_a_folder_keeps_the_fields_and_their_encoder(kind, tmp_path, request):
    made = request.getfixturevalue(kind)
    again = Features.load(made.save(tmp_path / "f"))
    assert (again.spec, again.fields, again.dim) == (made.spec, made.fields, made.dim)
    for field in made.fields:
        assert np.array_equal(again[field.name], made[field.name])
    assert figures(again) == figures(made)


def test_former_names_say_the_new_ones(plain):
    with pytest.raises(AttributeError, match=r"no attribute 'unturned'; it is called field\(\) now"):
        plain.unturned()
    with pytest.raises(AttributeError, match="Features has no attribute 'nothing'$"):
        plain.nothing()
    with pytest.raises(AttributeError, match="'table'; it is called matrix, or .'NAME'. where there are several"):
        plain.table  # noqa: B018
    for former in ("matrix", "table"):
        with pytest.raises(TypeError, match=f"expected arrays, got {former}, as it was called; write arrays="):
            replace(plain, **{former: plain.matrix})
    with pytest.raises(ImportError, match="split_hash_features is called features.'u'. and "):
        from rsir_fast.hashing import split_hash_features  # noqa: F401


def test_features_of_no_known_encoder(plain):
    unknown = replace(plain, provenance={})
    assert (unknown.spec, [field.name for field in unknown.fields]) == (None, ["vector"])
    assert unknown.matrix is unknown.arrays
