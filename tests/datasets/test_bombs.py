"""Small hostile files exhaust neither memory nor time: refused in a sentence, or read quickly and within the budget."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bombs.jpeg
import bombs.others
import bombs.plain
import bombs.png
import bombs.tiff  # noqa: F401
from bombs.registry import BOMBS
from rsir_fast.datasets import Limits, limits_of_images, read_image
from rsir_fast.errors import ImageError, MachineError

OPTIONS = ("--max-pixels", "--max-pixels-per-byte", "--image-seconds", "--image-memory")
REMEDIES = (*OPTIONS, "write it anew", "convert it", "split it", "cut it into tiles", "damaged", "copy the file again")
MOST_SECONDS = 2
MOST_BYTES = 2**30


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """Each file read in a process of its own, by name: how it ended, processor seconds, bytes at the peak."""
    program = [sys.executable, "-m", "bombs"]
    lines = subprocess.check_output(program, cwd=Path(__file__).parents[1], text=True, timeout=300).splitlines()
    return {entry["name"]: entry for entry in map(json.loads, lines)}


def test_there_are_enough() -> None:
    assert sum(not name.startswith("plain") for name in BOMBS) > 60


@pytest.mark.parametrize("name", BOMBS)
def test_neither_time_nor_memory(found: dict[str, dict[str, Any]], name: str) -> None:
    entry = found[name]
    assert entry["end"] in ("ImageError", "LimitError") or entry["end"].startswith("read "), entry
    assert entry["seconds"] < MOST_SECONDS, entry
    assert entry["bytes"] < MOST_BYTES, entry
    if not entry["end"].startswith("read "):
        assert "\n" not in entry["message"]
        assert any(remedy in entry["message"] for remedy in REMEDIES), entry
        assert not name.endswith("that_is_read")
        assert not name.startswith("plain")
    else:
        # What was taken of the budget covers what was used.
        assert entry["bytes"] < entry["budget"] + 2**25, entry


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("png_one_bit", {"max_pixels_per_byte": 10_000}),
        ("jpeg_of_300_scans_that_is_read", {"max_pixels": 1448 * 1448, "image_seconds": 3}),
        ("plain_png", {"image_memory": 60_000_000}),
    ],
)
def test_the_option_named_is_the_one_that_helps(tmp_path: Path, name: str, limits: dict[str, Any]) -> None:
    """Refused with a little less than is needed, read with what is needed."""
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name]())
    read_image(path, limits=Limits(**limits))
    for field, value in limits.items():
        less = {**limits, field: max(value // 4, 0.5)}
        with (
            limits_of_images(**less),
            pytest.raises((ImageError, MachineError), match=f"raise --{field.replace('_', '-')}$"),
        ):
            read_image(path)
