"""Finding symbols in a photograph: in small copies first, and thoroughly only where one is missed.

At 1200 pixels of the longer side a card is read that fills the part of the frame that it should; at
1600, one that is smaller or tilted. A thorough look brings out what glare hides and what is out of
focus, and then takes the photograph at full size, for cards that are far away. That takes several
times as long, and is for photographs in which a card is to be expected: those that show no face.
Everything here blocks the calling thread and releases the interpreter lock meanwhile.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from zxingcpp import Barcode, BarcodeFormat, BarcodeFormats, TextMode

from vision.decode import decode
from vision.draft import draft
from vision.limits import Limits
from vision.picture import Pixels
from vision.resize import reduce_to

SIDES = (1200, 1600)
"""Of the first two looks: the longer side, in pixels."""

MOST_SYMBOLS = 16
"""More than the cards of a printed sheet; a wall of codes is not read to its end."""

Grey: TypeAlias = NDArray[np.uint8]
"""[height, width]."""
Corner: TypeAlias = tuple[float, float]
"""x and y as parts of the picture's width and height, 0 to 1."""

_NEIGHBOURHOOD = (25, 25)
"""In which `_levelled` compares: some three modules of a card that fills a seventh of the width."""
_GRAIN = 4.0
"""Deviation that is noise and not to be brought out, in code values."""
_SPREAD = 60.0
"""Deviation that `_levelled` gives to every place, in code values."""

_FORMATS = BarcodeFormats((BarcodeFormat.QRCodeModel2, BarcodeFormat.DataMatrix))


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol that was read."""

    text: str
    corners: tuple[Corner, Corner, Corner, Corner]
    """Clockwise, from the symbol's own top left, as parts of the picture's width and height."""
    format: str
    """`qr` or `datamatrix`."""


def find_in_file(
    data: bytes, *, thorough: bool = False, limits: Limits | None = None
) -> list[Symbol]:
    """Find the symbols in a file.

    Args:
        data: A whole photograph in any format that `vision.decode` reads.
        thorough: Whether to look again, harder, where nothing is found at first.
        limits: The bounds to keep, Limits() if not given.

    Returns:
        As `find_cards`.

    Raises:
        PictureError: The file cannot be read, for the reasons that `vision.decode` has.
    """
    found = _symbols(_copies(grey(draft(data, SIDES[-1], limits))))
    return find_harder(data, limits) if thorough and not found else found


def find_harder(data: bytes, limits: Limits | None = None) -> list[Symbol]:
    """Find the symbols in a file that the first looks miss. Raises PictureError."""
    small = grey(draft(data, SIDES[-1], limits))
    return _first_found(_harder(small)) or _symbols([grey(decode(data, limits).pixels)])


def find_cards(pixels: Pixels | Grey, *, thorough: bool = False) -> list[Symbol]:
    """Find the symbols in a picture: QR and Data Matrix, any way round, up to MOST_SYMBOLS.

    Args:
        pixels: uint8 [height, width, 3] RGB, or [height, width] grey.
        thorough: Whether to look again, harder, where nothing is found at first.

    Returns:
        From the top of the picture down. Symbols that say the same are one.
    """
    whole = grey(pixels)
    found = _symbols(_copies(whole))
    if not found and thorough:
        found = _first_found(_harder(whole)) or _symbols([whole])
    return found


def grey(pixels: Pixels | Grey) -> Grey:
    """Return the brightness of a picture, itself if it has nothing else."""
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _copies(whole: Grey) -> Iterator[Grey]:
    """Yield the copies that are always looked at, no size twice.

    The second is looked at although the first showed something: a sibling's card may be smaller.
    """
    for side in SIDES:
        yield reduce_to(whole, side).pixels
        if max(whole.shape) <= side:
            return


def _harder(whole: Grey) -> Iterator[Grey]:
    """Yield copies that show more to the reader than to the eye."""
    small = reduce_to(whole, SIDES[-1]).pixels
    yield _levelled(small)
    yield _sharpened(small)


def _levelled(copy: Grey) -> Grey:
    """Give each place the same brightness and contrast: glare and deep shade go away."""
    mean = cv2.blur(copy.astype(np.float32), _NEIGHBOURHOOD)
    squares = cv2.sqrBoxFilter(copy, cv2.CV_32F, _NEIGHBOURHOOD)
    deviation = np.sqrt(np.maximum(squares - mean * mean, 0)) + _GRAIN
    level = cv2.divide(copy - mean, deviation, scale=_SPREAD)
    return np.clip(level + 128, 0, 255).astype(np.uint8)


def _sharpened(copy: Grey) -> Grey:
    """Undo some of what being out of focus does."""
    blurred = cv2.GaussianBlur(copy, (0, 0), 4)
    return np.asarray(cv2.addWeighted(copy, 5, blurred, -4, 0), np.uint8)


def _first_found(copies: Iterable[Grey]) -> list[Symbol]:
    return next(filter(None, (_symbols([copy]) for copy in copies)), [])


def _symbols(copies: Iterable[Grey]) -> list[Symbol]:
    """Read copies of one picture; the largest that shows a symbol says where it is."""
    by_text: dict[str, Symbol] = {}
    for copy in copies:
        height, width = copy.shape
        for barcode in zxingcpp.read_barcodes(
            np.ascontiguousarray(copy), _FORMATS, try_invert=False, text_mode=TextMode.Plain
        ):
            by_text[barcode.text] = _symbol(barcode, width, height)
    return sorted(by_text.values(), key=_from_above)[:MOST_SYMBOLS]


def _symbol(barcode: Barcode, width: int, height: int) -> Symbol:
    place = barcode.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    first, second, third, fourth = ((corner.x / width, corner.y / height) for corner in corners)
    is_matrix = barcode.format == BarcodeFormat.DataMatrix
    return Symbol(barcode.text, (first, second, third, fourth), "datamatrix" if is_matrix else "qr")


def _from_above(symbol: Symbol) -> tuple[float, float]:
    return min(y for _, y in symbol.corners), min(x for x, _ in symbol.corners)
