"""``python -m rsir_fast`` is ``rsir``."""

from __future__ import annotations

import os
import sys

from rsir_fast.base.interrupt import INTERRUPTED, expect_interrupt

__all__ = ["main"]


def main() -> None:
    """Run ``rsir``."""
    expect_interrupt()
    from rsir_fast.cli import main as run

    try:
        run()
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        # At once: what was interrupted while it was imported, as torch, may crash when the interpreter ends.
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
