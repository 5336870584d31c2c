"""Encoding items of an archive again, as they were: for `rsir_fast.archive.repair`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.folders import learnt_file
from rsir_fast.archive.repair import Again, Made
from rsir_fast.archive.stored import parts_of
from rsir_fast.archive.tables import ItemRow
from rsir_fast.base.digests import check_image_digest
from rsir_fast.base.reading import reading
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset
from rsir_fast.datasets.tiles import cut
from rsir_fast.errors import DatasetError
from rsir_fast.retrieval.adding import reader_of

__all__ = ["encoding_again"]


def encoding_again(weights: str | Path | None = None) -> Again:
    """Return what encodes items of an archive again from their files, run as it was then.

    Parameters
    ----------
    weights
        Of the encoder, as for `rsir_fast.load_encoder`; what travels with the archive is found there.
    """

    def again(found: Snapshot, rows: Sequence[ItemRow], run: Mapping[str, Any]) -> Made:
        from rsir_fast.extraction.again import encode_like, encoder_of

        parts = parts_of(found)
        features = Features(*parts._replace(provenance={**parts.provenance, "extraction": dict(run)}))
        encoder = encoder_of(features, weights or learnt_file(found.folder))
        made = encode_like(features, _dataset(found, rows), encoder)
        if made.skipped:
            raise DatasetError(f"{printable(made.skipped[0].item)}: {made.skipped[0].reason}")
        arrays = {field.name: np.asarray(made[field.name]) for field in found.spec.fields}
        return Made(arrays, made.provenance.get("extraction", {}))

    return again


def _dataset(found: Snapshot, rows: Sequence[ItemRow]) -> Dataset:
    """Return the items, one a row, if their files are those that were encoded."""
    files = [_file(found, row) for row in rows]
    for path, sha256 in dict(zip(files, (row.sha256 for row in rows), strict=True)).items():
        with reading(path, "the image as it was encoded", "put it back, or remove its items", DatasetError):
            check_image_digest(path, sha256)
    reader = reader_of(found.spec)
    if not any(row.window for row in rows):
        return replace(Dataset("again", Path(), tuple(map(str, files))), reader=reader)
    if found.version.tiling is None:
        raise DatasetError(f"{printable(found.folder)}: expected the recipe of its tiles, found none")
    tiles = cut(sorted(set(files)), found.version.tiling, reader)
    placed = [tiles.placed(number) for number in range(len(tiles))]
    numbers = {(str((tiles.root or Path()) / each.source), each.window): at for at, each in enumerate(placed)}
    return tiles.subset([numbers[str(path), row.window] for path, row in zip(files, rows, strict=True)])


def _file(found: Snapshot, row: ItemRow) -> Path:
    folder = found.version.roots.get(row.root)
    if folder is None:
        raise DatasetError(f"{printable(row.name)}: expected an image in a file, it was only in memory")
    return Path(folder) / row.source
