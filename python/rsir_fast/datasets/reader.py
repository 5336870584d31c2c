"""How the samples of an image file become RGB of 8 bits: which bands, which scale."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Reader", "Scale"]

_MOST_BANDS = 65535  # TIFF's and GDAL's limit


@dataclass(frozen=True)
class Scale:
    """A linear scale to 8 bits: `low` becomes 0, `high` 255.

    Parameters
    ----------
    kind
        ``"range"``: `low` and `high` are samples. ``"minmax"``: the smallest and largest sample of the image.
        ``"percentile"``: `low` and `high` are percentiles of the image's samples.
    low, high
        See `kind`; nothing for ``"minmax"``.
    """

    kind: Literal["range", "minmax", "percentile"]
    low: float = 0.0
    high: float = 100.0

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Understand ``0:3000``, ``minmax`` or ``percentile:2,98``.

        Raises
        ------
        ValueError
            For anything else, saying what is expected.

        Examples
        --------
        >>> Scale.parse("0:3000")
        Scale(kind='range', low=0.0, high=3000.0)
        >>> str(Scale.parse("percentile: 2, 98"))
        'percentile:2,98'
        """
        plain = text.strip().lower()
        if plain == "minmax":
            return cls("minmax")
        percentiles = re.fullmatch(r"percentile\s*:(.*),(.*)", plain)
        parts = percentiles.groups() if percentiles else tuple(plain.split(":"))
        try:
            low, high = map(float, parts)
        except ValueError:
            low, high = math.nan, math.nan
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(
                "scale: expected LOW:HIGH in samples of the file such as 0:3000, minmax, or percentile:LOW,HIGH such "
                f"as percentile:2,98, got {text!r}"
            )
        if percentiles and not (0 <= low < high <= 100):
            raise ValueError(
                f"scale: expected percentiles from 0 to 100, the lower first, such as percentile:2,98, got {text!r}"
            )
        if low >= high:
            raise ValueError(f"scale: expected the lower sample first, such as 0:3000, got {text!r}")
        return cls("percentile" if percentiles else "range", low, high)

    def __str__(self) -> str:
        if self.kind == "minmax":
            return self.kind
        low, high = (repr(value).removesuffix(".0") for value in (self.low, self.high))
        return f"{low}:{high}" if self.kind == "range" else f"percentile:{low},{high}"


@dataclass(frozen=True)
class Reader:
    """What is made of image files; part of what their features mean.

    Parameters
    ----------
    bands
        Numbers of three bands, from 1, that become red, green and blue, or of one that becomes grey. None: by the rules
        of `rsir_fast.datasets.read_image`.
    scale
        To 8 bits. None: by the same rules.

    Raises
    ------
    ValueError
        If `bands` are not one or three numbers from 1.

    Examples
    --------
    >>> Reader.parse("4,3,2", "0:3000")
    Reader(bands=(4, 3, 2), scale=Scale(kind='range', low=0.0, high=3000.0))
    >>> Reader.parse("4,3,2", "0:3000").describe()
    {'bands': [4, 3, 2], 'scale': '0:3000'}
    """

    bands: tuple[int, ...] | None = None
    scale: Scale | None = None

    def __post_init__(self) -> None:
        if self.bands is None:
            return
        fits = all(isinstance(band, int) and 1 <= band <= _MOST_BANDS for band in self.bands)
        if len(self.bands) not in (1, 3) or not fits:
            raise ValueError(
                f"bands: expected the numbers of three bands, counted from 1, or of one, such as 4,3,2, "
                f"got {','.join(map(str, self.bands))}"
            )

    @classmethod
    def parse(cls, bands: str | Sequence[int] | None = None, scale: str | None = None) -> Reader:
        """Make a reader of what a user writes.

        Parameters
        ----------
        bands
            ``"4,3,2"``, or a sequence of integers.
        scale
            As for `Scale.parse`.

        Raises
        ------
        ValueError
            If one of them cannot be understood, saying what is expected.
        """
        if isinstance(bands, str):
            try:
                bands = [int(part) for part in bands.split(",")]
            except ValueError:
                raise ValueError(
                    f"bands: expected the numbers of three bands, counted from 1, or of one, such as 4,3,2, "
                    f"got {bands!r}"
                ) from None
        return cls(None if bands is None else tuple(bands), None if scale is None else Scale.parse(scale))

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> Reader:
        """Return the reader that provenance names, the default one where it names none."""
        found = provenance.get("reader", {})
        return cls.parse(found.get("bands"), found.get("scale"))

    def describe(self) -> dict[str, Any]:
        """Return what differs from the default, JSON-able."""
        bands = {} if self.bands is None else {"bands": list(self.bands)}
        scale = {} if self.scale is None else {"scale": str(self.scale)}
        return {**bands, **scale}

    def or_else(self, other: Reader) -> Reader:
        """Return bands and scale of this one, and of another those that this one leaves open."""
        return Reader(self.bands or other.bands, self.scale or other.scale)

    def provenance(self) -> dict[str, Any]:
        """Return the entry ``reader`` of a provenance; nothing for the default, so that it stays as it ever was."""
        described = self.describe()
        return {"reader": described} if described else {}

    def __str__(self) -> str:
        bands = "" if self.bands is None else f"bands {','.join(map(str, self.bands))}"
        scale = "" if self.scale is None else f"scale {self.scale}"
        return ", ".join(part for part in (bands, scale) if part) or "bands and scale by default"
