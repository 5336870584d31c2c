"""`pytest benchmarks`: small sizes, answers asserted, untimed. `--benchmark-enable --sizes full`: timed.

pytest-benchmark times one library after the other, and the request to its process with it (about 50 microseconds). The
figures that are reported come from run.py, which measures turn by turn.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

import cases
from cases import Case
from checks import Checker
from engines import CORE_TYPES, Engine, best_core_type, environments, saved


def pytest_addoption(parser):
    parser.addoption("--sizes", choices=("small", "full"), default="small", help="sizes of the benchmarks")


class Bench:
    """Keeps the processes of the session and the inputs of the last case."""

    def __init__(self, small: bool) -> None:
        self.small = small
        self.stack = ExitStack()
        self.engines: dict[str, Engine] = {}
        self.inputs = ExitStack()
        self.case: Case | None = None

    def engine(self, peer: str) -> Engine:
        if peer not in self.engines:
            extra = {}
            if peer == "faiss-best":
                types = CORE_TYPES[:1] if self.small else CORE_TYPES
                extra = environments(best_core_type(types)[0])[peer]
            self.engines[peer] = self.stack.enter_context(Engine(peer, extra))
        return self.engines[peer]

    def __call__(self, benchmark, case: Case, peer: str) -> None:
        """Time a peer in a case, and assert its answer."""
        case = case.small() if self.small else case
        if case != self.case:
            self.inputs.close()
            arrays = cases.inputs(case)
            self.checker = Checker(case, arrays)
            self.paths = self.inputs.enter_context(saved(arrays))
            self.case = case
        engine = self.engine(peer)
        engine.ask("load", case.op, peer, self.paths["database"], self.paths.get("queries"))
        benchmark.group = case.name
        benchmark(engine.ask, "once", case.q, case.k)
        self.checker.check(engine, peer)
        engine.ask("drop")

    def close(self) -> None:
        self.inputs.close()
        self.stack.close()


@pytest.fixture(scope="session")
def bench(request):
    held = Bench(request.config.getoption("--sizes") == "small")
    yield held
    held.close()
