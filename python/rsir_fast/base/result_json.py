"""Results as JSON whose bytes depend on the values only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

__all__ = ["result_json"]


def result_json(result: Mapping[str, Any]) -> str:
    """Write a result as JSON whose bytes depend on its values only.

    Keys are sorted (numbers by value, so ``"5"`` stands before ``"10"``), lists of plain values take one line, NaN and
    infinities become null, NumPy values become plain ones.

    Parameters
    ----------
    result : result
        Nested mappings, sequences and plain values.

    Returns
    -------
    str
        JSON that ends in a newline.

    Raises
    ------
    TypeError
        If something in it has no JSON form; the message names where.

    Examples
    --------
    >>> print(result_json({"precision_at": {"10": 0.5, "5": float("nan")}, "n": [1, 2]}), end="")
    {
      "n": [1, 2],
      "precision_at": {
        "5": null,
        "10": 0.5
      }
    }
    """
    return _dump(_plain(result, "result"), 0) + "\n"


def _plain(value: Any, where: str) -> Any:
    """Reduce a value to dict, list, str, int, float, bool or None, keys sorted."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        ordered = sorted(value.items(), key=lambda item: _key_order(str(item[0])))
        return {str(key): _plain(entry, f"{where}.{key}") for key, entry in ordered}
    if isinstance(value, list | tuple):
        return [_plain(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(
        f"{where} should be a mapping, a sequence, a string, a number or None, but is a {type(value).__name__}; "
        "convert it before it goes into the result"
    )


def _key_order(key: str) -> tuple[int, int, str]:
    return (0, int(key), "") if key.isascii() and key.isdigit() else (1, 0, key)


def _dump(value: Any, depth: int) -> str:
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        entries = (f"{inner}{_leaf(key)}: {_dump(entry, depth + 1)}" for key, entry in value.items())
        return "{\n" + ",\n".join(entries) + f"\n{outer}}}"
    if isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        return "[\n" + ",\n".join(inner + _dump(entry, depth + 1) for entry in value) + f"\n{outer}]"
    return _leaf(value)


def _leaf(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
