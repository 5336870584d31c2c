"""Numbers of returned images, as an evaluation is asked for them."""

from __future__ import annotations

from collections.abc import Sequence

from rsir_fast.protocols.protocol import DIVISORS, MapDivisor, Protocol

__all__ = ["as_cutoffs", "check_map_at", "with_map_at"]


def check_map_at(map_at: int | None, divisor: str) -> None:
    """Refuse a k of mAP@k below 1, and a divisor that there is not.

    Raises
    ------
    ValueError
        Naming what was expected.
    """
    if map_at is not None and map_at < 1:
        raise ValueError(f"map_at: expected a number of ranks from 1 on, or None for no mAP@k, got {map_at}")
    if divisor not in DIVISORS:
        raise ValueError(f"divisor: expected one of {', '.join(map(repr, DIVISORS))}, got {divisor!r}")


def as_cutoffs(cutoffs: Sequence[int]) -> tuple[int, ...]:
    """Return numbers of returned items, ascending, each once.

    Raises
    ------
    ValueError
        If there is none, or one is below 1.
    """
    numbers = tuple(sorted({int(number) for number in cutoffs}))
    if not numbers or numbers[0] < 1:
        raise ValueError(f"cutoffs: expected numbers of returned images from 1 on, got {list(cutoffs)}")
    return numbers


def with_map_at(rules: Protocol, map_at: int | None, divisor: MapDivisor) -> Protocol:
    """Return rules that state mAP@k and its divisor, where it was asked for."""
    if map_at is None:
        return rules
    return Protocol.model_validate({**rules.content(), "map_at": map_at, "divisor": divisor})
