"""Scenes of traffic: freeway, crossing, runway, apron with aeroplanes."""

from __future__ import annotations

import math

import numpy as np

from rsir_fast.datasets.scenes.canvas import HALF, Canvas, Color, corners, ramp, shade
from rsir_fast.datasets.scenes.objects import (
    ASPHALT,
    CONCRETE,
    WHITE,
    building,
    car,
    grassland,
    plane,
    plane_outline,
    trees,
    turned,
)

__all__ = ["airplane", "freeway", "intersection", "runway"]

_YELLOW: Color = (224, 182, 62)
# Strokes of seven-part digits: top, upper right, lower right, bottom, lower left, upper left, middle.
_DIGITS = ("012345", "12", "01643", "01236", "5612", "05623", "054326", "012", "0123456", "650123")
_STROKES = (
    *(((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (1, 2)), ((0, 2), (1, 2))),
    *(((0, 1), (0, 2)), ((0, 0), (0, 1)), ((0, 1), (1, 1))),
)


def freeway(c: Canvas) -> None:
    """Two carriageways of several lanes with traffic."""
    grassland(c, c.vary((124, 130, 80), 0.1), (176, 158, 116))
    lanes, lane = c.integer(3, 4), 13.0
    road = c.vary(c.pick([ASPHALT, (140, 138, 132), (112, 112, 112)]), 0.07)
    median = c.pick([5.0, 7.0, 26.0])
    width = lanes * lane + 12
    middle = c.uniform(-25, 25)
    for side in (-1, 1):
        y = middle + side * (median / 2 + width / 2)
        c.rectangle(0, y, 2 * HALF, width, shade(road, 0.93))
        c.rectangle(0, y, 2 * HALF, width - 10, road)
        for edge, color in ((-1, WHITE), (1, WHITE)):
            at = y + edge * (lanes * lane / 2)
            c.line([(-HALF, at), (HALF, at)], 1.1, _YELLOW if edge == -side else color)
        for k in range(1, lanes):
            at = y - lanes * lane / 2 + k * lane
            c.dashes((-HALF - c.uniform(0, 20), at), (HALF, at), 1.1, 9, 14, WHITE)
        for k in range(lanes):
            at, x = y - lanes * lane / 2 + (k + 0.5) * lane, -HALF + c.uniform(0, 60)
            while x < HALF:
                if c.chance(0.12):
                    c.rectangle(x - c.sun[0] * 3, at - c.sun[1] * 3, 38, 8, (48, 49, 54))
                    c.rectangle(x - 3, at, 31, 8, c.vary((222, 222, 218), 0.06))
                    c.rectangle(x + side * 17, at, 7, 7.5, c.vary((126, 70, 62), 0.3))
                else:
                    car(c, x, at + c.uniform(-1, 1), 0 if side > 0 else math.pi, 12.5)
                x += c.uniform(34, 110)
    if median < 10:
        c.rectangle(0, middle, 2 * HALF, median, shade(CONCRETE, 0.9))
        c.line([(-HALF, middle), (HALF, middle)], 1.6, shade(CONCRETE, 1.2))
    beyond = median / 2 + width
    if c.chance(0.5):
        start = c.uniform(-120, 0)
        ramp_line = [(start + t, middle + beyond - 6 + 0.0016 * t * t) for t in np.arange(0, 330, 8).tolist()]
        c.line(ramp_line, 15, shade(road, 0.97))
        c.line(ramp_line, 0.8, shade(road, 1.25))
    points = [(x, y) for x, y in c.scatter(15) if abs(y - middle) > beyond + 26 and c.chance(0.45)]
    trees(c, points, 4, 8)


def intersection(c: Canvas) -> None:
    """Two streets that cross, with zebra crossings and corner blocks."""
    c.cover(c.surface(c.vary((150, 146, 136), 0.08), (c.vary((120, 130, 84)), ramp(c.noise(40), 0.5))))
    first, second = c.uniform(24, 32), c.uniform(19, 30)  # half widths of the streets along x and along y
    road = c.vary(ASPHALT, 0.1)
    for x in (-1, 1):
        for y in (-1, 1):
            width, depth = c.uniform(70, 100), c.uniform(60, 90)
            bx, by = x * (second + 20 + width / 2), y * (first + 20 + depth / 2)
            if c.chance(0.75):
                c.cast(corners(bx, by, width, depth), c.uniform(8, 16))
    c.drop_shadows()
    c.rectangle(0, 0, 2 * HALF, 2 * first + 14, c.vary(CONCRETE, 0.04))
    c.rectangle(0, 0, 2 * second + 14, 2 * HALF, c.vary(CONCRETE, 0.04))
    c.rectangle(0, 0, 2 * HALF, 2 * first, road)
    c.rectangle(0, 0, 2 * second, 2 * HALF, road)
    for x in (-1, 1):
        for y in (-1, 1):
            bx, by = x * (second + 74), y * (first + 66)
            if c.chance(0.8):
                building(
                    c,
                    bx,
                    by,
                    c.uniform(84, 108),
                    c.uniform(74, 96),
                    c.pick([(190, 186, 178), (164, 120, 98), (140, 140, 144)]),
                )
    for side in (-1, 1):
        for at in np.arange(-first + 3, first - 1, 5).tolist():
            c.rectangle(side * (second + 9), at, 10, 2.6, WHITE)
        for at in np.arange(-second + 3, second - 1, 5).tolist():
            c.rectangle(at, side * (first + 9), 2.6, 10, WHITE)
        c.line([(side * (second + 17), 0), (side * HALF, 0)], 1.6, _YELLOW)
        c.line([(0, side * (first + 17)), (0, side * HALF)], 1.6, _YELLOW)
        c.line([(side * (second + 17), 0), (side * (second + 17), side * first)], 2, WHITE)
        c.line([(0, side * (first + 17)), (-side * second, side * (first + 17))], 2, WHITE)
        for lane in (-0.5, 0.5):
            c.dashes((side * (second + 18), lane * first), (side * HALF, lane * first), 1, 8, 9, WHITE)
            c.dashes((lane * second, side * (first + 18)), (lane * second, side * HALF), 1, 8, 9, WHITE)
    for lane in (-0.75, -0.25, 0.25, 0.75):
        for at in np.arange(-170, 170, 22).tolist():
            if c.chance(0.4) and abs(at) > second + 26:
                car(c, at, lane * first, 0 if lane > 0 else math.pi, 12)
            if c.chance(0.35) and abs(at) > first + 26:
                car(c, lane * second, at, math.pi / 2 if lane < 0 else -math.pi / 2, 12)
    if c.chance(0.6):
        car(c, c.uniform(-12, 12), 0.25 * first, c.uniform(-0.4, 0.4), 12)
    kerb = [(x * (second + 13), y) for x in (-1, 1) for y in np.arange(-170, 170, 24).tolist() if abs(y) > first + 24]
    trees(c, [point for point in kerb if c.chance(0.6)], 4.5, 7)


def _number(c: Canvas, digits: str, x: float, y: float, color: Color) -> None:
    """Paint runway digits that are read from the left, along x."""
    high, wide = 24.0, 11.0
    for k, digit in enumerate(digits):
        left = y + (k - len(digits) / 2) * (wide + 6) + 3
        for stroke in _DIGITS[int(digit)]:
            (ax, ay), (bx, by) = _STROKES[int(stroke)]
            ends = [(x + high * (1 - ay / 2), left + ax * wide), (x + high * (1 - by / 2), left + bx * wide)]
            c.line(ends, 3.2, color)


def runway(c: Canvas) -> None:
    """Draw the end of a runway with threshold, number and touchdown marks."""
    grassland(c, c.vary((128, 134, 82), 0.1), (174, 160, 112))
    concrete = c.vary(c.pick([(112, 112, 114), (152, 150, 144), (88, 88, 92)]), 0.07)
    half, begin = c.uniform(36, 46), c.uniform(-125, -80)
    paint = c.vary(WHITE, 0.03)
    taxi, side = c.uniform(-40, 60), c.pick([-1, 1])
    c.rectangle(taxi, side * 110, 26, 220, shade(concrete, 1.06))
    c.line([(taxi, 0), (taxi, side * HALF)], 1.1, _YELLOW)
    if c.chance(0.6):
        c.rectangle(0, side * (half + 62), 2 * HALF, 24, shade(concrete, 1.06))
        c.line([(-HALF, side * (half + 62)), (HALF, side * (half + 62))], 1.1, _YELLOW)
    c.rectangle((begin - 34 + HALF) / 2, 0, HALF - begin + 34, 2 * half + 10, shade(concrete, 0.85))
    c.rectangle((begin + HALF) / 2, 0, HALF - begin, 2 * half, concrete)
    for x in np.arange(begin, HALF, 26).tolist():
        c.line([(x, -half), (x, half)], 0.5, shade(concrete, 0.9))
    for y in np.linspace(-half, half, 7).tolist():
        c.line([(begin, y), (HALF, y)], 0.5, shade(concrete, 0.92))
    for _ in range(26):
        x, y = begin + c.uniform(60, 170), c.rng.normal(0, half * 0.22)
        c.line(
            [(x, y), (x + c.uniform(30, 90), y + c.uniform(-1, 1))],
            c.uniform(0.8, 2.2),
            shade(concrete, c.uniform(0.6, 0.8)),
        )
    for edge in (-1, 1):
        c.line([(begin, edge * (half - 2)), (HALF, edge * (half - 2))], 1.4, paint)
    for k in range(6):
        at = half * (0.16 + 0.13 * k)
        for edge in (-1, 1):
            c.rectangle(begin + 20, edge * at, 26, half * 0.07, paint)
    _number(c, f"{c.integer(1, 36):02d}", begin + 44, 0, paint)
    c.dashes((begin + 82, 0), (HALF, 0), 1.8, 22, 16, paint)
    for distance, width in ((112, 9.0), (160, 4.0), (208, 4.0)):
        for edge in (-1, 1):
            c.rectangle(begin + distance, edge * half * 0.45, 22, width, paint)
    c.line([(begin + 2, -half), (begin + 2, half)], 2.2, paint)


def airplane(c: Canvas) -> None:
    """Airliners on the apron."""
    concrete = c.vary(c.pick([CONCRETE, (156, 154, 150), (188, 184, 174)]), 0.06)
    c.cover(c.surface(concrete, (shade(concrete, 0.86), ramp(c.noise(35) - 0.3, 2))))
    slab = c.uniform(16, 26)
    for at in np.arange(-HALF, HALF, slab).tolist():
        c.line([(at, -HALF), (at, HALF)], 0.6, shade(concrete, 0.86))
        c.line([(-HALF, at), (HALF, at)], 0.6, shade(concrete, 0.86))
    span, angle = c.uniform(74, 150), -math.pi / 2 + c.uniform(-0.2, 0.2)
    step = span * c.uniform(1.12, 1.3)
    offset = c.uniform(-0.3, 0.3) * step
    stands = [(offset + k * step, c.uniform(-6, 14)) for k in range(-3, 4) if k == 0 or c.chance(0.85)]
    lane = span * 0.85 + 12
    c.line([(-HALF, lane), (HALF, lane)], 1.6, _YELLOW)
    for x, y in stands:
        c.line([(x, y), (x + 18, lane)], 1.3, _YELLOW)
        c.cast(turned(plane_outline(span), x, y, angle), span * 0.06)
    terminal = -span * 0.62 - 60
    with_terminal = c.chance(0.7)
    if with_terminal:
        c.cast(corners(0, terminal, 2 * HALF, 70), 9)
    c.drop_shadows(0.55)
    if with_terminal:
        c.rectangle(0, terminal, 2 * HALF, 70, c.vary((200, 198, 192), 0.05))
        for x in np.arange(-HALF, HALF, 22).tolist():
            c.rectangle(x, terminal + 8, 12, 34, c.vary((168, 172, 176), 0.04))
        for x, _ in stands:
            c.line([(x - span * 0.16, terminal + 34), (x - span * 0.06, -span * 0.4)], 5, (150, 154, 160))
    for x, y in stands:
        plane(c, x, y, angle, span)
        for _ in range(c.integer(1, 4)):
            car(
                c, x + c.uniform(0.3, 0.5) * span * c.pick([-1, 1]), y + c.uniform(-0.4, 0.4) * span, c.uniform(0, 6), 7
            )
    if not with_terminal:
        grass = c.vary((122, 130, 80), 0.08)
        c.rectangle(0, lane + 60 + HALF / 2, 2 * HALF, HALF, grass)
