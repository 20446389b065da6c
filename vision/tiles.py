"""Cutting a picture into the small squares that the face detector looks at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from vision.geometry import Affine
from vision.picture import Pixels
from vision.resize import Reduced, halve, resize

SIDE = 128
"""Pixels along a side of a tile."""

_STEP = 0.7
"""Neighbours overlap by 30 %, so that a face cut by one tile is whole in the next."""
_LEAST_SOURCE_SIDE = 64
"""Smaller squares would be enlarged more than twice and show nothing new."""
_MOST_TILES = 200
"""Of one size. A panorama of 5 : 1 has 150 of the smallest; a mere strip would have thousands."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of a picture, reduced or enlarged to SIDE."""

    pixels: Pixels
    to_picture: Affine
    """From fractions of the tile, 0 to 1, to pixels of the picture."""
    whole: bool = False
    """It shows the whole picture, so a face at its edge is cut by nobody but the photographer."""


class Halves:
    """A picture and its successive halves, so that no resizing ever skips a pixel."""

    def __init__(self, pixels: Pixels) -> None:
        self._levels = [pixels]

    @property
    def width(self) -> int:
        """Of the picture itself, in pixels."""
        return int(self._levels[0].shape[1])

    @property
    def height(self) -> int:
        """Of the picture itself, in pixels."""
        return int(self._levels[0].shape[0])

    def shrunk(self, factor: float) -> Reduced:
        """The smallest level that is reduced at most by `factor`."""
        level = max(0, math.floor(math.log2(max(factor, 1.0))))
        while len(self._levels) <= level and min(self._levels[-1].shape[:2]) >= 2:
            self._levels.append(halve(self._levels[-1]))
        level = min(level, len(self._levels) - 1)
        return Reduced(self._levels[level], 2.0**level, 2.0**level)

    def resized(self, wide: int, high: int) -> Reduced:
        """The picture at exactly this size."""
        nearest = self.shrunk(min(self.width / wide, self.height / high))
        height, width = nearest.pixels.shape[:2]
        return Reduced(
            resize(nearest.pixels, wide, high),
            nearest.scale_x * width / wide,
            nearest.scale_y * height / high,
        )

    def cut(self, to_picture: Affine, side: int = SIDE) -> Pixels:
        """Cut the square, possibly turned, whose fractions `to_picture` maps to the picture.

        It is `side` pixels long. What lies outside the picture is black.
        """
        nearest = self.shrunk(to_picture.scale / side)
        shrink = Affine.scale_and_move(1 / nearest.scale_x, 1 / nearest.scale_y, 0.0, 0.0)
        fraction = Affine.scale_and_move(1 / side, 1 / side, 0.0, 0.0)
        from_square = shrink.after(to_picture).after(fraction)
        square = cv2.warpAffine(
            nearest.pixels,
            from_square.opencv_matrix(),
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        return np.asarray(square, np.uint8)


def overview(picture: Halves) -> Tile:
    """The whole picture in one tile, in the middle of black."""
    longest = max(picture.width, picture.height)
    wide, high = (max(1, round(side * SIDE / longest)) for side in (picture.width, picture.height))
    small = picture.resized(wide, high)
    left, top = (SIDE - wide) // 2, (SIDE - high) // 2
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[top : top + high, left : left + wide] = small.pixels
    return Tile(square, _place(small, -left, -top), whole=True)


def squares(picture: Halves, fractions: Sequence[float]) -> list[Tile]:
    """Overlapping squares that cover the picture, once for each size.

    The picture is resized once for each size and the squares are cut out of that, which costs a
    fraction of resizing every square.

    Args:
        picture: What to cut.
        fractions: Sides of the squares as parts of the picture's shorter side.
    """
    shorter = min(picture.width, picture.height)
    found: list[Tile] = []
    for fraction in fractions:
        side = shorter * fraction
        if side >= _LEAST_SOURCE_SIDE or fraction == 1.0:
            found += _grid(picture, SIDE / side)
    return found


def _grid(picture: Halves, scale: float) -> list[Tile]:
    wide, high = (max(SIDE, round(side * scale)) for side in (picture.width, picture.height))
    places = list(product(_starts(high), _starts(wide)))
    if len(places) > _MOST_TILES:
        return []
    level = picture.resized(wide, high)
    return [
        Tile(level.pixels[top : top + SIDE, left : left + SIDE], _place(level, left, top))
        for top, left in places
    ]


def _place(level: Reduced, left: int, top: int) -> Affine:
    """Where the tile that starts at `left`, `top` of a resized picture lies in the picture."""
    return Affine.scale_and_move(
        SIDE * level.scale_x, SIDE * level.scale_y, left * level.scale_x, top * level.scale_y
    )


def _starts(length: int) -> list[int]:
    """Evenly spread starts of tiles over `length`, the last one ending where it ends."""
    room = length - SIDE
    count = math.ceil(room / (SIDE * _STEP)) + 1
    return [round(float(start)) for start in np.linspace(0, room, count)]


def turned(tile: Tile, quarters: int) -> Tile:
    """The same square seen with the head tilted: turned anticlockwise by quarters of a circle."""
    if quarters % 4 == 0:
        return tile
    turn = {
        1: Affine(0, -1, 1, 1, 0, 0),
        2: Affine(-1, 0, 1, 0, -1, 1),
        3: Affine(0, 1, 0, -1, 0, 1),
    }[quarters % 4]
    return Tile(np.rot90(tile.pixels, quarters), tile.to_picture.after(turn), tile.whole)
