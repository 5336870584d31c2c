"""Procedural scenes: land-use classes as seen from above, drawn with NumPy and Pillow, the same for the same seed."""

from __future__ import annotations

from rsir_fast.datasets.scenes.draw import SCENE_CLASSES, draw_scene
from rsir_fast.datasets.scenes.generate import generate_scenes

__all__ = ["SCENE_CLASSES", "draw_scene", "generate_scenes"]
