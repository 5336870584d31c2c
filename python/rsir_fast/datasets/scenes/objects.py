"""Things that stand in several kinds of scenes: trees, houses, cars, boats, aeroplanes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from rsir_fast.datasets.scenes.canvas import Canvas, Color, Point, corners, shade

__all__ = [
    "ASPHALT",
    "CONCRETE",
    "GRASS",
    "SAND",
    "TREE",
    "WATER",
    "WHITE",
    "boat",
    "building",
    "car",
    "grassland",
    "house",
    "plane",
    "trees",
    "turned",
]

ASPHALT: Color = (92, 92, 96)
CONCRETE: Color = (176, 172, 163)
GRASS: Color = (104, 128, 66)
SAND: Color = (206, 185, 148)
TREE: Color = (66, 92, 48)
WATER: Color = (44, 78, 96)
WHITE: Color = (236, 236, 232)

_CAR_COLORS: tuple[Color, ...] = (
    *((232, 232, 232), (198, 200, 204), (128, 132, 138), (44, 46, 52), (28, 30, 36)),
    *((138, 34, 32), (36, 58, 112), (190, 178, 150), (52, 84, 68)),
)
_ROOF_COLORS: tuple[Color, ...] = (
    *((150, 92, 70), (126, 112, 104), (168, 140, 116), (106, 102, 106), (184, 170, 152), (140, 70, 56)),
)


def turned(points: Iterable[Point], x: float, y: float, angle: float) -> list[Point]:
    """Points of a drawing around the origin, turned and moved to (x, y)."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return [(x + px * cosine - py * sine, y + px * sine + py * cosine) for px, py in points]


def grassland(c: Canvas, color: Color = GRASS, dry: Color = (150, 142, 92)) -> None:
    """Cover the canvas with grass that is dry in places."""
    c.cover(c.surface(c.vary(color), (c.vary(dry), np.clip(c.noise(70) * 0.25 + 0.3, 0, 0.8))))


def _crown(c: Canvas, radius: int, color: Color) -> Image.Image:
    """Draw a tree crown from above, lit from the sun's side, as a picture with transparency."""
    axis = (np.arange(2 * radius + 1) - radius) / radius
    x, y = np.meshgrid(axis, axis)
    turn, distance = np.arctan2(y, x), np.hypot(x, y)
    edge = 0.86 + 0.09 * np.sin(turn * 5 + c.uniform(0, 6)) + 0.05 * np.sin(turn * 9 + c.uniform(0, 6))
    light = 0.95 + 0.45 * (x * c.sun[0] + y * c.sun[1]) - 0.35 * distance**3 + c.pixel_rng.normal(0, 0.13, x.shape)
    pixels = np.empty((*x.shape, 4))
    pixels[..., :3] = light[..., None] * np.array(color)
    pixels[..., 3] = np.clip((edge - distance) * radius, 0, 1) * 255
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def trees(c: Canvas, points: Iterable[Point], low: float, high: float, color: Color = TREE) -> None:
    """Plant trees with crowns of radius `low` to `high`, with their shadows."""
    crowns = [_crown(c, max(2, round(c.uniform(low, high) * c.scale)), c.vary(color, 0.14)) for _ in range(12)]
    planted = [(x, y, c.pick(crowns)) for x, y in points]
    for x, y, crown in planted:
        c.cast_crown(x, y, crown.width / 2 / c.scale * 0.9)
    c.drop_shadows(0.55)
    for x, y, crown in planted:
        (left, top), *_ = c.place([(x, y)])
        c.image.paste(crown, (round(left - crown.width / 2), round(top - crown.height / 2)), crown)


def house(c: Canvas, x: float, y: float, width: float, depth: float, angle: float = 0.0) -> None:
    """Draw a house with a gabled or a hipped roof; its ridge runs along the width. Cast its shadow before."""
    color = c.vary(c.pick(_ROOF_COLORS), 0.1)
    inset = width * c.pick([0.0, 0.0, 0.22, 0.3])
    w, d = width / 2, depth / 2
    ridge = [(-w + inset, 0.0), (w - inset, 0.0)]
    faces: list[tuple[list[Point], Point]] = [
        ([(-w, -d), (w, -d), ridge[1], ridge[0]], (0, -1)),
        ([(-w, d), (w, d), ridge[1], ridge[0]], (0, 1)),
    ]
    if inset:
        faces += [([(-w, -d), (-w, d), ridge[0]], (-1, 0)), ([(w, -d), (w, d), ridge[1]], (1, 0))]
    for outline, (nx, ny) in faces:
        facing = turned([(nx, ny)], 0, 0, angle)[0]
        light = 1 + 0.26 * (facing[0] * c.sun[0] + facing[1] * c.sun[1])
        c.polygon(turned(outline, x, y, angle), shade(color, light))
    c.line(turned(ridge, x, y, angle), 0.6, shade(color, 1.3))


def building(c: Canvas, x: float, y: float, width: float, depth: float, color: Color = (188, 184, 176)) -> None:
    """Draw a large flat roof with its parapet and machines. Cast its shadow before."""
    color = c.vary(color, 0.1)
    c.rectangle(x, y, width, depth, shade(color, 1.15))
    c.rectangle(x, y, width - 3, depth - 3, color)
    for _ in range(c.integer(2, 6)):
        bx, by = x + c.uniform(-0.38, 0.38) * width, y + c.uniform(-0.38, 0.38) * depth
        c.rectangle(bx + 1.2, by + 1.2, 5, 4, shade(color, 0.6))
        c.rectangle(bx, by, 5, 4, shade(color, 1.2))


def car(c: Canvas, x: float, y: float, angle: float, length: float = 13.0) -> None:
    """Draw a car along `angle`, with its shadow."""
    color, width = c.vary(c.pick(_CAR_COLORS), 0.05), length * 0.46
    c.rectangle(x - c.sun[0] * 1.3, y - c.sun[1] * 1.3, length, width, (42, 43, 48), angle)
    c.rectangle(x, y, length, width, color, angle)
    glass = shade(color, 0.4) if sum(color) > 240 else (86, 96, 106)
    c.polygon(turned(corners(-length * 0.02, 0, length * 0.5, width * 0.82), x, y, angle), glass)
    c.polygon(turned(corners(-length * 0.04, 0, length * 0.3, width * 0.74), x, y, angle), shade(color, 1.08))


def boat(c: Canvas, x: float, y: float, angle: float, length: float) -> None:
    """Draw a yacht that points along `angle`."""
    half, beam = length / 2, length * 0.15
    hull = [(-half, -beam * 0.8), (half * 0.35, -beam), (half, 0.0), (half * 0.35, beam), (-half, beam * 0.8)]
    color = c.vary(c.pick([WHITE, WHITE, WHITE, (206, 214, 220), (56, 76, 118), (150, 60, 52)]), 0.04)
    c.polygon(turned(hull, x - c.sun[0] * 1.6, y - c.sun[1] * 1.6, angle), (22, 38, 50))
    c.polygon(turned(hull, x, y, angle), color)
    inner = [(px * 0.78, py * 0.68) for px, py in hull]
    c.polygon(turned(inner, x, y, angle), c.vary((206, 196, 176), 0.06))
    c.polygon(turned(corners(-half * 0.1, 0, length * 0.3, beam * 1.1), x, y, angle), WHITE)
    c.polygon(turned(corners(half * 0.12, 0, length * 0.06, beam * 1.0), x, y, angle), (60, 72, 84))


def plane_outline(span: float) -> list[Point]:
    """Outline of an airliner with its nose at the right, around the origin."""
    half: Sequence[Point] = (
        *((0.52, 0.0), (0.49, 0.028), (0.42, 0.045), (0.14, 0.045), (-0.10, 0.46), (-0.16, 0.5), (-0.19, 0.5)),
        *((-0.09, 0.045), (-0.36, 0.035), (-0.45, 0.18), (-0.50, 0.19), (-0.47, 0.02), (-0.52, 0.0)),
    )
    return [(px * span, py * span) for px, py in (*half, *((px, -py) for px, py in reversed(half)))]


def plane(c: Canvas, x: float, y: float, angle: float, span: float) -> None:
    """Draw an airliner that points along `angle`. Cast the shadow of `plane_outline` before."""
    color = c.vary((226, 228, 230), 0.03)
    c.polygon(turned(plane_outline(span), x, y, angle), shade(color, 0.88))
    body: list[Point] = [(0.52, 0), (0.48, 0.03), (0.4, 0.045), (-0.34, 0.04), (-0.52, 0.006)]
    outline = [(px * span, py * span) for px, py in (*body, *((px, -py) for px, py in reversed(body)))]
    c.polygon(turned(outline, x, y, angle), shade(color, 1.08))
    for side in (-1, 1):
        engine = corners(0.075 * span, side * 0.17 * span, 0.11 * span, 0.045 * span)
        c.polygon(turned(engine, x, y, angle), (120, 124, 132))
    livery = c.pick([(176, 38, 40), (32, 62, 130), (30, 110, 92), (230, 150, 40)])
    c.line(turned([(-0.52 * span, 0), (-0.37 * span, 0)], x, y, angle), span * 0.022, livery)
    c.line(turned([(0.455 * span, -0.02 * span), (0.455 * span, 0.02 * span)], x, y, angle), span * 0.014, (50, 56, 66))
