"""Damage in JPEG files that decoders pass over: libjpeg warns, fills the rest with something, and goes on."""

from __future__ import annotations

from collections.abc import Iterator

import simplejpeg

from rsir_fast.datasets.jpeg_markers import JpegMarkers, Scan, read_markers, zero_codes
from rsir_fast.errors import ImageError

__all__ = ["jpeg_damage", "refuse_damaged_jpeg"]

# Of libjpeg's warnings, those about the image's data. The others are about harmless fields of headers.
_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression", "Application transferred")
_HARMLESS = ("Warning: unknown JFIF", "Unknown Adobe", "Invalid SOS parameters")

_ZEROS = bytes(48)
_BLOCK = 64
_DC_SPAN = 2 * 1024
"""The values of a DC coefficient of 8-bit samples, times the quantisation step, span no more."""


def jpeg_damage(content: bytes, markers: JpegMarkers | None = None) -> str | None:
    """Say what is damaged in a JPEG file.

    Every bit is looked at: libjpeg undoes the entropy coding, without computing pixels of full size, and what it warns
    of counts as damage. That finds data that end early, and data that are too many or too few for the image, as they
    are after most changes; a missing end marker; scans of a progressive image that are missing; and runs of 48 zero
    bytes and more where they cannot mean anything. Huffman codes have no check sum, so a change that happens to be
    another valid image of the same length cannot be found: single flipped bits mostly cannot.

    Parameters
    ----------
    content
        The whole file. What follows the end marker is no part of the image.
    markers
        What `read_markers` found in it, if it is known already.

    Returns
    -------
    str or None
        What is wrong; None if nothing is, or if only a decoder can say.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (40, 30)).save(file, "JPEG")
    >>> jpeg_damage(file.getvalue())
    >>> jpeg_damage(file.getvalue()[:-2])
    'Premature end of JPEG file'
    """
    markers = read_markers(content) if markers is None else markers
    if markers is None:
        return None
    warning = _warning(content, len(markers.components))
    if warning is not None and warning.startswith(_HARMLESS):
        # libjpeg tells the first warning only.
        warning = _warning(_without_harmless(content, markers), len(markers.components))
    if warning is not None and warning.startswith(_DAMAGE):
        return warning
    if not markers.ended:
        return "the end marker is missing"
    if not markers.arithmetic and not markers.progressive:
        for scan in markers.scans:
            if content.find(_ZEROS, scan.start, scan.end) >= 0 and _cannot_be_zeros(content, markers, scan):
                return "a run of zero bytes where the image cannot have one"
    return _missing_scans(markers)


def refuse_damaged_jpeg(content: bytes, markers: JpegMarkers | None = None) -> None:
    """Raise `ImageError`, without the file's name, if a JPEG file is damaged, as `jpeg_damage` says."""
    damage = jpeg_damage(content, markers)
    if damage is not None:
        raise ImageError(f"damaged JPEG data ({damage}); copy the file again from where it came from")


def _warning(content: bytes, channels: int) -> str | None:
    """Return the first thing that libjpeg has to say of the data, an error or a warning."""
    said = None
    # Luma alone spares the conversion of colours, which not all kinds of file offer.
    for colours in ("CMYK",) if channels == 4 else ("GRAY", "RGB"):
        try:
            simplejpeg.decode_jpeg(content, colours, fastdct=True, fastupsample=True, min_height=1, min_width=1)
            return None
        except ValueError as error:
            said = str(error)
        if said.startswith(_DAMAGE + _HARMLESS):
            break
    return said


def _without_harmless(content: bytes, markers: JpegMarkers) -> bytes:
    """Leave application segments out, and give sequential scans the parameters they have anyway."""
    parts, at = [], 0
    for segment in markers.segments:
        if 0xE0 <= segment.code <= 0xEF:
            parts.append(content[at : segment.start])
            at = segment.end
        elif segment.code == 0xDA and not markers.progressive:
            parts += [content[at : segment.end - 3], b"\x00\x3f\x00"]
            at = segment.end
    return b"".join([*parts, content[at:]])


def _cannot_be_zeros(content: bytes, markers: JpegMarkers, scan: Scan) -> bool:
    """Tell whether the longest run of zero bytes of a sequential scan decodes to what no image has.

    Zero bits may well be a flat part: if in all tables they stand for "as the block before" and "end of block". Where
    they stand for a coefficient, all 63 of block after block would have it; where they stand for another brightness,
    that would grow with every block until no pixel has it.
    """
    bits = 0
    blocks = []
    try:
        codes = zero_codes(content, markers, scan)
    except (KeyError, IndexError):
        return False
    for channel, (dc, ac, step) in zip(scan.components, codes, strict=True):
        if ac.symbol:
            return True
        component = markers.components[channel]
        count = component.horizontal * component.vertical if len(scan.components) > 1 else 1
        bits += count * (dc.length + dc.symbol + ac.length)
        blocks.append((count, ((1 << dc.symbol) - 1) * step))
    longest = 8 * max(len(run) for run in _runs(content, scan))
    return any(longest // bits * count * step > _DC_SPAN for count, step in blocks)


def _runs(content: bytes, scan: Scan) -> Iterator[bytes]:
    at = scan.start
    while (at := content.find(_ZEROS, at, scan.end)) >= 0:
        rest = content[at : scan.end]
        run = rest[: len(rest) - len(rest.lstrip(b"\0"))]
        yield run
        at += len(run)


def _missing_scans(markers: JpegMarkers) -> str | None:
    """Say which channel lacks coefficients, or bits of them: a file cut between two scans has both ends."""
    low = [[16] * _BLOCK for _ in markers.components]
    for scan in markers.scans:
        first, last, to = (scan.first, scan.last, scan.low) if markers.progressive else (0, _BLOCK - 1, 0)
        for channel in scan.components:
            low[channel][first : last + 1] = [to] * (last + 1 - first)
    for channel, bits in enumerate(low):
        if any(bits):
            return f"channel {channel + 1} of {len(low)} lacks scans"
    return None
