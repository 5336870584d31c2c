"""Small real image folders for the tests of extraction, protocol and command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_scenes(root: Path, classes: int = 3, per_class: int = 6, size: int = 40) -> Path:
    """Class folders of JPEG images whose colour and texture tell the class."""
    for label in range(classes):
        folder = root / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(per_class):
            rng = np.random.default_rng([label, number])
            stripes = 60 * np.sin(np.arange(size) * (label + 1) * 0.4 + number)
            pixels = stripes[:, None, None] + rng.normal(60 + 60 * label, 20, (size, size, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(folder / f"class{label}_{number}.jpg", quality=90)
    return root


def write_broken(root: Path) -> dict[str, bool]:
    """Add awkward files to a folder; return name -> readable."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    rgb.save(root / "whole.jpg")
    (root / "truncated.jpg").write_bytes((root / "whole.jpg").read_bytes()[:700])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.jpg").write_text("no image at all")
    rgb.resize((1, 1)).save(root / "one_pixel.png")
    rgb.convert("CMYK").save(root / "cmyk.jpg")
    rgb.convert("L").save(root / "grey.png")
    rgb.convert("RGBA").save(root / "rgba.png")
    rgb.save(root / "bitmap.bmp")
    rgb.save(root / "tagged.tif")
    names = ["whole.jpg", "one_pixel.png", "cmyk.jpg", "grey.png", "rgba.png", "bitmap.bmp", "tagged.tif"]
    return dict.fromkeys(names, True) | dict.fromkeys(["truncated.jpg", "empty.jpg", "text.jpg"], False)
