"""The one-line error of every reader of weight files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from rsir_fast.errors import WeightFileError

__all__ = ["damaged", "refuse"]

_SUMMARY = re.compile(r"\s+")


def refuse(path: Path, expected: str, found: object, fix: str) -> NoReturn:
    """Raise the one-line `WeightFileError` that every reader uses."""
    line = _SUMMARY.sub(" ", f"{path}: expected {expected}; found {found}; {fix}").strip()
    raise WeightFileError(line)


@contextlib.contextmanager
def damaged(path: Path, expected: str, fix: str = "download the file again") -> Iterator[None]:
    """Turn whatever a format's library raises inside the ``with`` into the one-line `WeightFileError`.

    A flipped byte can make zipfile, torch, numpy, h5py and safetensors fail with almost any type of error, and the
    list changes with their versions; all of them mean the same to the user. Sizes that are too large for this machine
    or process (MemoryError, RecursionError) come from the file too.

    Raises
    ------
    WeightFileError
        In place of any `Exception`.

    Examples
    --------
    >>> with damaged(Path("model.npz"), "an .npz archive"):
    ...     raise KeyError("conv1")
    Traceback (most recent call last):
        ...
    rsir_fast.errors.WeightFileError: model.npz: expected an .npz archive; found a damaged one (KeyError: 'conv1'); \
download the file again
    """
    try:
        yield
    except WeightFileError:
        raise
    except (MemoryError, RecursionError) as error:
        refuse(path, expected, f"impossible sizes ({type(error).__name__})", fix)
    except Exception as error:
        # Messages of torch run over many lines; the first one says what happened.
        text = next(iter(str(error).splitlines()), "")[:200]
        refuse(path, expected, f"a damaged one ({type(error).__name__}{': ' if text else ''}{text})", fix)
