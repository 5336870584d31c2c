"""From an image's samples to the numbers a network was trained on: resize, channel order, mean."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rsir_fast.base.shown import Shown
from rsir_fast.errors import ImageError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "RESAMPLE", "Preprocessing", "Resample", "ResizeMode"]

ResizeMode = Literal["whole", "short-side", "none"]
Resample = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

RESAMPLE: dict[ResizeMode, Resample] = {"whole": "bicubic", "short-side": "bilinear", "none": "nearest"}
"""Filter by the way of resizing, where none is chosen."""

PICTURE = ("red", "green", "blue")
"""Bands of what is read of image files, unless a network names others."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Beyond this the resized long side alone would take gigabytes: a 1 x 65500 strip becomes 256 x 16.8 million.
_MAX_ASPECT = 64


@dataclass(frozen=True, eq=False, repr=False)
class Preprocessing(Shown):
    """How images become network input; picklable, and equal when `describe` is equal.

    The work is split in two: `prepare` (resize and crop) runs in the loader's workers, `normalize` (float) runs on the
    compute device, so that of pictures only bytes travel between them.

    Parameters
    ----------
    input_size : int
        Height and width of the network's input.
    resize : {"whole", "short-side", "none"}
        ``"whole"``: the whole image becomes ``input_size x input_size``, bicubic (MatConvNet's quick start; the paper's
        reading). ``"short-side"``: the short side becomes ``round(input_size * 256 / 224)``, bilinear, then the
        centre is cropped (torchvision's default). Both antialias. ``"none"``: the centre is cropped of the image as it
        is; what lies beyond a smaller one is 0.
    channel_order : {"RGB", "BGR"}
        Order in which the network wants the channels; `mean`, `std` and `mean_image` are given in that order.
    divisor : float
        Samples (of pictures 0-255) are divided by this first: 1 for Caffe and MatConvNet networks, 255 for torchvision.
    mean, std : tuple of float
        Per channel, subtracted and divided by after `divisor`.
    mean_image : ndarray or None, float32 [bands, input_size, input_size]
        A full mean image; where given it is subtracted in place of `mean`.
    bands : tuple of str
        Names of the bands, in the order of the samples. Others than red, green, blue come from arrays [h, w, bands].
    dtype : {"uint8", "uint16", "float32"}
        Of the samples.
    resample : str or None
        Filter of the resize, by Pillow's name in small letters. Default: as `resize` says.
    crop : float or None
        Share of the resized side that is kept, from the middle, above 0 and at most 1: the side becomes
        ``floor(input_size / crop)`` first, as in timm. Default: as `resize` says.

    Examples
    --------
    >>> from PIL import Image
    >>> steps = Preprocessing(input_size=8, divisor=1.0, mean=(100.0, 110.0, 120.0), std=(1.0, 1.0, 1.0))
    >>> pixels = steps.prepare(Image.new("RGB", (30, 20), (101, 112, 123)))
    >>> pixels.shape, pixels.dtype
    ((3, 8, 8), dtype('uint8'))
    >>> steps.normalize(torch.from_numpy(pixels)[None])[0, :, 0, 0].tolist()
    [1.0, 2.0, 3.0]
    >>> sentinel = {"bands": ("B2", "B3", "B4", "B8"), "dtype": "uint16"}
    >>> four = Preprocessing(8, divisor=1e4, mean=(0.1,) * 4, std=(1.0,) * 4, **sentinel)
    >>> four.prepare(np.full((20, 30, 4), 3000, np.uint16))[:, 0, 0]
    array([3000., 3000., 3000., 3000.], dtype=float32)
    """

    input_size: int
    resize: ResizeMode = "whole"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    divisor: float = 255.0
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    mean_image: NDArray[np.float32] | None = field(default=None, repr=False)
    bands: tuple[str, ...] = PICTURE
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    resample: Resample | None = None
    crop: float | None = None

    def __post_init__(self) -> None:
        if self.resize not in get_args(ResizeMode):
            raise ValueError(f"resize must be 'whole', 'short-side' or 'none', got {self.resize!r}")
        if self.channel_order not in ("RGB", "BGR"):
            raise ValueError(f"channel_order must be 'RGB' or 'BGR', got {self.channel_order!r}")
        if self.input_size < 1:
            raise ValueError(f"input_size must be at least 1, got {self.input_size}")
        if self.resample not in (None, *get_args(Resample)):
            raise ValueError(f"resample must be one of {', '.join(get_args(Resample))}, got {self.resample!r}")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ValueError(f"crop must be above 0 and at most 1, got {self.crop}")
        if self.dtype not in ("uint8", "uint16", "float32"):
            raise ValueError(f"dtype must be 'uint8', 'uint16' or 'float32', got {self.dtype!r}")
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise ValueError(f"bands must be different names, got {', '.join(self.bands) or 'none'}")
        if self.channel_order == "BGR" and len(self.bands) != 3:
            raise ValueError(f"channel_order must be 'RGB', the order of the bands, for {len(self.bands)} bands")
        for name, values in (("std", self.std), *([("mean", self.mean)] if self.mean_image is None else [])):
            if len(values) != len(self.bands):
                raise ValueError(f"{name} must have {len(self.bands)} values, one a band, got {len(values)}")
        expected = self.shape
        if self.mean_image is not None and self.mean_image.shape != expected:
            raise ValueError(f"mean_image must have shape {expected}, got {self.mean_image.shape}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a prepared image: bands, height, width."""
        return len(self.bands), self.input_size, self.input_size

    @property
    def is_picture(self) -> bool:
        """Whether it takes pictures, RGB of 8 bits, as they are read of image files."""
        return self.bands == PICTURE and self.dtype == "uint8"

    @property
    def prepared_dtype(self) -> np.dtype[Any]:
        """Of a prepared image: uint8, or float32 for samples of more bits."""
        return np.dtype(np.uint8 if self.dtype == "uint8" else np.float32)

    @property
    def tensor_dtype(self) -> torch.dtype:
        """`prepared_dtype`, of a tensor."""
        return torch.uint8 if self.dtype == "uint8" else torch.float32

    @property
    def interpolation(self) -> Resample:
        """Name of the resize filter: bicubic for whole images, bilinear for the short side, where none is chosen."""
        return self.resample or RESAMPLE[self.resize]

    def prepare(self, image: Image.Image | NDArray[Any]) -> NDArray[Any]:
        """Resize one image.

        Parameters
        ----------
        image : PIL.Image.Image or ndarray
            A picture of any size and mode, converted to RGB; or samples [h, w, bands] of `dtype`, finite.

        Returns
        -------
        ndarray, `prepared_dtype` [bands, input_size, input_size]
            Contiguous.

        Raises
        ------
        ImageError
            With ``resize="short-side"``, if one side is more than 64 times the other. For samples of another shape or
            dtype, or that are not finite; for a picture where other bands are expected.
        """
        if isinstance(image, Image.Image):
            if not self.is_picture:
                raise ImageError(f"expected {self.dtype} samples of {', '.join(self.bands)}, got a picture")
            rgb = image if image.mode == "RGB" else image.convert("RGB")
            return np.ascontiguousarray(np.asarray(self._resized(rgb), dtype=np.uint8).transpose(2, 0, 1))
        samples = np.asarray(image)
        if samples.ndim != 3 or samples.shape[2] != len(self.bands) or samples.dtype != np.dtype(self.dtype):
            raise ImageError(
                f"expected {self.dtype} samples [h, w, {len(self.bands)}] of {', '.join(self.bands)}, got "
                f"{samples.dtype} {list(samples.shape)}"
            )
        if self.dtype == "float32" and not np.isfinite(samples).all():
            raise ImageError("expected finite samples, got NaN or infinity")
        values = samples.astype(self.prepared_dtype)
        bands = [
            np.asarray(self._resized(Image.fromarray(np.ascontiguousarray(band)))) for band in np.moveaxis(values, 2, 0)
        ]
        made = np.stack(bands)
        # The filter swings beyond the samples; Pillow itself rounds those of 8 bits.
        return np.rint(made).clip(0, 65535) if self.dtype == "uint16" else made

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.resize == "none":
            left, top = (_middle(side, self.input_size) for side in image.size)
            return image.crop((left, top, left + self.input_size, top + self.input_size))
        (width, height), (left, top) = self._geometry(*image.size)
        resized = image.resize((width, height), getattr(Image.Resampling, self.interpolation.upper()))
        if (width, height) == (self.input_size, self.input_size):
            return resized
        return resized.crop((left, top, left + self.input_size, top + self.input_size))

    def prepare_tensor(self, image: Tensor) -> Tensor:
        """Resize one decoded image on its device.

        Parameters
        ----------
        image : Tensor, uint8 [3, h, w]
            RGB.

        Returns
        -------
        Tensor, uint8 [3, input_size, input_size]
            As `prepare`, by torchvision's antialiased resize: the same filter, but rounded otherwise than by Pillow, so
            that some values differ by one or so.

        Raises
        ------
        ImageError
            As `prepare`.
        """
        from torchvision.transforms.v2 import InterpolationMode, functional

        if self.resize == "none":
            cropped: Tensor = functional.center_crop(image, [self.input_size, self.input_size])
            return cropped
        (width, height), (left, top) = self._geometry(image.shape[2], image.shape[1])
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ValueError(f"expected a bicubic or bilinear resize on a device, got {self.interpolation}")
        mode = InterpolationMode(self.interpolation)
        resized: Tensor = functional.resize(image, [height, width], mode, antialias=True)
        return resized[:, top : top + self.input_size, left : left + self.input_size]

    def _geometry(self, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) after the resize, and (left, top) of the crop."""
        size = self.input_size
        target = size if self.crop is None else math.floor(size / self.crop)
        if self.resize == "whole":
            return (target, target), (round((target - size) / 2),) * 2
        short, long = min(width, height), max(width, height)
        if long > _MAX_ASPECT * short:
            raise ImageError(
                f"expected sides within a ratio of {_MAX_ASPECT}:1 for resize='short-side', "
                f"found {width} x {height}; use resize='whole'"
            )
        if self.crop is None:
            target = round(size * 256 / 224)
        stretched = int(target * long / short)
        width, height = (target, stretched) if width <= height else (stretched, target)
        return (width, height), (round((width - size) / 2), round((height - size) / 2))

    def normalize(self, batch: Tensor) -> Tensor:
        """Turn bytes into network input, on the device of `batch`.

        Parameters
        ----------
        batch : Tensor, `prepared_dtype` [n, bands, input_size, input_size]
            Images from `prepare`.

        Returns
        -------
        Tensor, float32 [n, bands, input_size, input_size]
            ``(batch / divisor - mean) / std`` in the network's channel order.
        """
        return self.normalizer(batch.device)(batch)

    def normalizer(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return `normalize` for batches on one device, with its constants there.

        Copied anew for each batch, they would make a CUDA device's queue run empty every time.

        Parameters
        ----------
        device : torch.device

        Returns
        -------
        callable
            Batch to network input, as `normalize`, bit for bit.
        """
        mean = self._mean_tensor().to(device)
        std = torch.tensor(self.std, dtype=torch.float32, device=device).view(-1, 1, 1)
        expected, dtype = self.shape, self.tensor_dtype
        plain = all(value == 1.0 for value in self.std)

        def normalize(batch: Tensor) -> Tensor:
            if batch.dtype != dtype or batch.ndim != 4 or tuple(batch.shape[1:]) != expected:
                raise ValueError(
                    f"expected a {self.prepared_dtype} batch [n, {', '.join(map(str, expected))}] from "
                    f"Preprocessing.prepare, got {str(batch.dtype).removeprefix('torch.')} {list(batch.shape)}"
                )
            values = batch.to(torch.float32)
            if self.channel_order == "BGR":
                values = values.flip(1)
            if self.divisor != 1.0:
                values = values / self.divisor
            values = values - mean
            return values if plain else values / std

        return normalize

    def _mean_tensor(self) -> Tensor:
        if self.mean_image is not None:
            return torch.tensor(self.mean_image, dtype=torch.float32)
        return torch.tensor(self.mean, dtype=torch.float32).view(-1, 1, 1)

    def describe(self) -> dict[str, object]:
        """Everything that decides the input's values, JSON-able; a mean image is named by its SHA-256."""
        description: dict[str, object] = {
            "input_size": self.input_size,
            "resize": self.resize,
            "interpolation": self.interpolation,
            "channel_order": self.channel_order,
            "divisor": self.divisor,
            "mean": list(self.mean),
            "std": list(self.std),
        }
        if self.crop is not None:
            description["crop"] = self.crop
        if self.bands != PICTURE:
            description["bands"] = list(self.bands)
        if self.dtype != "uint8":
            description["dtype"] = self.dtype
        if self.mean_image is not None:
            content = np.ascontiguousarray(self.mean_image, dtype="<f4").tobytes()
            description["mean"] = f"mean image, SHA-256 {hashlib.sha256(content).hexdigest()}"
        return description

    def _facts(self) -> dict[str, str]:
        return {
            "input": f"{self.input_size} x {self.input_size} pixels",
            "resize": self.resize,
            "channels": self.channel_order if self.is_picture else f"{', '.join(self.bands)} ({self.dtype})",
            "mean": "mean image" if self.mean_image is not None else f"mean {', '.join(f'{m:g}' for m in self.mean)}",
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocessing) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash((self.input_size, self.resize, self.channel_order, self.divisor, self.std))


def _middle(side: int, size: int) -> int:
    """Return where the middle of a side begins, beyond its border where it is shorter; rounded as by torchvision."""
    return round((side - size) / 2) if side >= size else -((size - side) // 2)
