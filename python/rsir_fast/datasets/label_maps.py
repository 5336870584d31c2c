"""Which classes of one data set are which of another, from a file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rsir_fast.base.reading import parse_json, reading
from rsir_fast.errors import DatasetError

__all__ = ["read_label_map"]


def read_label_map(path: str | Path) -> dict[str, str]:
    """Read a label map.

    Parameters
    ----------
    path : str or path
        ``.csv``: two columns, a class of the queries' data set and the class of the gallery's that it is; a first line
        ``query,gallery`` is a heading. Otherwise JSON: an object of the one to the other.

    Returns
    -------
    dict of str to str

    Raises
    ------
    DatasetError
        If the file is missing or says something else, or a class is named twice.

    Examples
    --------
    >>> read_label_map("nowhere.json")
    Traceback (most recent call last):
    ...
    rsir_fast.errors.DatasetError: nowhere.json: expected a label map, found no such file; name another file
    """
    path = Path(path)
    with reading(path, "a label map", "name another file", DatasetError):
        text = path.read_text(encoding="utf-8-sig")
        rows = _rows(text) if path.suffix == ".csv" else _pairs(text)
        named = [one for one, _ in rows]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"class {twice!r} occurs twice")
    return dict(rows)


def _rows(text: str) -> list[tuple[str, str]]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    wrong = next((row for row in rows if len(row) != 2 or not all(row)), None)
    if wrong is not None:
        raise ValueError(f"two names a line are expected, not {','.join(wrong)!r}")
    pairs = [(one, other) for one, other in rows]
    return pairs[1:] if pairs[:1] == [("query", "gallery")] else pairs


def _pairs(text: str) -> list[tuple[str, str]]:
    found = parse_json(text)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError("no object of class names to class names")
    return list(found.items())
