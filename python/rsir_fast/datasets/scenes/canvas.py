"""A square of ground seen from above: colours, noise, shapes and shadows, then turned and lit like a photograph.

Shapes are drawn upright, at twice the final resolution, in units of one pixel of a 256 x 256 image with the origin in
the middle. The canvas is larger than the picture by the square root of two, so that `Canvas.finish` can turn it
by any angle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["HALF", "Canvas", "Color", "Field", "Point", "ramp", "shade"]

Color = tuple[int, int, int]
Point = tuple[float, float]
Field = NDArray[np.float32]

HALF = 184.0
"""Half the side of the canvas; 128 times the square root of two, and a little more."""

_CLOSEST = 2.0  # largest zoom
_SHADOW: Color = (16, 20, 34)
_T = TypeVar("_T")


def shade(color: Color, factor: float) -> Color:
    """Brighten or darken a colour by a factor, within 0 to 255.

    Examples
    --------
    >>> shade((100, 200, 40), 1.5)
    (150, 255, 60)
    """
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in color)
    return red, green, blue


def ramp(field: Field, softness: float = 1.5) -> Field:
    """Turn a field into coverage: 0 below zero, 1 above, with an edge `softness` wide.

    Examples
    --------
    >>> ramp(np.array([-9, 0, 9], dtype=np.float32)).tolist()
    [0.0, 0.5, 1.0]
    """
    coverage: Field = np.clip(field / softness + 0.5, 0, 1).astype(np.float32)
    return coverage


class Canvas:
    """What a scene is painted on.

    Parameters
    ----------
    rng
        The only source of chance.
    size
        Side of the finished picture in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        # Drawn from once per pixel; apart from `rng`, so that the scene itself is the same in every size.
        self.pixel_rng = np.random.Generator(np.random.PCG64(int(rng.integers(2**62))))
        self.size = size
        self.scale = 2 * size / 256  # canvas pixels per unit
        side = round(2 * HALF * self.scale)
        self._coarse = side // 2  # fields and surfaces: the final resolution is fine enough
        self.image = Image.new("RGB", (side, side))
        self.draw = ImageDraw.Draw(self.image)
        self._shadows = Image.new("L", (side, side))
        self._shadow_draw = ImageDraw.Draw(self._shadows)
        direction, length = self.uniform(0, 2 * math.pi), self.uniform(0.5, 1.0)
        self.sun = (math.cos(direction), math.sin(direction))  # towards the light
        self._shadow_step = (-self.sun[0] * length, -self.sun[1] * length)  # per unit of height
        self.grain: list[tuple[float, float]] = [(0.03, 60), (0.028, 2.5)]  # strength and grain size of light and dark

    # Chance

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between two others."""
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Draw True with a probability."""
        return bool(self.rng.random() < probability)

    def pick(self, choices: Sequence[_T]) -> _T:
        """Draw one of several."""
        return choices[self.integer(0, len(choices) - 1)]

    def vary(self, color: Color, amount: float = 0.08) -> Color:
        """Change a colour a little, in brightness and in each channel."""
        factors = (1 + self.rng.normal(0, amount)) * (1 + self.rng.normal(0, amount / 3, 3))
        red, green, blue = (min(255, max(0, round(c * float(f)))) for c, f in zip(color, factors, strict=True))
        return red, green, blue

    def scatter(self, spacing: float, jitter: float = 0.45) -> list[Point]:
        """Points all over the canvas, about `spacing` apart, without gaps or rows; in no order of place."""
        axis = np.arange(-HALF - spacing / 2, HALF + spacing, spacing)
        x, y = np.meshgrid(axis, axis)
        x[::2] += spacing / 2
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        points += self.rng.uniform(-jitter, jitter, points.shape) * spacing
        return [(float(px), float(py)) for px, py in self.rng.permutation(points)]

    # Fields: float32 [coarse, coarse], one value per final pixel

    def grid(self) -> tuple[Field, Field]:
        """Coordinates x and y of every place, in units."""
        axis = ((np.arange(self._coarse, dtype=np.float32) + 0.5) / self._coarse * 2 - 1) * np.float32(HALF)
        x, y = np.meshgrid(axis, axis)
        return x.astype(np.float32), y.astype(np.float32)

    def noise(self, cell: float, octaves: int = 3, stretch: float = 1.0) -> Field:
        """Cloud-like noise about 0 with standard deviation about 1.

        Parameters
        ----------
        cell
            Size of the largest blobs in units.
        octaves
            How many times finer blobs of half the size and strength are added.
        stretch
            How many times longer the blobs are in x than in y.
        """
        total = np.zeros((self._coarse, self._coarse), dtype=np.float32)
        power = 0.0
        for octave in range(octaves):
            rows = max(2, round(2 * HALF / cell * 2**octave))
            columns = max(2, round(rows / stretch))
            blobs = self.rng.standard_normal((rows, columns)).astype(np.float32)
            layer = Image.fromarray(blobs).resize((self._coarse, self._coarse), Image.Resampling.BICUBIC)
            total += np.asarray(layer) * np.float32(0.5**octave)
            power += 0.25**octave
        return total / np.float32(0.6 * math.sqrt(power))

    def surface(self, color: Color, *layers: tuple[Color, Field]) -> Image.Image:
        """Mix colours by fields of coverage, one over the other, into a picture of the whole canvas."""
        picture = np.empty((self._coarse, self._coarse, 3), dtype=np.float32)
        picture[:] = color
        for other, coverage in layers:
            picture += coverage[:, :, None] * (np.array(other, dtype=np.float32) - picture)
        small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        return small.resize(self.image.size, Image.Resampling.BILINEAR)

    def cover(self, what: Image.Image | Color, coverage: Field | None = None) -> None:
        """Paint a surface or a colour over the canvas, everywhere or where a field of coverage says."""
        mask = None
        if coverage is not None:
            small = Image.fromarray((np.clip(coverage, 0, 1) * 255).astype(np.uint8))
            mask = small.resize(self.image.size, Image.Resampling.BILINEAR)
        box = None if isinstance(what, Image.Image) else (0, 0, *self.image.size)
        self.image.paste(what, box, mask)

    # Shapes

    def place(self, points: Iterable[Point]) -> list[Point]:
        """Units to canvas pixels."""
        return [((x + HALF) * self.scale, (y + HALF) * self.scale) for x, y in points]

    def polygon(self, points: Iterable[Point], color: Color) -> None:
        """Fill a polygon."""
        self.draw.polygon(self.place(points), fill=color)

    def rectangle(self, x: float, y: float, width: float, height: float, color: Color, angle: float = 0.0) -> None:
        """Fill a rectangle around (x, y), turned by `angle` in radians."""
        self.polygon(corners(x, y, width, height, angle), color)

    def disc(self, x: float, y: float, radius: float, color: Color, height_ratio: float = 1.0) -> None:
        """Fill a circle, or an upright ellipse."""
        self.draw.ellipse(self._box(x, y, radius, radius * height_ratio), fill=color)

    def ring(self, x: float, y: float, radius: float, width: float, color: Color) -> None:
        """Draw a circle."""
        self.draw.ellipse(self._box(x, y, radius, radius), outline=color, width=self._pixels(width))

    def sector(self, x: float, y: float, radius: float, start: float, end: float, color: Color) -> None:
        """Fill a piece of a cake, from `start` to `end` in degrees, clockwise from the right."""
        self.draw.pieslice(self._box(x, y, radius, radius), start, end, fill=color)

    def arc(self, x: float, y: float, radius: float, start: float, end: float, width: float, color: Color) -> None:
        """Draw a part of a circle, angles as in `sector`."""
        self.draw.arc(self._box(x, y, radius, radius), start, end, fill=color, width=self._pixels(width))

    def line(self, points: Iterable[Point], width: float, color: Color) -> None:
        """Draw a line through points, with round bends."""
        self.draw.line(self.place(points), fill=color, width=self._pixels(width), joint="curve")

    def dashes(self, start: Point, end: Point, width: float, dash: float, gap: float, color: Color) -> None:
        """Draw a dashed straight line."""
        length = math.dist(start, end)
        dx, dy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        for at in np.arange(0, length, dash + gap):
            to = min(at + dash, length)
            self.line(
                [(start[0] + dx * at, start[1] + dy * at), (start[0] + dx * to, start[1] + dy * to)], width, color
            )

    def _box(self, x: float, y: float, rx: float, ry: float) -> list[float]:
        (left, top), (right, bottom) = self.place([(x - rx, y - ry), (x + rx, y + ry)])
        return [left, top, right, bottom]

    def _pixels(self, width: float) -> int:
        return max(1, round(width * self.scale))

    # Light

    def cast(self, points: Sequence[Point], height: float) -> None:
        """Let an upright body on this outline throw a shadow; it falls with the next `drop_shadows`."""
        dx, dy = self._shadow_step[0] * height, self._shadow_step[1] * height
        moved = [(x + dx, y + dy) for x, y in points]
        self._shadow_draw.polygon(self.place(moved), fill=255)
        for i, point in enumerate(points):
            after = (i + 1) % len(points)
            self._shadow_draw.polygon(self.place([point, points[after], moved[after], moved[i]]), fill=255)

    def cast_disc(self, x: float, y: float, radius: float, height: float) -> None:
        """Let a round body throw a shadow."""
        turn = np.linspace(0, 2 * math.pi, 24, endpoint=False)
        self.cast([(x + radius * math.cos(t), y + radius * math.sin(t)) for t in turn], height)

    def cast_crown(self, x: float, y: float, radius: float) -> None:
        """Let a tree crown, which floats above ground, throw a shadow."""
        dx, dy = self._shadow_step[0] * radius * 1.3, self._shadow_step[1] * radius * 1.3
        self._shadow_draw.ellipse(self._box(x + dx, y + dy, radius, radius), fill=255)

    def drop_shadows(self, depth: float = 0.6) -> None:
        """Darken the canvas where shadows were cast since the last call; draw what casts them afterwards."""
        self.image.paste(_SHADOW, (0, 0, *self.image.size), self._shadows.point(lambda v: v * depth))
        self._shadow_draw.rectangle((0, 0, *self.image.size), fill=0)

    def finish(self) -> Image.Image:
        """Turn, cut out, and expose as a camera would.

        Returns
        -------
        PIL.Image.Image
            RGB, size x size.
        """
        zoom, angle = math.exp(self.uniform(0.0, math.log(_CLOSEST))), self.uniform(0, 2 * math.pi)
        cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
        # The picture's corners lie on a circle; where it is smaller than the canvas, the picture may be off the middle.
        slack = (HALF - 128 * math.sqrt(2) / zoom) * self.scale
        middle_x, middle_y = (self.image.size[0] / 2 + self.uniform(-0.75, 0.75) * slack for _ in range(2))
        half = float(self.size)
        turn = (
            *(cosine, sine, middle_x - (cosine + sine) * half),
            *(-sine, cosine, middle_y - (cosine - sine) * half),
        )
        double = (2 * self.size, 2 * self.size)
        turned = self.image.transform(double, Image.Transform.AFFINE, turn, Image.Resampling.BILINEAR).reduce(2)
        blurred = turned.filter(ImageFilter.GaussianBlur(self.size / 256))
        picture = np.asarray(Image.blend(turned, blurred, self.uniform(0, 0.8)), dtype=np.float32)  # [size, size, 3]
        for strength, cell in self.grain:
            field = Image.fromarray(self.noise(cell, 2)).resize((self.size, self.size))
            picture = picture * (1 + np.float32(strength) * np.asarray(field))[:, :, None]
        grey = picture.mean(axis=2, keepdims=True)
        picture = grey + (picture - grey) * np.float32(self.uniform(0.6, 1.12))
        haze, gain, contrast = self.uniform(0, 0.2), self.uniform(0.88, 1.18), self.uniform(0.85, 1.12)
        tint = self.rng.normal(1, 0.03, 3).astype(np.float32)
        picture = (picture - 110) * np.float32(contrast) + 110
        picture = picture * tint * np.float32(gain * (1 - haze)) + np.array([165, 178, 190], np.float32) * np.float32(
            haze
        )
        picture += self.pixel_rng.normal(0, self.uniform(1, 5), picture.shape).astype(np.float32)
        return Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def corners(x: float, y: float, width: float, height: float, angle: float = 0.0) -> list[Point]:
    """Corners of a rectangle around (x, y), turned by `angle` in radians.

    Examples
    --------
    >>> corners(0, 0, 4, 2)
    [(-2.0, -1.0), (2.0, -1.0), (2.0, 1.0), (-2.0, 1.0)]
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    half = ((-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2))
    return [(x + dx * cosine - dy * sine, y + dx * sine + dy * cosine) for dx, dy in half]
