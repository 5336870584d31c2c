"""What a report on each protocol consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from rsir_fast.report import dhcnn2021, ge2018

__all__ = ["View", "view_of"]

Result = Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """How the results of one protocol are shown.

    Attributes
    ----------
    plots
        Result -> SVG files by their stem.
    context
        Result -> what the protocol's template, ``<protocol>.html.j2``, needs beside what all pages have.
    heading
        Result -> lines above the table in a terminal.
    tables
        Result, with a row per class or without -> tables for a terminal.
    """

    plots: Callable[[Result], dict[str, bytes]]
    context: Callable[[Result], dict[str, Any]]
    heading: Callable[[Result], list[str]]
    tables: Callable[[Result, bool], list[RenderableType]]


_VIEWS = {
    "ge2018": View(ge2018.plots, ge2018.context, ge2018.heading, ge2018.tables),
    "dhcnn2021": View(dhcnn2021.plots, dhcnn2021.context, dhcnn2021.heading, dhcnn2021.tables),
}


def view_of(result: Result) -> View:
    """Find how the results of a protocol are shown.

    Raises
    ------
    ValueError
        If there is no report for the protocol.

    Examples
    --------
    >>> view_of({"protocol": "ge2018"}) is view_of({"protocol": "ge2018"})
    True
    """
    protocol = result["protocol"]
    if protocol not in _VIEWS:
        raise ValueError(f"protocol: expected one of {', '.join(_VIEWS)}, got {protocol!r}")
    return _VIEWS[protocol]
