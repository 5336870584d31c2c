"""Every layout of `odd_rasters`: the pixels of rasterio by the documented rules, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from odd_layouts import Layout, gdal, layouts, samples
from odd_rasters import check, documented
from rsir_fast.errors import ImageError

LAYOUTS = list(layouts())


def test_there_are_many() -> None:
    assert len(LAYOUTS) >= 120
    names = [layout.name for layout in LAYOUTS]
    assert len({f"{layout.name}{layout.suffix}" for layout in LAYOUTS}) == len(names)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_layout(layout: Layout, tmp_path: Path) -> None:
    assert check(layout, tmp_path) == ("equal" if layout.refused is None else "refused")


def test_the_check_can_fail(tmp_path: Path) -> None:
    data = samples("uint16", 3)
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check(Layout("other bands", gdal(data), (3, 2, 1)), tmp_path)
    with pytest.raises(AssertionError, match="expected to be refused"):
        check(Layout("fine", gdal(data), refused="no"), tmp_path)
    with pytest.raises(ImageError):
        check(Layout("five", gdal(samples("uint16", 5))), tmp_path)
    high_byte = documented(Layout("high byte", gdal(data), bits=16), data)
    assert (high_byte != documented(Layout("bits", gdal(data)), data)).any()
