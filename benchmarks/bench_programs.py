"""The programs behind `make bench` run, in their smallest size, and write what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import into_docs
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
        ("tiling", ["--only", "deflate", "--large"]),
        ("archive", ["--codes", "3000"]),
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
    into_docs.into_docs(docs, out)
    assert into_docs.stale(docs) == []
    docs.write_text(docs.read_text().replace("numpy", "another").replace("torch", "another"))
    assert into_docs.stale(docs) == [result["kind"]]


def bench_ours_alone_has_no_plot(tmp_path):
    out = tmp_path / "result.json"
    command = [sys.executable, str(HERE / "run.py"), "--small", "--out", str(out), "--cases", ONE_CASE]
    done = subprocess.run([*command, "--peers", "rsir_fast"], capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0, done.stderr
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".md"]


RESULTS = HERE / "results"
DOCS = "Before\n<!-- begin evaluation -->\n<!-- end evaluation -->\nafter\n"


def bench_docs_keep_a_result_of_each_cpu(tmp_path):
    """A newer one takes the place of the same CPU's; that of another CPU stands beside, whatever comes first."""
    kept = {}
    for name in ("2026-11-24-amd-epyc-family-25-model-17", "2026-11-29-amd-epyc-family-25-model-17",
                 "2026-11-29-amd-epyc-family-26-model-2"):  # fmt: skip
        kept[name] = tmp_path / "benchmarks" / f"{name}-evaluation.json"
        kept[name].parent.mkdir(exist_ok=True)
        kept[name].write_text((RESULTS / kept[name].name).read_text())
    older, newer, other = kept.values()
    (tmp_path / "docs").mkdir()
    shown = []
    for order in ((older, newer, other), (other, older, newer)):
        docs = tmp_path / "docs" / "performance.md"
        docs.write_text(DOCS)
        for path in order:
            into_docs.into_docs(docs, path)
            assert into_docs.stale(docs) == []
        shown.append(docs.read_text())
    assert shown[0] == shown[1]
    assert older.name not in shown[0]
    head = next(line for line in shown[0].splitlines() if line.startswith("| "))
    assert head.index(other.name) < head.index(newer.name)
    assert shown[0].count(tables.markdown(json.loads(other.read_text()))) == 1
    assert tables.markdown(json.loads(newer.read_text())) not in shown[0]
    docs.write_text(shown[0].replace("| rsir_fast | ", "| rsir_fast | 1"))
    assert into_docs.stale(docs) == ["evaluation"]


@pytest.mark.parametrize("kind", list(into_docs.SUMMARIES))
def bench_every_result_can_stand_in_a_column(kind):
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("2*.json"))]
    of_kind = {str(number): result for number, result in enumerate(found) if result["kind"] == kind}
    assert of_kind
    lines = into_docs.compared(of_kind).splitlines()
    assert len(lines) > 2
    assert {line.count("|") for line in lines} == {len(of_kind) + 2}


def bench_docs_show_the_results():
    assert into_docs.stale(HERE.parent / "docs" / "performance.md") == []
