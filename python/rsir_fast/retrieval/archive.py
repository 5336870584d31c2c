"""An archive, to look at and to search."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsir_fast.archive import Features, Snapshot
from rsir_fast.archive.compact import Compacted, compact
from rsir_fast.archive.exchange.exporting import Exported, export
from rsir_fast.archive.exchange.importing import Imported, import_vectors
from rsir_fast.archive.folders import check_folder, learnt_file
from rsir_fast.archive.info import Info, LogEntry, describe, history
from rsir_fast.archive.remove import as_ids, ids_of_items, remove
from rsir_fast.archive.repair import Repaired, repair
from rsir_fast.archive.stored import parts_of
from rsir_fast.archive.vacuum import DAYS, KEEP, Vacuumed, vacuum
from rsir_fast.archive.verify import Verified, verify
from rsir_fast.archive.versions import numbers
from rsir_fast.base.shown import Shown, counted
from rsir_fast.encoders.spec import Spec
from rsir_fast.errors import ArchiveError
from rsir_fast.retrieval.hits import Hits
from rsir_fast.retrieval.query import Query
from rsir_fast.retrieval.search import search
from rsir_fast.retrieval.searched import Searched
from rsir_fast.retrieval.where import Where

if TYPE_CHECKING:
    from rsir_fast.base.progress import OnProgress
    from rsir_fast.encoders.encoder import Encoder
    from rsir_fast.retrieval.adding import Added, Data

__all__ = ["Archive"]


class Archive(Shown):
    """An archive of images: a folder that `rsir archive create`, `rsir features` or `rsir_fast.encode` wrote.

    Parameters
    ----------
    folder : path
        `create` makes a new one.

    Raises
    ------
    ArchiveError
        If it is no archive, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from rsir_fast.extraction import encode
    >>> scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 90, 255)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = encode(scenes, "colour-histogram", workers=0, out=folder)
    ...     archive = Archive(folder)
    ...     len(archive), archive.versions, archive.search(Query(ids=[1], k=2)).ids
    (3, [1], array([[1, 0]]))
    """

    _opened: Snapshot | None = None
    _encoder: Encoder | None = None

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._opened = Snapshot(self.folder)
        for segment in self._newest.segments:
            segment.tables  # noqa: B018 (read here, so that a damaged one is told when the archive is opened)

    @classmethod
    def create(cls, folder: str | Path, encoder: Any, *, weights: str | Path | None = None) -> Archive:
        """Begin an archive; its folder is written by the first `add`, which fixes bands and scale, too.

        Parameters
        ----------
        folder : path
            New or empty.
        encoder, weights
            As for `rsir_fast.load_encoder`.

        Raises
        ------
        FeaturesError
            If something is there already.

        Examples
        --------
        >>> import tempfile
        >>> import rsir_fast as rf
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data = rf.generate_scenes(f"{folder}/scenes", classes=["forest"], per_class=4)
        ...     archive = Archive.create(f"{folder}/A", "colour-histogram")
        ...     archive.add(data).added, archive.add(data).added, len(archive)
        (4, 0, 4)
        """
        from rsir_fast.encoders.load import load_encoder

        check_folder(Path(folder))
        begun = cls.__new__(cls)
        begun.folder, begun._encoder = Path(folder), load_encoder(encoder, weights=weights)
        return begun

    @property
    def _newest(self) -> Snapshot:
        if self._opened is None:
            raise ArchiveError(f"{self.folder}: expected an archive with items, nothing was added yet; call add first")
        return self._opened

    def add(
        self,
        data: Data,
        *,
        date: str | None = None,
        mirror: bool = False,
        weights: str | Path | None = None,
        progress: OnProgress | None = None,
        **how: Any,
    ) -> Added:
        """Encode images or tiles that the archive does not have as they are, and keep all others.

        What was changed since takes the place of what was; interrupted, the same call goes on. Files are known by
        name, size and time of change, else by their content.

        Parameters
        ----------
        data : Dataset, path, or several paths
            Such as `rsir_fast.tiles` gives. Paths, patterns and folders of rasters are cut as the archive's first tiles
            were; a folder of images is read as `rsir_fast.open_dataset` does. Bands and scale are those of the archive.
        date : str, optional
            When rasters named by paths were taken, see `rsir_fast.tiles`. Default: by the pattern of the first ones.
        mirror : bool
            Remove what is `gone` of the same folders.
        weights : path, optional
            Of the encoder, where it is not found.
        progress, **how
            As for `rsir_fast.encode`: ``batch_size``, ``workers``, ``device``, ``decoder``, ``engine``.

        Returns
        -------
        Added

        Raises
        ------
        ArchiveError
            If the data set is read by other bands or another scale.
        RsirError
            As `rsir_fast.encode`.
        """
        from rsir_fast.datasets import Reader
        from rsir_fast.datasets.dates import Dating
        from rsir_fast.retrieval.adding import add, dataset_for, encoder_of_archive, reader_of

        version = None if self._opened is None else self._opened.version
        encoder = self._encoder or encoder_of_archive(self.folder, self.encoder, weights)
        dataset = dataset_for(
            self.folder,
            data,
            tiling=None if version is None else version.tiling,
            reader=Reader.of(encoder.provenance) if version is None else reader_of(self.encoder),
            dating=None if date is None else Dating.parse(date),
        )
        _, added = add(self.folder, dataset, encoder, mirror=mirror, progress=progress, **how)
        self._encoder = encoder
        self._reopen()
        return added

    def __len__(self) -> int:
        return 0 if self._opened is None else len(self._opened)

    def _facts(self) -> dict[str, str]:
        if self._opened is None:
            return {"encoder": "" if self._encoder is None else self._encoder.name, "items": "nothing added yet"}
        return {
            "encoder": self.encoder.title,
            "items": counted(len(self), "item", "items"),
            "version": f"version {self._newest.version.number}",
            "data set": self._newest.version.name,
        }

    @property
    def encoder(self) -> Spec:
        """What all rows mean."""
        return self._newest.spec

    @property
    def versions(self) -> list[int]:
        """Numbers of the versions that there are, ascending."""
        return numbers(self.folder)

    def features(self, version: int | None = None) -> Features:
        """Return the view of a version; the newest that was there when the archive was opened by default.

        Raises
        ------
        ArchiveError
            If there is no such version, or it is damaged.
        """
        return self._features if version is None else Features(*parts_of(Snapshot(self.folder, version)))

    @cached_property
    def _features(self) -> Features:
        return Features(*parts_of(self._newest))

    def search(
        self, query: Query, *, version: int | None = None, weights: str | Path | None = None, **how: Any
    ) -> Hits:
        """Find what a query asks for: `rsir_fast.search` of a version.

        Parameters
        ----------
        query : Query
        version : int, optional
            As for `features`. Ids and vectors find, bit for bit, what they found when it was the newest; images are
            encoded again.
        weights : path or str, optional
            As there; a vocabulary in the archive is found by itself.
        **how
            ``device``, ``engine``, ``threads``, as there.
        """
        own = learnt_file(self.folder) if weights is None else weights
        return search(self.features(version), query, weights=own, **how)

    def remove(self, ids: Iterable[int] = (), *, items: Sequence[str] = (), where: Where | None = None) -> int:
        """Remove items from the next version on, in one step, and go on with that version.

        They are hidden: older versions still show them, and their bytes go with `compact` and `vacuum`.

        Parameters
        ----------
        ids : iterable of int
            As of ``features().ids``.
        items : sequence of str
            Names; that of a raster stands for all its windows.
        where : Where, optional
            What the newest version holds of it.

        Returns
        -------
        int
            How many items.

        Raises
        ------
        ArchiveError
            If one of them is not there: nothing is removed then.

        Examples
        --------
        >>> import tempfile
        >>> import rsir_fast as rf
        >>> scenes = [(np.full((32, 32, 3), grey, np.uint8), 0) for grey in (0, 90, 255)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = rf.encode(scenes, "colour-histogram", workers=0, out=folder)
        ...     archive = Archive(folder)
        ...     archive.remove([1]), archive.compact().dropped, len(archive), archive.verify().is_sound
        ...     [entry.change.what for entry in archive.log()], archive.vacuum(keep=1, days=0).versions
        (1, 1, 2, True)
        (['add', 'remove', 'compact'], (1, 2))
        """
        self._reopen()
        wanted = [as_ids(ids), ids_of_items(self._newest, items)]
        if where is not None:
            wanted.append(Searched(self.features()).ids(where))
        gone = np.unique(np.concatenate(wanted))
        if len(gone):
            self._go_on(remove(self.folder, gone, before=self._newest))
        return len(gone)

    def import_(self, file: str | Path, **options: Any) -> Imported:
        """Add the vectors of a file: `rsir_fast.import_vectors` with its options, which makes archives, too.

        Raises
        ------
        ArchiveError
            If the file is none of embeddings, no row is sound, or the vectors are of another encoder.
        """
        done = import_vectors(self.folder, file, before=self._opened, **options)
        self._reopen()
        return done

    def export(
        self, file: str | Path, *, version: int | None = None, field: str | None = None, force: bool = False
    ) -> Exported:
        """Write a version for other programs: ``.parquet``, ``.geojson`` or ``.npy``.

        See `rsir_fast.archive.exchange.exporting.export`.

        Raises
        ------
        ArchiveError
            If there is no such version, or files are there and not `force`.
        """
        number = self._newest.version.number if version is None else version
        return export(self.folder, file, version=number, field=field, force=force)

    def compact(self) -> Compacted:
        """Merge adjacent segments and leave out hidden rows, in one step; ids and answers stay.

        Raises
        ------
        ArchiveError
            If a file is damaged, or another compaction was first: nothing is changed then.
        """
        done = compact(self.folder)
        self._reopen()
        return done

    def vacuum(self, *, keep: int = KEEP, days: float = DAYS, dry_run: bool = False) -> Vacuumed:
        """Erase old versions, and what no version needs any more.

        Parameters
        ----------
        keep : int
            So many of the newest versions stay.
        days : float
            All younger ones stay, too.
        dry_run : bool
            Tell what would be erased.

        Raises
        ------
        ArchiveError
            If a version that stays is damaged: nothing is erased then.
        """
        return vacuum(self.folder, keep=keep, days=days, dry_run=dry_run)

    def _reopen(self) -> None:
        """Go on with the newest version."""
        self._go_on(Snapshot(self.folder, before=self._opened))

    def _go_on(self, newest: Snapshot) -> None:
        self._opened = newest
        self.__dict__.pop("_features", None)

    def info(self, version: int | None = None) -> Info:
        """Return what a version holds; the newest that was there when the archive was opened by default.

        Raises
        ------
        ArchiveError
            If there is no such version, or it is damaged.
        """
        return describe(self._newest if version is None else Snapshot(self.folder, version))

    def log(self) -> list[LogEntry]:
        """Return the versions that there are, the oldest first: when, what was added and removed, by whom."""
        return history(self.folder)

    @staticmethod
    def repair(folder: str | os.PathLike[str], *, weights: str | Path | None = None) -> Repaired:
        """Make again what is damaged in the newest version, as far as that can be, in a new one, under the same ids.

        Integer copies are made of their vectors; rows are taken from another segment on the disk that holds them, else
        encoded again from their files.

        Parameters
        ----------
        folder : path
            An archive, which may be too damaged to be opened.
        weights : path, optional
            Of its encoder, as for `rsir_fast.load_encoder`.

        Returns
        -------
        Repaired
            ``left`` names what could not be made again, and why.
        """
        from rsir_fast.retrieval.repairing import encoding_again

        return repair(Path(folder), encoding_again(weights))

    def verify(self, version: int | None = None) -> Verified:
        """Compare every file that a version needs, or any version, with its digest, which reads all of them.

        Returns
        -------
        Verified
            ``damaged`` names each file that is not as it was written; nothing is raised for them.
        """
        return verify(self.folder, version)
