"""All bombs by name."""

from __future__ import annotations

from collections.abc import Callable

SIDE = 16384
"""As large as an image may be by default."""

BOMBS: dict[str, Callable[[], bytes]] = {}


def bomb(make: Callable[[], bytes]) -> Callable[[], bytes]:
    BOMBS[make.__name__] = make
    return make
