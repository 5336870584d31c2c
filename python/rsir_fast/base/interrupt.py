"""Ctrl-C while a command starts: one line and 130, not the traceback of whatever was being imported."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

__all__ = ["INTERRUPTED", "begin_work", "expect_interrupt", "interruption_told"]

INTERRUPTED = 130


def expect_interrupt() -> None:
    """Have Ctrl-C end the process at once until `begin_work`: nothing has been written yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def begin_work() -> None:
    """Have Ctrl-C raise KeyboardInterrupt from now on, but while torch is imported."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _stop)


def interruption_told() -> None:
    """Have another Ctrl-C end the process without a word: the user has read one."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, _leave)


def _stop(number: int, frame: FrameType | None) -> None:
    # A torch that is imported in part ends the process when it is imported again, or at exit.
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    if getattr(spec, "_initializing", False):
        _end()
    # One who presses it again does not want to wait for what is being cleared up; the next run does that, too.
    signal.signal(signal.SIGINT, _end)
    signal.default_int_handler(number, frame)


def _leave(*_: Any) -> NoReturn:
    os._exit(INTERRUPTED)


def _end(*_: Any) -> NoReturn:
    os.write(2, b"rsir: interrupted\n")
    os._exit(INTERRUPTED)
