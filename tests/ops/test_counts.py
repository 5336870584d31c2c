"""Whole numbers: every parameter that is one takes the same ones, and says so in one true sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import rsir_fast as rf

X = np.random.default_rng(0).random((6, 8), dtype=np.float32)
CODES = rf.pack_codes(X - 0.5)
CASES = {
    "k of euclidean_topk": ("k", 0, lambda v: rf.euclidean_topk(X[:2], X, v)),
    "k of hamming_topk": ("k", 0, lambda v: rf.hamming_topk(CODES[:2], CODES, v)),
    "bits": ("bits", 0, lambda v: rf.hamming_topk(CODES[:2], CODES, 1, bits=v)),
    "bits of prepared": (
        "bits",
        0,
        lambda v: rf.hamming_topk(CODES[:2], rf.prepare(CODES, metric="hamming"), 1, bits=v),
    ),
    "block of rank_database": ("block", 1, lambda v: list(rf.rank_database(X, X, block=v))),
    "block of relevant_ranks": ("block", 1, lambda v: list(rf.relevant_ranks(X, X, range(6), range(6), block=v))),
    **{
        f"threads of {name}": ("threads", 1, call)
        for name, call in {
            "euclidean_topk": lambda v: rf.euclidean_topk(X, X, 1, threads=v),
            "hamming_topk": lambda v: rf.hamming_topk(CODES, CODES, 1, threads=v),
            "pack_codes": lambda v: rf.pack_codes(X, threads=v),
            "gaussian_normalize": lambda v: rf.gaussian_normalize(X, threads=v),
            "gaussian_statistics": lambda v: rf.gaussian_statistics(X, threads=v),
            "prepare": lambda v: rf.prepare(X, threads=v),
            "prepare codes": lambda v: rf.prepare(CODES, metric="hamming", threads=v),
        }.items()
    },
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence(case):
    name, least, call = CASES[case]
    for value in (True, np.True_, 2.0, 1.5, "3", [1], np.array([1, 2]), np.nan):
        with pytest.raises(TypeError, match=rf"^{name}: expected a whole number, got {type(value).__name__} "):
            call(value)
    for value in (-1, -(2**63), -(2**65)):
        with pytest.raises(ValueError, match=rf"^{name}: expected .*number of at least {least}.*, got -"):
            call(value)
    for value in (2**63, 2**64, 2**70000):
        message = rf"^{name}: expected .*number of at most {2**63 - 1}.*, got (\d{{19,20}}|a number of 70001 bits)$"
        with pytest.raises(ValueError, match=message):
            call(value)


@pytest.mark.parametrize("case", CASES)
def test_whole_numbers_of_any_type(case):
    name, _, call = CASES[case]
    value = 8 if name == "bits" else 2
    for number in (value, np.int64(value), np.uint8(value), np.array(value), torch.tensor(value)):
        call(number)


@pytest.mark.parametrize(
    "search", [lambda k: rf.euclidean_topk(X, X, k), lambda k: rf.hamming_topk(CODES, CODES, k)], ids=["float", "code"]
)
def test_more_neighbours_than_memory(search):
    for k in (2**63 - 1, 2**60, 2**50):
        with pytest.raises(MemoryError, match=re.escape(f"k: 6 queries x {k} neighbours of 12 bytes do not fit")):
            search(k)


def test_threads_of_the_environment(monkeypatch):
    for text in ("-1", "0", "2.5", "many", "9" * 5000, "²"):
        monkeypatch.setenv("RSIR_NUM_THREADS", text)
        with pytest.raises(ValueError, match=r"^RSIR_NUM_THREADS: expected a whole number of at least 1, got '"):
            rf.pack_codes(X)
