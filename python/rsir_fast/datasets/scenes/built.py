"""Scenes of settlements and industry: housing, parking, tanks, solar power, harbour."""

from __future__ import annotations

import math

import numpy as np

from rsir_fast.datasets.scenes.canvas import HALF, Canvas, corners, ramp, shade
from rsir_fast.datasets.scenes.objects import (
    ASPHALT,
    CONCRETE,
    GRASS,
    TREE,
    WATER,
    WHITE,
    boat,
    building,
    car,
    grassland,
    house,
    trees,
)

__all__ = ["dense_residential", "harbor", "parking_lot", "solar_farm", "sparse_residential", "storage_tanks"]


def dense_residential(c: Canvas) -> None:
    """Streets of houses, wall to wall, with driveways and small gardens."""
    grassland(c, c.vary((120, 128, 82), 0.1))
    lot, deep, street = c.uniform(25, 31), c.uniform(31, 38), c.uniform(11, 15)
    block, shift = 2 * deep + street, c.uniform(0, 60)
    asphalt = c.vary(ASPHALT, 0.08)
    homes, gardens, parked = [], [], []
    for top in np.arange(-HALF - shift, HALF, block).tolist():
        road = top - street / 2
        c.rectangle(0, road, 2 * HALF, street + 5, c.vary(CONCRETE, 0.03))
        for row, towards in ((top + deep / 2, -1), (top + 1.5 * deep, 1)):
            for x in np.arange(-HALF, HALF, lot).tolist():
                cx, cy = x + lot / 2 + c.uniform(-1, 1), row + towards * c.uniform(0, 2.5)
                drive = cx + c.pick([-1, 1]) * lot * 0.3
                c.rectangle(drive, row + towards * deep * 0.4, 5.5, deep * 0.5, c.vary(CONCRETE, 0.05))
                homes.append((cx, cy, lot * c.uniform(0.68, 0.86), deep * c.uniform(0.42, 0.56)))
                if c.chance(0.65):
                    gardens.append((cx + c.uniform(-0.5, 0.5) * lot, row - towards * deep * c.uniform(0.33, 0.5)))
                if c.chance(0.35):
                    gardens.append((cx - (drive - cx) * 1.2, row + towards * deep * 0.46))
                if c.chance(0.1):
                    c.disc(cx, row - towards * deep * 0.4, 4.2, (86, 176, 196), 0.6)
                if c.chance(0.4):
                    parked.append((drive, row + towards * deep * 0.44, math.pi / 2))
        c.rectangle(0, road, 2 * HALF, street, asphalt)
        parked += [
            (x, road + c.pick([-1, 1]) * street * 0.3, 0.0)
            for x in np.arange(-HALF, HALF, 17).tolist()
            if c.chance(0.45)
        ]
    cross = c.uniform(-70, 70)
    homes = [home for home in homes if abs(home[0] - cross) > street / 2 + home[2] / 2]
    c.rectangle(cross, 0, street + 5, 2 * HALF, c.vary(CONCRETE, 0.03))
    c.rectangle(cross, 0, street, 2 * HALF, asphalt)
    for x, y, width, depth in homes:
        c.cast(corners(x, y, width, depth), 7)
    c.drop_shadows()
    for x, y, angle in parked:
        car(c, x, y, angle, 8.5)
    for home in homes:
        house(c, *home)
    trees(c, [(x, y) for x, y in gardens if abs(x - cross) > street], 3.2, 6.2)


def sparse_residential(c: Canvas) -> None:
    """Scatter a few houses with long drives in wide green gardens."""
    grassland(c, c.vary(GRASS, 0.1), (166, 150, 104))
    lane, bend = c.uniform(-20, 20), c.uniform(-26, 26)
    road = [(t, lane + bend * math.sin(t / 70)) for t in np.arange(-HALF, HALF + 6, 6).tolist()]
    homes = []
    for x in np.arange(-150, 150, c.uniform(78, 105)).tolist():
        for side in (-1, 1):
            if c.chance(0.85):
                cx = x + c.uniform(-14, 14)
                y_road = lane + bend * math.sin(cx / 70)
                homes.append(
                    (cx, y_road + side * c.uniform(46, 66), c.uniform(30, 42), c.uniform(19, 25), c.uniform(-0.5, 0.5))
                )
    for x, y, *_ in homes:
        start = lane + bend * math.sin(x / 70)
        c.line([(x + 6, start), (x + 11, (start + y) / 2), (x + 4, y)], 4, c.vary((186, 176, 158), 0.05))
        if c.chance(0.3):
            c.rectangle(x - 24, y + 16, 15, 8, (210, 206, 196))
            c.rectangle(x - 24, y + 16, 12, 5.5, (78, 172, 192))
    c.line(road, 11, c.vary((128, 126, 122), 0.06))
    for x, y, width, depth, angle in homes:
        c.cast(corners(x, y, width, depth, angle), 8)
        c.cast(corners(x + width * 0.3, y + depth * 0.55, width * 0.4, depth * 0.7, angle), 7)
    c.drop_shadows()
    for x, y, width, depth, angle in homes:
        house(c, x + width * 0.3, y + depth * 0.55, depth * 0.7, width * 0.4, angle + math.pi / 2)
        house(c, x, y, width, depth, angle)
    keep = c.uniform(0.35, 0.65)
    free = [
        (x, y)
        for x, y in c.scatter(17)
        if c.chance(keep)
        and abs(y - lane - bend * math.sin(x / 70)) > 14
        and all(math.hypot(x - h[0], y - h[1]) > 30 for h in homes)
    ]
    trees(c, free, 5, 10)


def parking_lot(c: Canvas) -> None:
    """Rows of cars in marked stalls."""
    asphalt = c.vary(c.pick([ASPHALT, (112, 110, 108), (78, 80, 86)]), 0.07)
    c.cover(c.surface(asphalt, (shade(asphalt, 0.85), ramp(c.noise(30) - 0.5, 2))))
    stall, deep, lane = c.uniform(8.6, 9.6), 17.5, c.uniform(19, 24)
    full, paint = c.uniform(0.55, 0.95), c.pick([WHITE, (222, 216, 196), (224, 190, 90)])
    island = c.chance(0.5)
    planted = []
    for top in np.arange(-HALF, HALF, 2 * deep + lane).tolist():
        middle = top + deep
        c.rectangle(0, middle, 2 * HALF, 1, paint)
        for x in np.arange(-HALF, HALF, stall).tolist():
            c.line([(x, top), (x, top + 2 * deep)], 0.9, paint)
            for y, angle in ((top + deep / 2, math.pi / 2), (middle + deep / 2, -math.pi / 2)):
                if c.chance(full):
                    car(
                        c,
                        x + stall / 2 + c.uniform(-0.5, 0.5),
                        y + c.uniform(-1, 1),
                        angle + c.uniform(-0.03, 0.03),
                        13.5,
                    )
        if island:
            for x in np.arange(-HALF + c.uniform(0, 60), HALF, stall * 11).tolist():
                c.rectangle(x + stall / 2, middle, stall, 2 * deep, c.vary((132, 138, 88), 0.08))
                planted += [(x + stall / 2, middle - 8), (x + stall / 2, middle + 8)]
        if c.chance(0.5):
            car(c, c.uniform(-120, 120), top - lane / 2 + 4, 0 if c.chance(0.5) else math.pi, 13.5)
    trees(c, planted, 4, 6)


def storage_tanks(c: Canvas) -> None:
    """Round tanks with shadows, behind earth walls, with pipes between them."""
    ground = c.vary(c.pick([(168, 156, 134), (150, 146, 138), (140, 138, 104)]), 0.07)
    c.cover(c.surface(ground, (shade(ground, 0.84), np.clip(c.noise(40) * 0.3 + 0.3, 0, 1))))
    radius = c.uniform(19, 40)
    step = 2 * radius + c.uniform(14, 24)
    dx, dy = c.uniform(-0.5, 0.5) * step, c.uniform(-0.5, 0.5) * step
    tanks = []
    for j in range(-4, 5):
        y = dy + j * step
        c.line([(-HALF, y + step / 2), (HALF, y + step / 2)], 7, shade(ground, 1.12))
        c.line([(-HALF, y + step / 2 + 5), (HALF, y + step / 2 + 5)], 1.4, (206, 202, 194))
        for i in range(-4, 5):
            x = dx + i * step
            c.draw.rectangle(
                [*c.place([(x - step * 0.46, y - step * 0.46)])[0], *c.place([(x + step * 0.46, y + step * 0.43)])[0]],
                outline=shade(ground, 0.74),
                width=max(1, round(1.6 * c.scale)),
            )
            c.line([(x, y), (x, y + step / 2 + 5)], 1.4, (206, 202, 194))
            if c.chance(0.88):
                tanks.append((x, y, radius * c.uniform(0.75, 1.0)))
    for x, y, r in tanks:
        c.cast_disc(x, y, r, min(r * 0.7, 17))
    c.drop_shadows(0.65)
    white = c.pick([WHITE, (214, 212, 204), (196, 206, 210)])
    floating = c.chance(0.4)
    for x, y, r in tanks:
        color = c.vary(white, 0.04)
        c.disc(x, y, r, shade(color, 0.8))
        if floating:
            c.disc(x, y, r * 0.94, shade(color, 0.5))
            c.disc(x - c.sun[0] * r * 0.1, y - c.sun[1] * r * 0.1, r * 0.84, shade(color, 0.82))
        else:
            c.disc(x, y, r * 0.95, color)
            for turn in np.arange(0, 2 * math.pi, math.pi / 8).tolist():
                c.line([(x, y), (x + r * 0.93 * math.cos(turn), y + r * 0.93 * math.sin(turn))], 0.5, shade(color, 0.9))
            c.disc(x, y, r * 0.14, shade(color, 0.84))
        turn = c.uniform(0, 6)
        c.arc(x, y, r, math.degrees(turn), math.degrees(turn) + 50, 1.6, (150, 146, 140))


def solar_farm(c: Canvas) -> None:
    """Long rows of blue panels."""
    grassland(c, c.vary(c.pick([(140, 138, 92), (176, 158, 120), (112, 124, 72)]), 0.07))
    wide, gap, aisle = c.uniform(6, 10), c.uniform(4.5, 8), c.uniform(12, 18)
    table, panel = c.uniform(70, 130), c.vary(c.pick([(38, 52, 92), (30, 40, 66), (52, 70, 112)]), 0.1)
    for left in np.arange(-HALF - c.uniform(0, table), HALF, table + aisle).tolist():
        rows = np.arange(-HALF, HALF, wide + gap).tolist()
        service = c.uniform(-60, 60)
        kept = [y for y in rows if abs(y - service) > 9]
        c.line([(-HALF, service), (HALF, service)], 5, (186, 172, 140))
        for y in kept:
            c.cast(corners(left + table / 2, y, table, wide), 3)
        c.drop_shadows(0.5)
        for y in kept:
            tone = c.vary(panel, 0.04)
            c.rectangle(left + table / 2, y, table, wide, (178, 184, 192))
            c.rectangle(left + table / 2, y, table - 0.8, wide - 0.8, tone)
            c.line([(left, y), (left + table, y)], 0.5, shade(tone, 1.7))
            for x in np.arange(left, left + table, 6.5).tolist():
                c.line([(x, y - wide / 2), (x, y + wide / 2)], 0.5, shade(tone, 1.5))
        c.line([(left - aisle / 2, -HALF), (left - aisle / 2, HALF)], 4.5, (188, 174, 144))
        if c.chance(0.7):
            c.rectangle(left - aisle / 2 + 4, service + c.uniform(-60, 60), 6, 11, WHITE)
    c.grain = [(0.03, 60), (0.03, 2.5)]


def harbor(c: Canvas) -> None:
    """Piers with boats side by side, along a quay."""
    water = c.vary(c.pick([WATER, (38, 66, 82), (52, 88, 92)]), 0.1)
    c.cover(c.surface(water, (shade(water, 1.25), np.clip(c.noise(35, 3, 2) * 0.25 + 0.2, 0, 0.7))))
    plank, length = c.vary((196, 188, 172), 0.06), c.uniform(17, 30)
    berth, shift = length * 0.42, c.uniform(0, 80)
    for x in np.arange(-HALF - shift, HALF + 60, 2 * length + c.uniform(20, 28)).tolist():
        for y in np.arange(-78, HALF, berth).tolist():
            for side in (-1, 1):
                if round(y / berth) % 2 == 0:
                    c.line([(x, y - berth / 2), (x + side * length * 0.8, y - berth / 2)], 1.3, plank)
                if c.chance(0.86):
                    size = length * c.uniform(0.72, 0.98)
                    angle = (0 if side > 0 else math.pi) + (math.pi if c.chance(0.25) else 0)
                    boat(c, x + side * (size / 2 + 3), y, angle, size)
        c.line([(x, -HALF), (x, HALF)], 4, plank)
    quay = c.uniform(-104, -84)
    c.rectangle(0, (quay - HALF) / 2, 2 * HALF, HALF + quay, c.vary(CONCRETE, 0.08))
    c.rectangle(0, quay - 22, 2 * HALF, 15, c.vary(ASPHALT))
    c.line([(-HALF, quay), (HALF, quay)], 2.5, shade(CONCRETE, 1.2))
    c.cast(corners(30, quay - 60, 90, 34), 8)
    c.drop_shadows()
    building(c, 30, quay - 60, 90, 34)
    for x in np.arange(-170, 170, 12).tolist():
        if c.chance(0.5):
            car(c, x, quay - 22 + c.pick([-4, 4]), 0, 9)
    trees(c, [(x, quay - 36) for x in np.arange(-170, 170, 22).tolist() if c.chance(0.4)], 4, 6, TREE)
    c.grain = [(0.03, 60), (0.03, 2.5)]
