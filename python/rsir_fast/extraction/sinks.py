"""Where vectors go as they are made: into memory, or into an archive's writer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsir_fast.archive import About, Input, Writer
from rsir_fast.archive.columns import beside_runs, spec_to_store, split
from rsir_fast.archive.folders import ENCODER, check_folder, clear, clear_empty
from rsir_fast.archive.parts import Parts, told_empty
from rsir_fast.archive.roots import Roots
from rsir_fast.archive.stored import parts_of
from rsir_fast.base.digests import image_digest
from rsir_fast.base.durable import write_durably
from rsir_fast.base.looking import is_file
from rsir_fast.base.reading import reading
from rsir_fast.base.text import printable
from rsir_fast.datasets import Dataset, Skipped, current_limits
from rsir_fast.datasets.skipped import Unread
from rsir_fast.encoders.spec import DescriptorSpec
from rsir_fast.errors import DatasetError, FeaturesError
from rsir_fast.extraction.stamps import Stamp, Stamps

__all__ = ["Sink", "inputs_of", "sink_for"]


class Sink(Protocol):
    """Takes the fields of images; a context manager, left with what is written as it is."""

    @property
    def todo(self) -> list[int]:
        """Numbers of the images that were to be encoded when it was made."""

    @property
    def skipped(self) -> list[tuple[int, str]]:
        """Number and reason of those that cannot be read, ascending."""

    @property
    def empty(self) -> list[int]:
        """Numbers of those that show nothing, ascending."""

    def __enter__(self) -> Sink: ...

    def __exit__(self, *_: object) -> None: ...

    def add(self, read: Sequence[int], arrays: Mapping[str, NDArray[Any]], unread: Sequence[Unread]) -> None:
        """Take the fields of some images, and those that have none."""

    def abandon(self) -> None:
        """Forget all of it, as nothing is worth keeping."""

    def finish(self, notes: Sequence[str], timing: Mapping[str, Any]) -> Parts:
        """Return what `Features` are made of."""


def sink_for(
    data: Dataset,
    stamps: Stamps,
    provenance: Mapping[str, Any],
    dim: int,
    *,
    out: Path | None,
    resume: bool,
    force: bool,
    mirror: bool,
    keep: Mapping[str, bytes] | None,
) -> Sink:
    """Return where the vectors of a data set go; arguments as for `rsir_fast.extraction.fill.fill`."""
    if out is None:
        return _Memory(data, provenance, dim)
    return _Archive(data, stamps, provenance, dim, out, resume=resume, force=force, mirror=mirror, keep=keep or {})


class _Memory:
    def __init__(self, data: Dataset, provenance: Mapping[str, Any], dim: int) -> None:
        self.todo = list(range(len(data)))
        self.skipped: list[tuple[int, str]] = []
        self.empty: list[int] = []
        self._data, self._provenance = data, provenance
        self._parts = [split(data.name, provenance, np.empty((0, dim), np.float32))]

    def __enter__(self) -> _Memory:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, read: Sequence[int], arrays: Mapping[str, NDArray[Any]], unread: Sequence[Unread]) -> None:
        self._parts.append(dict(arrays))
        self.skipped += [(each.number, each.reason) for each in unread if not each.empty]
        self.empty += [each.number for each in unread if each.empty]

    def abandon(self) -> None:
        self._parts.clear()

    def finish(self, notes: Sequence[str], timing: Mapping[str, Any]) -> Parts:
        data, unread = self._data, {*dict(self.skipped), *self.empty}
        kept = [number for number in range(len(data)) if number not in unread]
        return Parts(
            arrays={name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]},
            items=tuple(data.items[number] for number in kept),
            labels=None if data.labels is None else data.labels[kept],
            classes=data.classes,
            name=data.name,
            root=data.root,
            provenance={**self._provenance, **data.reader.provenance()},
            skipped=(*data.unreadable, *(Skipped(data.items[number], reason) for number, reason in self.skipped)),
            timing=dict(timing),
            notes=(*notes, *told_empty(len(self.empty))),
        )


class _Archive:
    def __init__(
        self,
        data: Dataset,
        stamps: Stamps,
        provenance: Mapping[str, Any],
        dim: int,
        out: Path,
        *,
        resume: bool,
        force: bool,
        mirror: bool,
        keep: Mapping[str, bytes],
    ) -> None:
        self._data, self._out = data, out
        self._digests: dict[str, str] = {}
        made = {**provenance, **data.reader.provenance()}
        widths = {
            name: array.shape[1] for name, array in split(data.name, made, np.empty((0, dim), np.float32)).items()
        }
        spec = spec_to_store(made, widths)
        learns = isinstance(spec, DescriptorSpec) and spec.learnt is not None
        check_folder(out, resume=resume, force=force)
        if force:
            clear(out)
        roots = Roots(out, data.root, mirror=mirror)
        inputs = inputs_of(data, stamps, roots)
        self._writer = Writer(
            out,
            spec,
            provenance.get("extraction", {}),
            inputs,
            about=About(
                name=data.name,
                roots=roots.used,
                classes=data.classes,
                labelled=data.labels is not None,
                unreadable=data.unreadable,
                made=beside_runs(made),
                tiling=data.tiling,
            ),
            sha256=self._content,
            # What is learnt from the images would be learnt anew from more of them: that takes `force`.
            try_again=lambda limits: not learns and current_limits().is_above(limits),
            mend=mirror,
            keeping=not mirror,
        )
        if self._writer.replaces_all:
            self._writer.close()
            raise FeaturesError(
                f"{printable(out)} holds features of other images, none of which is among the {len(data)} of "
                f"{data.name}: choose another folder, or replace them (force, --force)"
            )
        for name, content in keep.items():
            path = out / ENCODER / name
            if not (is_file(path) and path.read_bytes() == content):
                write_durably(path, content)
        self.todo = self._writer.todo

    def _content(self, number: int) -> str:
        data = self._data
        if data.root is None:
            return data.made_of(number, lambda image: hashlib.sha256(image.tobytes()).hexdigest())
        source = data.source(number)
        if source not in self._digests:
            path = data.root / source
            with reading(path, "an image", "put it back", DatasetError):
                self._digests[source] = image_digest(path)
        return self._digests[source]

    @property
    def skipped(self) -> list[tuple[int, str]]:
        return self._writer.skipped

    @property
    def empty(self) -> list[int]:
        return self._writer.empty

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, read: Sequence[int], arrays: Mapping[str, NDArray[Any]], unread: Sequence[Unread]) -> None:
        skipped = [(each.number, each.reason) for each in unread if not each.empty]
        empty = [(each.number, each.reason) for each in unread if each.empty]
        self._writer.add(read, arrays, skipped, current_limits().refusing() if skipped else None, empty)

    def abandon(self) -> None:
        self._writer.abandon()
        clear_empty(self._out)

    def finish(self, notes: Sequence[str], timing: Mapping[str, Any]) -> Parts:
        return parts_of(self._writer.commit(notes, timing))


def inputs_of(data: Dataset, stamps: Stamps, roots: Roots) -> list[Input]:
    """Return the items of a data set as an archive knows them."""
    return [_input(data, number, stamps.of(number), roots) for number in range(len(data))]


def _input(data: Dataset, number: int, stamp: Stamp, roots: Roots) -> Input:
    """Return an item of a data set as an archive knows it."""
    at = data.placed(number)
    name = None if data.labels is None else data.classes[data.labels[number]]
    size, mtime_ns = stamp or (-1, -1)
    return Input(*roots.of(at.source), size, mtime_ns, name, at.window, at.place, at.bounds, at.time, at.columns)
