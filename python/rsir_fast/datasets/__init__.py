"""Data sets: benchmark layouts, folders, torch data sets, splits, synthetic scenes."""

from __future__ import annotations

from rsir_fast.datasets.dataset import Dataset
from rsir_fast.datasets.download import download_ucmerced
from rsir_fast.datasets.images import IMAGE_SUFFIXES, read_image
from rsir_fast.datasets.known import KNOWN_LAYOUTS
from rsir_fast.datasets.layouts import open_folder
from rsir_fast.datasets.limits import MAX_PIXELS, Limits, current_limits, limits_of_images, set_limits
from rsir_fast.datasets.opening import open_dataset
from rsir_fast.datasets.reader import Reader, Scale
from rsir_fast.datasets.scan import natural_key
from rsir_fast.datasets.scenes import SCENE_CLASSES, draw_scene, generate_scenes
from rsir_fast.datasets.skipped import Skipped
from rsir_fast.datasets.splits import Split, stratified_split
from rsir_fast.datasets.wrap import wrap_dataset

__all__ = [
    "IMAGE_SUFFIXES",
    "KNOWN_LAYOUTS",
    "MAX_PIXELS",
    "SCENE_CLASSES",
    "Dataset",
    "Limits",
    "Reader",
    "Scale",
    "Skipped",
    "Split",
    "current_limits",
    "download_ucmerced",
    "draw_scene",
    "generate_scenes",
    "limits_of_images",
    "natural_key",
    "open_dataset",
    "open_folder",
    "read_image",
    "set_limits",
    "stratified_split",
    "wrap_dataset",
]
