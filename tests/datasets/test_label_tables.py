"""Label sets as the authors of data sets publish them: tables of text, workbooks, folders, files of patches."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import rsir_fast as rf
from rsir_fast.datasets import LabelSets, read_label_table
from rsir_fast.errors import DatasetError

TABLE = (
    "IMAGE\\LABEL\tairplane\tbare-soil\twater\nfield00\t0\t1\t0\nfield01\t0\t1\t1\nriver00\t0\t0\t1\nriver01\t1\t0\t1\n"
)
SETS = [[0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]]
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def write_workbook(path, rows, doctype=""):
    """The least that a workbook is: names as shared strings, numbers in place."""
    names = sorted({cell for row in rows for cell in row if not cell.isdigit()})

    def cell(number, text, column):
        where = f'r="{chr(65 + column)}{number}"'
        if text.isdigit():
            return f"<c {where}><v>{text}</v></c>"
        return f'<c {where} t="s"><v>{names.index(text)}</v></c>'

    lines = "".join(
        f"<row>{''.join(cell(number, text, column) for column, text in enumerate(row))}</row>"
        for number, row in enumerate(rows, 1)
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {SHEET}>{''.join(f'<si><t>{n}</t></si>' for n in names)}</sst>")
        book.writestr(
            "xl/worksheets/sheet1.xml", f"{doctype}<worksheet {SHEET}><sheetData>{lines}</sheetData></worksheet>"
        )
    return path


def write_images(root):
    for name in ("field", "river"):
        (root / "Images" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(root / "Images" / name / f"{name}{number:02}.tif")
    return root


@pytest.mark.parametrize("name", ["LandUse_Multilabeled.txt", "multilabels.csv", "multi-labels.xlsx"])
def test_a_table_beside_the_images_gives_each_its_labels(tmp_path, name):
    root = write_images(tmp_path / "DLRSD")
    if name.endswith("xlsx"):
        write_workbook(root / name, [line.split("\t") for line in TABLE.splitlines()])
    else:
        (root / name).write_text(TABLE.replace("\t", ",") if name.endswith("csv") else TABLE)
    for place in (root, root / "Images"):
        data = rf.open_dataset(place)
        assert data.label_sets.names == ("airplane", "bare-soil", "water")
        assert data.label_sets.sets.astype(int).tolist() == SETS
        assert data.classes == ("field", "river")
        assert f"3 labels of images were read from {name}" in data.notes
    assert data.subset([3, 0]).label_sets.sets.astype(int).tolist() == [SETS[3], SETS[0]]
    assert data.label_sets.counts().tolist() == [1, 2, 3]


def test_mlrsnet_has_a_table_for_each_category(tmp_path):
    root, (head, *rows) = write_images(tmp_path / "MLRSNet"), TABLE.replace("\t", ",").splitlines()
    (root / "Labels").mkdir()
    for name in ("field", "river"):
        lines = [row.replace(",", ".jpg,", 1) for row in rows if row.startswith(name)]
        (root / "Labels" / f"{name}.csv").write_text("\n".join([head.replace("IMAGE\\LABEL", "image"), *lines]))
    assert rf.open_dataset(root).label_sets.sets.astype(int).tolist() == SETS


def test_bigearthnet_states_the_labels_of_each_patch(tmp_path):
    patches = {"S2A_MSIL2A_20170613T101031_0_45": ["Pastures", "Sea and ocean"], "S2B_MSIL2A_20170613T101031_1_2": []}
    for patch, labels in patches.items():
        (tmp_path / patch).mkdir()
        (tmp_path / patch / f"{patch}_labels_metadata.json").write_text(
            json.dumps({"labels": labels, "projection": ""})
        )
    table = read_label_table(tmp_path)
    sets = table.of([f"{patch}.tif" for patch in patches])
    assert (sets.names, sets.sets.tolist()) == (("Pastures", "Sea and ocean"), [[True, True], [False, False]])
    assert table.of([f"{patch}/{patch}_B04.tif" for patch in patches]).sets.tolist() == sets.sets.tolist()
    with pytest.raises(
        DatasetError, match="BigEarthNet's patches, which have a file for each band; make one RGB image"
    ):
        rf.open_dataset(tmp_path)


def test_what_cannot_be_read_is_named_and_is_not_fatal_to_the_images(tmp_path):
    root = write_images(tmp_path / "data")
    table = root / "multilabels.csv"
    for text, words in (
        (TABLE.replace("\t", ",").replace("river01,1", "river01,2"), "3 times 0 or 1 in row 5, found river01, 2"),
        ("\n".join(TABLE.replace("\t", ",").splitlines()[:4]), "none for 1 of 4, the first Images/river/river01.tif"),
        ("image\n", "expected a head of labels and rows of images"),
        ("", "expected a head of labels"),
    ):
        table.write_text(text)
        data = rf.open_dataset(root)
        assert data.label_sets is None
        assert any(words in note for note in data.notes), data.notes
    book = write_workbook(root / "multi-labels.xlsx", [["a", "b"], ["c", "1"]], doctype="<!DOCTYPE x>")
    with pytest.raises(DatasetError, match="expected no document type"):
        read_label_table(book)
    book.write_bytes(book.read_bytes()[:50])
    with pytest.raises(DatasetError, match="BadZipFile"):
        read_label_table(book)
    with pytest.raises(DatasetError, match="expected tables of labels, found none"):
        read_label_table(root / "Images")
    with pytest.raises(DatasetError, match=r"expected \[images, 2\]"):
        LabelSets(("a", "b"), np.zeros((3, 1)))
    with pytest.raises(DatasetError, match="expected 4 label sets"):
        rf.Dataset("x", root, data.items, label_sets=LabelSets(("a",), np.ones((3, 1))))
