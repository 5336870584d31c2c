"""Inputs that are replaced while a run reads them are noticed in that run."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from rsir_fast.archive.folders import rows_kept
from rsir_fast.backbones.weights import file_digest
from rsir_fast.base.reading import unchanged
from rsir_fast.datasets import open_dataset
from rsir_fast.descriptors import LocalBinaryPatterns
from rsir_fast.errors import DatasetError, WeightFileError
from rsir_fast.extraction import encode
from rsir_fast.extraction.stamps import Stamps
from scene_files import write_scenes


def replaced(path):
    """Another image under the same name, as a copy or a synchronisation makes it."""
    other = path.with_name("other")
    shutil.copy(path, other)
    with other.open("ab") as file:
        file.write(b"\0")
    os.replace(other, path)


def run(root, **settings):
    return encode(
        root / "scenes", LocalBinaryPatterns(), out=root / "f", workers=0, shard_size=4, resume=True, **settings
    )


@pytest.mark.parametrize("change", [replaced, os.remove, os.utime])
def test_an_image_that_changes_stops_the_run_and_what_is_finished_stays(tmp_path, change):
    write_scenes(tmp_path / "scenes", per_class=3)
    items = open_dataset(tmp_path / "scenes").items
    shutil.copytree(tmp_path / "scenes", tmp_path / "copy")
    victim = tmp_path / "scenes" / items[5]

    def disturb(progress):
        if progress.done == 6:
            change(victim)

    with pytest.raises(DatasetError, match=rf"{items[5]}: expected images that stay as they are while they are read"):
        run(tmp_path, progress=disturb)
    assert rows_kept(tmp_path / "f") == 4
    shutil.copy2(tmp_path / "copy" / items[5], victim)
    again = run(tmp_path)
    assert np.array_equal(again.matrix, encode(tmp_path / "copy", LocalBinaryPatterns(), workers=0).matrix)


def test_in_memory_it_is_noticed_too(tmp_path):
    write_scenes(tmp_path / "scenes", per_class=2)
    victim = tmp_path / "scenes" / open_dataset(tmp_path / "scenes").items[0]
    with pytest.raises(DatasetError, match="has changed"):
        encode(
            tmp_path / "scenes",
            LocalBinaryPatterns(),
            workers=0,
            progress=lambda at: replaced(victim) if at.done == 1 else None,
        )


def test_images_that_were_never_there_do_not_change(tmp_path):
    write_scenes(tmp_path / "scenes", per_class=1)
    data = open_dataset(tmp_path / "scenes")
    os.remove(tmp_path / "scenes" / data.items[1])
    Stamps(data).check()


def test_a_weight_file_replaced_between_two_looks(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    with unchanged(path, WeightFileError):
        file_digest(path)
    with pytest.raises(WeightFileError, match="expected a file that stays as it is while it is read, it changed"):
        _read_and_replace(path)


def _read_and_replace(path):
    with unchanged(path, WeightFileError):
        replaced(path)
