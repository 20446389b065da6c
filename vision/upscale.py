"""Four times the resolution, by the Real-ESRGAN networks.

The networks take squares of one size, so a picture is cut into overlapping ones. A pixel of the
result depends on its surroundings, and near the edge of a square those are missing; so each square
is wider than what is kept of it, by MARGIN or more on every side, and the picture itself is
continued by its mirror image.
"""

import asyncio
import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import cv2
import numpy as np

from vision.errors import PictureTooLarge
from vision.models import SIGNATURES, ModelName, Models, Tensor
from vision.picture import Pixels

FACTOR = 4
TILE_SIDE = SIGNATURES[ModelName.UPSCALER].input_shape[0]
MARGIN = 20
"""Pixels. The fast network looks 18 pixels far (18 convolutions of 3 x 3), so its seams are exactly
none. The large one looks further: 20 pixels from a cut it differs by 0.1 levels on average."""
KEPT_SIDE = TILE_SIDE - 2 * MARGIN

MOST_PIXELS = 64_000_000
"""Of the result, which is 192 MB."""
_IN_FLIGHT = 8
"""Tiles asked for at a time, one to a request: Triton makes batches of them where that pays, on a
graphics card, and without Triton they spread over the cores."""

Upscaler = Literal[ModelName.UPSCALER_FAST, ModelName.UPSCALER]


@dataclass(frozen=True, slots=True)
class _Span:
    """One tile along one axis, in pixels of the small picture."""

    start: int
    """Of what is kept."""
    length: int
    tile: int
    """Start of the tile in the picture continued by MARGIN."""

    @property
    def kept(self) -> slice:
        """What is kept, in the enlarged tile."""
        first = (self.start + MARGIN - self.tile) * FACTOR
        return slice(first, first + self.length * FACTOR)

    @property
    def place(self) -> slice:
        """Where it goes, in the result."""
        return slice(self.start * FACTOR, (self.start + self.length) * FACTOR)


_Square = tuple[_Span, _Span]
"""Vertical, horizontal."""


async def upscale(
    models: Models, pixels: Pixels, model: Upscaler = ModelName.UPSCALER_FAST
) -> Pixels:
    """Enlarge a picture four times along each side.

    Memory is the result plus a few tiles, whatever the size of the picture. Work on
    pixels runs in the event loop's default executor.

    Args:
        models: Where to run the network.
        pixels: uint8 [height, width, 3] sRGB.
        model: UPSCALER_FAST for processors, UPSCALER where there is a graphics card.

    Returns:
        uint8 [4 height, 4 width, 3].

    Raises:
        PictureTooLarge: The result would have more than MOST_PIXELS.
        ModelError: See `Models.infer`.
    """
    height, width = pixels.shape[:2]
    if height * width * FACTOR**2 > MOST_PIXELS:
        raise PictureTooLarge(
            f"The picture would have more than {MOST_PIXELS / 1e6:.0f} megapixels when enlarged."
        )
    source = await asyncio.to_thread(_continued, pixels)
    result = np.empty((height * FACTOR, width * FACTOR, 3), np.uint8)
    places = asyncio.Semaphore(_IN_FLIGHT)

    async def enlarge(square: _Square) -> None:
        async with places:
            answer = await models.infer(model, _cut(source, square))
            await asyncio.to_thread(_paste, result, square, answer)

    tasks = [asyncio.create_task(enlarge(square)) for square in _squares(width, height)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return result


def _squares(width: int, height: int) -> list[_Square]:
    return list(product(_spans(height), _spans(width)))


def _spans(length: int) -> list[_Span]:
    """Share a length among as few tiles as it takes, each in the middle of its surroundings."""
    tiles = math.ceil(length / KEPT_SIDE)
    edges = [length * index // tiles for index in range(tiles + 1)]
    last = max(length + 2 * MARGIN - TILE_SIDE, 0)
    return [
        _Span(start, end - start, min(max((start + end - TILE_SIDE) // 2 + MARGIN, 0), last))
        for start, end in pairwise(edges)
    ]


def _continued(pixels: Pixels) -> Pixels:
    """Mirror the picture over its edges, far enough for every tile to be full."""
    height, width = pixels.shape[:2]
    right, bottom = (max(MARGIN, TILE_SIDE - MARGIN - side) for side in (width, height))
    continued = cv2.copyMakeBorder(pixels, MARGIN, bottom, MARGIN, right, cv2.BORDER_REFLECT_101)
    return np.asarray(continued, np.uint8)


def _cut(source: Pixels, square: _Square) -> Pixels:
    down, along = square
    tile = source[down.tile : down.tile + TILE_SIDE, along.tile : along.tile + TILE_SIDE]
    return np.ascontiguousarray(tile)[None]


def _paste(result: Pixels, square: _Square, answer: Tensor) -> None:
    down, along = square
    result[down.place, along.place] = answer[0, down.kept, along.kept]
