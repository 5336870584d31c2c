"""Objects of a store that speaks S3, looked at and read as files are (extra ``cloud``).

Within the package an object has the path that GDAL gives it, ``/vsis3/BUCKET/KEY``. It is absolute, so that folders,
roots, and paths below them are what they are for files. Users write and read ``s3://BUCKET/KEY``.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from rsir_fast.errors import MachineError

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = [
    "FoundObject",
    "ObjectFile",
    "is_object",
    "look_again",
    "look_at",
    "objects_below",
    "path_of_url",
    "url_of_path",
]

_ROOT = "/vsis3/"
_URL = re.compile(r"s3:/+(?=[^/])")
"""Of an object; `Path` makes one slash of two."""

_WRITTEN = re.compile(r"(?<![\w./-])(?:/vsis3/|s3:/(?=[^/]))")
"""Where a path of an object begins in a text, or a URL of which `Path` took a slash."""

_PAGE = 1 << 20
_PAGES = 32
"""Bytes of an object that are asked for at a time, and how many of these stay: blocks of a raster are read in turn, and
each twice, to be checked and to be decoded."""

_LOOKS = 1024

_BUCKET = re.compile(r"[\w.-]{1,255}", re.ASCII)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_ENDPOINT = re.compile(r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?", re.ASCII)
"""The library panics at others."""

_ASKS_FOR_CREDENTIALS = "/latest/api/token"
"""Where machines of Amazon have theirs: asked when the environment has none."""

_NO_CREDENTIALS = (
    "no credentials in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for public data "
    "AWS_NO_SIGN_REQUEST=YES)"
)

_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


class FoundObject(NamedTuple):
    """What lies at a path.

    Attributes
    ----------
    is_folder : bool
        Whether it is the beginning of the keys of others, up to a slash, and no object.
    size : int
        In bytes.
    changed_ns : int
        Seconds since 1970 in nanoseconds, as of a file. Stores tell no fraction: in its place is a sum of the entity
        tag, so that an object that is replaced within a second is another.
    tag : str
        The entity tag.
    """

    is_folder: bool
    size: int = 0
    changed_ns: int = 0
    tag: str = ""


def is_object(path: str | os.PathLike[str]) -> bool:
    """Whether a path is one within a store.

    Examples
    --------
    >>> is_object(path_of_url("s3://imagery/2024/a.tif")), is_object("2024/a.tif")
    (True, False)
    """
    return os.fsdecode(path).startswith(_ROOT)


def path_of_url(given: str | os.PathLike[str]) -> str:
    """Return the path of an object, given by its URL; any other path as it is.

    Examples
    --------
    >>> path_of_url("s3://imagery/2024/a.tif"), path_of_url("2024/a.tif")
    ('/vsis3/imagery/2024/a.tif', '2024/a.tif')
    """
    return _URL.sub(_ROOT, os.fsdecode(given), count=1) if _URL.match(os.fsdecode(given)) else os.fsdecode(given)


def url_of_path(text: str) -> str:
    """Write the paths of objects in a text as URLs.

    Examples
    --------
    >>> url_of_path("/vsis3/imagery/2024/a.tif: truncated"), url_of_path("s3:/imagery"), url_of_path("/data/vsis3/a")
    ('s3://imagery/2024/a.tif: truncated', 's3://imagery', '/data/vsis3/a')
    """
    return _WRITTEN.sub("s3://", text)


def look_at(path: str | os.PathLike[str]) -> FoundObject:
    """Look at an object, or at what keys begin with.

    Raises
    ------
    OSError
        As of a file: FileNotFoundError, PermissionError, and EIO with what the store says.
    ImportError
        If obstore is not installed.
    MachineError
        If the environment says of the store what cannot be.
    """
    store, key = _store_of(path)
    with _as_of_a_file(path):
        try:
            if key:
                found = store.head(key)
                seconds, tag = int(found["last_modified"].timestamp()), found["e_tag"] or ""
                return FoundObject(False, found["size"], seconds * 10**9 + zlib.crc32(tag.encode()) % 10**9, tag)
        except FileNotFoundError:
            pass
        if next(iter(store.list(key or None, chunk_size=1)), None):
            return FoundObject(True)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))


_looks: OrderedDict[str, tuple[float, FoundObject]] = OrderedDict()


def look_again(path: str | os.PathLike[str], after_s: float = 10.0) -> FoundObject:
    """Look at an object that was looked at already, if that is some time ago: tiles come by the hundred a second."""
    name = os.fsdecode(path)
    known = _looks.get(name)
    if known is None or time.monotonic() - known[0] > after_s:
        known = _looks[name] = time.monotonic(), look_at(path)
        while len(_looks) > _LOOKS:
            _looks.popitem(last=False)
    return known[1]


def objects_below(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of the objects below a folder, at any depth; raises as `look_at`."""
    store, key = _store_of(path)
    bucket = _parts(path)[0]
    with _as_of_a_file(path):
        for some in store.list(key or None):
            for each in some:
                yield f"{_ROOT}{bucket}/{each['path']}"


class ObjectFile:
    """An object that is read in pages, by any number of threads; raises as `look_at`.

    Attributes
    ----------
    size : int
        In bytes.

    Parameters
    ----------
    path
        Of an object.

    Raises
    ------
    OSError
        Also if it is replaced while it is read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        found = look_at(path)
        if found.is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fsdecode(path))
        self.size, self._path, self._tag = found.size, path, found.tag
        self._store, self._key = _store_of(path)
        self._lock = threading.Lock()
        self._pages: OrderedDict[int, bytes] = OrderedDict()

    def read(self, size: int, place: int) -> bytes:
        """Read from a place, up to the end of the object."""
        end = min(place + size, self.size)
        if place >= end:
            return b""
        first, last = place // _PAGE, (end - 1) // _PAGE
        with self._lock:
            pages = {page: self._pages[page] for page in range(first, last + 1) if page in self._pages}
            for page in pages:
                self._pages.move_to_end(page)
        missing = [page for page in range(first, last + 1) if page not in pages]
        if missing:
            pages |= self._fetched(missing[0], missing[-1])
        content = b"".join(pages[page] for page in range(first, last + 1))
        return content[place - first * _PAGE : end - first * _PAGE]

    def _fetched(self, first: int, last: int) -> dict[int, bytes]:
        """Ask for some pages at once, one after the other."""
        start, end = first * _PAGE, min((last + 1) * _PAGE, self.size)
        with _as_of_a_file(self._path):
            found = self._store.get(self._key, options={"range": (start, end), "if_match": self._tag or None})
            content = bytes(found.bytes())
        if len(content) != end - start:
            raise OSError(errno.EIO, f"{len(content)} bytes came of {end - start}", os.fsdecode(self._path))
        pages = {first + at // _PAGE: content[at : at + _PAGE] for at in range(0, len(content), _PAGE)}
        with self._lock:
            self._pages.update(pages)
            while len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
        return pages


def _parts(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return bucket and key."""
    bucket, _, key = os.fsdecode(path)[len(_ROOT) :].partition("/")
    return bucket, key.rstrip("/")


def _store_of(path: str | os.PathLike[str]) -> tuple[S3Store, str]:
    bucket, key = _parts(path)
    if not _BUCKET.fullmatch(bucket):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))
    settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _store(bucket, settings), key


@functools.lru_cache(maxsize=16)
def _store(bucket: str, settings: tuple[tuple[str, str], ...]) -> S3Store:
    """Return a bucket's store by the settings of the environment, which the library reads but for what is said here."""
    try:
        from obstore import exceptions
        from obstore.store import S3Store
    except ImportError:
        raise ImportError(
            f"s3://{bucket} needs obstore, which is not installed; install it with: pip install 'rsir-fast[cloud]'"
        ) from None
    given = dict(settings)
    how: dict[str, Any] = {}
    if given.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "1"):  # as GDAL calls it
        how["skip_signature"] = True
    for name in _ENDPOINTS:
        if given.get(name):
            if not _ENDPOINT.fullmatch(given[name]):
                raise MachineError(
                    f"{name}: expected where the store is, such as https://HOST or http://HOST:PORT, got "
                    f"{given[name][:60]!r}; set it so, or unset it for Amazon's"
                )
            how["endpoint"] = given[name]
            how["client_options"] = {"allow_http": given[name].startswith("http://")}
            break
    try:
        return S3Store(bucket, retry_config=_RETRIES, **how)
    except exceptions.BaseError as error:
        raise MachineError(
            f"s3://{bucket}: expected settings that a store can be reached by (environment, AWS_...), got others: "
            f"{_said(error)}; mend them"
        ) from None


@contextmanager
def _as_of_a_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the library's errors within the block into those that the system has for files."""
    from obstore import exceptions

    try:
        yield
    except (FileNotFoundError, exceptions.NotFoundError, ValueError):  # the last of a key such as a//b.tif
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path)) from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, _said(error), os.fsdecode(path)) from None
    except exceptions.PreconditionError:
        raise OSError(errno.EIO, "was replaced while it was read", os.fsdecode(path)) from None
    except exceptions.BaseError as error:
        if "NoSuchBucket" in str(error):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path)) from None
        if _ASKS_FOR_CREDENTIALS in str(error):
            raise PermissionError(errno.EACCES, _NO_CREDENTIALS, os.fsdecode(path)) from None
        raise OSError(errno.EIO, _said(error), os.fsdecode(path)) from None


def _said(error: BaseException) -> str:
    """Return what the library says, without what it adds for its developers."""
    return " ".join(re.split(r"Debug source:|: <\?xml", str(error))[0].split())
