"""What a descriptor learnt, in a file: a vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rsir_fast.base.reading import as_record, reading
from rsir_fast.base.sealed import checked, checksums, seal
from rsir_fast.descriptors.descriptor import Learnt
from rsir_fast.errors import FeaturesError

__all__ = ["read_learnt", "written"]

_METADATA = "rsir_fast"


class _Stored(BaseModel):
    """Metadata of a file of what was learnt."""

    recipe: dict[str, Any]
    facts: dict[str, Any]


def written(learnt: Learnt, recipe: dict[str, Any]) -> bytes:
    """Return the content of a file of what was learnt, and by which recipe."""
    content = json.dumps({"recipe": recipe, "facts": learnt.facts}, sort_keys=True)
    return seal(learnt.arrays, {_METADATA: content})


def read_learnt(path: Path, recipe: dict[str, Any] | None = None) -> Learnt | None:
    """Return what a descriptor learnt, of the file that `written` made.

    Parameters
    ----------
    path
        ``descriptor.safetensors`` of a folder of features, finished or not.
    recipe
        What it must have been learnt by: of kind, parameters and data what matters.

    Returns
    -------
    Learnt or None
        None if there is nothing, it was learnt otherwise, or it is damaged.
    """
    from safetensors import safe_open

    try:
        with (
            reading(path, "what a descriptor learnt", "describe the images again", FeaturesError),
            safe_open(path, framework="numpy") as file,
        ):
            stored = as_record(_Stored, file.metadata()[_METADATA])
            if any(stored.recipe.get(key) != value for key, value in (recipe or {}).items()):
                return None
            table = checksums(file.metadata())
            arrays = {name: checked(name, file.get_tensor(name), table) for name in file.keys()}  # noqa: SIM118
            return Learnt(arrays, stored.facts)
    except FeaturesError:
        return None
