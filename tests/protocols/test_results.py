"""Results as types: written, read back, described by a schema; former ways of access say the new one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.errors import DatasetError
from rsir_fast.protocols import Dhcnn2021Result, Ge2018Result
from rsir_fast.protocols.compare_ge2018 import Option, compare_ge2018
from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison
from rsir_fast.protocols.schemas import result_schemas
from rsir_fast.report.rules import rules_in_words

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
NO_UNICODE = b"a/\xff.png".decode("utf-8", "surrogateescape")


@pytest.fixture
def features():
    rng = np.random.default_rng(1)
    items = (*(f"{'ab'[i % 2]}/{i}.png" for i in range(11)), NO_UNICODE)
    return rf.Features(rng.random((12, 6), dtype=np.float32), items, np.arange(12) % 2, ("a", "b"), "demo")


@pytest.fixture(params=["ge2018", "beyond", "diffused", "dhcnn2021", "compared"])
def result(request, features, hash_features):
    return {
        "ge2018": lambda: rf.evaluate_ge2018(features),
        "beyond": lambda: rf.evaluate_ge2018(features, steps="l2,pca:3", rerank="expand:2"),
        "diffused": lambda: rf.evaluate_ge2018(features, rerank="diffuse:3"),
        "dhcnn2021": lambda: rf.evaluate_dhcnn2021(hash_features),
        "compared": lambda: compare_ge2018([("one", features)], [Option(), Option("pca:9")]),
    }[request.param]()


def test_what_is_written_is_read_back(result, tmp_path):
    (tmp_path / "result.json").write_text(result.to_json(), "utf-8", "backslashreplace")
    for place in (tmp_path, tmp_path / "result.json", str(tmp_path)):
        again = type(result).load(place)
        assert again.to_json() == result.to_json()
    without = {"examples": ()} if hasattr(result, "examples") else {}
    assert again == result.model_copy(update=without)


def test_what_was_not_measured_is_left_out(features):
    plain, beyond = (json.loads(rf.evaluate_ge2018(features, rerank=text).to_json()) for text in ("", "diffuse:3"))
    assert "rerank" not in plain["settings"]
    assert "ties" in plain
    assert "ties" not in beyond
    assert "examples" not in plain
    assert rf.evaluate_ge2018(features).examples


def test_what_is_read_keeps_its_schema(result):
    """Every key that is written stands in the schema, on every level that is closed."""
    schema = json.loads(result_schemas()[f"{type(result).__name__}.json"])

    def check(value, shape):
        if "$ref" in shape:
            shape = schema["$defs"][shape["$ref"].rpartition("/")[2]]
        if "anyOf" in shape:
            closed = [each for each in shape["anyOf"] if each.get("type") in ("array", "object") or "$ref" in each]
            return value is None or not closed or any(fits(value, each) for each in closed)
        if isinstance(value, dict) and "properties" in shape:
            assert set(shape.get("required", ())) <= set(value)
            if shape.get("additionalProperties") is False:
                assert set(value) <= set(shape["properties"])
            return all(check(entry, shape["properties"].get(key, {})) for key, entry in value.items())
        if isinstance(value, list):
            return all(check(entry, shape.get("items", {})) for entry in value)
        return True

    def fits(value, shape):
        try:
            return check(value, shape)
        except AssertionError:
            return False

    content = json.loads(result.to_json().encode("utf-8", "backslashreplace"))
    assert check(content, schema)
    assert not fits({**content, "else": 1}, schema)


def meaning(schema):
    """A schema without what versions of pydantic write in ways of their own."""
    if isinstance(schema, list):
        return [meaning(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    (one,) = schema.get("allOf", [{}])
    idle = {"allOf", "title"} | ({"type"} if "const" in schema else set())
    kept = {key: entry for key, entry in {**schema, **one}.items() if key not in idle or isinstance(entry, dict)}
    return {key: meaning(entry) for key, entry in kept.items() if (key, entry) != ("additionalProperties", True)}


def test_the_schemas_in_the_documentation_are_current():
    written = {path.name: meaning(json.loads(path.read_text())) for path in SCHEMAS.iterdir()}
    assert written == {name: meaning(json.loads(text)) for name, text in result_schemas().items()}, "run: make schemas"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", r"cannot read it \(JSONDecodeError"),
        (b"[1]", "cannot read it"),
        (b'{"protocol": "ge2018"}', r"cannot read it \(ValidationError: .*Field required"),
        (b'{"protocol": "other"}', r"cannot read it \(ValidationError: protocol: Input should be 'ge2018'"),
    ],
)
def test_a_damaged_file_is_one_line(content, words, tmp_path):
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(
        DatasetError, match=rf"result.json: expected a Ge2018Result.*{words}.*; make it again"
    ) as raised:
        Ge2018Result.load(tmp_path)
    assert "\n" not in str(raised.value)
    with pytest.raises(DatasetError, match="found no such file"):
        Ge2018Result.load(tmp_path / "nothing.json")


def test_the_rules_are_stated(features, hash_features, tmp_path):
    plain, coded = rf.evaluate_ge2018(features), rf.evaluate_dhcnn2021(hash_features)
    assert json.loads(plain.to_json())["rules"] == {
        "split": {"kind": "leave one out"},
        "gallery": ["all"],
        "relevance": "class",
        "cutoffs": [1, 2, 5, 10, 20, 50, 100],
        "anmrr": {"k": "2ng", "penalty": "1.25k"},
        "ties": "index",
        "units": ["query", "class"],
    }
    assert (coded.rules.gallery, coded.rules.ties) == (("train", "test"), "expected")
    assert coded.rules.split.content() == {"kind": "drawn", "train": 0.6667, "seeds": (0,)}
    for result, words in ((plain, "queries: every image in turn"), (coded, "66.67 % for training, seed 0")):
        assert words in rules_in_words(result.rules)
        written = json.loads(result.to_json())
        del written["rules"]
        (tmp_path / "result.json").write_text(json.dumps(written))
        assert type(result).load(tmp_path).rules is None  # as written before there were any


def test_a_result_stays_as_it_is(result):
    with pytest.raises(ValueError, match="frozen"):
        result.protocol = "other"


def test_former_ways_say_the_new_one(features, hash_features):
    result, coded = rf.evaluate_ge2018(features), rf.evaluate_dhcnn2021(hash_features)
    with pytest.raises(AttributeError, match=r"is the result itself: write \.query_excluded\.map"):
        _ = result.result["query_excluded"]["map"]
    with pytest.raises(AttributeError, match=r"is the result itself: write \.test_vs_train\.map"):
        _ = coded.result
    with pytest.raises(AttributeError, match=r"expected \.query_excluded\.average_precision"):
        _ = result.average_precision["query_excluded"]
    with pytest.raises(TypeError, match=r"RetrievalFigures: expected \.map, got \['map'\]"):
        _ = result.query_excluded["map"]
    with pytest.raises(TypeError, match=r"Ge2018Comparison: expected \.rows"):
        _ = compare_ge2018([("one", features)], [Option()])["rows"]
    with pytest.raises(ImportError, match=r"Evaluation is now rsir_fast\.Ge2018Result or Dhcnn2021Result"):
        _ = rf.Evaluation
    with pytest.raises(ImportError, match="Evaluation is called rsir_fast.Ge2018Result or Dhcnn2021Result now"):
        _ = rf.protocols.Evaluation
    assert isinstance(coded, Dhcnn2021Result)


def test_the_ap_of_every_query(features):
    result = rf.evaluate_ge2018(features)
    found = result.query_excluded.average_precision
    assert found.dtype == np.float64
    assert found.mean() == pytest.approx(result.query_excluded.map)
    assert len(found) == len(result.queries.items) == len(features)


def test_features_that_state_nonsense_are_named(features):
    features.provenance["weights"] = "a file"
    with pytest.raises(rf.errors.FeaturesError, match=r"demo: .* other things under weights .*make the features again"):
        rf.evaluate_ge2018(features)


def test_results_and_parts_never_show_many_numbers(result, features):
    assert str(result) == repr(result)
    assert len(repr(result)) < 250
    found = rf.evaluate_ge2018(features)
    assert "per_query=<12 values>" in repr(found.query_excluded)
    assert "items=<12 values>" in str(found.queries)
    assert "classes=('a', 'b')" in repr(found.dataset)


def test_a_comparison_shows_itself(features):
    shown = compare_ge2018([("one", features)], [Option(), Option("pca:9")])
    assert repr(shown) == "Ge2018Comparison(demo, 2 evaluations, 1 refused)"
    assert isinstance(shown, Ge2018Comparison)
