"""Download UC Merced: checked, resumable, and in place in one step."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rsir_fast.base.durable import appending, make_folder, move, placing_folder, remove, remove_empty, replacing
from rsir_fast.base.looking import is_file, is_folder, is_there, refuse_no_folder
from rsir_fast.base.machine import written
from rsir_fast.base.text import printable
from rsir_fast.errors import DatasetError

__all__ = ["UCMERCED_BYTES", "UCMERCED_SHA256", "UCMERCED_URLS", "download_ucmerced"]

UCMERCED_URLS = (
    "http://weegee.vision.ucmerced.edu/datasets/UCMerced_LandUse.zip",
    "https://huggingface.co/datasets/torchgeo/ucmerced/resolve/main/UCMerced_LandUse.zip",
)
UCMERCED_BYTES = 332_468_434
UCMERCED_SHA256 = "06c539ef28703a58fb07bd2837991ac7c48b813b00bb12ac197efd813a18daeb"

Progress = Callable[[int, int], object]

_ARCHIVE = "UCMerced_LandUse.zip"
_CHUNK = 1 << 20


class _FetchError(Exception):
    """One address failed; the next one may not."""


def download_ucmerced(
    folder: str | Path,
    *,
    urls: Sequence[str] = UCMERCED_URLS,
    size: int = UCMERCED_BYTES,
    sha256: str = UCMERCED_SHA256,
    progress: Progress | None = None,
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
        Called with (bytes so far, bytes in all); returning False cancels, and the next call continues.
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
    wanted = _Wanted(size, sha256, progress, timeout)
    missing = [parent for parent in folder.parents if not is_there(parent)]
    with written(folder):
        if is_file(archive):
            wanted.check(archive)
            _unpack(archive, folder)
            return folder
        part = archive.with_name(archive.name + ".part")
        if os.environ.get("RSIR_OFFLINE", "") not in ("", "0"):
            failures = ["switched off by RSIR_OFFLINE=1"]
        else:
            failures = wanted.fetch_from_any(urls, part)
        if failures:
            for parent in missing:  # but not where something was received
                remove_empty(parent)
            raise DatasetError(
                f"UC Merced could not be downloaded ({'; '.join(failures)}). Without network, put the archive (SHA-256 "
                f"{sha256}) at {printable(archive)} and call again, or put its unpacked content at {printable(folder)}"
            )
        _unpack(part, folder)
        remove(part)
    return folder


@dataclass(frozen=True)
class _Wanted:
    """The archive to get, and how."""

    size: int
    sha256: str
    progress: Progress | None
    timeout: float

    def fetch_from_any(self, urls: Sequence[str], part: Path) -> list[str]:
        """Make `part` the wanted archive; returns no failures, or one of each address."""
        failures = []
        for url in urls:
            try:
                self._fetch(url, part)
            except _FetchError as error:
                failures.append(f"{url}: {error}")
                continue
            try:
                self.check(part)
            except DatasetError as error:
                remove(part)  # continuing wrong bytes could never give the right digest
                failures.append(f"{url}: {error}")
                continue
            return []
        return failures or ["no address given"]

    def _fetch(self, url: str, part: Path) -> None:
        """Continue `part` until it has all bytes."""
        with appending(part) as file:
            done = file.tell()
            if done >= self.size:
                return
            headers = {"User-Agent": "rsir_fast"} | ({"Range": f"bytes={done}-"} if done else {})
            request = urllib.request.Request(url, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                    if not answer.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                        file.truncate(0)
                        done = 0
                    done = self._receive(answer, file, done)
            # Of the network: what cannot be written is a MachineError.
            except (OSError, http.client.HTTPException) as error:
                raise _FetchError(printable(getattr(error, "reason", None) or error)) from error
        if done != self.size:
            raise _FetchError(f"expected {self.size} bytes, got {'more' if done > self.size else done}")

    def _receive(self, answer: http.client.HTTPResponse, file: BinaryIO, done: int) -> int:
        # read1 gives what has arrived, so a cut connection loses at most one buffer.
        while done <= self.size and (chunk := answer.read1(_CHUNK)):
            file.write(chunk)
            done += len(chunk)
            if self.progress is not None and self.progress(done, self.size) is False:
                raise DatasetError(f"download cancelled after {done} of {self.size} bytes; call again to continue")
        return done

    def check(self, archive: Path) -> None:
        """Raise a DatasetError unless the file is the wanted one."""
        digest = hashlib.sha256()
        with archive.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != self.sha256.lower():
            raise DatasetError(
                f"{printable(archive)}: expected {self.size} bytes with SHA-256 {self.sha256}, got "
                f"{archive.stat().st_size} bytes with {digest.hexdigest()}; delete the file and download it again"
            )


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
