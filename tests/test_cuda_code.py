"""The machine code of the CUDA kernels: what the compiler made of them, read without a device."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

if importlib.util.find_spec("rsir_fast._cuda") is None:
    pytest.skip("built without a CUDA compiler", allow_module_level=True)
from rsir_fast import _cuda

ARCHITECTURES = ["sm_" + name.removesuffix("-real") for name in _cuda.build_info()["architectures"].split()]


class Kernel(NamedTuple):
    registers: int
    stack: int
    local: int


def cuobjdump() -> str:
    """CUDA's reader of machine code, or the copy that torch's compiler brings along."""
    if found := shutil.which("cuobjdump"):
        return found
    triton = importlib.util.find_spec("triton")
    found = Path(triton.origin).parent / "backends/nvidia/bin/cuobjdump" if triton and triton.origin else None
    if found is None or not found.is_file():
        pytest.skip("no cuobjdump: neither CUDA's nor triton's")
    return str(found)


def short(mangled: str) -> str:
    """The name and template arguments of a kernel, as far as they need telling apart."""
    found = re.search(r"\d+([a-z_]+_kernel|normalize_[a-z_]+|normalize_long)(?:I(.*?)E)?Ev", mangled)
    return f"{found[1]}<{found[2] or ''}>" if found else mangled


@cache
def resources() -> dict[tuple[str, str, str], Kernel]:
    """(architecture, file, kernel) -> what it takes."""
    text = subprocess.check_output([cuobjdump(), "-res-usage", _cuda.__file__], text=True)
    kernels, architecture, function = {}, "", ""
    for line in text.splitlines():
        if found := re.search(r"arch = (\w+)", line):
            architecture = found[1]
        elif found := re.search(r"Function (\S+):", line):
            function = found[1]
        elif found := re.search(r"REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", line):
            file = re.search(r"_\d+_([a-z][a-z0-9_]*)_cu_", function)
            kernels[architecture, file[1] if file else "", short(function)] = Kernel(*map(int, found.groups()))
    return kernels


@cache
def instructions(architecture: str) -> dict[str, Counter[str]]:
    """File of the source, and name of the kernel -> how often each instruction stands there."""
    command = [cuobjdump(), "-sass", "-arch", architecture, _cuda.__file__]
    counts: dict[str, Counter[str]] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        places: tuple[str, str] = ("", "")
        for line in process.stdout:
            if found := re.search(r"Function : (\S+)", line):
                named = re.search(r"_\d+_([a-z][a-z0-9_]*)_cu_", found[1])
                places = (named[1] if named else "", short(found[1]).partition("<")[0])
            elif found := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?([A-Z0-9_]+)", line):
                for place in places:
                    counts.setdefault(place, Counter())[found[1]] += 1
    assert process.returncode == 0
    return counts


def test_every_architecture_has_every_kernel():
    by_architecture = {name: {key[1:] for key in resources() if key[0] == name} for name in ARCHITECTURES}
    assert len(by_architecture[ARCHITECTURES[0]]) > 40
    for kernels in by_architecture.values():
        assert kernels == by_architecture[ARCHITECTURES[0]]


PUT_ASIDE = 16
"""Bytes: two addresses that the compiler keeps on the stack while a loop runs, to fit one more block."""


def test_no_kernel_spills_registers_into_memory():
    spilt = {key: kernel for key, kernel in resources().items() if kernel.stack > PUT_ASIDE or kernel.local}
    assert spilt == {}


BUDGET = {
    "certify_product": 255,  # one block of 256 threads on a multiprocessor
    "certify_product_bulk": 168,  # one of 384, a third of which hands most of its own to the others
    "certify_product_sm90": 255,
    "digit_product": 168,  # three of 128
    "digit_product_sm90": 255,
    "digits": 64,
    "hamming_many": 64,
    "hamming_many_sm80": 128,  # two of 256
    "hamming_many_sm90": 128,
    "hamming_topk": 128,  # two of 256; three before sm_100, as their launch bounds say
    "euclidean_topk": 128,  # two of 256
    "certify": 64,
    "certify_stream": 128,
    "certify_words_sm90": 255,
    "sidecar": 168,  # three of 128
    "gaussian_columns": 96,  # five of 128
    "gaussian_normalize": 168,
    "pack_codes": 64,
    "placed_ranks": 80,  # three of 256
    "relevant_ranks": 128,  # two of 256
    "select": 64,
}
"""Registers a thread, by which a multiprocessor holds as many blocks as the kernels count on."""


def test_registers_leave_room_for_the_blocks_that_are_counted_on():
    above = {key: kernel for key, kernel in resources().items() if kernel.registers > BUDGET[key[1]]}
    assert above == {}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_instructions_are_those_meant(architecture):
    found = instructions(architecture)
    assert found["hamming_topk"]["POPC"] > 0
    if architecture != "sm_75":
        assert found["certify_product"]["HMMA"] > 0
        assert found["certify_product"]["LDSM"] > 0
        assert found["certify_product"]["LDGSTS"] > 0
        assert found["digit_product"]["IMMA"] > 0
    if architecture in ("sm_80", "sm_86", "sm_89"):
        assert found["hamming_many_sm80"]["BMMA"] > 0
        assert found["hamming_many_sm80"]["LDSM"] > 0
    else:  # no emulation of them
        assert not {"BMMA", "IMMA", "POPC"} & found["hamming_many_sm80"].keys()
    if architecture == "sm_90a":
        assert found["certify_product_sm90"]["HGMMA"] > 0
        assert found["certify_product_bulk"]["HGMMA"] > 0
        assert found["certify_product_bulk"]["UTMALDG"] > 0
        assert found["certify_product_bulk"]["USETMAXREG"] > 0
        # Only where a cluster meets, at both ends: at every stage they would cost more than its products.
        assert found["certify_product_bulk"]["MEMBAR"] <= 4 * 8
        assert found["certify_words_sm90"]["IGMMA"] > 0
        assert found["digit_product_sm90"]["IGMMA"] == 24  # products of a round
        assert found["hamming_many_sm90"]["BGMMA"] > 0
        assert found["hamming_many_sm90"]["VIMNMX3"] > 0  # the test of a product: two sums an instruction
        assert found["hamming_many_sm90"]["FENCE"] > 0  # which the host does not miss


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_canonical_order_is_not_contracted(architecture):
    """One fused multiply-add would round once where the CPU rounds twice."""
    found = instructions(architecture)
    # Roots and divisions, which are made of fused steps, have kernels of their own beside these.
    for place in ("euclidean_topk", "relevant_ranks", "open_kernel", "squares_kernel", "apply_kernel"):
        assert found[place]["DADD"] > 0
        assert found[place]["DMUL"] > 0
        assert found[place]["DFMA"] == 0
    assert found["sum_kernel"]["DADD"] > 0
    assert found["sum_kernel"]["DFMA"] == 0
