"""OpenCV with one code for all processors: the same bits on each of them."""

from __future__ import annotations

import contextlib
import platform
import threading
from collections.abc import Iterator
from typing import Any

from rsir_fast.descriptors.descriptor import require

__all__ = ["CODE", "portable_opencv"]

CODE = f"{platform.machine()}, OpenCV's code for all of them"
"""Whose instructions decide the bits: what stands in place of a processor's own in the record of a run."""

_LOCK = threading.Lock()
_inside = 0
_were: tuple[bool, int] = (True, 1)
"""What the application had, optimised or not and how many threads, before the first came in."""


@contextlib.contextmanager
def portable_opencv() -> Iterator[Any]:
    """Give OpenCV with the code that every processor of this kind runs, in one thread.

    OpenCV and Intel's IPP within it choose code by the processor's instructions as they run, and each choice adds in
    another order or fuses operations: SIFT's last bits, and with them some keypoints, differ from machine to machine.
    Without that choice they are the same on every x86-64 processor, for some 20 % more time. Both switches are
    the process's, but IPP's, which is each thread's own: OpenCV's own threads would go on with it, so there is one.

    Yields
    ------
    module
        ``cv2``.

    Raises
    ------
    ImportError
        If it is not installed.

    Notes
    -----
    May be entered by several threads at once, each for itself; once the last has left, OpenCV is set as the
    application had it. What other threads ask of OpenCV meanwhile is done by the same code, and changes to these
    settings meanwhile are undone.

    Examples
    --------
    >>> import cv2
    >>> before = cv2.useOptimized(), cv2.getNumThreads()
    >>> with portable_opencv() as opencv:
    ...     opencv.useOptimized()
    False
    >>> (cv2.useOptimized(), cv2.getNumThreads()) == before
    True
    """
    global _inside, _were
    cv2 = require("opencv-python-headless")
    of_thread = cv2.ipp.useIPP(), cv2.ocl.useOpenCL()
    with _LOCK:
        if _inside == 0:
            _were = cv2.useOptimized(), cv2.getNumThreads()
        _inside += 1
        cv2.setNumThreads(1)
        cv2.setUseOptimized(False)  # of the process, and IPP's of this thread
    try:
        yield cv2
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                cv2.setUseOptimized(_were[0])
                cv2.setNumThreads(_were[1])
        cv2.ipp.setUseIPP(of_thread[0])
        cv2.ocl.setUseOpenCL(of_thread[1])
