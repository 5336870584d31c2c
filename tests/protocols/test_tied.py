"""Rankings in which many distances are tied say so, with the expectation over ties beside the figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

import rsir_fast as rf
from rsir_fast.metrics import tie_aware_map
from rsir_fast.protocols import tied
from rsir_fast.report import result_table, write_report
from rsir_fast.report.ge2018 import ties

N, CLASSES = 60, 3
LABELS = np.repeat(np.arange(CLASSES), N // CLASSES)


def features(matrix) -> rf.Features:
    items = tuple(f"{label}/{i}" for i, label in enumerate(LABELS))
    return rf.Features(np.asarray(matrix, np.float32), items, LABELS, ("a", "b", "c"), "demo")


def by_definition(matrix, own: bool) -> tuple[float, float]:
    """Share of tied distances, and mAP expected over ties."""
    distances = ((matrix[:, None].astype(np.float64) - matrix[None]) ** 2).sum(2).astype(np.float32)
    relevant = LABELS[:, None] == LABELS
    others = np.ones_like(relevant) if own else ~np.eye(N, dtype=bool)
    rows = [(distances[i][others[i]], relevant[i][others[i]]) for i in range(N)]
    share = np.mean([[np.count_nonzero(row == value) > 1 for value in row] for row, _ in rows])
    return float(share), tie_aware_map([row for row, _ in rows], [hits for _, hits in rows]).expected


RNG = np.random.default_rng(0)
TIED = {
    "all zero": np.zeros((N, 4)),
    "few colours": RNG.integers(0, 2, (N, 3)),
    "duplicates": np.repeat(RNG.random((N // 4, 4)), 4, axis=0),
}


@pytest.mark.parametrize("name", TIED)
def test_many_ties(name):
    matrix = TIED[name].astype(np.float32)
    evaluation = rf.evaluate_ge2018(features(matrix), normalize="none")
    found = evaluation.ties
    share, excluded = by_definition(matrix, own=False)
    assert found.tied_share == pytest.approx(share)
    assert found.queries_looked_at == N
    assert found.map_expected_over_ties.query_excluded == pytest.approx(excluded)
    assert found.map_expected_over_ties.query_included == pytest.approx(by_definition(matrix, own=True)[1])
    console = Console(width=400, file=io.StringIO())
    console.print(result_table(evaluation))
    said = ties(evaluation)
    shown = console.file.getvalue()
    assert "mAP, expected over ties" in shown
    for text in (said, shown):
        assert "of the distances are tied" in text
        assert f"({excluded:.4f})" in text


def test_the_page_says_so(tmp_path):
    few = rf.evaluate_ge2018(features(RNG.random((N, 8))))
    many = rf.evaluate_ge2018(features(np.zeros((N, 8))), normalize="none")
    for evaluation, told in ((few, False), (many, True)):
        written = write_report(tmp_path / str(told), evaluation)
        page = written["report.html"].read_text()
        assert ("of the distances are tied" in page) == told
        assert ("mAP, expected over ties" in page) == told


def test_few_ties_change_nothing():
    matrix = RNG.random((N, 8))
    matrix[1] = matrix[0]
    evaluation = rf.evaluate_ge2018(features(matrix))
    assert 0 < evaluation.ties.tied_share < tied.LARGE_SHARE
    assert evaluation.ties.map_expected_over_ties is None
    assert ties(evaluation) is None


def test_rows_with_nan_are_tied():
    matrix = RNG.random((N, 4))
    matrix[: N // 2] = np.nan
    found = rf.evaluate_ge2018(features(matrix), normalize="none").ties
    assert found.tied_share > 0.7
    assert found.map_expected_over_ties is not None


def test_blocks_change_nothing(monkeypatch):
    data = features(TIED["few colours"])
    expected = rf.evaluate_ge2018(data, normalize="none").ties
    monkeypatch.setattr(tied, "AT_ONCE", 7 * N)
    assert rf.evaluate_ge2018(data, normalize="none").ties == expected
