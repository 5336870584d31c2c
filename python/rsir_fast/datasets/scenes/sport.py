"""Scenes of sport: baseball, tennis, golf."""

from __future__ import annotations

import math

import numpy as np

from rsir_fast.datasets.scenes.canvas import HALF, Canvas, Color, Field, corners, ramp, shade
from rsir_fast.datasets.scenes.objects import ASPHALT, TREE, WHITE, building, car, grassland, trees

__all__ = ["baseball_diamond", "golf_course", "tennis_court"]


def baseball_diamond(c: Canvas) -> None:
    """Draw a ball park: outfield, infield dirt, bases, mound and foul lines."""
    grassland(c, c.vary((112, 126, 74), 0.1), (168, 152, 108))
    home = (c.uniform(-12, 12), c.uniform(62, 92))
    x, y = home
    fence, clay = c.uniform(150, 190), c.vary((180, 132, 92), 0.08)
    field = c.vary(c.pick([(86, 128, 58), (98, 136, 70), (112, 128, 66)]), 0.06)
    c.sector(x, y + 8, fence + 8, 222, 318, clay)
    c.sector(x, y + 8, fence, 223, 317, field)
    if c.chance(0.6):
        for k, radius in enumerate(np.arange(fence, 30, -11).tolist()):
            c.sector(x, y + 8, radius, 223, 317, shade(field, 1.08 if k % 2 else 0.97))
    base = c.uniform(46, 56)
    side = base / math.sqrt(2)
    c.sector(x, y + 3, base * 1.75, 222, 318, clay)
    c.disc(x, y, 15, clay)
    bases = [(x + side, y - side), (x, y - 2 * side), (x - side, y - side)]
    if c.chance(0.75):
        inner = side * 0.8
        c.polygon([(x, y - 8), (x + inner, y - side), (x, y - side - inner), (x - inner, y - side)], shade(field, 1.03))
        c.disc(x, y, 12, clay)
    c.disc(x, y - side * 0.95, 6, clay)
    c.rectangle(x, y - side * 0.95, 2.6, 1.2, WHITE)
    for turn in (-1, 1):
        end = (x + turn * fence * 0.70, y + 8 - fence * 0.72)
        c.line([(x, y), end], 1.1, WHITE)
        c.cast(corners(x + turn * 44, y + 4, 34, 8, -turn * math.pi / 4), 5)
    c.cast(corners(x, y + 34, 60, 14), 7)
    c.drop_shadows(0.5)
    for turn in (-1, 1):
        c.rectangle(x + turn * 44, y + 4, 34, 8, c.vary((150, 152, 156), 0.06), -turn * math.pi / 4)
    c.rectangle(x, y + 34, 60, 14, c.vary((186, 184, 178), 0.06))
    for k in range(4):
        c.line([(x - 29, y + 29 + 3.2 * k), (x + 29, y + 29 + 3.2 * k)], 0.6, (120, 120, 120))
    for bx, by in [*bases, home]:
        c.rectangle(bx, by, 3.4, 3.4, WHITE, math.pi / 4)
    around = [(px, py) for px, py in c.scatter(15) if math.hypot(px - x, py - y - 8) > fence + 18 or py > y + 58]
    trees(c, [point for point in around if c.chance(0.5)], 4.5, 8)
    c.grain = [(0.04, 50), (0.04, 2.5)]


def _court(c: Canvas, x: float, y: float, length: float, inner: Color) -> None:
    """Draw one tennis court that lies along x, after the real measures (78 by 36 feet)."""
    foot = length / 78
    c.rectangle(x, y, length, 36 * foot, inner)
    single, service, line = 13.5 * foot, 21 * foot, 0.9
    for at in (-18 * foot, -single, single, 18 * foot):
        c.line([(x - length / 2, y + at), (x + length / 2, y + at)], line, WHITE)
    for at in (-length / 2, length / 2):
        c.line([(x + at, y - 18 * foot), (x + at, y + 18 * foot)], line, WHITE)
    for at in (-service, service):
        c.line([(x + at, y - single), (x + at, y + single)], line, WHITE)
    c.line([(x - service, y), (x + service, y)], line, WHITE)
    c.line([(x + 1.2, y - 21 * foot), (x + 1.2, y + 21 * foot)], 1.6, shade(inner, 0.55))
    c.line([(x, y - 21 * foot), (x, y + 21 * foot)], 0.9, (214, 214, 210))


def tennis_court(c: Canvas) -> None:
    """One to six courts side by side, with fences, trees and paths."""
    grassland(c, c.vary((108, 126, 74), 0.1))
    outer = c.vary(c.pick([(70, 112, 84), (150, 86, 66), (62, 100, 76), (90, 120, 130)]), 0.07)
    inner = c.vary(c.pick([(58, 96, 148), (76, 128, 94), (162, 94, 72), (66, 86, 136)]), 0.07)
    length = c.uniform(86, 112)
    across, along = length * 0.77, length * 1.54
    columns, rows = c.integer(1, 2), c.integer(1, 3)
    path = c.vary((196, 188, 172), 0.05)
    c.rectangle(0, 0, columns * along + 18, rows * across + 18, path)
    c.line([(columns * along / 2, 20), (HALF, c.uniform(-60, 60))], 7, path)
    c.cast(corners(0, 0, columns * along + 2, rows * across + 2), 4)
    c.drop_shadows(0.5)
    for i in range(columns):
        for j in range(rows):
            x, y = (i - (columns - 1) / 2) * along, (j - (rows - 1) / 2) * across
            c.rectangle(x, y, along, across, outer)
            _court(c, x, y, length, inner)
            c.draw.rectangle(
                [
                    v
                    for corner in c.place([(x - along / 2, y - across / 2), (x + along / 2, y + across / 2)])
                    for v in corner
                ],
                outline=shade(outer, 0.6),
                width=max(1, round(c.scale)),
            )
    edge_x, edge_y = columns * along / 2 + 20, rows * across / 2 + 20
    if c.chance(0.5):
        c.rectangle(0, -edge_y - 26, 2 * HALF, 44, c.vary(ASPHALT))
        for x in np.arange(-170, 170, 10).tolist():
            c.line([(x, -edge_y - 48), (x, -edge_y - 32)], 0.8, WHITE)
            if c.chance(0.5):
                car(c, x + 5, -edge_y - 40, math.pi / 2, 12)
    if c.chance(0.4):
        c.cast(corners(60, edge_y + 20, 60, 30), 8)
        c.drop_shadows()
        building(c, 60, edge_y + 20, 60, 30)
    free = [(x, y) for x, y in c.scatter(17) if (abs(x) > edge_x or y > edge_y + 42) and c.chance(0.55)]
    trees(c, free, 5, 9)


def _at(c: Canvas, field: Field, x: float, y: float) -> float:
    row, column = (min(max(int((v + HALF) / (2 * HALF) * len(field)), 0), len(field) - 1) for v in (y, x))
    return float(field[row, column])


def golf_course(c: Canvas) -> None:
    """Mown fairways with greens, bunkers of white sand, and trees between them."""
    grassland(c, c.vary((96, 116, 60), 0.08), (138, 138, 82))
    x, y = c.grid()
    x, y = x + 6 * c.noise(60, 2), y + 6 * c.noise(60, 2)
    bend, length, phase = c.uniform(14, 34), c.uniform(190, 300), c.uniform(0, 6)
    mown, stripes = c.vary((122, 160, 76), 0.06), c.uniform(7, 11)
    distances = []
    for middle in (c.uniform(-66, -50), c.uniform(48, 64)):
        bent = y - middle - bend * np.sin(x / length * 2 * math.pi + phase)
        distances.append(np.abs(bent) - c.uniform(19, 27) - 5 * c.noise(60, 2))
    clear = np.minimum(*distances)
    pattern = ramp(np.sin((x + y) * np.float32(math.pi / stripes)), 0.6)
    fairway = c.surface(mown, (shade(mown, 0.9), pattern))
    c.cover(shade(mown, 0.86), ramp(5 - clear, 2))
    c.cover(fairway, ramp(-clear))
    ragged = 2.5 * c.noise(12, 2)
    bunkers = np.full_like(clear, HALF)
    for middle_x, middle_y in ((c.uniform(20, 70), c.uniform(-64, -44)), (c.uniform(-75, -15), c.uniform(40, 62))):
        green = np.hypot((x - middle_x) / 1.25, y - middle_y) - c.uniform(14, 19)
        c.cover(shade(mown, 0.92), ramp(5 - green, 1.5))
        c.cover(c.vary((150, 188, 104), 0.04), ramp(-green, 1.5))
        clear = np.minimum(clear, green - 18)
        c.disc(middle_x, middle_y, 1.2, WHITE)
        for _ in range(c.integer(2, 4)):
            turn, far = c.uniform(0, 2 * math.pi), c.uniform(26, 34)
            sand_x, sand_y = middle_x + far * 1.2 * math.cos(turn), middle_y + far * math.sin(turn)
            bunker = np.hypot((x - sand_x) / c.uniform(1, 1.8), y - sand_y) - c.uniform(5, 9) - ragged
            bunkers = np.minimum(bunkers, bunker)
    c.cover((118, 112, 78), ramp(1.2 - bunkers, 1.5))
    c.cover(c.vary((232, 218, 184), 0.03), ramp(-bunkers, 1.5))
    clear = np.minimum(clear, bunkers - 3)
    if c.chance(0.4):
        pond = np.hypot(x - c.uniform(-100, 100), (y - c.uniform(-15, 15)) * 1.5) - 20 - 6 * c.noise(40, 2)
        c.cover((60, 92, 104), ramp(-pond))
        clear = np.minimum(clear, pond)
    path_y = c.uniform(-12, 12)
    path = [
        (t, path_y + bend * 0.8 * math.sin(t / length * 2 * math.pi + phase))
        for t in np.arange(-HALF, HALF, 6).tolist()
    ]
    c.line(path, 2.6, (202, 194, 178))
    woods = c.noise(50)
    points = [p for p in c.scatter(12) if _at(c, clear, *p) > 13 and _at(c, woods, *p) > -0.1 and c.chance(0.8)]
    trees(c, points, 4.5, 8.5, c.vary(TREE))
