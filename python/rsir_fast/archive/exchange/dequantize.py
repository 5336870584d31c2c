"""From the whole numbers of quantised vectors to the numbers that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rsir_fast.encoders.fields import Frozen

__all__ = ["Rule"]

_LINEAR = re.compile(r"linear:(?P<scale>[^,]+)(,(?P<offset>[^,]+))?")


class Rule(Frozen):
    """What whole numbers stand for.

    Attributes
    ----------
    method : {"none", "linear", "sqrt_scale"}
        ``none``: themselves. ``linear``: q scale + offset. ``sqrt_scale``: sign(q) (q / scale)^2, as AlphaEarth's of
        8 bits with scale 127.5, where -128 is no data.

    Examples
    --------
    >>> Rule.parse("alphaearth").values(np.array([[-127, 0, 51]], np.int8)).tolist()
    [[-0.9921722412109375, 0.0, 0.1599999964237213]]
    """

    method: Literal["none", "linear", "sqrt_scale"] = "none"
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Understand ``none``, ``linear:SCALE[,OFFSET]``, ``alphaearth``.

        Raises
        ------
        ValueError
            For anything else, saying what is expected.
        """
        if text == "none":
            return cls()
        if text == "alphaearth":
            return cls(method="sqrt_scale", scale=127.5)
        found = _LINEAR.fullmatch(text)
        try:
            scale, offset = (float(found["scale"]), float(found["offset"] or 0)) if found else (0.0, 0.0)
        except ValueError:
            scale = offset = 0.0
        if not (np.isfinite([scale, offset]).all() and scale):
            raise ValueError(
                f"dequantize: expected none, alphaearth, or linear:SCALE[,OFFSET] such as linear:0.0078,0, got {text!r}"
            )
        return cls(method="linear", scale=scale, offset=offset)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Rule | None:
        """Return the rule that a quantization object of the STAC embedding extension states; None if none is known."""
        method = str(told.get("method", "")).lower()
        scale, offset = (_first(told.get(key)) for key in ("scale", "offset"))
        if method == "none":
            return cls()
        if method == "linear" and scale:
            return cls(method="linear", scale=scale, offset=offset or 0.0)
        if method == "sqrt_scale":
            return cls(method="sqrt_scale", scale=scale or 127.5)
        return None

    def values(self, whole: NDArray[Any]) -> NDArray[np.float32]:
        """Return what they stand for, float32 [n, width]: computed in float64, rounded once; NaN for no data."""
        q = whole.astype(np.float64)
        if self.method == "linear":
            return (q * self.scale + self.offset).astype(np.float32)
        if self.method == "none":
            return q.astype(np.float32)
        found = np.sign(q) * np.square(q / self.scale)
        if whole.dtype == np.int8:
            found[whole == -128] = np.nan
        return found.astype(np.float32)


def _first(value: Any) -> float | None:
    if isinstance(value, list) and value:
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
