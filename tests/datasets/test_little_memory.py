"""Where memory runs out an image is read right or the machine is blamed, never the image, whatever the decoder says."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

SIDE = 3000
WALK = """
import hashlib, json, os, resource, sys
from pathlib import Path
from rsir_fast.datasets import read_image
from rsir_fast.errors import ImageError, MachineError

def room():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

def outcome(path, more):
    # In a process of its own: the first byte says what came, the rest what it was.
    here, there = os.pipe()
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_AS, (room() + more, resource.RLIM_INFINITY))
        try:
            image, told = read_image(path), "image"
        except MachineError as error:
            told = "machine" if "not enough memory" in str(error) else f"machine: {error}"
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        if told == "image":
            told = hashlib.sha256(image.tobytes()).hexdigest()
        os.write(there, told.encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as file:
        told = file.read()
    return told if os.waitpid(child, 0)[1] == 0 else "the process ended"

folder = Path(sys.argv[1])
for path in sorted((folder / "small").iterdir()):  # loads the decoders
    read_image(path)
print(json.dumps({
    path.name: [outcome(path, more << 20) for more in (1, 36, 70, 4000)]
    for path in sorted(folder.iterdir()) if path.is_file()
}))
"""


def write(folder: Path, side: int) -> None:
    """Write an image in every format, upright only after a turn where the format has such a thing."""
    folder.mkdir(exist_ok=True)
    blocks = np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)
    pixels = np.kron(blocks, np.ones((side // 10, side // 10, 1), np.uint8))
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274] = 6
    picture.save(folder / "plain.jpg", exif=exif)
    picture.save(folder / "progressive.jpg", progressive=True)
    picture.save(folder / "plain.png", exif=exif)
    picture.save(folder / "lossless.webp", lossless=True, method=0)
    picture.save(folder / "lossy.webp", exif=exif, method=0)
    picture.convert("RGBA").save(folder / "alpha.webp", method=0)
    layout = {"width": side, "height": side, "count": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no image has a place
        for name, driver, kind, more in (
            ("whole.jp2", "JP2OpenJPEG", "uint8", {"REVERSIBLE": "YES", "QUALITY": "100"}),
            ("lzw.tif", "GTiff", "uint16", {"compress": "lzw"}),
            ("jpeg.tif", "GTiff", "uint8", {"compress": "jpeg", "interleave": "pixel", "tiled": True}),
            ("lzma.tif", "GTiff", "uint8", {"compress": "lzma", "interleave": "pixel"}),
        ):
            with rasterio.open(folder / name, "w", driver=driver, dtype=kind, **layout, **more) as file:
                file.write(pixels.transpose(2, 0, 1).astype(kind))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("images")
    write(folder, SIDE)
    write(folder / "small", 20)
    command = [sys.executable, "-W", "ignore", "-c", WALK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_the_image_or_the_machine(told: dict[str, list[str]]) -> None:
    assert len(told) == 10
    for name, outcomes in told.items():
        whole = outcomes[-1]
        assert len(whole) == 64, (name, whole)
        assert "machine" in outcomes, name
        assert set(outcomes) == {"machine", whole}, (name, outcomes)
