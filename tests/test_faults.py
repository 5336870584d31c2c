"""The list of planted faults (`make faults`) fits the sources: each changes one of them and names a test there is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIMT = ROOT / "tests/kernels/simt"
sys.path.insert(0, str(SIMT))  # as for the program that plants them
from planted import FAULTS  # noqa: E402


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_fault_changes_the_source_and_names_its_test(fault):
    source = (ROOT / "csrc/kernels/cuda" / fault.file).read_text()
    assert fault.old in source
    assert source.replace(fault.old, fault.new) != source
    program, _, test = fault.test.partition(": ")
    place = SIMT / program.replace("test_cuda_", "test_") if program.startswith("test_cuda_") else SIMT.parent / program
    assert f"TEST({test})" in place.with_suffix(".cpp").read_text()
