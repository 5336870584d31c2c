"""Whether the features of two data sets can be ranked against one another."""

from __future__ import annotations

import numpy as np

from rsir_fast.archive import Features
from rsir_fast.base.shown import counted
from rsir_fast.base.text import printable
from rsir_fast.encoders.differences import differences, told
from rsir_fast.errors import DatasetError, FeaturesError

__all__ = ["check_apart", "check_comparable"]


def check_comparable(asking: Features, ranked: Features) -> None:
    """Raise FeaturesError where vectors cannot be compared; how images are read may differ, as data sets do."""
    if asking.field().dim != ranked.field().dim:
        raise FeaturesError(
            f"{ranked.name}: expected vectors of {asking.field().dim} values as of {asking.name}, found "
            f"{ranked.field().dim}; make both by one encoder"
        )
    if asking.spec is not None and ranked.spec is not None:
        found = differences(asking.spec, ranked.spec, ignoring=("reader",))
        if found:
            raise FeaturesError(
                f"{ranked.name}: expected features of the encoder of {asking.name}, found others ({told(found)}); make "
                "both by one encoder"
            )


def check_apart(asking: Features, ranked: Features) -> None:
    """Raise DatasetError where an image is in both: it would find itself."""
    row = {item: number for number, item in enumerate(ranked.items)}
    pairs = np.array([(i, row[item]) for i, item in enumerate(asking.items) if item in row], np.int64).reshape(-1, 2)
    one, other = (np.asarray(side.field().vectors) for side in (asking, ranked))
    same = [int(i) for i, j in pairs if np.array_equal(one[i], other[j])]
    if same:
        raise DatasetError(
            f"{ranked.name}: expected a gallery of other images, but {counted(len(same), 'image is', 'images are')} in "
            f"both, such as {printable(asking.items[same[0]])}, and would find itself; use a split of one data set"
        )
