"""Folders as strangers have them: parts, masks, wrappers, classes that look alike, what may not be read."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from machine_faults import no_files_left, no_rights
from rsir_fast.datasets import open_dataset
from rsir_fast.datasets.known import KNOWN_LAYOUTS
from rsir_fast.errors import DatasetError, MachineError


def touch(root: Path, *names: str) -> Path:
    """Create empty files: enough where only names count. ``a/{1-3}.png`` are three."""
    for name in names:
        first, _, last = name.partition("{1-3}")
        for path in [f"{first}{i}{last}" for i in (1, 2, 3)] if last else [name]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
    return root


def classes(*folders: str) -> list[str]:
    return [f"{folder}/{label}/{{1-3}}.png" for folder in folders for label in ("forest", "river")]


FLAT = ["images/{1-3}.png"]
RECOGNISED = {
    "train, val and test above the classes": (
        classes("train", "val", "test"),
        {"forest": 9, "river": 9},
        ["took test, train, val together: parts of one data set by their names, not classes; name ", "/test for one"],
    ),
    "training and testing": (classes("Training", "Testing"), {"forest": 6, "river": 6}, ["took Testing, Training"]),
    "parts with the year": (classes("train2017", "val2017"), {"forest": 6, "river": 6}, ["took train2017, val2017"]),
    "one part alone": (classes("train"), {"forest": 3, "river": 3}, ["took train, the folder that holds the images"]),
    "query and database": (classes("query", "database"), {"forest": 6, "river": 6}, ["took database, query together"]),
    "parts within a wrapper": (
        classes("ILSVRC/Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/val"),
        {"forest": 6, "river": 6},
        ["took ILSVRC/Data/CLS-LOC", "took train, val together"],
    ),
    "images in each part": (
        [*classes("train/images", "val/images"), "train/labels/1.txt", "val/labels/1.txt"],
        {"forest": 6, "river": 6},
        ["folders of masks or labels were left out: train/labels, val/labels"],
    ),
    "one class in a part, in batches": (
        ["train/forest/batch1/{1-3}.png", "train/forest/batch2/{1-3}.png", "test/forest/{1-3}.png"],
        {"forest": 9},
        ["together"],
    ),
    "parts without classes": (["train/{1-3}.png", "test/{1-3}.png"], {}, ["took test, train together"]),
    "images beside masks": (
        [*classes("images", "masks")],
        {"forest": 3, "river": 3},
        ["took images", "folders of masks or labels were left out: masks"],
    ),
    "JPEGImages beside Annotations and SegmentationClass": (
        ["JPEGImages/{1-3}.jpg", "Annotations/{1-3}.xml", "SegmentationClass/{1-3}.png", "ImageSets/Main/train.txt"],
        {},
        ["took JPEGImages", "Annotations, SegmentationClass", "folders without images were left out: ImageSets"],
    ),
    "image beside mask": (["image/{1-3}.png", "mask/{1-3}.png"], {}, ["took image", "left out: mask"]),
    "images directly, masks in a folder": (["{1-3}.png", "masks/{1-3}.png"], {}, ["left out: masks"]),
    "masks within every class": (
        ["forest/images/{1-3}.png", "forest/masks/{1-3}.png", "river/images/{1-3}.png", "river/mask/{1-3}.png"],
        {"forest": 3, "river": 3},
        ["folders of masks or labels were left out: forest/masks, river/mask"],
    ),
    "classes beside masks": (
        [*classes("."), "masks/{1-3}.png"],
        {"forest": 3, "river": 3},
        ["folders of masks or labels were left out: masks"],
    ),
    "mask is a class where nothing says otherwise": (
        ["mask/{1-3}.png", "no_mask/{1-3}.png"],
        {"mask": 3, "no_mask": 3},
        [],
    ),
    "a part's name among others is a class": (
        ["car/{1-3}.png", "plane/{1-3}.png", "train/{1-3}.png"],
        {"car": 3, "plane": 3, "train": 3},
        [],
    ),
    "images and a table": (
        [*FLAT, "labels.csv"],
        {},
        ["took images, the folder that holds the images", "1 file with ending .csv was left out"],
    ),
    "images, a table and a cover beside": ([*FLAT, "cover.png"], {}, ["1 image outside that folder was left out"]),
    **{
        f"a wrapper {depth} levels deep": (
            classes("/".join(["data", "Images", "outer", "v2", "x", "y"][:depth])),
            {"forest": 3, "river": 3},
            ["took data"],
        )
        for depth in (1, 2, 3, 4, 5, 6)
    },
    "extracted twice": (classes("mine/mine"), {"forest": 3, "river": 3}, ["took mine/mine, the folder"]),
    "extracted twice, the archive beside": (
        [*classes("mine/mine"), "mine.zip", "__MACOSX/mine/x.png"],
        {"forest": 3, "river": 3},
        ["1 file with ending .zip was left out"],
    ),
    "batches within classes": (
        ["forest/batch1/{1-3}.png", "forest/batch2/{1-3}.png", "river/batch1/{1-3}.png", "river/batch2/{1-3}.png"],
        {"forest": 6, "river": 6},
        ["took forest, river for the classes, though each holds batch1, batch2: if those are the classes, name one of"],
    ),
    "parts within classes": (
        ["forest/train/{1-3}.png", "forest/test/{1-3}.png", "river/train/{1-3}.png", "river/test/{1-3}.png"],
        {"forest": 6, "river": 6},
        ["took forest, river for the classes"],
    ),
}


@pytest.mark.parametrize("case", RECOGNISED)
def test_recognised_with_a_note(tmp_path: Path, case: str) -> None:
    names, expected, notes = RECOGNISED[case]
    data = open_dataset(touch(tmp_path / "set", *names))
    assert dict(zip(data.classes, data.class_counts().tolist(), strict=True)) == expected
    assert not any("mask" in item.split("/")[0] for item in data.items if "mask" not in data.classes)
    for part in notes:
        assert any(part in note for note in data.notes), data.notes
    assert bool(notes) == bool(data.notes)
    assert data.root is not None
    assert all((data.root / item).is_file() for item in data.items)
    assert (data.name, data.unreadable) == ("set", ())


REFUSED = {
    "some parts with classes": (
        [*classes("train"), "test/{1-3}.png"],
        "found train with classes beside test without: name one folder of classes, such as ",
        "train",
    ),
    "parts beside something else": (
        [*classes("train", "val"), "extra/{1-3}.png"],
        "found train, val, which by their names are no classes, beside extra",
        "train",
    ),
    "a part beside a folder of the same classes": (
        classes("train", "more"),
        "found train, which by its name is no class, beside more",
        "train",
    ),
    "images beside classes": (
        [*classes("images"), "extra/{1-3}.png"],
        "found images, which by its name is no class, beside extra",
        "images",
    ),
    "two wrappers": (classes("images", "tiles"), "found images, which by its name is no class, beside tiles", "images"),
    "nine folders within one another": (
        classes("a/b/c/d/e/f/g/h/i"),
        "found more than 8 folders within one another and no classes yet",
        "a/b/c/d/e/f/g/h",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_folder_to_name(tmp_path: Path, case: str) -> None:
    names, reason, instead = REFUSED[case]
    root = touch(tmp_path / "set", *names)
    with pytest.raises(DatasetError) as caught:
        open_dataset(root)
    message = str(caught.value)
    assert message.startswith("expected one folder per class in ")
    assert "\n" not in message
    assert reason in message
    named = Path(message.rpartition("such as ")[2])
    assert named == root / instead
    assert open_dataset(named).classes == ("forest", "river")  # the remedy is one


def test_two_benchmarks_in_a_folder(tmp_path: Path) -> None:
    for known in KNOWN_LAYOUTS[:2]:
        touch(tmp_path, *(f"{known.name}/{label}/{{1-3}}.png" for label in known.classes))
    with pytest.raises(DatasetError, match=r"found 2 data sets, UCMerced_LandUse, WHU-RS19: name one .*UCMerced_Land"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("known", KNOWN_LAYOUTS, ids=lambda known: known.name)
def test_benchmarks_in_parts_and_extracted_twice(tmp_path: Path, known) -> None:
    labels = sorted(known.classes)
    touch(tmp_path / "x", *(f"{part}/{label}/{{1-3}}.png" for part in ("train", "test") for label in labels))
    data = open_dataset(tmp_path / "x")
    assert (data.name, data.classes, len(data)) == (known.name, tuple(labels), 6 * len(labels))
    touch(tmp_path / "y", *(f"{known.name}/{known.name}/{label}/{{1-3}}.png" for label in labels), "readme.txt")
    data = open_dataset(tmp_path / "y")
    assert (data.name, len(data)) == (known.name, 3 * len(labels))
    assert data.notes[-1] == "1 file with ending .txt was left out"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Forest", "forest"), "'Forest' (3), 'forest' (3)"),
        (("forest", "forest "), "'forest' (3), 'forest ' (3)"),
        (("caf\u00e9", "cafe\u0301"), r"'cafe\u0301' (3), 'caf\xe9' (3)"),
        (("dense_residential", "DenseResidential"), "'dense_residential' (3), 'DenseResidential' (3)"),
    ],
)
def test_classes_that_look_alike_are_reported(tmp_path: Path, names: tuple[str, str], told: str) -> None:
    data = open_dataset(touch(tmp_path / "set", *(f"{name}/{{1-3}}.png" for name in (*names, "sea"))))
    assert len(data.classes) == 3
    (note,) = data.notes
    assert "differ only in case, spaces or the form of letters" in note
    assert told in note
    assert note.isprintable()


def test_alike_classes_of_a_benchmark_are_counted_together(tmp_path: Path) -> None:
    known = KNOWN_LAYOUTS[0]
    touch(tmp_path / "UCMerced_LandUse", *(f"{label}/{{1-3}}.png" for label in known.classes), "Forest/{1-3}.png")
    assert "found 66 in 21" in open_dataset(tmp_path / "UCMerced_LandUse").notes[0]


def test_files_of_other_endings_are_counted(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "a/{1-3}.png", "b/{1-3}.png", "a/1.gif", "a/2.GIF", "b/x.xyz")
    assert open_dataset(root).notes == ("3 files with endings .gif (2), .xyz (1) were left out",)
    touch(root, "LICENSE", "a/Thumbs.db", ".DS_Store", "b/._1.png", *(f"a/{i}.e{i}" for i in range(9)))
    (note,) = open_dataset(root).notes
    assert note == (
        "13 files with endings .gif (2), none (1), .e0 (1), .e1 (1), .e2 (1), .e3 (1), .e4 (1), .e5 (1) and 4 more "
        "were left out"
    )
    odd = touch(tmp_path / "odd", "a/1.png", os.fsdecode(b"a/2.\xff\n"))
    assert open_dataset(odd).notes[0].isprintable()
    with pytest.raises(DatasetError, match=r"no images in .*; 2 files with ending \.gif were found"):
        open_dataset(touch(tmp_path / "none", "a/1.gif", "b/2.gif"))


def test_masks_alone_say_how_to_have_them(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "masks/{1-3}.png")
    with pytest.raises(DatasetError, match="images of masks or labels alone: name .*/set/masks to have those"):
        open_dataset(root)
    assert len(open_dataset(root / "masks")) == 3


def test_links_to_images_that_are_there_too_are_noted(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "a/{1-3}.png", "b/1.png")
    (root / "b/2.png").symlink_to(root / "a/1.png")
    (root / "b/3.png").symlink_to(touch(tmp_path / "elsewhere", "x.png") / "x.png")
    (root / "c").symlink_to(root / "a")
    note, torn = open_dataset(root).notes
    assert (
        note == "4 images are links to other images of the data set, the first b/2.png: each counts as one of its own"
    )
    assert torn == (
        "4 images are in two classes by a link, the first as a/1.png and b/2.png: no ranking can be right for both; "
        "remove one of them"
    )


def test_links_within_a_class_are_in_one(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "a/{1-3}.png", "b/1.png")
    (root / "a/4.png").symlink_to(root / "a/1.png")
    (note,) = open_dataset(root).notes
    assert note.startswith("1 image is a link to")


@pytest.mark.parametrize("place", ["b/", "b/deep/"])
def test_a_folder_that_may_not_be_read_is_listed(passable: Path, place: str) -> None:
    root = touch(passable / "set", "a/{1-3}.png", "b/1.png", "b/deep/{1-3}.png")
    (root / "link").symlink_to(root / place / "deep")
    with no_rights(root / place):
        data = open_dataset(root)
    ((item, reason),) = [entry for entry in data.unreadable if entry.item != "link/"]
    assert item == place
    assert reason == f"cannot read folder {root / place}: Permission denied (EACCES)"
    assert len(data.unreadable) == 2  # a link into it is a folder of its own
    assert data.subset([0]).unreadable == data.unreadable
    with no_rights(root), pytest.raises(DatasetError, match=r"cannot read folder .*: Permission denied"):
        open_dataset(root)


def test_nothing_but_folders_that_may_not_be_read(passable: Path) -> None:
    root = touch(passable / "set", "a/1.png")
    with no_rights(root / "a"), pytest.raises(DatasetError, match=r"no images in .*; cannot read folder .*/set/a"):
        open_dataset(root)


def test_too_many_open_files_stop_the_scan(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "a/{1-3}.png", "b/{1-3}.png")
    with no_files_left(), pytest.raises(MachineError, match=r"cannot read folder .*: Too many open files \(EMFILE\)"):
        open_dataset(root)
    assert len(open_dataset(root)) == 6


def test_forms_of_unicode_are_what_the_file_system_keeps(tmp_path: Path) -> None:
    """What the test of classes that look alike relies on."""
    touch(tmp_path, "caf\u00e9/1.png")
    if unicodedata.normalize("NFD", "caf\u00e9") in os.listdir(tmp_path):
        pytest.skip("this file system normalises names")
    shutil.rmtree(tmp_path)
