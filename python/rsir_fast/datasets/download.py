"""Download UC Merced, and unpack it in one step."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rsir_fast.base.download import Content, DownloadError, download
from rsir_fast.base.durable import make_folder, move, remove, remove_empty, replacing
from rsir_fast.base.looking import is_file, is_folder, is_there, refuse_no_folder
from rsir_fast.base.machine import written
from rsir_fast.base.placed import placing_folder
from rsir_fast.base.progress import OnProgress
from rsir_fast.base.text import printable
from rsir_fast.errors import DatasetError

__all__ = ["UCMERCED_BYTES", "UCMERCED_SHA256", "UCMERCED_URLS", "download_ucmerced"]

UCMERCED_URLS = (
    "http://weegee.vision.ucmerced.edu/datasets/UCMerced_LandUse.zip",
    "https://huggingface.co/datasets/torchgeo/ucmerced/resolve/main/UCMerced_LandUse.zip",
)
UCMERCED_BYTES = 332_468_434
UCMERCED_SHA256 = "06c539ef28703a58fb07bd2837991ac7c48b813b00bb12ac197efd813a18daeb"

_ARCHIVE = "UCMerced_LandUse.zip"
_CHUNK = 1 << 20


def download_ucmerced(
    folder: str | Path,
    *,
    urls: Sequence[str] = UCMERCED_URLS,
    size: int = UCMERCED_BYTES,
    sha256: str = UCMERCED_SHA256,
    progress: OnProgress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Put the UC Merced Land Use data set into a folder: ``FOLDER/Images/CLASS/*.tif``.

    The archive goes to ``UCMerced_LandUse.zip.part`` beside the folder, is checked, unpacked into a temporary folder
    and moved into place, so an interrupted call leaves no half data set. What was received before a cut is kept and the
    next address, or the next call, continues there. An archive ``UCMerced_LandUse.zip`` put beside the folder by hand
    is used, and kept, instead of the network.

    Parameters
    ----------
    folder
        Where the data set shall be. If it already has ``Images``, nothing is done.
    urls
        Tried one after the other; none with ``RSIR_OFFLINE=1``.
    size, sha256
        What the archive must be, in bytes and as a hexadecimal digest.
    progress
        Called with a `rsir_fast.Progress` of the stage ``"download"``, in bytes; returning False cancels, and the next
        call continues.
    timeout
        Seconds without an answer until an address is given up.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    DatasetError
        If no address works (says what to put where), the archive is not what it must be, the folder holds something
        else, the disk is full, or `progress` cancelled.
    """
    folder = Path(os.path.abspath(folder))
    if is_folder(folder / "Images"):
        return folder
    refuse_no_folder(folder, "UC Merced", DatasetError)
    if is_folder(folder) and any(folder.iterdir()):
        raise DatasetError(
            f"expected no folder, or an empty one, at {printable(folder)} to download into, found something else; "
            "choose another folder"
        )
    archive = folder.parent / _ARCHIVE
    content = Content(size, sha256)
    missing = [parent for parent in folder.parents if not is_there(parent)]
    with written(folder):
        if is_file(archive):
            if found := content.mismatch(archive):
                raise DatasetError(
                    f"{printable(archive)}: expected {content}, got {found}; delete the file and download it again"
                )
            _unpack(archive, folder)
            return folder
        part = archive.with_name(archive.name + ".part")
        try:
            download(urls, part, content, part=part, progress=progress, timeout=timeout)
        except DownloadError as error:
            for parent in missing:  # but not where something was received
                remove_empty(parent)
            raise DatasetError(
                f"UC Merced could not be downloaded ({error}). Without network, put the archive (SHA-256 {sha256}) at "
                f"{printable(archive)} and call again, or put its unpacked content at {printable(folder)}"
            ) from error
        _unpack(part, folder)
        remove(part)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside `folder`, drop one common top folder, and move into place."""
    with placing_folder(folder) as workshop:
        content = workshop / "content"
        try:
            with zipfile.ZipFile(archive) as file:
                for member in file.infolist():
                    _unpack_member(file, member, content)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise DatasetError(f"{printable(archive)} is no sound zip archive ({error}); download it again") from error
        inner = content / "UCMerced_LandUse"
        content = inner if is_folder(inner) else content
        if not is_folder(content / "Images"):
            raise DatasetError(
                f"{printable(archive)}: expected UCMerced_LandUse/Images/CLASS inside, found no folder Images"
            )
        move(content, folder)


def _unpack_member(file: zipfile.ZipFile, member: zipfile.ZipInfo, content: Path) -> None:
    path = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or is_link:
        raise DatasetError(
            f"{printable(file.filename)}: entry {printable(member.filename)} would leave the folder; "
            "do not use this archive"
        )
    target = content / path
    if member.is_dir():
        make_folder(target)
        return
    with file.open(member) as source, replacing(target) as sink:
        shutil.copyfileobj(source, sink, _CHUNK)
