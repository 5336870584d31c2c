"""Downloads: checked, resumable, and in place in one step."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rsir_fast.base.digests import file_digest
from rsir_fast.base.durable import appending, move
from rsir_fast.base.looking import is_file
from rsir_fast.base.progress import OnProgress, Progress, is_stopped
from rsir_fast.base.text import printable
from rsir_fast.errors import RsirError

__all__ = ["Content", "DownloadError", "download"]

_CHUNK = 1 << 20


class DownloadError(RsirError):
    """A file could not be downloaded; says of each address why."""


class _FetchError(Exception):
    """One address failed; the next one may not."""


@dataclass(frozen=True)
class Content:
    """What a published file must be, as far as it is known.

    Attributes
    ----------
    size
        In bytes.
    sha256
        Hexadecimal, or the first digits of it.
    md5
        Hexadecimal, where there is no SHA-256.

    Examples
    --------
    >>> str(Content(sha256="b0353104"))
    'the published file (SHA-256 b0353104...)'
    """

    size: int | None = None
    sha256: str = ""
    md5: str = ""

    def __str__(self) -> str:
        facts = [f"{self.size} bytes"] if self.size is not None else []
        if self.sha256:
            facts.append(f"SHA-256 {self.sha256}{'' if len(self.sha256) == 64 else '...'}")
        elif self.md5:
            facts.append(f"MD5 {self.md5}")
        return f"the published file ({', '.join(facts)})" if facts else "the published file"

    @property
    def is_vouched_for(self) -> bool:
        """Whether a digest can tell it from any other content."""
        return bool(self.sha256 or self.md5)

    def mismatch(self, path: Path) -> str:
        """Say what a file is that is not this one; empty if it is, or nothing is known."""
        if not self.is_vouched_for:
            return ""
        algorithm, expected = ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)
        found = file_digest(path, algorithm)
        if found.startswith(expected.lower()):
            return ""
        return f"{path.stat().st_size} bytes, {'SHA-256' if self.sha256 else 'MD5'} {found}"


def download(
    urls: Sequence[str],
    place: Path,
    content: Content,
    *,
    part: Path | None = None,
    progress: OnProgress | None = None,
    timeout: float = 30.0,
) -> str:
    """Download a published file; it is at its place only when it is whole and verified.

    What was received before a cut is kept where a digest vouches for the whole: the next address, or the next call,
    goes on there. Another process at the same file is waited for.

    Parameters
    ----------
    urls
        Tried one after the other; none with ``RSIR_OFFLINE=1``.
    place
        Where the file goes; its folder is made if need be.
    content
        What it must be.
    part
        Where it is received; `place` itself, to leave the last step to the caller. Default: ``PLACE.part``.
    progress
        Called with a `rsir_fast.Progress` of the stage ``"download"``, in bytes (`total` is 0 where the server does not
        say); returning False stops, and the next call goes on.
    timeout
        Seconds without an answer until an address is given up.

    Returns
    -------
    str
        The address that had it.

    Raises
    ------
    DownloadError
        If no address has it, or `progress` returned False.
    MachineError
        If it cannot be written.
    """
    if os.environ.get("RSIR_OFFLINE", "") not in ("", "0"):
        raise DownloadError("switched off by RSIR_OFFLINE=1")
    part = part or place.with_name(f"{place.name}.part")
    failures = []
    for url in urls:
        failure = _fetch(url, part, place, content, progress, timeout)
        if not failure:
            return url
        failures.append(f"{url}: {failure}")
    raise DownloadError("; ".join(failures) or "no address given")


def _fetch(url: str, part: Path, place: Path, content: Content, progress: OnProgress | None, timeout: float) -> str:
    """Put the file at its place, and return an empty string; or why this address has it not."""
    with appending(part) as file:
        if part != place and is_file(place) and content.is_vouched_for and not content.mismatch(place):
            return ""  # another process was at it
        if not content.is_vouched_for:
            _begin_anew(file)  # nothing would tell that two halves are of different files
        try:
            if content.size is None or file.tell() < content.size:
                _receive(url, file, content, progress, timeout)
        except _FetchError as error:
            if not content.is_vouched_for:
                _begin_anew(file)
            return str(error)
        file.flush()
        if found := content.mismatch(part):
            _begin_anew(file)  # going on from wrong bytes could never give the right digest
            return f"expected {content}, got {found}"
        if part != place:
            move(part, place)
    return ""


def _begin_anew(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _receive(url: str, file: BinaryIO, content: Content, progress: OnProgress | None, timeout: float) -> None:
    """Go on with `file` until it has all bytes that the server gives."""
    before = file.tell()
    headers = {"User-Agent": "rsir_fast"} | ({"Range": f"bytes={before}-"} if before else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {before}-"):
                _begin_anew(file)
                before = 0
            length = answer.headers.get("Content-Length", "")
            total = content.size if content.size is not None else before + int(length) if length.isdecimal() else None
            done = _copy(answer, file, before, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and before:
            _begin_anew(file)  # more than there is: what is here is of another file
            return _receive(url, file, content, progress, timeout)
        raise _FetchError(printable(f"{error.code} {error.reason}")) from error
    # Of the network: what cannot be written is a MachineError.
    except (OSError, http.client.HTTPException) as error:
        raise _FetchError(printable(getattr(error, "reason", None) or error)) from error
    if total is not None and done < total:
        raise _FetchError(f"connection closed after {done} of {total} bytes")
    if total is not None and done > total:
        raise _FetchError(f"expected {total} bytes, got more")


def _copy(
    answer: http.client.HTTPResponse, file: BinaryIO, done: int, total: int | None, progress: OnProgress | None
) -> int:
    """Write what arrives, at most a chunk more than `total`; return how many bytes there are."""
    before, start = done, time.perf_counter()
    # read1 gives what has arrived, so that a cut connection loses at most one buffer.
    while (total is None or done <= total) and (chunk := answer.read1(_CHUNK)):
        file.write(chunk)
        done += len(chunk)
        rate = (done - before) / max(time.perf_counter() - start, 1e-9)
        left = None if total is None else max(0, total - done) / rate
        if is_stopped(progress, Progress("download", done, total or 0, rate, left)):
            of = "" if total is None else f" of {total}"
            raise DownloadError(f"cancelled after {done}{of} bytes; call again to go on")
    return done
