"""An image file, opened and read so that a fault of the machine is never taken for one of the image."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from rsir_fast.base.faults import REMEDY, is_machine_fault, said
from rsir_fast.base.looking import no_name
from rsir_fast.base.objects import ObjectFile, is_object
from rsir_fast.base.text import printable
from rsir_fast.errors import ImageError, MachineError

__all__ = ["Source", "opened"]

_NO_IMAGE = {
    errno.ENOENT: "the file does not exist",
    errno.ENOTDIR: "the file does not exist",
    errno.ELOOP: "the file is a link that leads to itself",
    errno.ENAMETOOLONG: "the file's name is too long",
    errno.EISDIR: "expected an image file, found a folder",
}

_WHOLE = 32 << 20
"""Files up to this size are read before they are decoded: a decoder that loses its file may abort the process."""

_AT_ONCE = 1 << 30


class _File:
    """An open file, in memory if that is asked for, and the first error of the machine while it was read.

    Parameters
    ----------
    part
        Reads some bytes from a place; less than asked for, but none only at the end.
    size
        Of all.
    whole
        Whether to read it now.
    """

    def __init__(self, part: Callable[[int, int], bytes], size: int, whole: bool) -> None:
        self._part, self.size = part, size
        self.fault: OSError | MemoryError | None = None
        self._content: bytes | None = None
        if whole:
            self._content = self.at(0, size)

    def at(self, place: int, size: int) -> bytes:
        """Read from a place; nothing after an error."""
        if self._content is not None:
            return self._content[place : place + size]
        parts = []
        while size > 0 and self.fault is None:
            try:
                part = self._part(min(size, _AT_ONCE), place)
            except (OSError, MemoryError) as error:
                self.fault = error
                break
            if not part:
                break
            parts.append(part)
            place += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Source:
    """A file open for reading, which remembers the first error of the machine.

    Decoders make of such an error what they like: the end of the file, a damaged image, nothing at all. So it is kept
    here, the decoder sees the end of the file, and `opened` raises it when the decoder is done.
    """

    def __init__(self, file: _File) -> None:
        self._file = file
        self._place = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    @contextlib.contextmanager
    def watched(self, path: Path) -> Iterator[None]:
        """Raise a fault of the machine, now or before, in place of whatever a decoder within the block made of it.

        Raises
        ------
        MachineError
        """
        try:
            yield
        except Exception as error:
            fault = self._file.fault or error
            if isinstance(fault, OSError | MemoryError) and is_machine_fault(fault):
                raise _of_machine(path, fault) from fault
            raise
        if self._file.fault is not None:
            raise _of_machine(path, self._file.fault) from self._file.fault

    def again(self) -> Source:
        """Return the same file with a place of its own, at the beginning."""
        return Source(self._file)

    def read(self, size: int | None = None) -> bytes:
        """Read up to `size` bytes; all that are left by default."""
        left = max(self.size - self._place, 0)
        # Never more than there is: a decoder may ask for whatever a damaged header says, and the memory would be taken.
        content = self._file.at(self._place, left if size is None or size < 0 else min(size, left))
        self._place += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; return it."""
        place = offset + (0, self._place, self.size)[whence]
        if place < 0:
            raise ValueError(f"expected a place in the file, got {place}")
        self._place = place
        return place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def close(self) -> None:
        """Do nothing: `opened` closes the file when its block ends, a decoder may want to do so before."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open an image file.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    Source
        At its beginning, with at least one byte.

    Raises
    ------
    ImageError
        If there is no such file, or nothing that can be an image in its place.
    MachineError
        If the machine cannot open or read it: permissions, disk, memory, too many open files. Raised at the end of the
        block too, in place of whatever a decoder made of it.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = _object(path) if is_object(path) else _file(path, stack)
        except ImageError:
            raise
        except ValueError:
            raise ImageError(f"{printable(path)}: {no_name(path)}") from None
        except OSError as error:
            if is_machine_fault(error):
                raise _of_machine(path, error) from error
            raise ImageError(f"{printable(path)}: {_NO_IMAGE.get(error.errno or 0, said(error))}") from None
        source = Source(file)
        with source.watched(path):
            pass  # it may have been read already
        with source.watched(path):
            yield source


def _file(path: Path, stack: contextlib.ExitStack) -> _File:
    # A named pipe would block for ever, so only regular files are opened; without blocking, if it just changed.
    _check_regular(path, os.stat(path))
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    stack.callback(os.close, number)
    found = os.fstat(number)
    _check_regular(path, found)
    return _File(lambda size, place: os.pread(number, size, place), found.st_size, found.st_size <= _WHOLE)


def _object(path: Path) -> _File:
    found = ObjectFile(path)
    _check_bytes(path, found.size)
    return _File(found.read, found.size, False)


def _of_machine(path: Path, error: OSError | MemoryError) -> MachineError:
    return MachineError(f"{printable(path)}: cannot be read: {said(error)}; {REMEDY}")


def _check_regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(f"{printable(path)}: expected an image file, found a folder or special file")
    _check_bytes(path, found.st_size)


def _check_bytes(path: Path, size: int) -> None:
    if size == 0:
        raise ImageError(f"{printable(path)}: the file is empty (0 bytes)")
