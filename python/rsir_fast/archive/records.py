"""What an archive says of itself in JSON.

An archive is a folder::

    versions/00000012.json      `Version`: which segments there are; created once, never changed
    segments/NAME/              `SegmentRecord` in segment.json, items.arrow, sources.arrow, one .npy a field; after a
                                compaction ids.npy
    removed/DIGEST.npy          ids that a version hides
    order/DIGEST.npy            ids in the order of the data set, where that is not their own
    skipped/DIGEST.json         inputs that could not be read, and why
    work/NONCE/                 parts of a writer that has not committed yet
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, InstanceOf, model_validator

from rsir_fast.archive.inputs import Input, Key, name_of
from rsir_fast.datasets.tiling import Tiling
from rsir_fast.datasets.windows import Window
from rsir_fast.encoders.fields import FieldSpec, Frozen, Sha256, canonical_digest

__all__ = [
    "Change",
    "NameOnDisk",
    "Owner",
    "PartRecord",
    "PartRow",
    "SegmentEntry",
    "SegmentRecord",
    "SkippedInput",
    "Skips",
    "Version",
    "as_json",
]

NameOnDisk = InstanceOf[str]
"""File names that are no valid UTF-8 are lone surrogates, which pydantic's own str refuses."""

Count = Annotated[int, Field(ge=0, le=1 << 62)]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
SegmentName = Annotated[str, Field(pattern=r"^[0-9a-f]{16}-[0-9]{1,6}$")]


def _finite(told: dict[str, Any]) -> dict[str, Any]:
    json.dumps(told, allow_nan=False)
    return told


Told = Annotated[dict[str, Any], AfterValidator(_finite)]
"""What is JSON, whatever it says."""


def as_json(record: Frozen, indent: int | None = 1) -> bytes:
    """Return a record as it is written; without `indent`, in a tenth of the time, as one line."""
    return (json.dumps(record.model_dump(exclude_defaults=True), indent=indent, sort_keys=True) + "\n").encode()


class SegmentEntry(Frozen):
    """A segment as a version names it: rows have the ids ``first`` to ``first + rows - 1``.

    After a compaction ids are missing between ``first`` and ``until``: those that there are stand in a file of its own.
    """

    name: SegmentName
    first: Count
    rows: Annotated[int, Field(ge=1)]
    sha256: Sha256
    """Of its segment.json, which has those of the other files."""
    until: Count | None = None

    @property
    def end(self) -> int:
        """All its ids are below."""
        return self.first + self.rows if self.until is None else self.until


class Change(Frozen):
    """What a version did to the one before.

    Attributes
    ----------
    what : str
        A word: ``add``, ``remove``, ``compact``, ``repair``.
    items : int
        Rows that count now.
    added, removed : int
        Rows that count now and did not, and the other way round; a changed image is one of both.
    by : str
        User and machine.
    """

    what: str
    items: Count
    added: Count = 0
    removed: Count = 0
    by: NameOnDisk


class Version(Frozen):
    """All that an archive is at one time.

    Attributes
    ----------
    number : int
        From 1, in the order of the commits.
    nonce : str
        Of the writer: two never write the same version.
    created : str
        Time of the commit, UTC.
    spec : dict
        The encoder's meaning; `rsir_fast.encoders.parse_spec` reads it.
    normalize : {"none", "row"}
        With what vectors are normalised when they are searched.
    next_id : int
        Ids below it were given, and never are again.
    segments : tuple of SegmentEntry
        In the order of ids.
    removed, order, skipped : str or None
        Names of the files that list them.
    roots : dict
        Folders of the sources, by name.
    name, classes, notes
        Of the data set: classes in its order, those without an item, too.
    labelled : bool
        Whether the data set has classes at all.
    tiling : Tiling or None
        The recipe by which rasters that are added become tiles.
    made : dict
        What else is told of the encoder, such as the names of its weight files.
    timing : dict
        Figures of the run that committed it.
    change : Change or None
        Since the version before; None where it was not told.
    parent : str or None
        Digest of the version before.
    digest : str
        SHA-256 of all the rest.
    """

    format: Literal["rsir-archive"] = "rsir-archive"
    version: Literal[1] = 1
    number: Annotated[int, Field(ge=1)]
    nonce: Nonce
    created: str
    spec: Told
    normalize: Literal["none", "row"] = "none"
    next_id: Count
    segments: tuple[SegmentEntry, ...]
    removed: Sha256 | None = None
    order: Sha256 | None = None
    skipped: Sha256 | None = None
    roots: dict[NameOnDisk, NameOnDisk]
    name: NameOnDisk
    classes: tuple[NameOnDisk, ...] = ()
    notes: tuple[NameOnDisk, ...] = ()
    labelled: bool = True
    tiling: Tiling | None = None
    made: Told = Field(default_factory=dict)
    timing: Told = Field(default_factory=dict)
    change: Change | None = None
    parent: Sha256 | None = None
    digest: Sha256

    @classmethod
    def sealed(cls, **content: Any) -> Version:
        """Return a version with its digest; what is JSON-able becomes what JSON would give back."""
        for key in ("spec", "made", "timing"):
            if key in content:
                content[key] = json.loads(json.dumps(content[key]))
        return cls(**content, digest=_digest(cls(**content, digest="0" * 64)))

    @model_validator(mode="after")
    def _fits(self) -> Version:
        end = 0
        for segment in self.segments:
            if segment.first < end or segment.end < segment.first + segment.rows:
                raise ValueError("segments: expected ascending, disjoint ids")
            end = segment.end
        if end > self.next_id:
            raise ValueError(f"next_id: expected {end} or more, got {self.next_id}")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the digest is that of the rest."""
        return self.digest == _digest(self)

    def same_content(self, other: Version) -> bool:
        """Whether two versions differ only in who wrote them, when, and what is told beside the meaning."""
        apart = {"number", "nonce", "created", "made", "timing", "change", "parent", "digest"}
        return self.model_dump(exclude=apart) == other.model_dump(exclude=apart)


def _digest(version: Version) -> str:
    return canonical_digest(version.model_dump(exclude={"digest"}, exclude_defaults=True))


class SegmentRecord(Frozen):
    """What vouches for a segment; nothing in it depends on ids or versions.

    Attributes
    ----------
    encoder : str
        Digest of the spec.
    run : dict
        How the encoder was run.
    files : dict
        SHA-256 of each other file.
    sidecars : dict
        XXH3 (128 bits) of each integer copy, which can be made again.
    """

    format: Literal["rsir-segment"] = "rsir-segment"
    version: Literal[1] = 1
    rows: Annotated[int, Field(ge=1)]
    fields: tuple[FieldSpec, ...]
    encoder: Sha256
    run: Told
    files: dict[str, Sha256]
    sidecars: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = Field(default_factory=dict)


class _OfInput(Frozen):
    """The file, as it was then, and the window of it."""

    root: NameOnDisk
    source: NameOnDisk
    size: int
    mtime_ns: int
    window: Window | None = None

    @property
    def key(self) -> Key:
        """Of the item."""
        return self.root, self.source, self.window

    @property
    def name(self) -> str:
        """Of the item."""
        return name_of(self.root, self.source, self.window)


class SkippedInput(_OfInput):
    """An input that has no row: it could not be read, or (`empty`) shows nothing."""

    reason: str
    empty: bool = False
    limits: dict[str, float] = Field(default_factory=dict)
    """Of images: with higher ones it is tried again."""


class Skips(Frozen):
    """All inputs that could not be read."""

    inputs: tuple[SkippedInput, ...]


@dataclass(frozen=True, slots=True)
class PartRow:
    """An input whose vectors are in a part, as it was then: no model of pydantic, as there are millions of them.

    Attributes
    ----------
    root, source, size, mtime_ns
        The file.
    sha256 : str
        Of its content.
    window
        Of a raster.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    root: NameOnDisk
    source: NameOnDisk
    size: int
    mtime_ns: int
    sha256: Sha256
    window: Window | None = None

    @classmethod
    def of(cls, each: Input, sha256: str) -> PartRow:
        """Return what a part says of an input."""
        return cls(each.root, each.source, each.size, each.mtime_ns, sha256, each.window)

    @property
    def key(self) -> Key:
        """Of the item."""
        return self.root, self.source, self.window


class PartRecord(Frozen):
    """What vouches for a part of a writer's work; written with its files in one step."""

    rows: tuple[PartRow, ...]
    skipped: tuple[SkippedInput, ...] = ()
    files: dict[str, Sha256]


class Owner(Frozen):
    """Whose work a folder is; its segments are called by `nonce`."""

    nonce: Nonce
    host: str
    pid: int
    encoder: Sha256
    run: Told
