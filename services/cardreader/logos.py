"""Logos made safe to print: what is kept of a stranger's file is a picture of our own writing."""

import cv2
import numpy as np

from vision.colour import to_srgb
from vision.decode import decode
from vision.encode import encode_png
from vision.errors import NotAPicture, UnsupportedPicture
from vision.limits import Limits
from vision.picture import Pixels

MOST_BYTES = 10 * 1024 * 1024
"""Of the file that is given."""
MOST_PIXELS = 40_000_000
"""Of the file that is given: a page of A4 at 600 dots per inch, and some."""
LEAST_SIDE = 16
MOST_ASPECT = 20
"""Longer side to shorter."""

MOST_WIDTH, MOST_HEIGHT = 1200, 400
"""Of the logo that is written, in pixels: 4 x 1.3 inches at 300 dots per inch."""

_HEAD = 1024


def redrawn(data: bytes, most_pixels: int = MOST_PIXELS) -> bytes:
    """Write a logo anew.

    Blocks the calling thread and releases the interpreter lock meanwhile.

    Args:
        data: A whole file in any format that `vision.decode` reads; of an animation, the first
            picture.
        most_pixels: How many it may have, if fewer than MOST_PIXELS.

    Returns:
        A PNG in sRGB of at most MOST_WIDTH x MOST_HEIGHT pixels, never enlarged. What was
        transparent is white, the colour of the paper. Nothing but pixels is taken over.

    Raises:
        NotAPicture: SVG, HTML, text, a PDF or whatever else has no pixels.
        UnsupportedPicture: A kind that is not read, or a strip more than MOST_ASPECT times as long
            as it is wide.
        PictureTruncated: Incomplete or damaged.
        PictureTooLarge: More than MOST_BYTES, too many pixels, or a decompression bomb.
        PictureTooSmall: A side is shorter than LEAST_SIDE.
    """
    limits = Limits(
        most_bytes=MOST_BYTES, most_pixels=min(most_pixels, MOST_PIXELS), least_side=LEAST_SIDE
    )
    try:
        picture = decode(data, limits)
    except NotAPicture as error:
        if b"<svg" in data[:_HEAD].lower():
            raise NotAPicture("This is an SVG drawing; save the logo as PNG.") from error
        raise
    if max(picture.width, picture.height) > MOST_ASPECT * min(picture.width, picture.height):
        raise UnsupportedPicture(
            f"The picture is {picture.width} x {picture.height} pixels; "
            f"one side may be at most {MOST_ASPECT} times as long as the other."
        )
    return encode_png(to_srgb(_fitted(picture.pixels), picture.profile))


def _fitted(pixels: Pixels) -> Pixels:
    """Reduce by averaging, as far as it takes."""
    height, width = pixels.shape[:2]
    scale = min(MOST_WIDTH / width, MOST_HEIGHT / height)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
