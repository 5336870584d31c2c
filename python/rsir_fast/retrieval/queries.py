"""What is asked becomes vectors: images by the encoder of the database, its own items, texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import Features
from rsir_fast.base.engine_names import EngineName
from rsir_fast.base.shown import counted
from rsir_fast.datasets.windows import Placed, Places, split_name
from rsir_fast.errors import FeaturesError

if TYPE_CHECKING:
    from rsir_fast.datasets import Dataset
    from rsir_fast.encoders.encoder import Encoder

__all__ = ["Encoding", "query_files", "rows_of_ids"]


@dataclass(frozen=True)
class Encoding:
    """How queries become vectors: as the database did; arguments as for `rsir_fast.search`."""

    weights: str | Path | None = None
    device: str | None = None
    engine: EngineName | None = None

    def images(self, database: Features, images: Dataset) -> Features:
        """Encode images, read and run as those of the database were."""
        from rsir_fast.datasets import Reader
        from rsir_fast.extraction.again import encode_like

        as_there = replace(images, reader=Reader.of(database.provenance))
        return encode_like(database, as_there, self._encoder(database), device=self.device, engine=self.engine)

    def texts(self, database: Features, texts: Sequence[str]) -> Features:
        """Encode texts by an encoder that reads them."""
        if database.spec is not None:
            database.spec.check_text()  # before its weights are looked for
        return Features(self._encoder(database).texts(texts), tuple(texts), None, (), "queries")

    def _encoder(self, database: Features) -> Encoder:
        from rsir_fast.extraction.again import encoder_of

        return encoder_of(database, self.weights)

    def examples(self, database: Features, examples: Sequence[int | str], field: str) -> Features:
        """Return the vectors of items, by id, and of images."""
        ids = np.array([each for each in examples if isinstance(each, int)], np.int64)
        files = [each for each in examples if isinstance(each, str)]
        parts = [rows_of_ids(database, ids)] if len(ids) else []
        if files:
            parts.append(self.images(database, query_files(files)))
        skipped = [entry for part in parts for entry in part.skipped]
        if skipped:  # an example less would be another query
            raise FeaturesError(
                f"liked, unliked: expected images that can be read, got {skipped[0].item}: {skipped[0].reason}"
            )
        matrices = [part.matrix if len(part.fields) == 1 else part.field(field).matrix for part in parts]
        width = database.all_rows.fields[field].shape[1]
        return Features(
            np.concatenate([np.empty((0, width), np.float32), *matrices]),
            tuple(name for part in parts for name in part.items),
            None,
            (),
            "examples",
            notes=tuple(note for part in parts for note in part.notes),
        )


def query_files(paths: Sequence[str | Path]) -> Dataset:
    """Make one data set of query images, folders of them and windows of rasters, named as given."""
    from rsir_fast.base.looking import is_file, is_folder
    from rsir_fast.base.objects import path_of_url
    from rsir_fast.datasets import Dataset, Skipped, open_dataset

    files: dict[str, Placed] = {}
    notes: list[str] = []
    unreadable: list[Skipped] = []
    for path in map(path_of_url, paths):
        if is_folder(path):
            folder = open_dataset(path, all_items=True)
            files |= {name: Placed(name) for name in (str(Path(folder.root or path) / item) for item in folder.items)}
            notes += folder.notes
            unreadable += [entry._replace(item=f"{folder.root}/{entry.item}") for entry in folder.unreadable]
        else:
            source, window = split_name(path)
            whole = window is None or is_file(path)
            files[path] = Placed(path) if whole else Placed(source, window)
    has_windows = any(placed.window is not None for placed in files.values())
    places = Places.of(files.values()) if has_windows else None
    return Dataset("queries", Path(), tuple(files), notes=tuple(notes), unreadable=tuple(unreadable), places=places)


def rows_of_ids(database: Features, ids: NDArray[np.int64]) -> Features:
    """Return some rows as features.

    Raises
    ------
    ValueError
        For an id that no row has.
    """
    rows = database.all_rows
    places = rows.places(ids)
    if (places < 0).any():
        raise ValueError(
            f"ids: expected ids of the {counted(len(database), 'row', 'rows')} of {database.name}, got "
            f"{ids[places < 0][0]}"
        )
    arrays = {name: field[places] for name, field in rows.fields.items()}
    items = tuple(database.items[row] for row in database.rows_of(ids).tolist())
    return Features(arrays, items, None, (), database.name, provenance=database.provenance)
