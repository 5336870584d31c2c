"""Footprints as an outline map: one SVG, longitude to the right, latitude upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

__all__ = ["footprint_map"]

_WIDE, _HIGH, _EDGE = 720.0, 420.0, 46.0
"""Largest size of the map, and room for its degrees, in the units of the SVG."""
_STEPS = (1, 2, 5)
_LEAST = 1e-4
"""Degrees that a map shows at least."""


def footprint_map(shapes: Sequence[Any], names: Sequence[str]) -> Markup:
    """Draw geometries of shapely in degrees, each with a name as its number.

    Across the antimeridian the map goes on beyond 180 degrees. A degree of longitude is as wide as it is in the middle.
    """
    rings = _turned([[ring for part in _parts(shape) for ring in _rings(part)] for shape in shapes])
    longitudes, latitudes = zip(*(point for shape in rings for ring in shape for point in ring), strict=True)
    west, east = _widened(min(longitudes), max(longitudes))
    south, north = _widened(min(latitudes), max(latitudes))
    shrink = max(math.cos(math.radians((south + north) / 2)), 0.05)
    scale = min(_WIDE / ((east - west) * shrink), _HIGH / (north - south))
    wide, high = (east - west) * shrink * scale, (north - south) * scale

    def at(x: float, y: float) -> tuple[float, float]:
        return _EDGE + (x - west) * shrink * scale, 8 + (north - y) * scale

    drawn = [
        f'<svg viewBox="0 0 {wide + _EDGE + 12:.0f} {high + 34:.0f}" role="img" aria-label="Map of the footprints" '
        f'style="max-width:{wide + _EDGE + 12:.0f}px;width:100%;height:auto" font-size="11" fill="#566171">'
    ]
    for x in _ticks(west, east):
        left, _ = at(x, south)
        label = f"{(x + 180) % 360 - 180:.6g}°"
        drawn.append(f'<path d="M{left:.2f} 8v{high:.2f}" stroke="#dfe4ea"/>')
        drawn.append(f'<text x="{left:.2f}" y="{high + 24:.2f}" text-anchor="middle">{label}</text>')
    for y in _ticks(south, north):
        _, top = at(west, y)
        drawn.append(f'<path d="M{_EDGE:.2f} {top:.2f}h{wide:.2f}" stroke="#dfe4ea"/>')
        drawn.append(f'<text x="{_EDGE - 5:.2f}" y="{top + 4:.2f}" text-anchor="end">{y:.6g}°</text>')
    drawn.append(f'<rect x="{_EDGE}" y="8" width="{wide:.2f}" height="{high:.2f}" fill="none" stroke="#aab4c0"/>')
    for shape, name in zip(rings, names, strict=True):
        path = "".join(
            "M" + "L".join(f"{left:.2f} {top:.2f}" for left, top in (at(*point) for point in ring)) + "Z"
            for ring in shape
        )
        drawn.append(
            f'<path d="{path}" fill="#0b5394" fill-opacity=".14" stroke="#0b5394" stroke-width="1.4" '
            f'stroke-linejoin="round"><title>{escape(name)}</title></path>'
        )
        corners = [at(*point) for ring in shape for point in ring]
        left = sum(x for x, _ in corners) / len(corners)
        top = sum(y for _, y in corners) / len(corners)
        number = escape(name.split(" ")[0])
        drawn.append(f'<text x="{left:.2f}" y="{top + 4:.2f}" text-anchor="middle" fill="#0b5394">{number}</text>')
    return Markup("\n".join([*drawn, "</svg>"]))


def _turned(shapes: list[list[list[tuple[float, float]]]]) -> list[list[list[tuple[float, float]]]]:
    """Return rings with longitudes that go on beyond 180 where that is the shorter way round."""

    def width(some: list[list[list[tuple[float, float]]]]) -> float:
        longitudes = [x for shape in some for ring in shape for x, _ in ring]
        return max(longitudes) - min(longitudes)

    turned = [[[(x + 360 if x < 0 else x, y) for x, y in ring] for ring in shape] for shape in shapes]
    return turned if width(turned) < width(shapes) else shapes


def _parts(shape: Any) -> list[Any]:
    return list(getattr(shape, "geoms", [shape]))


def _rings(part: Any) -> list[list[tuple[float, float]]]:
    rings = [part.exterior, *part.interiors] if part.geom_type == "Polygon" else [part]
    return [[(float(x), float(y)) for x, y, *_ in ring.coords] for ring in rings]


def _widened(least: float, most: float) -> tuple[float, float]:
    """Return two ends with some room around them."""
    more = max((most - least) * 0.06, _LEAST / 2)
    return least - more, most + more


def _ticks(least: float, most: float) -> list[float]:
    """Return three to seven round numbers between two."""
    whole = 10 ** math.floor(math.log10((most - least) / 3))
    step = max(each * whole for each in _STEPS if each * whole <= (most - least) / 3)
    first = math.ceil(least / step)
    return [round(number * step, 10) for number in range(first, math.floor(most / step) + 1)]
