"""What one image may cost: pixels, memory and time, so that a small hostile file exhausts nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rsir_fast.base.memory import MemoryBudget, machine_memory
from rsir_fast.errors import ImageError, MachineError

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "MEMORY",
    "Cost",
    "LimitError",
    "Limits",
    "current_limits",
    "limits_of_images",
    "set_limits",
]

MAX_PIXELS = 2**28
"""Largest image read by default, in pixels: 16384 x 16384, more than a Sentinel-2 tile."""

MAX_SIDE = 2**18
"""Longest side read, in pixels: the filter that shrinks a side needs memory in proportion to it."""

FREE_PIXELS = 2**26
"""Work that any file may ask for: flat images of so many pixels are common (no data, water, night) and tiny."""

PIXELS_PER_SECOND = 2**25
"""The work that a slow core is taken to do in a second."""

MEMORY = MemoryBudget()
"""Shared by all threads of the process that read images."""


class LimitError(ImageError):
    """An image is refused by a limit, before it is decoded."""


@dataclass(frozen=True)
class Cost:
    """What the header of a file says that reading it will take; nothing is decoded yet.

    Attributes
    ----------
    width, height
        In pixels.
    file_bytes
        Size of the file.
    memory
        Bytes at the peak, up to the finished RGB image.
    work
        How many times the work of plainly decoding a pixel each pixel takes.
    why
        What makes the work, if it is more than that of a plain file.
    """

    width: int
    height: int
    file_bytes: int
    memory: int
    work: float = 1.0
    why: str = ""

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Limits:
    """Limits to what one image may cost, and to the memory of all that are read at a time.

    They only decide which images are refused, never a pixel of the others. All but `image_memory` depend on nothing but
    the file, so that every machine refuses the same images. The options of ``rsir`` have the same names.

    Parameters
    ----------
    image_memory
        Bytes that decoding may take in all threads together. A thread waits until its share is free; an image that
        needs more alone stops the run. None: a quarter of the machine's memory, or of what its container grants;
        under torchrun shared by the processes of a machine.
    max_pixels
        Of an image.
    max_pixels_per_byte
        Pixels of an image for each byte of its file, for images of more than 2^26 pixels. A pixel that takes the work
        of several (JPEG2000, many scans of a progressive JPEG) counts as so many.
    image_seconds
        Time to decode an image, as a slow core is taken to need for so many pixels of such a kind. An estimate by the
        header, not a clock: the same on every machine.

    Raises
    ------
    ValueError
        If one of them is not positive.

    Examples
    --------
    >>> Limits(max_pixels=10_000).refusal(Cost(width=200, height=100, file_bytes=5000, memory=80_000))
    '200 x 100 pixels are more than the limit of 10000; cut it into tiles, or raise --max-pixels'
    >>> Limits().refusal(Cost(width=200, height=100, file_bytes=5000, memory=80_000))
    """

    image_memory: int | None = None
    max_pixels: int = MAX_PIXELS
    max_pixels_per_byte: float = 128.0
    image_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValueError(f"{field.name}: expected more than 0, got {value}; leave it out for the default")

    @property
    def total_memory(self) -> int:
        """Bytes for all threads."""
        if self.image_memory is not None:
            return self.image_memory
        # torchrun says how many processes share this machine.
        processes = os.environ.get("LOCAL_WORLD_SIZE", "")
        return machine_memory() // 4 // (int(processes) if processes.isdecimal() and int(processes) else 1)

    def refusal(self, cost: Cost) -> str | None:
        """Say why an image is refused, on every machine, and which option would have it read.

        Returns
        -------
        str or None
            None: it may be read.
        """
        size = f"{cost.width} x {cost.height} pixels"
        work = cost.pixels * cost.work
        why = f" ({cost.why})" if cost.why else ""
        if cost.pixels > self.max_pixels:
            return f"{size} are more than the limit of {self.max_pixels}; cut it into tiles, or raise --max-pixels"
        if max(cost.width, cost.height) > MAX_SIDE:
            return f"{size} are more than the limit of {MAX_SIDE} a side; cut it into tiles"
        if work > FREE_PIXELS and work > self.max_pixels_per_byte * cost.file_bytes:
            return (
                f"{size}{why} in {cost.file_bytes} bytes are more than the limit of {self.max_pixels_per_byte:g} each, "
                "as in an empty image or one made to exhaust the machine; leave it out, or raise --max-pixels-per-byte"
            )
        if work > self.image_seconds * PIXELS_PER_SECOND:
            return (
                f"{size}{why} take about {work / PIXELS_PER_SECOND:.0f} s to decode, more than the limit of "
                f"{self.image_seconds:g} s; cut it into tiles, or raise --image-seconds"
            )
        return None

    def refusing(self) -> dict[str, float]:
        """Return those that decide which images are refused.

        Examples
        --------
        >>> Limits(max_pixels=10_000).refusing()
        {'max_pixels': 10000, 'max_pixels_per_byte': 128.0, 'image_seconds': 60.0}
        """
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "image_memory"}

    def is_above(self, before: Mapping[str, float]) -> bool:
        """Whether an image that was refused by other limits may be read by these.

        Parameters
        ----------
        before
            As of `refusing`; the default for what is not there.
        """
        default = Limits().refusing()
        return any(value > before.get(name, default[name]) for name, value in self.refusing().items())

    def shortage(self, cost: Cost) -> str | None:
        """Say that the memory granted here is too little for an image: true of this machine, not of the image.

        Returns
        -------
        str or None
            None: there is enough.
        """
        if cost.memory <= self.total_memory:
            return None
        why = f" ({cost.why})" if cost.why else ""
        return (
            f"{cost.width} x {cost.height} pixels{why} need {_amount(cost.memory)} of memory, more than the limit of "
            f"{_amount(self.total_memory)}; cut it into tiles, or raise --image-memory"
        )

    @contextlib.contextmanager
    def admitted(self, cost: Cost) -> Iterator[None]:
        """Wait until the memory for an image is free, and hold it until the block ends.

        Within ``MEMORY.scope()`` the four bytes a pixel of the finished image are held until that ends.

        Raises
        ------
        LimitError
            If the image is refused; the message does not name it.
        MachineError
            If it needs more memory than all threads together are granted; nor does that message.
        """
        refusal, shortage = self.refusal(cost), self.shortage(cost)
        if refusal is not None:
            raise LimitError(refusal)
        if shortage is not None:
            raise MachineError(shortage)
        with MEMORY.taken(cost.memory, total=self.total_memory, keep=4 * cost.pixels):
            yield


def _amount(size: int) -> str:
    """Bytes as people say them.

    Examples
    --------
    >>> _amount(1_400_000), _amount(3 * 2**30)
    ('1.3 MiB', '3.0 GiB')
    """
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


_current = Limits()


def current_limits() -> Limits:
    """Return the limits of this process."""
    return _current


def set_limits(limits: Limits) -> Limits:
    """Set the limits of this process for all images read from now on; return those before.

    They protect the machine, so that there is one set of them for all threads and data sets.

    Examples
    --------
    >>> before = set_limits(Limits(max_pixels=1_000_000))
    >>> set_limits(before).max_pixels
    1000000
    """
    global _current
    before, _current = _current, limits
    return before


@contextlib.contextmanager
def limits_of_images(**changes: Any) -> Iterator[Limits]:
    """Change some of the limits of this process until the block ends.

    Examples
    --------
    >>> with limits_of_images(max_pixels=1_000_000) as limits:
    ...     limits.max_pixels
    1000000
    """
    before = set_limits(replace(_current, **changes))
    try:
        yield _current
    finally:
        set_limits(before)
