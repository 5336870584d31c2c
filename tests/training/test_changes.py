"""What differs from a former run is told in the words of a user, never by a key of a provenance."""

from __future__ import annotations

import re

import pytest

from rsir_fast.training.changes import changes

KEYS = re.compile(r"sha256|\w\.\w|\w_\w|\bNone\b")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"seed": 0, "items_sha256": {"train": "1"}}, {"seed": 1, "items_sha256": {"train": "2"}}, ["split", "seed"]),
        ({"split": {"train": ["a"] * 9}}, {"split": {"train": ["b"] * 9}}, ["split"]),
        ({"images": {"train": {"sha256": "1"}}}, {"images": {"train": {"sha256": "2"}}}, ["set of images"]),
        ({"images": {"reader": {"bands": [1]}}}, {"images": {}}, ["bands"]),
        ({"cpu_threads": 2, "torch": "1"}, {"cpu_threads": 1, "torch": "2"}, ["number of threads", "version of torch"]),
        ({"images": {"train": {"images": 3}}}, {"images": {"train": {"images": 4}}}, ["number of images"]),
        (
            {"processes": 1, "network": "cnn-f"},
            {"processes": 2, "network": "cnn-m"},
            ["network", "number of processes"],
        ),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_words(before, now, told):
    found = changes(before, now)
    assert list(found) == told
    assert not KEYS.search(" ".join([*found, *found.values()]))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "see\nd",
        "a b",
        "\x00",
        "torc-h",
        "ä.ö ü",
        ".",
        "dataset.",
        "sha256\n",
        "ki" + "9" * 500,
        "recipe." + "x" * 500,
    ],
)
def test_keys_of_a_damaged_record(key):
    told = changes({key: 1}, {key: 2})
    assert len(told) == 1
    assert not any(len(word) > 100 or "\n" in word or "\x00" in word for entry in told.items() for word in entry)
