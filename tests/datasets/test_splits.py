"""Splits: the same for ever, kept by name."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from rsir_fast.datasets import Dataset, LabelNoise, Split, low_shot, open_dataset, stratified_split, unseen_split
from rsir_fast.errors import DatasetError


def made(**counts: int) -> Dataset:
    """Return a data set with so many items of each class; no files needed."""
    items = tuple(f"{label}/{label}{i:02d}.png" for label, count in counts.items() for i in range(count))
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    return Dataset("made", Path(), items, labels, tuple(counts))


def test_split_never_changes() -> None:
    """The published rule, once more from its words, and one answer of it written down."""
    data = made(a=5, b=4)

    def digest(item: str) -> bytes:
        parts = (b"7", item[0].encode(), item.encode())
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()

    expected = {item for label in "ab" for item in sorted((i for i in data.items if i[0] == label), key=digest)[-2:]}
    split = stratified_split(data, train=0.6, seed=7)
    assert set(split.test) == expected
    assert split.test == ("a/a02.png", "a/a03.png", "b/b00.png", "b/b03.png")


def test_unseen_classes_never_change() -> None:
    """The rule from its words, and one answer written down; a class without images is none."""
    data = made(**dict.fromkeys("abcdefgh", 2), empty=0)

    def digest(name: str) -> bytes:
        parts = (b"3", name.encode(), b"")
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()

    split = unseen_split(data, unseen=0.3, seed=3)
    drawn = sorted("abcdefgh", key=digest)[:2]
    assert split.test == tuple(f"{name}/{name}0{i}.png" for name in sorted(drawn) for i in range(2))
    assert drawn == ["d", "b"]
    assert set(split.train) == set(data.items) - set(split.test)
    sizes = [len(unseen_split(data, unseen=share).test) // 2 for share in (0.01, 0.25, 0.31, 0.32, 0.99)]
    assert sizes == [2, 2, 2, 3, 6]
    with pytest.raises(DatasetError, match="made: expected four classes or more, .* found 3"):
        unseen_split(made(a=2, b=2, c=2, d=0))
    with pytest.raises(ValueError, match="unseen: expected a share between 0 and 1, got 1"):
        unseen_split(data, unseen=1)


def test_few_shots_are_the_first_of_the_draw() -> None:
    data = made(a=9, b=8, c=5)
    split = stratified_split(data, train=0.8, seed=4)
    for shots in (1, 3):
        assert low_shot(split, data, shots, seed=4).train == stratified_split(data, train=shots, seed=4).train
        assert low_shot(split, data, shots, seed=4).test == split.test
    other = low_shot(split, data, 3, seed=5)
    assert set(other.train) < set(split.train)
    assert other.apply(data)[0].class_counts().tolist() == [3, 3, 3]
    partly = Split("made", split.train[:7], split.test)  # of class a alone
    assert len(low_shot(partly, data, 2).train) == 2
    with pytest.raises(DatasetError, match="shots=5 needs as many training images in every class, .* has 4 of class c"):
        low_shot(split, data, 5)
    with pytest.raises(ValueError, match="shots: expected at least 1, got 0"):
        low_shot(split, data, 0)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_wrong_labels(kind) -> None:
    """Their share in each class, what they become, and which they are, from the words of the rule."""
    data = made(a=10, b=37, empty=0, c=11)
    true = data.require_labels()
    noisy = LabelNoise(0.3, kind).apply(data, seed=6)
    labels = noisy.require_labels()
    assert (noisy.items, noisy.classes) == (data.items, data.classes)
    assert [int((labels != true)[true == label].sum()) for label in (0, 1, 3)] == [3, 11, 3]
    others = {0: [1, 3], 1: [3, 0], 3: [0, 1]}
    for label, name in ((0, "a"), (1, "b"), (3, "c")):

        def digest(item: str, last: str, name: str = name) -> bytes:
            parts = (b"6", name.encode(), item.encode(), last.encode())
            return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()

        members = [i for i, item in enumerate(data.items) if item.startswith(f"{name}/")]
        first = sorted(members, key=lambda i: digest(data.items[i], "wrong"))[: round(0.3 * len(members))]
        assert {i for i in members if labels[i] != label} == set(first)
        for i in first:
            place = int.from_bytes(digest(data.items[i], "label"), "little") % 2 if kind == "symmetric" else 0
            assert labels[i] == others[label][place]
    less = LabelNoise(0.1, kind).apply(data, seed=6).require_labels()
    assert set(np.flatnonzero(less != true)) < set(np.flatnonzero(labels != true))


def test_wrong_labels_that_are_none() -> None:
    for wrong, message in [
        ({"share": 1.0}, "label_noise: expected a share between 0 and 1, got 1.0"),
        ({"share": 0.2, "kind": "pairwise"}, "noise: expected one of symmetric, asymmetric, got 'pairwise'"),
    ]:
        with pytest.raises(ValueError, match=message):
            LabelNoise(**wrong)
    with pytest.raises(DatasetError, match="expected images of two classes or more"):
        LabelNoise(0.5).apply(made(a=3, b=0))


@pytest.mark.parametrize("train", [0.8, 0.5, 0.01, 0.99, 1, 9])
def test_every_class_gives_its_share(train: float | int) -> None:
    data = made(a=10, b=37, c=11)
    split = stratified_split(data, train=train, seed=3)
    parts = split.apply(data)
    assert sorted((*split.train, *split.test)) == sorted(data.items)
    for count, drawn in zip(data.class_counts(), parts[0].class_counts(), strict=True):
        exact = train if isinstance(train, int) else count * train
        assert drawn == min(max(np.floor(exact + 0.5), 1), count - 1)
    assert [parts[1].require_labels()[0], parts[1].classes] == [0, data.classes]


def test_seeds_differ_and_classes_do_not_disturb_each_other() -> None:
    few, more = stratified_split(made(a=40), seed=1), stratified_split(made(z=9, a=40), seed=1)
    assert set(few.train) == {item for item in more.train if item.startswith("a/")}
    assert few.train != stratified_split(made(a=40), seed=2).train
    larger = stratified_split(made(a=41), train=32, seed=1)
    assert len(set(larger.train) ^ set(stratified_split(made(a=40), train=32, seed=1).train)) <= 2


@pytest.mark.data
def test_ucmerced_eighty_twenty(data_root: Path, tmp_path: Path) -> None:
    data = open_dataset(data_root / "UCMerced_LandUse")
    split = stratified_split(data, train=0.8, seed=0)
    split.save(tmp_path / "split.json")
    train, test = Split.load(tmp_path / "split.json", data).apply(data)
    assert (len(train), len(test)) == (1680, 420)
    assert set(train.class_counts()) == {80}


def test_saved_and_loaded(tmp_path: Path) -> None:
    odd = os.fsdecode(b"a/\xff.png")
    split = Split("made", ("a/\u68ee.png", odd), ("a/2.png",), seed=-5)
    path = tmp_path / "new" / "split.json"
    split.save(path)
    split.save(path)
    assert Split.load(path) == split
    assert [file.name for file in path.parent.iterdir()] == ["split.json"]


def test_items_that_are_gone_are_named(tmp_path: Path) -> None:
    stratified_split(made(a=10, b=10), seed=0).save(tmp_path / "split.json")
    fewer = made(a=10, b=10).subset(range(13))
    with pytest.raises(DatasetError, match=r"not in data set made: 7 items: b/b\d\d.png, .* and 2 more"):
        Split.load(tmp_path / "split.json", fewer)
    assert Split.load(tmp_path / "split.json", made(a=10, b=10, c=2)).seed == 0


@pytest.mark.parametrize(("train", "test"), [(["x"], ["x"]), (["x", "x"], []), ([], ["y", "y"])])
def test_overlap_is_refused(tmp_path: Path, train: list[str], test: list[str]) -> None:
    Split("made", (), ()).save(tmp_path / "split.json")
    content = json.loads((tmp_path / "split.json").read_text())
    (tmp_path / "split.json").write_text(json.dumps({**content, "train": train, "test": test}))
    with pytest.raises(DatasetError, match="repeated: 1 item: [xy]"):
        Split.load(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a split of images, cannot read it"),
        ("[1]", "cannot read it"),
        ('{"format": "other"}', "format: Input should be 'rsir_fast split'"),
        (
            '{"format": "rsir_fast split", "version": 1, "dataset": "d", "seed": 0, "train": [1], "test": []}',
            r"train.0: Input should be an instance of str",
        ),
        ('{"format": "rsir_fast split", "version": 1, "dataset": "d", "seed": 0, "train": []}', "test: Field"),
        ("\udcff", "expected a split of images, cannot read it"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "split.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError, match=message):
        Split.load(tmp_path / "split.json")
    with pytest.raises(DatasetError, match="found no such file; write it by --save-split FILE of `rsir train`"):
        Split.load(tmp_path / "nothing.json")


@pytest.mark.parametrize("train", [0, 1.0, 0.0, -1, 1.5, True, float("nan")])
def test_bad_shares(train: float) -> None:
    with pytest.raises(ValueError, match="train: expected a share between 0 and 1"):
        stratified_split(made(a=4), train=train)


def test_too_few_images() -> None:
    with pytest.raises(DatasetError, match="needs at least 5 images in every class, but made has 3 of class b"):
        stratified_split(made(a=5, b=3), train=4)
    assert stratified_split(made(a=1, b=2), train=0.1).train == ("a/a00.png", stratified_split(made(b=2)).train[0])


def test_no_classes() -> None:
    with pytest.raises(DatasetError, match="expected images with classes"):
        stratified_split(Dataset("d", Path(), ("1", "2")))
