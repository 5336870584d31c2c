"""A folder that one process works in, so that others can tell whether it is still at it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import threading
import time
from pathlib import Path

from rsir_fast.base.durable import _is_at, lock, sync_folder
from rsir_fast.base.looking import is_there
from rsir_fast.base.machine import written
from rsir_fast.base.placed import hold

__all__ = ["HeldFolder", "is_from_here", "new_name", "remove_folder"]

BEAT_S = 60.0
SILENT_S = 600.0
"""Without a beat, a process of another machine counts as dead."""

ALIVE = "alive"


def _host_mark() -> str:
    """Eight letters that tell this machine, since it was started, from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return hashlib.sha256(f"{socket.gethostname()} {boot}".encode()).hexdigest()[:8]


def new_name() -> str:
    """Return a name for a folder that no other process gives, and that tells the machine it was given on."""
    return _host_mark() + secrets.token_hex(4)


def is_from_here(name: str) -> bool:
    """Whether a name was given on this machine since it was started."""
    return name.startswith(_host_mark())


class HeldFolder:
    """A folder made and held by this process, until it is closed or the process ends.

    Its lock tells other processes of this machine; a file touched every minute those of others.

    Parameters
    ----------
    folder
        Made if need be; called by `new_name`.

    Raises
    ------
    MachineError
        If it cannot be made.
    """

    folder: Path
    _file: int | None

    def __init__(self, folder: Path) -> None:
        self._start(folder, hold(folder))

    @classmethod
    def take(cls, folder: Path, place: Path) -> HeldFolder | None:
        """Take over the folder of a dead process by renaming it; None where it may be alive, or another was quicker.

        Parameters
        ----------
        folder, place
            Where it is, and where it is from now on.

        Raises
        ------
        MachineError
            If it cannot be renamed.
        """
        with written(folder):
            try:
                file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
        try:
            is_locked = _try_lock(file, folder)
            dead = (is_locked and is_from_here(folder.name)) or _silence(folder) > SILENT_S
            if is_locked is None or not dead or not _is_at(file, folder):
                os.close(file)
                return None
            with written(place):
                os.rename(folder, place)  # not synced: by its former name it can be taken over as well
        except BaseException:
            os.close(file)
            raise
        found = cls.__new__(cls)
        found._start(place, file)
        return found

    @property
    def is_ours(self) -> bool:
        """Whether no other process has taken the folder over."""
        return self._file is not None and _is_at(self._file, self.folder)

    def close(self) -> None:
        """Let go of it; what is in it stays."""
        self._ended.set()
        self._beat.join()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _start(self, folder: Path, file: int) -> None:
        """Begin to beat; an open file that fails here is closed, as its lock would say that somebody is at it."""
        self.folder, self._file = folder, file
        try:
            with written(folder / ALIVE):
                (folder / ALIVE).touch()
        except BaseException:
            os.close(file)
            raise
        self._ended = threading.Event()
        self._beat = threading.Thread(target=_beat, args=(self.folder / ALIVE, self._ended), daemon=True)
        self._beat.start()


def _try_lock(file: int, folder: Path) -> bool | None:
    """Lock a folder: None where a living process has it, False on a file system without locks."""
    with written(folder):
        try:
            return lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None


def _beat(path: Path, ended: threading.Event) -> None:
    with contextlib.suppress(OSError):  # taken over, or the disk failed: then its owner will notice
        while not ended.wait(BEAT_S):
            os.utime(path)


def _silence(folder: Path) -> float:
    """Seconds since the last beat; none is as old as the folder."""
    at = folder / ALIVE
    try:
        return time.time() - (at if is_there(at) else folder).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def remove_folder(folder: Path, *, durably: bool = True) -> None:
    """Remove a folder and all in it, where it is there; it is out of sight at once.

    Parameters
    ----------
    folder
        To remove.
    durably
        False where it does no harm if a power cut brings it back, whole or in part.

    Raises
    ------
    MachineError
        If it cannot be removed.
    """
    hidden = folder.with_name(f".{os.urandom(8).hex()}.part")  # what is left after a kill is swept
    try:
        with written(folder):
            os.rename(folder, hidden)
    except Exception:
        if not os.path.lexists(folder):
            return
        raise
    if durably:
        sync_folder(folder.parent)
    with written(folder):
        while os.path.lexists(hidden):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps it, too
                shutil.rmtree(hidden)
