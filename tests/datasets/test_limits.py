"""What an image costs, and that threads together stay within the memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from rsir_fast.base.memory import machine_memory
from rsir_fast.datasets import Limits, current_limits, limits_of_images, open_dataset, read_image
from rsir_fast.datasets.limits import MEMORY
from rsir_fast.descriptors import ColourHistogram
from rsir_fast.errors import MachineError
from rsir_fast.extraction import encode


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    for number in range(12):
        Image.new("RGB", (500, 400), (number, 2 * number, 99)).save(root / f"{number}.{'png' if number % 2 else 'jpg'}")
    return root


@pytest.mark.parametrize("field", ["image_memory", "max_pixels", "max_pixels_per_byte", "image_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_are_positive(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: expected more than 0"):
        Limits(**{field: value})


def test_default_memory_is_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits().total_memory == machine_memory() // 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert Limits().total_memory == machine_memory() // 8
    assert current_limits() == Limits()


def test_threads_wait_for_their_share(scenes: Path) -> None:
    """Ten threads, memory for two images: one after the other, and all are read."""
    data = open_dataset(scenes)
    one = 500 * 400 * 12 + 10_000
    with limits_of_images(image_memory=2 * one):
        for read in (
            lambda: list(ThreadPoolExecutor(10).map(data.load_image, range(12))),
            lambda: encode(data, ColourHistogram(bins=2), workers=10).matrix,
        ):
            MEMORY.most = 0
            assert len(read()) == 12
            assert one / 2 < MEMORY.most <= 2 * one
    assert MEMORY.used == 0


def test_an_image_is_held_until_it_is_resized(scenes: Path) -> None:
    path = scenes / "1.png"
    with MEMORY.scope():
        read_image(path)
        assert MEMORY.used == 4 * 500 * 400
    assert MEMORY.used == 0
    read_image(path)
    assert MEMORY.used == 0


def test_too_little_memory_is_no_fault_of_the_image(scenes: Path) -> None:
    """What one machine refuses another reads: so it is not recorded as unreadable, the run stops."""
    with pytest.raises(MachineError, match=r"1\.png: 500 x 400 pixels need .* more than the limit of 1\.0 MiB"):
        read_image(scenes / "1.png", limits=Limits(image_memory=2**20))
    assert MEMORY.used == 0
