"""Read the label sets of multi-label data sets, as their authors publish them.

DLRSD and the multi-label UC Merced: a table beside the images (``multi-labels.xlsx``, ``multilabels.csv``,
``LandUse_Multilabeled.txt``), image names in the first column and 0 or 1 in one column for each label. MLRSNet: a
folder ``Labels`` with such a table for each category. BigEarthNet: ``PATCH/PATCH_labels_metadata.json`` with a list
``labels``.
"""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from rsir_fast.base.looking import is_file, is_folder
from rsir_fast.base.reading import read_json, reading
from rsir_fast.base.text import printable
from rsir_fast.datasets.known import fold
from rsir_fast.datasets.label_sets import LabelTable
from rsir_fast.errors import DatasetError

__all__ = ["find_label_table", "holds_patches", "read_label_table"]

_NAMES = re.compile(r"(landuse|dlrsd|ucmerced|aid|mlrsnet)?multilabel(s|ed)?")
_TABLES = (".csv", ".txt", ".tsv", ".xlsx")
_PATCH = re.compile(r"S2[A-C]_MSIL2A_\d{8}T\d{6}_")
_OF_PATCH = "_labels_metadata.json"
_LARGEST = 1 << 28
"""Bytes of a table: the largest published, of MLRSNet, has 15 million."""

_CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_REMEDY = "give a table with image names in the first column and 0 or 1 in one column for each label"


def find_label_table(folder: str | Path) -> LabelTable | None:
    """Read the label sets of a folder of images, if it holds some, beside the images or one folder above them.

    Parameters
    ----------
    folder
        Of a data set, or its folder of images.

    Returns
    -------
    LabelTable or None
        None where nothing in it is called as the tables are.

    Raises
    ------
    DatasetError
        If a table cannot be read.
    """
    place = Path(folder)
    for around in (place, place.parent) if fold(place.name) in ("images", "image") else (place,):
        for name in _listed(around):
            path = PurePosixPath(name)
            if path.suffix.lower() in _TABLES and _NAMES.fullmatch(fold(path.stem)):
                return read_label_table(around / name)
            if fold(name) == "labels" and any(inner.lower().endswith(".csv") for inner in _listed(around / name)):
                return read_label_table(around / name)
        if holds_patches(around):
            return read_label_table(around)
    return None


def holds_patches(folder: str | Path) -> bool:
    """Tell whether a folder is one of BigEarthNet-S2: a folder for each patch, with its bands and its labels."""
    patch = next((name for name in _listed(Path(folder)) if _PATCH.match(name)), None)
    return patch is not None and is_file(Path(folder) / patch / f"{patch}{_OF_PATCH}")


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder; none of what is no folder or cannot be read, which others say."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def read_label_table(path: str | Path) -> LabelTable:
    """Read label sets from a table, from a folder of tables, or from a folder of BigEarthNet's patches.

    Parameters
    ----------
    path
        A file ``.csv``, ``.txt``, ``.tsv`` (comma, semicolon or tabulator) or ``.xlsx`` (its first sheet); or a folder.

    Returns
    -------
    LabelTable
        Labels in the order of the columns; of BigEarthNet in alphabetical order.

    Raises
    ------
    DatasetError
        If it is missing, damaged, or something else.

    Notes
    -----
    O(images x labels); BigEarthNet: one small file an image.
    """
    place = Path(path)
    if not is_folder(place):
        return _of_rows(_rows(place), place)
    names_here = _listed(place)
    tables = [place / name for name in names_here if PurePosixPath(name).suffix.lower() in _TABLES]
    patches = [name for name in names_here if _PATCH.match(name)]
    if patches and not tables:
        return _of_patches([place / name / f"{name}{_OF_PATCH}" for name in patches], place)
    if not tables:
        raise DatasetError(f"{printable(place)}: expected tables of labels, found none; {_REMEDY}")
    found = [_of_rows(_rows(table), table) for table in tables]
    names = found[0].names
    for table, part in zip(tables, found, strict=True):
        if part.names != names:
            raise DatasetError(f"{printable(table)}: expected the labels of {tables[0].name}, found others; {_REMEDY}")
    return LabelTable(names, {name: row for part in found for name, row in part.rows.items()}, printable(place))


def _rows(path: Path) -> list[list[str]]:
    with reading(path, "a table of labels", _REMEDY, DatasetError):
        if path.stat().st_size > _LARGEST:
            raise DatasetError(f"{printable(path)}: expected a table of labels, found more than {_LARGEST} bytes")
        content = path.read_bytes()
        if path.suffix.lower() == ".xlsx":
            return _sheet(content)
        text = content.decode("utf-8-sig")
        mark = max("\t,;", key=text.partition("\n")[0].count)
        return [row for row in csv.reader(io.StringIO(text), delimiter=mark) if any(cell.strip() for cell in row)]


def _of_rows(rows: Sequence[Sequence[str]], path: Path) -> LabelTable:
    if len(rows) < 2 or len(rows[0]) < 2:
        raise DatasetError(f"{printable(path)}: expected a head of labels and rows of images, found neither; {_REMEDY}")
    names = tuple(name.strip() for name in rows[0][1:])
    found: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row[1:]]
        item = row[0].strip()
        values = [{"0": False, "0.0": False, "1": True, "1.0": True}.get(cell) for cell in cells]
        if len(values) != len(names) or None in values or not item:
            raise DatasetError(
                f"{printable(path)}: expected an image and {len(names)} times 0 or 1 in row {number}, found "
                f"{printable(', '.join(row)[:80])}; {_REMEDY}"
            )
        stem = PurePosixPath(item.replace("\\", "/"))
        found[stem.stem if stem.suffix.lower() in _IMAGES else stem.name] = np.array(values, np.bool_)
    return LabelTable(names, found, printable(path))


_IMAGES = (".tif", ".tiff", ".jpg", ".jpeg", ".png")


def _of_patches(files: Iterable[Path], folder: Path) -> LabelTable:
    stated: dict[str, list[str]] = {}
    for file in files:
        with reading(file, "what BigEarthNet states of a patch", "unpack it again", DatasetError):
            content = read_json(file)
            labels = content["labels"]
            if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
                raise ValueError("labels: expected a list of names")
        stated[file.name.removesuffix(_OF_PATCH)] = labels
    names = tuple(sorted({label for labels in stated.values() for label in labels}))
    rows = {patch: np.array([name in labels for name in names], np.bool_) for patch, labels in stated.items()}
    return LabelTable(names, rows, printable(folder))


def _sheet(content: bytes) -> list[list[str]]:
    """Return the cells of the first sheet of a workbook (ECMA-376): numbers, shared strings, strings in place."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        if sum(entry.file_size for entry in book.infolist()) > _LARGEST:
            raise ValueError("expected a table of labels, found a larger workbook")
        shared = []
        if "xl/sharedStrings.xml" in book.namelist():
            shared = ["".join(text.itertext()) for text in _xml(book, "xl/sharedStrings.xml").iter(f"{_CELL}si")]
        sheet = _xml(book, "xl/worksheets/sheet1.xml")
    rows = []
    for row in sheet.iter(f"{_CELL}row"):
        cells: dict[int, str] = {}
        for cell in row.iter(f"{_CELL}c"):
            value, inline = cell.find(f"{_CELL}v"), cell.find(f"{_CELL}is")
            text = "" if value is None else value.text or ""
            if cell.get("t") == "s":
                text = shared[int(text)]
            elif inline is not None:
                text = "".join(inline.itertext())
            cells[_column(cell.get("r"), len(cells))] = text
        if any(text.strip() for text in cells.values()):
            rows.append([cells.get(column, "") for column in range(max(cells) + 1)])
    return rows


def _xml(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    content = book.read(name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # no workbook has them; they could make it grow for ever
        raise ValueError(f"{name}: expected no document type")
    return ElementTree.fromstring(content)


def _column(reference: str | None, default: int) -> int:
    """Return the number of a cell's column from 0: ``B7`` is 1."""
    letters = re.match("[A-Z]{1,3}", reference or "")
    if letters is None:
        return default
    number = 0
    for letter in letters.group():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
