"""Continuing a photograph over its edges, where a frame reaches beyond it."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture import Pixels

Over: TypeAlias = tuple[int, int, int, int]
"""Pixels beyond the top, bottom, left and right edge."""

_Floats: TypeAlias = NDArray[np.float32]

_SOFT_SIDE = 48
"""Pixels along the longer side of the copy in which the colours of the edges are softened."""
_SOFTNESS = 2.0
"""Sigma of the Gaussian, in those pixels."""
_LEAST_SHARE = 1e-6
_FADE = 0.05
"""Of the longer side: over this length from the edge, its own pixels become softened colours."""


def continued(pixels: Pixels, over: Over) -> Pixels:
    """Surround a picture with the colours of its edges, the softer the further away.

    Continuing every edge pixel as it is would draw stripes across the border, and colours that are
    soft from the start would draw a seam.

    Args:
        pixels: uint8 [height, width, 3], not empty; kept as they are.
        over: How much to add on each side.
    """
    top, bottom, left, right = over
    result = np.asarray(
        cv2.copyMakeBorder(pixels, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8
    )
    height, width = result.shape[:2]
    soft = _soft_edges(result, over)
    away = (_distances(height, top, bottom), _distances(width, left, right))
    rows, columns = slice(top, height - bottom), slice(left, width - right)
    for part in (
        (slice(0, top), slice(0, width)),
        (slice(height - bottom, height), slice(0, width)),
        (rows, slice(0, left)),
        (rows, slice(columns.stop, width)),
    ):
        if result[part].size:
            distance = np.hypot(away[0][part[0], None], away[1][None, part[1]])
            share = np.minimum(distance / (_FADE * max(width, height)), 1)
            result[part] = cv2.blendLinear(result[part], soft[part], 1 - share, share)
    return result


def _soft_edges(stripes: Pixels, over: Over) -> Pixels:
    """Soften what lies outside, on a small copy and without what lies inside."""
    top, bottom, left, right = over
    height, width = stripes.shape[:2]
    outside = np.full((height, width), 255, np.uint8)
    outside[top : height - bottom, left : width - right] = 0
    scale = _SOFT_SIDE / max(width, height)
    few = (max(1, round(width * scale)), max(1, round(height * scale)))
    shares = _blurred(outside, few)
    colours = _blurred(np.where(outside[..., None], stripes, np.uint8(0)), few)
    small = colours / np.maximum(shares / 255, _LEAST_SHARE)[..., None]
    size = (width, height)
    return np.asarray(cv2.resize(np.clip(small, 0, 255).astype(np.uint8), size), np.uint8)


def _blurred(plane: Pixels, size: tuple[int, int]) -> _Floats:
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _SOFTNESS), np.float32)


def _distances(length: int, before: int, after: int) -> _Floats:
    """Return how far each row or column lies outside the picture; 0 for those inside."""
    places = np.arange(length, dtype=np.float32)
    return np.maximum(np.maximum(before - places, places - (length - after - 1)), 0)
