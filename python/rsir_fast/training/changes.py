"""What differs between the settings of two trainings, in words that a user has used; encoders apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rsir_fast.base.text import short

__all__ = ["changes"]

_IMAGES = "set of images"
"""Words for other images, or images that changed."""

_WORDS = (
    (r"images(\.\w+)?\.name|dataset", "name of the folder of images"),
    (r"images(\.\w+)?\.images", "number of images"),
    (r"(images(\.\w+)?\.)?classes", "classes"),
    (r"(images(\.\w+)?\.)?reader\.(?P<name>\w+)", ""),
    (r"images(\.\w+)?\.sha256", _IMAGES),
    (r"(items_sha256|split)\b.*", "split"),
    (r"recipe\.(?P<name>.+)", "recipe"),
    (r"cpu_threads", "number of threads"),
    (r"(?P<name>torch|rsir_fast)", "version of"),
    (r"processes", "number of processes"),
    (r"(?:\w+\.)*(?P<name>\w+)", ""),
    (r"(?P<name>.*)", ""),  # of a damaged record
)
"""Of a flat key: the words for it; `name` is put behind them, or is the words."""


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Say what differs.

    Parameters
    ----------
    before, now
        JSON-able settings, nested or flat.

    Returns
    -------
    dict
        By what differs, in plain words: how, where a few words can tell.

    Examples
    --------
    >>> changes({"seed": 0, "recipe": {"epochs": 3}}, {"seed": 1, "recipe": {"epochs": 4}})
    {'recipe': 'epochs 3, now 4', 'seed': '0, now 1'}
    >>> list(changes({"images": {"name": "a", "sha256": "1f"}}, {"images": {"name": "b", "sha256": "2e"}}))
    ['name of the folder of images', 'set of images']
    """
    ours, theirs = _flat(now), _flat(before)
    keys = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    told: dict[str, str] = {}
    for key in keys:
        words, detail = _words(key, theirs.get(key), ours.get(key))
        if not told.get(words):
            told[words] = detail
    return told


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn ``{"a": {"b": 1}}`` into ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _words(key: str, before: object, now: object) -> tuple[str, str]:
    words, name = next(
        (words, (found.groupdict().get("name") or ""))
        for pattern, words in _WORDS
        if (found := re.fullmatch(pattern, key, re.DOTALL)) is not None
    )
    name = short(name if words == "version of" else name.replace("_", " "), 60)
    if words == _IMAGES:
        return words, "images were replaced, added, removed, moved or touched"
    if "sha256" in key:
        return words, ""
    joined = words in ("", "version of")
    plain = not any(isinstance(value, list | tuple) and len(value) > 4 for value in (before, now))
    detail = f"{_value(before)}, now {_value(now)}" if plain else ""
    if name and not joined:
        detail = f"{name} {detail}".rstrip()
    return (short(f"{words} {name}".strip()) if joined else words), detail


def _value(value: object) -> str:
    if value is None:
        return "by default"
    return short(",".join(map(str, value)) if isinstance(value, list | tuple) else value, 60)
