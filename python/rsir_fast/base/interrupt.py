"""Ctrl-C while a command starts: one line and 130, not the traceback of whatever was being imported."""

from __future__ import annotations

import os
import signal
from typing import Any, NoReturn

__all__ = ["INTERRUPTED", "begin_work", "expect_interrupt"]

INTERRUPTED = 130


def expect_interrupt() -> None:
    """Have Ctrl-C end the process at once until `begin_work`: nothing has been written yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def begin_work() -> None:
    """Have Ctrl-C raise KeyboardInterrupt from now on."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: Any) -> NoReturn:
    os.write(2, b"rsir: interrupted\n")
    os._exit(INTERRUPTED)
