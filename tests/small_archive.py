"""A small encoder of real files, to fill archives with: four numbers from the digest of the content, and a code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rsir_fast.archive import About, Input, Snapshot, Writer
from rsir_fast.encoders import HashModelSpec, PreprocessingSpec

SPEC = HashModelSpec(
    network="small",
    layer="gap",
    bits=20,
    classes=("a", "b"),
    weights="random:0",
    preprocessing=PreprocessingSpec(input_size=8, divisor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
)
UNREADABLE = b"unreadable"
ABOUT = About(name="small", roots={"images": "/images"}, classes=("a", "b"))


def numbers_of(content: bytes) -> dict[str, np.ndarray]:
    """Return the row of a file."""
    draw = np.random.default_rng(np.frombuffer(hashlib.sha256(content).digest(), np.uint32))
    return {
        "u": draw.standard_normal(20).astype(np.float32),
        "codes": draw.integers(0, 256, 3, dtype=np.uint8),
        "probabilities": draw.random(2).astype(np.float32),
    }


def put(folder: Path, names: Iterable[str]) -> None:
    """Write files whose content is their name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def inputs_of(folder: Path, names: Sequence[str] | None = None) -> list[Input]:
    """Return the files of a folder, by class folders, in order."""
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.bin")) if names is None else names
    stats = [(folder / name).stat() for name in found]
    return [
        Input("images", name, at.st_size, at.st_mtime_ns, name.partition("/")[0])
        for name, at in zip(found, stats, strict=True)
    ]


def write(
    archive: Path, folder: Path, names: Sequence[str] | None = None, *, part: int = 3, run: str = "cpu", **options: Any
) -> Snapshot:
    """Make an archive hold the files of a folder."""
    with writer(archive, folder, names, run=run, **options) as at:
        fill(at, folder, part)
        return at.commit()


def writer(
    archive: Path, folder: Path, names: Sequence[str] | None = None, *, run: str = "cpu", **options: Any
) -> Writer:
    """Return a writer of the files of a folder."""
    inputs = inputs_of(folder, names)
    if "class_of" in options:
        class_of = options.pop("class_of")
        inputs = [replace(each, class_name=class_of(each.source)) for each in inputs]

    def sha256(number: int) -> str:
        return hashlib.sha256((folder / inputs[number].source).read_bytes()).hexdigest()

    return Writer(
        archive,
        options.pop("spec", SPEC),
        {"device": run},
        inputs,
        about=options.pop("about", ABOUT),
        sha256=options.pop("sha256", sha256),
        **options,
    )


def fill(at: Writer, folder: Path, part: int = 3, most: int | None = None) -> None:
    """Make all rows that are to do."""
    todo = at.todo[:most]
    for first in range(0, len(todo), part):
        some = todo[first : first + part]
        contents = {number: (folder / at.inputs[number].source).read_bytes() for number in some}
        read = [number for number in some if contents[number] != UNREADABLE]
        rows = [numbers_of(contents[number]) for number in read]
        blocks = {
            field.name: np.array([row[field.name] for row in rows], dtype=field.dtype).reshape(-1, field.width)
            for field in SPEC.fields
        }
        skipped = [(number, "no image") for number in some if contents[number] == UNREADABLE]
        at.add(read, blocks, skipped, {"pixels": 1.0})


def assert_holds(found: Snapshot, folder: Path, names: Sequence[str] | None = None) -> None:
    """Check that an archive holds what the files of a folder are, in their order."""
    inputs = [i for i in inputs_of(folder, names) if (folder / i.source).read_bytes() != UNREADABLE]
    assert [(row.source, row.class_name) for row in found.rows()] == [(i.source, i.class_name) for i in inputs]
    wanted = [numbers_of((folder / i.source).read_bytes()) for i in inputs]
    for field in SPEC.fields:
        matrix = np.asarray(found[field.name])
        assert matrix.dtype == np.dtype(field.dtype)
        assert matrix.shape == (len(inputs), field.width)
        assert all(np.array_equal(row, one[field.name]) for row, one in zip(matrix, wanted, strict=True))


def assert_tidy(archive: Path) -> None:
    """Check that nothing is left over of work: no hidden file, no work, no segment that no version names."""
    versions = b"".join(path.read_bytes() for path in (archive / "versions").glob("*.json"))
    paths = [path.relative_to(archive).as_posix() for path in archive.rglob("*")]
    assert [path for path in paths if "/." in path or path.startswith(".")] == []
    assert not list((archive / "work").glob("*"))
    assert [path.name for path in (archive / "segments").glob("*") if path.name.encode() not in versions] == []
