"""Which bands of a file become red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence

from rsir_fast.errors import ImageError

__all__ = ["MissingBandError", "chosen_bands"]


_ALL_ALIKE = "a data set's images are all read alike: keep images of other bands in a folder of their own"


class MissingBandError(ImageError):
    """An image has not the band that was asked for."""


def chosen_bands(meanings: Sequence[str], alpha: int | None, bands: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the bands to read: those asked for, or the one or three that make a picture.

    Parameters
    ----------
    meanings
        Of each band, as GDAL names them: ``"gray"``, ``"red"``, ``"undefined"`` and so on.
    alpha
        Number of the band that holds transparency, from 1.
    bands
        Asked for, from 1.

    Returns
    -------
    tuple of int
        One or three, from 1. Not asked: the only band; red, green and blue where they are named among three or four;
        else the first three of three or four. Alpha does not count.

    Raises
    ------
    MissingBandError
        If a band asked for is not there.
    ImageError
        If there are other numbers of bands and none was asked for. Both without the file's name.

    Examples
    --------
    >>> chosen_bands(["blue", "green", "red", "undefined"], None, None)
    (3, 2, 1)
    """
    count = len(meanings)
    has = f"has {count} band{'' if count == 1 else 's'}"
    if bands is not None:
        if max(bands) > count:
            raise MissingBandError(f"{has}, not the band {max(bands)} that was asked for; {_ALL_ALIKE}")
        return bands
    colours = [number for number in range(1, count + 1) if number != alpha]
    if len(colours) == 1:
        return (colours[0],)
    if len(colours) not in (3, 4):
        example = "1" if len(colours) == 2 else "4,3,2"
        raise ImageError(
            f"{has}: expected 1, 3 or 4 beside alpha; name three, or one for grey, with the option bands, "
            f"for example --bands {example}; {_ALL_ALIKE}"
        )
    named = [meanings.index(colour) + 1 for colour in ("red", "green", "blue") if meanings.count(colour) == 1]
    return tuple(named) if len(named) == 3 else tuple(colours[:3])
