"""Drawing: from a decoded photograph and a frame to finished files. Plain functions for threads."""

import math
from dataclasses import dataclass

import cv2

from services.facecrop.framing import Frame
from vision.colour import to_srgb
from vision.encode import encode_jpeg
from vision.picture import Picture, Pixels

_QUALITY = 92
_DPI = 300

_SOFT_SIDE = 48
"""Pixels along the longer side of the copy from which padding takes its colours."""


@dataclass(frozen=True, slots=True)
class Files:
    """The two results as JPEG: sRGB, 300 dpi, no other metadata."""

    original: bytes
    medium: bytes


def cut(picture: Picture, frame: Frame) -> Pixels:
    """Cut the frame out at the photograph's own resolution, in sRGB; padded where it is not."""
    width, height = max(1, round(frame.box.width)), max(1, round(frame.box.height))
    left, top = round(frame.box.x), round(frame.box.y)
    right, bottom = left + width, top + height
    inside = picture.pixels[
        max(0, top) : min(picture.height, bottom), max(0, left) : min(picture.width, right)
    ]
    colours = to_srgb(inside, picture.profile)
    over = (
        max(0, -top),
        max(0, bottom - picture.height),
        max(0, -left),
        max(0, right - picture.width),
    )
    if not any(over):
        return colours
    return _continued(colours, over)


def _continued(pixels: Pixels, over: tuple[int, int, int, int]) -> Pixels:
    """Surround pixels (top, bottom, left, right) with the colours of their edges, softened.

    Continuing every edge pixel as it is would draw stripes across the border.
    """
    stripes = cv2.copyMakeBorder(pixels, *over, borderType=cv2.BORDER_REPLICATE)
    height, width = stripes.shape[:2]
    few = (max(1, round(_SOFT_SIDE * width / max(width, height))), _SOFT_SIDE)
    small = cv2.GaussianBlur(cv2.resize(stripes, few, interpolation=cv2.INTER_AREA), (0, 0), 2.0)
    soft: Pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment] # cv2 says any array
    top, _, left, _ = over
    soft[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return soft


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Bring pixels to `size` (width, height): averaging downwards, Lanczos upwards."""
    down = size[0] < pixels.shape[1]
    how = cv2.INTER_AREA if down else cv2.INTER_LANCZOS4
    result: Pixels = cv2.resize(pixels, size, interpolation=how)  # type: ignore[assignment] # cv2 says any array
    return result


def files(original: Pixels, medium: tuple[int, int]) -> Files:
    """Encode a crop as it is and at its medium size."""
    return Files(
        original=encode_jpeg(original, quality=_QUALITY, dpi=_DPI),
        medium=encode_jpeg(resized(original, medium), quality=_QUALITY, dpi=_DPI),
    )


def sharpening_input(crop: Pixels, full: tuple[int, int]) -> Pixels:
    """Bring a crop to the size that the x4 network is given for a result of `full` size.

    At most a third of the full size, so that a photograph with pixels to spare keeps some detail of
    its own and the network's result is averaged down; more would take a CPU longer than anybody
    waits. Smaller crops go in as they are, never enlarged.
    """
    scale = min(1.0, full[0] / 3 / crop.shape[1])
    if scale == 1.0:
        return crop
    return resized(crop, (math.ceil(crop.shape[1] * scale), math.ceil(crop.shape[0] * scale)))
