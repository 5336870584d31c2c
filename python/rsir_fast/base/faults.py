"""Faults of the machine, told apart from faults of a file."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rsir_fast.errors import MachineError

__all__ = ["PAUSES_S", "REMEDY", "is_machine_fault", "may_pass", "named", "patiently", "said"]

T = TypeVar("T")

REMEDY = "the machine failed, not the image: check permissions, disk, memory and limits, then run again"

PAUSES_S = (0.1, 0.5, 2.0)
"""Before each further try: a fault that lasts longer stops the run."""

# What these say is true of the path or of its bytes (a damaged header makes a decoder seek to nowhere), on any machine.
_OF_THE_FILE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EOVERFLOW,
        errno.ESPIPE,
        errno.EILSEQ,
    }
)
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})


def is_machine_fault(error: BaseException) -> bool:
    """Whether an error says nothing of the file: a disk, a limit, a permission, memory, a network, a time limit.

    Examples
    --------
    >>> is_machine_fault(OSError(errno.EIO, "Input/output error")), is_machine_fault(FileNotFoundError(2, "no file"))
    (True, False)
    >>> is_machine_fault(MemoryError()), is_machine_fault(OSError("image file is truncated"))
    (True, False)
    """
    if isinstance(error, OSError):
        if error.errno is None:
            return isinstance(error, TimeoutError)
        return error.errno not in _OF_THE_FILE
    return isinstance(error, MemoryError)


def may_pass(error: BaseException) -> bool:
    """Whether it is worth to wait a moment and try again: not for permissions, memory or a full disk.

    Examples
    --------
    >>> may_pass(OSError(errno.EMFILE, "Too many open files")), may_pass(PermissionError(errno.EACCES, "no"))
    (True, False)
    """
    return isinstance(error, OSError) and is_machine_fault(error) and error.errno not in _LASTING


def said(error: BaseException) -> str:
    """Name what failed, in the words of the system, or of the store that said it, and by its code.

    Examples
    --------
    >>> said(OSError(errno.EIO, "Input/output error")), said(MemoryError())
    ('Input/output error (EIO)', 'not enough memory')
    """
    if isinstance(error, MemoryError):
        return "not enough memory"
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        return str(error) or type(error).__name__
    assert isinstance(error, OSError)
    return f"{error.strerror or os.strerror(number)} ({errno.errorcode.get(number, number)})"


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn a fault of the machine within the block into a MachineError that names what it was about.

    Raises
    ------
    MachineError
        Caused by the fault. Other errors pass.

    Examples
    --------
    >>> with named("a.jpg"):
    ...     raise OSError(errno.EIO, "Input/output error")
    Traceback (most recent call last):
    ...
    rsir_fast.errors.MachineError: a.jpg: Input/output error (EIO); the machine failed, not the image: check ...
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        if not is_machine_fault(error):
            raise
        raise MachineError(f"{what}: {said(error)}; {REMEDY}") from error


def patiently(action: Callable[[], T], pauses: Sequence[float] = PAUSES_S) -> T:
    """Do something that may fail for a moment; try again after each pause, and pass on what lasts.

    Parameters
    ----------
    action
        To be done; may be done several times.
    pauses
        Seconds to wait before each further try.

    Returns
    -------
    object
        What `action` returned.

    Examples
    --------
    >>> answers = iter([OSError(errno.EIO, "Input/output error"), "read"])
    >>> def read():
    ...     answer = next(answers)
    ...     if isinstance(answer, OSError):
    ...         raise answer
    ...     return answer
    >>> patiently(read, pauses=[0.0])
    'read'
    """
    for pause in pauses:
        try:
            return action()
        except (OSError, MachineError) as error:  # noqa: PERF203 (what it reads takes far longer)
            fault = error.__cause__ if isinstance(error, MachineError) else error
            if fault is None or not may_pass(fault):
                raise
            time.sleep(pause)
    return action()
