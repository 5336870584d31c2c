"""JPEG files decoded on the device, as far as that is sure to be what the CPU's decoder would have made of them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from PIL import Image

from rsir_fast.backbones import Preprocessing
from rsir_fast.base.faults import named, patiently
from rsir_fast.base.text import printable
from rsir_fast.datasets.costs import picture_cost
from rsir_fast.datasets.jpeg_damage import jpeg_damage
from rsir_fast.datasets.jpeg_markers import read_markers
from rsir_fast.datasets.limits import current_limits
from rsir_fast.datasets.pictures import orientation_of
from rsir_fast.datasets.source import opened
from rsir_fast.datasets.strict import strict_decoders
from rsir_fast.errors import ImageError, MachineError

__all__ = ["DeviceDecoder", "EncodedJpeg", "read_jpeg"]


class EncodedJpeg(NamedTuple):
    """A whole JPEG file of three colour channels, not decoded yet.

    Attributes
    ----------
    content
        Uint8 [bytes], in host memory.
    height, width
        As its header says.
    """

    content: torch.Tensor
    height: int
    width: int


def read_jpeg(path: Path) -> EncodedJpeg | None:
    """Read a JPEG file that a device may decode.

    Those are whole files of YCbCr colour with 8 bits a sample and no more pixels than `read_image` takes. Everything
    else, also what cannot be read, is for `rsir_fast.datasets.images.read_image`, which converts it by its rules or
    says what is wrong: other formats, grey, CMYK, colour stored as RGB, several pictures in a file, an orientation,
    damage.

    Returns
    -------
    EncodedJpeg or None
        None: not such a file.

    Raises
    ------
    MachineError
        If the machine failed: the other decoder might come through, but to other pixels.
    """
    try:
        content = patiently(lambda: _content(path))
        if content is None:
            return None
        with named(printable(path)), strict_decoders(), Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            markers = read_markers(content)
            width, height = image.size
            components = [layer[0] for layer in getattr(image, "layer", ())]
            plain = image.format == "JPEG" and image.mode == "RGB" and components == [1, 2, 3]
            plain &= image.info.get("adobe_transform", 1) == 1 and orientation_of(image) == 1
            cost = picture_cost(image, len(content), markers)
            plain &= current_limits().refusal(cost) is None and current_limits().shortage(cost) is None
            # A device fills in what is missing without a word.
            plain = plain and jpeg_damage(content, markers) is None
    except MachineError:
        raise
    # Whatever a damaged header leads Pillow to: the CPU's decoder will meet it again, and say so.
    except Exception:
        return None
    return EncodedJpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), height, width) if plain else None


def _content(path: Path) -> bytes | None:
    """Return all bytes of a file that begins as JPEG does; None if it begins otherwise."""
    with opened(path) as source:
        start = source.read(2)
        return start + source.read() if start == b"\xff\xd8" else None


_NO_MEMORY = re.compile(
    r"(?i)out of memory|not enough memory|insufficient memory|can't allocate|alloc(ation)?[ _]fail"
    # What torchvision says of nvJPEG, by number: allocator, execution, internal; 3, 4 and 10 are of the file.
    r"|failed to .*: [568]$",
    re.MULTILINE,
)


def _of_memory(error: Exception) -> bool:
    """Whether a decoder failed for want of memory, or of the device, whatever the bytes of the file."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or _NO_MEMORY.search(str(error)) is not None


class DeviceDecoder:
    """Decodes and resizes JPEG images on a device, by torchvision: with nvJPEG on CUDA, with libjpeg on the CPU.

    Parameters
    ----------
    preprocessing
        Decides the resize, which runs on the device too: the filter of the CPU's (Pillow's), antialiased, but computed
        in float32 and rounded once.
    device
        Where to decode; the CPU for tests.

    Raises
    ------
    ValueError
        If torchvision cannot decode there.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._preprocessing, self.device = preprocessing, device
        cuda: Any = torch.cuda
        self._stream = cuda.Stream(device) if device.type == "cuda" else None
        probe = io.BytesIO()
        Image.new("RGB", (16, 16), (255, 128, 0)).save(probe, "JPEG")
        encoded = EncodedJpeg(torch.frombuffer(bytearray(probe.getvalue()), dtype=torch.uint8), 16, 16)
        try:
            (pixels,) = self._decoded([encoded])
            if pixels.shape != (3, 16, 16):
                raise RuntimeError(f"an image of 3 x 16 x 16 came out as {list(pixels.shape)}")
        except (RuntimeError, ImportError, AttributeError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"decoder: expected a torchvision that decodes JPEG on {device}, got {torchvision.__version__} "
                f"({reason}); install one built with nvJPEG, or use decoder='cpu'"
            ) from None

    def describe(self) -> dict[str, Any]:
        """Everything beside the files that can change a bit of a decoded image, JSON-able."""
        cuda = self.device.type == "cuda"
        return {
            "jpeg": "nvJPEG" if cuda else "libjpeg",
            "cuda": torch.version.cuda if cuda else None,
            "resize": "torchvision, antialiased, on the device",
        }

    def decode(self, images: Sequence[EncodedJpeg]) -> list[torch.Tensor | None]:
        """Decode and resize images.

        Returns
        -------
        list of Tensor or None
            Uint8 [3, input_size, input_size] on the device, ready to be used on any stream; None for an image that the
            CPU's decoder has to see.
        """
        with self._own_stream():
            return self._decode(images)

    def stack(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bring images from both decoders together, uint8 [m, 3, input_size, input_size] on the device."""
        with self._own_stream():
            return torch.stack([image.to(self.device) for image in images])

    @contextlib.contextmanager
    def _own_stream(self) -> Iterator[None]:
        """Work beside the network, and wait for the end: the caller has a thread of its own for that."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield
        self._stream.synchronize()

    def _decode(self, images: Sequence[EncodedJpeg]) -> list[torch.Tensor | None]:
        if not images:
            return []
        try:
            return [self._resized(pixels, image) for pixels, image in zip(self._decoded(images), images, strict=True)]
        except (RuntimeError, MemoryError) as error:
            # All or nothing: one damaged file, or too little memory for all at once.
            if len(images) == 1:
                if _of_memory(error):
                    # The CPU would decode it, to other pixels: a matrix must not depend on what else took memory.
                    raise MachineError(
                        f"not enough memory on {self.device} to decode an image of {images[0].width} x "
                        f"{images[0].height} pixels; free some, or use decoder='cpu'"
                    ) from error
                return [None]
            return [made for image in images for made in self._decode([image])]

    def _decoded(self, images: Sequence[EncodedJpeg]) -> list[torch.Tensor]:
        from torchvision.io import ImageReadMode, decode_jpeg

        contents = [image.content for image in images]
        pixels: list[torch.Tensor] = decode_jpeg(contents, mode=ImageReadMode.RGB, device=self.device)
        return pixels

    def _resized(self, pixels: torch.Tensor, image: EncodedJpeg) -> torch.Tensor | None:
        if pixels.shape != (3, image.height, image.width):
            return None
        try:
            return self._preprocessing.prepare_tensor(pixels)
        except ImageError:
            return None
