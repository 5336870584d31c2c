"""The list of planted faults (`make faults`) fits the sources: each changes one of them and names a test there is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SIMT = Path(__file__).parent / "kernels/simt"
spec = importlib.util.spec_from_file_location("faults", SIMT / "faults.py")
assert spec is not None
assert spec.loader is not None
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.what)
def test_a_fault_changes_the_source_and_names_its_test(fault):
    source = (faults.ROOT / faults.KERNELS / fault.file).read_text()
    assert fault.old in source
    assert source.replace(fault.old, fault.new) != source
    program, _, test = fault.test.partition(": ")
    assert f"TEST({test})" in (SIMT / program.replace("test_cuda_", "test_")).with_suffix(".cpp").read_text()
