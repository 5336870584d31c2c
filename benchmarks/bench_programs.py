"""The programs behind `make bench` run, in their smallest size, and write what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tables
from engines import clean_environment

ONE_CASE = "L2 250,000 x 1024, 1 q, k 10, ReLU"
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("run", ["--cases", ONE_CASE, "--peers", "rsir_fast,numpy"]),
        ("sweep", ["--peers", "numpy"]),
        ("stability", ["--peers", "numpy"]),
        ("evaluation", ["--peers", "sklearn"]),
        ("extraction", []),
        ("growth", []),
    ],
)
def bench_program(program, options, tmp_path):
    out = tmp_path / "benchmarks" / "result.json"
    command = [sys.executable, str(HERE / f"{program}.py"), "--small", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    assert out.with_suffix(".md").read_text().strip() == tables.markdown(result) == done.stdout.strip()
    assert out.with_suffix(".svg").exists() == (program in ("run", "sweep"))
    docs = tmp_path / "docs" / "performance.md"
    docs.parent.mkdir()
    docs.write_text(f"Before\n<!-- begin {result['kind']} -->\n<!-- end {result['kind']} -->\nafter\n")
    tables.into_docs(docs, out)
    assert tables.stale(docs) == []
    docs.write_text(docs.read_text().replace("numpy", "another").replace("torch", "another"))
    assert tables.stale(docs) == [result["kind"]]


def bench_docs_show_the_results():
    assert tables.stale(HERE.parent / "docs" / "performance.md") == []
