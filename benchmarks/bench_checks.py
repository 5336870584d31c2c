"""The check of answers refuses what it must."""

from __future__ import annotations

import numpy as np
import pytest

import cases
from cases import Case
from checks import Checker
from peers import PEERS


class Answered:
    """Stands for an engine that has answered so."""

    def __init__(self, distances, ids):
        self.answer = distances, ids

    def ask(self, name, rows):
        assert name == "rows"
        return tuple(None if part is None else part[rows] for part in self.answer)


@pytest.mark.parametrize("op", list(PEERS))
def bench_wrong_answers_are_refused(op):
    with_queries = op.endswith("topk")
    case = Case(op, 5 if with_queries else 0, 300, 64, 4 if with_queries else 0)
    arrays = cases.inputs(case)
    checker = Checker(case, arrays)
    distances, ids = PEERS[op]["rsir_fast"](arrays["database"])(arrays.get("queries"), case.k)
    for peer in ("rsir_fast", "numpy"):
        checker.check(Answered(distances, ids), peer)
    one_bit = distances.copy()
    one_bit.view(np.uint8)[0, 0] ^= 1
    with pytest.raises(AssertionError):
        checker.check(Answered(one_bit, ids), "rsir_fast")
    far = distances + distances.dtype.type(50)
    with pytest.raises(AssertionError):
        checker.check(Answered(far, ids), "numpy")
    if with_queries:
        with pytest.raises(AssertionError):
            checker.check(Answered(distances, ids[:, ::-1]), "rsir_fast")
        with pytest.raises(AssertionError):
            checker.check(Answered(distances, (ids + 1) % case.n), "numpy")
