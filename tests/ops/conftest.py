"""Every op test that asks for ``isa`` runs on each instruction set of this machine."""

from __future__ import annotations

import pytest

from rsir_fast.base.isa import supported_isas


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", supported_isas())
