"""Every command of README and tour runs as printed (but for those that need a network, which say so)."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.cli import app

README = Path(__file__).resolve().parents[1] / "README.md"
TOUR = README.parent / "docs/tour.md"
BLOCKS = re.findall(
    r"(<!-- needs network -->\n)?```(\w*)\n(.*?)```", README.read_text() + TOUR.read_text(), flags=re.DOTALL
)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    few = ("farmland", "forest", "harbor", "river")  # two of them are named by the commands
    rf.generate_scenes(folder / "runs/demo/scenes", classes=few, per_class=2)
    for year in (2025, 2026):
        write_raster(folder / f"region_{year}.tif", year)
    return folder


def write_raster(path: Path, seed: int) -> None:
    """Write 256 x 384 pixels of 10 m around Berlin's middle."""
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 16, 24), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    lies = {"crs": "EPSG:32633", "transform": Affine(10, 0, 390700, 0, -10, 5820200)}
    with rasterio.open(path, "w", "GTiff", 384, 256, 3, dtype="uint8", photometric="rgb", **lies) as raster:
        raster.write(pixels)


def lines(prefix: str) -> list[str]:
    """Different shell lines that begin so, comments cut off, in the order of README and tour."""
    text = "\n".join(body for network, language, body in BLOCKS if not network and not language)
    return list(dict.fromkeys(line.split(" #")[0].strip() for line in text.splitlines() if line.startswith(prefix)))


def test_rsir_commands(folder, monkeypatch):
    """The first as a process of its own; the others in this one, which has imported everything."""
    first, *others = lines("rsir ")
    assert len(others) == 18
    assert run(shlex.split(first), folder).stdout
    monkeypatch.chdir(folder)
    for command in others:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}\n{done.output}"
        assert done.stdout, f"{command} printed nothing"
    assert (folder / "runs/ge2018/report.html").is_file()
    assert "<svg" in (folder / "found.html").read_text()
    assert (folder / "places.stac.json").is_file()


def test_the_readme_is_short():
    assert 60 <= len(README.read_text().splitlines()) <= 90


def test_make_targets_exist():
    targets = (README.parent / "Makefile").read_text()
    for command in lines("make "):
        assert f"\n{command.split()[1]}:" in targets


def test_python_examples(folder):
    """After the commands, whose folders the second one reads."""
    first, second = (body for _, language, body in BLOCKS if language == "python")
    figure, answer = run([sys.executable, "-c", first], folder).stdout.splitlines()
    assert 0 < float(figure) <= 1
    assert answer.startswith("query=")
    printed = run([sys.executable, "-c", f"import rsir_fast as rf\n{second}\nprint(hits.as_json())"], folder).stdout
    assert "'class': 'river'" in printed or "'class': 'forest'" in printed


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = [re.sub(r"[^\w\- ]", "", found.lower()) for found in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)]
    return {heading.replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *[f"docs/{p.name}" for p in README.parent.glob("docs/*.md")]],
)
def test_links_lead_somewhere(name):
    page = README.parent / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target
