"""The list of planted faults (`make faults`) fits the sources: each changes one of them and names a test there is.

And the program goes on where it was cut, and tells what this processor cannot run from what is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SIMT = ROOT / "tests/kernels/simt"
sys.path.insert(0, str(SIMT))  # as for the program that plants them
import faults  # noqa: E402
from planted import FAULTS  # noqa: E402


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_fault_changes_the_source_and_names_its_test(fault):
    source = (ROOT / "csrc/kernels/cuda" / fault.file).read_text()
    assert fault.old in source
    assert source.replace(fault.old, fault.new) != source
    program, _, test = fault.test.partition(": ")
    place = SIMT / program.replace("test_cuda_", "test_") if program.startswith("test_cuda_") else SIMT.parent / program
    assert f"TEST({test})" in place.with_suffix(".cpp").read_text()


*ANYWHERE, fourth = [fault for fault in FAULTS if not (fault.compiled_for or fault.only)][:4]
IN_AVX512 = next(fault for fault in FAULTS if fault.compiled_for)
NOT_YET = fourth._replace(only="avx512")


@pytest.fixture
def plant(monkeypatch, tmp_path, capsys):
    """Run the program over a few faults; `missed` are not seen by any test, `cut` is where the run ends."""
    copy = {}

    def plant(lacks=(), missed=(), cut=None):
        planted = []

        def fails(folder, build, test, whole):
            there = faults.sources(folder)
            found = [fault for fault in chosen if there != copy and fault.new and is_in(there, fault)]
            planted.extend(found)
            if cut in found:
                raise KeyboardInterrupt
            return bool(found) and found[0] not in missed

        def is_in(there, fault):
            name = (faults.KERNELS / fault.file).as_posix().replace("cuda/../", "")
            return there[name] == copy[name].replace(fault.old.encode(), fault.new.encode()) != copy[name]

        copy.update(faults.sources(ROOT))
        monkeypatch.setattr(faults, "fails", fails)
        monkeypatch.setattr(faults, "lacking", lambda isa: [f"{isa}f"] if isa in lacks else [])
        done = faults.main()
        return done, planted, capsys.readouterr().out.splitlines()

    chosen = [*ANYWHERE, IN_AVX512, NOT_YET]
    monkeypatch.setattr(faults, "FAULTS", chosen)
    monkeypatch.setattr(faults, "PLACE", tmp_path / "faults")
    monkeypatch.setattr(faults, "configure", lambda folder, sanitizer: folder)
    monkeypatch.setattr(sys, "argv", ["faults.py"])
    return plant


def test_a_run_that_was_cut_goes_on_and_a_fault_that_it_left_is_taken_out(plant):
    with pytest.raises(KeyboardInterrupt):
        plant(cut=ANYWHERE[2])
    done, planted, lines = plant()
    assert (done, planted) == (0, [ANYWHERE[2], IN_AVX512, NOT_YET])
    assert lines[-1] == "5 of 5 caught"
    assert plant()[:2] == (0, [])


def test_what_this_processor_lacks_is_neither_caught_nor_missed(plant):
    done, planted, lines = plant(lacks=["avx512"], missed=[NOT_YET])
    assert (done, planted) == (0, [*ANYWHERE, NOT_YET])
    assert sum(line.startswith("not here") for line in lines) == 2
    assert lines[-2:] == ["2 not here: in code for what this processor lacks, avx512f", "3 of 3 caught"]


def test_a_miss_does_not_hide_behind_what_is_not_here(plant):
    done, _, lines = plant(lacks=["avx512"], missed=[ANYWHERE[1], NOT_YET])
    assert done == 1
    assert f"MISSED    {ANYWHERE[1].what}  [{ANYWHERE[1].test}]" in lines
    assert lines[-1] == "2 of 3 caught"
    done, planted, lines = plant(missed=[IN_AVX512])  # where it can run; what was missed before stays so
    assert (done, planted, lines[-1]) == (1, [IN_AVX512], "2 of 5 caught")


def test_a_way_that_is_taken_here_after_all_is_told(plant):
    done, _, lines = plant(lacks=["avx512"])
    assert done == 0
    assert any(line.startswith("caught without avx512 as well") and NOT_YET.what in line for line in lines)
