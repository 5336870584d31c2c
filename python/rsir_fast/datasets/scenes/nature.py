"""Scenes of land and water: fields, forest, river, lake, beach, desert, chaparral."""

from __future__ import annotations

import math

import numpy as np

from rsir_fast.datasets.scenes.canvas import HALF, Canvas, Color, Field, ramp, shade
from rsir_fast.datasets.scenes.objects import SAND, TREE, WATER, WHITE, grassland, trees

__all__ = ["beach", "chaparral", "circular_farmland", "desert", "farmland", "forest", "lake", "river"]

_CROPS: tuple[Color, ...] = (
    *((92, 124, 58), (118, 142, 72), (74, 104, 52), (168, 152, 96)),
    *((190, 172, 118), (142, 112, 82), (120, 94, 70), (134, 150, 84)),
)


def farmland(c: Canvas) -> None:
    """Rectangular fields with crop rows and tracks between them."""
    soil = c.vary((160, 138, 108), 0.1)
    c.cover(c.surface(soil))
    fields = [(-HALF, -HALF, HALF, HALF)]
    smallest = c.uniform(60, 110)
    while fields:
        left, top, right, bottom = fields.pop()
        width, height = right - left, bottom - top
        if max(width, height) > 2 * smallest or (max(width, height) > 1.5 * smallest and c.chance(0.6)):
            cut = c.uniform(0.35, 0.65)
            if width > height:
                middle = left + cut * width
                fields += [(left, top, middle, bottom), (middle, top, right, bottom)]
            else:
                middle = top + cut * height
                fields += [(left, top, right, middle), (left, middle, right, bottom)]
            continue
        color, track = c.vary(c.pick(_CROPS), 0.12), c.uniform(1, 2.5)
        left, top, right, bottom = left + track, top + track, right - track, bottom - track
        c.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], color)
        spacing, between = c.uniform(3.2, 6.5), shade(color, c.uniform(0.72, 0.9))
        along_x = c.chance(0.5)
        for at in np.arange(top if along_x else left, bottom if along_x else right, spacing).tolist():
            ends = [(left, at), (right, at)] if along_x else [(at, top), (at, bottom)]
            c.line(ends, spacing * 0.4, between)
    if c.chance(0.6):
        at = c.uniform(-80, 80)
        c.line([(at, -HALF), (at, HALF)], 6, shade(soil, 1.15))
        row = [(at + 8 + c.uniform(-2, 2), y) for y in np.arange(-HALF, HALF, 15).tolist() if c.chance(0.6)]
        trees(c, row, 4, 7)
    c.grain = [(0.07, 40), (0.05, 2.5)]


def circular_farmland(c: Canvas) -> None:
    """Irrigated circles around a pivot, on dry land."""
    dry = c.vary((188, 164, 124), 0.08)
    c.cover(c.surface(dry, (shade(dry, 0.85), np.clip(c.noise(50) * 0.3 + 0.3, 0, 1))))
    radius = c.uniform(48, 84)
    step, dx, dy = 2 * radius + c.uniform(4, 10), c.uniform(-40, 40), c.uniform(-40, 40)
    for i in range(-3, 4):
        for j in range(-3, 4):
            x, y = dx + i * step, dy + j * step
            if c.chance(0.1):
                continue
            start, color = c.uniform(0, 360), c.vary(c.pick(_CROPS), 0.14)
            c.disc(x, y, radius, color)
            if c.chance(0.5):
                c.sector(x, y, radius, start, start + c.pick([60, 90, 180]), c.vary(c.pick(_CROPS), 0.14))
            for ring in np.arange(radius, 6, -radius / 9).tolist():
                c.ring(x, y, ring, 0.8, shade(color, 0.85))
            end = (x + radius * math.cos(start), y + radius * math.sin(start))
            c.line([(x, y), end], 1.2, (214, 210, 196))
            c.disc(x, y, 2, (220, 214, 200))
    for k in range(-3, 4):
        at = dx + (k + 0.5) * step, dy + (k + 0.5) * step
        c.line([(at[0], -HALF), (at[0], HALF)], 2.2, shade(dry, 1.12))
        c.line([(-HALF, at[1]), (HALF, at[1])], 2.2, shade(dry, 1.12))
    c.grain = [(0.06, 30), (0.04, 2.5)]


def forest(c: Canvas) -> None:
    """Crown beside crown."""
    c.cover(c.surface((38, 50, 32)))
    color, spacing = c.vary(c.pick([TREE, (78, 100, 52), (56, 80, 50), (92, 98, 52)]), 0.12), c.uniform(8, 14)
    points = [p for p in c.scatter(spacing) if c.chance(0.97)]
    trees(c, points, spacing * 0.5, spacing * 0.85, color)
    c.grain = [(0.10, 45), (0.05, 2.5)]


def _banks(c: Canvas) -> tuple[Field, Field]:
    """Coordinates warped by noise, so that edges drawn with them look grown."""
    x, y = c.grid()
    return x + 3.5 * c.noise(34), y + 3.5 * c.noise(34)


def river(c: Canvas) -> None:
    """Let a river wind between woods and meadows."""
    grassland(c, c.vary((96, 116, 62), 0.1))
    x, y = _banks(c)
    bend, length, phase = c.uniform(18, 46), c.uniform(170, 300), c.uniform(0, 2 * math.pi)
    width = c.uniform(14, 30)
    path = bend * np.sin(x * (2 * math.pi / length) + phase) + 0.35 * bend * np.sin(x * (5.1 / length) + 2 * phase)
    from_middle = np.abs(y - path) / np.sqrt(
        1 + (bend * 2 * math.pi / length * np.cos(x * 2 * math.pi / length)) ** 2 * 0.5
    )
    shift = 6 * np.sin(x * (2 * math.pi / length) + phase + 1.2)
    c.cover(c.vary(SAND, 0.06), ramp(width + 3 + np.maximum(shift, -2) + 3 * c.noise(25) - from_middle, 3))
    water = c.vary(c.pick([WATER, (70, 92, 80), (96, 98, 74)]), 0.1)
    flow = c.surface(water, (shade(water, 1.35), ramp(from_middle - width * 0.55, width * 0.8) * 0.6))
    c.cover(flow, ramp(width - from_middle))
    scale = len(path) / (2 * HALF)
    woods = c.noise(80)
    points = []
    for px, py in c.scatter(11):
        row, column = int((py + HALF) * scale), int((px + HALF) * scale)
        if 0 <= row < len(path) and 0 <= column < len(path):
            dry = from_middle[row, column] - width
            if dry > 12 and (woods[row, column] > 0.0 or (dry < 24 and c.chance(0.7))):
                points.append((px, py))
    trees(c, points, 4.5, 8.5, c.vary(TREE))


def lake(c: Canvas) -> None:
    """One body of still water with a shore all around."""
    grassland(c, c.vary((102, 120, 66), 0.1))
    x, y = c.grid()
    middle, squeeze = (c.uniform(-14, 14), c.uniform(-14, 14)), c.uniform(0.75, 1.35)
    inland = np.hypot((x - middle[0]) * squeeze, y - middle[1]) - c.uniform(64, 88) - 17 * c.noise(95, 4)
    c.cover(c.vary(SAND, 0.08), ramp(c.uniform(3, 7) - inland, 3))
    water = c.vary(c.pick([WATER, (36, 62, 92), (58, 96, 98)]), 0.12)
    c.cover(c.surface(water, (shade(water, 1.45), ramp(inland + 9, 22) * 0.7)), ramp(-inland))
    scale, woods = len(x) / (2 * HALF), c.noise(70)
    points = []
    for px, py in c.scatter(11):
        row, column = int((py + HALF) * scale), int((px + HALF) * scale)
        inside = 0 <= row < len(x) and 0 <= column < len(x)
        if inside and inland[row, column] > 13 and woods[row, column] > -0.3:
            points.append((px, py))
    trees(c, points, 4.5, 8.5, c.vary(TREE))


def beach(c: Canvas) -> None:
    """Sea, surf, wet and dry sand, and what grows behind."""
    x, y = _banks(c)
    out = y + 9 * np.sin(x / c.uniform(60, 120) + c.uniform(0, 6)) + 4 * c.noise(70) - c.uniform(-25, 30)  # seawards
    sand = c.vary((216, 196, 158), 0.06)
    c.cover(c.surface(sand, (shade(sand, 0.86), np.clip(c.noise(22) * 0.22 + 0.2, 0, 1))))
    back = c.uniform(60, 105)
    c.cover(
        c.surface(c.vary((110, 122, 70)), ((76, 94, 54), ramp(c.noise(14), 0.6))),
        ramp(-out - back + 6 * c.noise(18), 5),
    )
    c.cover(shade(sand, 0.68), ramp(out + 12, 10))
    near, deep = c.vary((96, 164, 164), 0.07), c.vary((28, 84, 118), 0.1)
    c.cover(c.surface(near, (deep, np.clip(out / 110, 0, 1))), ramp(out, 4))
    swell = c.noise(9, 2, stretch=5)
    for at in (2.0, c.uniform(14, 22), c.uniform(32, 46))[: c.integer(2, 3)]:
        foam = ramp(5 + 3.2 * swell - np.abs(out - at - 4 * c.noise(40)) * (1.0 if at < 5 else 1.3), 3)
        c.cover(WHITE, foam * np.float32(0.95 if at < 5 else 0.7))
    umbrellas = [(c.uniform(-150, 150), c.uniform(-70, -28)) for _ in range(c.integer(0, 25))]
    for px, py in umbrellas:
        c.cast_disc(px, py, 2, 2.5)
    c.drop_shadows(0.4)
    for px, py in umbrellas:
        c.disc(px, py, 2.2, c.pick([(196, 52, 46), (46, 90, 160), (232, 226, 210), (226, 176, 52)]))
    c.grain = [(0.03, 60), (0.03, 2.5)]


def desert(c: Canvas) -> None:
    """Dunes, lit from one side."""
    x, y = c.grid()
    length = c.uniform(34, 70)
    wave = (y + 16 * c.noise(110, 2) + 0.15 * x) / length
    slope = wave - np.floor(wave)  # a gentle rise and a steep lee, as wind makes them
    height = np.where(slope < 0.75, slope / 0.75, (1 - slope) / 0.25) * 0.6 + 0.16 * c.noise(60, 3)
    light = np.gradient(height, axis=0) * c.sun[1] + np.gradient(height, axis=1) * c.sun[0]
    light = light / np.float32(light.std()) + 0.25 * np.sin(y / 1.3 + 2.5 * c.noise(40, 2))
    color = c.vary(c.pick([(214, 176, 122), (204, 160, 110), (222, 196, 150)]), 0.06)
    lit = (shade(color, 1.14), np.clip(light * 0.5, 0, 1).astype(np.float32))
    c.cover(c.surface(color, lit, (shade(color, 0.66), np.clip(-light * 0.5, 0, 1).astype(np.float32))))
    c.grain = [(0.03, 60), (0.025, 2.5)]


def chaparral(c: Canvas) -> None:
    """Dry ground dotted with shrubs."""
    ground = c.vary((196, 174, 136), 0.08)
    bare = (shade(ground, 1.12), ramp(c.noise(60) - 0.4, 1.5))
    c.cover(c.surface(ground, (c.vary((152, 138, 98)), np.clip(c.noise(45) * 0.3 + 0.35, 0, 1)), bare))
    spacing, crowd = c.uniform(9, 14), c.noise(60)
    scale = len(crowd) / (2 * HALF)
    points = []
    for px, py in c.scatter(spacing):
        row, column = (min(max(int((v + HALF) * scale), 0), len(crowd) - 1) for v in (py, px))
        if c.chance(0.55 + 0.3 * float(crowd[row, column])):
            points.append((px, py))
    trees(c, points, 1.8, 4.2, c.vary((78, 88, 56)))
    if c.chance(0.3):
        bend = c.uniform(-30, 30)
        c.line([(t, bend * math.sin(t / 60)) for t in np.arange(-HALF, HALF, 8).tolist()], 3, shade(ground, 1.15))
