"""Drawing: from a decoded photograph and a frame to pixels. Plain functions for threads."""

import math
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from proto.presets import Size
from services.facecrop.framing import Frame
from services.facecrop.padding import continued
from vision.colour import to_srgb
from vision.geometry import Affine
from vision.picture import Picture, Pixels
from vision.resize import reduce_to

MOST_PIXELS = 64_000_000
LONGEST_SIDE = 16_383
"""Of a crop, which is otherwise as large as the photograph and its padding ask for. WebP can say no
longer side."""

_MOST_SHARPENED = 1_000_000
"""Pixels that the network is given; it takes a CPU several seconds for each million."""

_REDUCED_TO = 800
"""Pixels of width below which no crop is reduced for the network, unless the full size is narrower:
a third of an 8 x 10 inch print."""

_LEAST_ALPHA = 1e-3
"""Below which a pixel has no colour to speak of."""

_AROUND = 4
"""Pixels about a turned frame that interpolation looks at."""


_Samples: TypeAlias = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]


def cut(picture: Picture, frame: Frame) -> Pixels:
    """Cut the frame out at the photograph's own resolution, in sRGB; padded where it is not.

    An upright frame is copied pixel by pixel; a turned one is drawn by one cubic interpolation. A
    frame of more than MOST_PIXELS or with a side over LONGEST_SIDE is drawn that much smaller.
    """
    factor = _shrink(frame)
    if factor < 1:
        picture, frame = _reduced(picture, factor), frame.scaled(factor)
    drawn = _turned(picture, frame) if frame.degrees else _upright(picture, frame)
    return to_srgb(drawn, picture.profile)


def size_of(pixels: Pixels) -> Size:
    """Return width and height."""
    return pixels.shape[1], pixels.shape[0]


def resized(pixels: Pixels, size: Size) -> Pixels:
    """Bring pixels, with alpha or without, to `size`: averaging downwards, Lanczos upwards."""
    if pixels.shape[2] == 3:
        return np.asarray(_interpolated(pixels, size), np.uint8)
    # colours that are not seen must not count
    alpha = pixels[..., 3:].astype(np.float32) / 255
    weighted = np.dstack((pixels[..., :3] * alpha, alpha))
    sized = _interpolated(weighted, size)
    colours = sized[..., :3] / np.maximum(sized[..., 3:], _LEAST_ALPHA)
    straight = np.clip(np.dstack((colours, sized[..., 3:] * 255)), 0, 255)
    return np.asarray(np.rint(straight), np.uint8)


def sharpening_input(crop: Pixels, full: Size) -> Pixels:
    """Bring a crop to the size that the x4 network is given for a result of `full` size.

    At most a third of the full size of a print, so that a photograph with pixels to spare keeps
    some detail of its own and the network's result is averaged down; more would take a CPU longer
    than anybody waits. Small full sizes go in whole: a badge is not made of fewer pixels than it
    has. Smaller crops go in as they are, never enlarged.
    """
    height, width = crop.shape[:2]
    widest = max(full[0] / 3, min(full[0], _REDUCED_TO))
    scale = min(1.0, widest / width, math.sqrt(_MOST_SHARPENED / (width * height)))
    if scale == 1.0:
        return crop
    return resized(crop, (math.ceil(width * scale), math.ceil(height * scale)))


def _shrink(frame: Frame) -> float:
    width, height = _size(frame)
    return min(1.0, math.sqrt(MOST_PIXELS / (width * height)), LONGEST_SIDE / max(width, height))


def _reduced(picture: Picture, factor: float) -> Picture:
    longest = max(1, round(max(picture.width, picture.height) * factor))
    return Picture(reduce_to(picture.pixels, longest).pixels, picture.profile, picture.format)


def _upright(picture: Picture, frame: Frame) -> Pixels:
    """Copy the frame, moved to whole pixels."""
    width, height = _size(frame)
    corner = frame.corners[0]
    left, top = round(float(corner[0])), round(float(corner[1]))
    if not frame.padded:
        # rounding must not push it over the edge
        width, height = min(width, picture.width), min(height, picture.height)
        left = min(max(left, 0), picture.width - width)
        top = min(max(top, 0), picture.height - height)
    return _region(picture, left, top, left + width, top + height)


def _turned(picture: Picture, frame: Frame) -> Pixels:
    """Turn the part of the photograph that the frame lies in, and no more of it."""
    low, high = frame.corners.min(axis=0) - _AROUND, frame.corners.max(axis=0) + _AROUND
    left, top = (math.floor(side) for side in low)
    right, bottom = (math.ceil(side) for side in high)
    if not frame.padded:
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, picture.width), min(bottom, picture.height)
    region = _region(picture, left, top, right, bottom)
    to_region = Affine.scale_and_move(1.0, 1.0, -left, -top).after(frame.to_photo)
    drawn = cv2.warpAffine(
        region,
        to_region.opencv_matrix(),
        _size(frame),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, np.uint8)


def _size(frame: Frame) -> Size:
    return max(1, round(frame.width)), max(1, round(frame.height))


def _region(picture: Picture, left: int, top: int, right: int, bottom: int) -> Pixels:
    """Cut out an upright rectangle; where it reaches beyond the photograph, that is continued."""
    inside = picture.pixels[
        max(0, top) : min(picture.height, bottom), max(0, left) : min(picture.width, right)
    ]
    over = (
        max(0, -top),
        max(0, bottom - picture.height),
        max(0, -left),
        max(0, right - picture.width),
    )
    return continued(inside, over) if any(over) else inside


def _interpolated(pixels: _Samples, size: Size) -> NDArray[Any]:
    down = size[0] < pixels.shape[1]
    how = cv2.INTER_AREA if down else cv2.INTER_LANCZOS4
    return cv2.resize(pixels, size, interpolation=how)
