"""The codes: text in, a square of modules out, ready to be painted as a stencil.

A stencil has one sample a module, so a printer draws it as sharp as it can at any size, and a code
takes about a hundred bytes.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import zxingcpp

from services.qr.drawing.cards import SymbolName
from services.qr.drawing.errors import PayloadTooLong, PayloadUnfit

Correction: TypeAlias = Literal["L", "M", "Q", "H"]
"""How much of a QR code may be damaged: about 7, 15, 25 or 30 per cent (ISO/IEC 18004)."""

QUIET: dict[SymbolName, int] = {"qr": 4, "datamatrix": 4}
"""White modules on each side: ISO/IEC 18004 asks for 4; ISO/IEC 16022 for 1, of which a cut that
is a little off would leave nothing, so a Data Matrix has as many as a QR code."""
LEAST_MODULE_MM = 0.5
"""Twice what common scanners need, for codes that are read from a photograph."""

_FORMATS = {"qr": zxingcpp.BarcodeFormat.QRCode, "datamatrix": zxingcpp.BarcodeFormat.DataMatrix}
_BITS = bytes.maketrans(b"\x00\xff", b"01")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A square code."""

    side: int
    """Modules on each side, without the quiet zone."""
    quiet: int
    """White modules around it, on each side."""
    stencil: bytes
    """Rows from the top, one bit a module, 0 is black; each row fills whole bytes with ones."""


def encoded(payload: str, symbol: SymbolName, correction: Correction, size_mm: float) -> Symbol:
    """Encode a payload.

    Args:
        payload: What a reader shall find, not empty.
        symbol: The kind of code; a Data Matrix has a correction of its own.
        correction: Least correction of a QR code.
        size_mm: How large the code is printed, with its quiet zone.

    Raises:
        PayloadTooLong: A module would be smaller than `LEAST_MODULE_MM`, or no code is as large.
        PayloadUnfit: There is nothing to encode.
    """
    if not payload:
        raise PayloadUnfit("A code cannot hold an empty text.")
    how = {"ec_level": correction} if symbol == "qr" else {"force_square": True}
    try:
        barcode = zxingcpp.create_barcode(payload, _FORMATS[symbol], **how)
    except ValueError as error:
        raise PayloadTooLong from error
    image = barcode.to_image(scale=1, add_quiet_zones=False)
    pixels = memoryview(image).tobytes()  # type: ignore[arg-type]  # a buffer, but untyped
    side, quiet = image.shape[0], QUIET[symbol]
    if size_mm / (side + 2 * quiet) < LEAST_MODULE_MM:
        raise PayloadTooLong
    return Symbol(side, quiet, _packed(pixels, side))


def _packed(modules: bytes, side: int) -> bytes:
    """Pack bytes of 0 and 255 into bits, row by row."""
    bits = modules.translate(_BITS)
    row_bytes = (side + 7) // 8
    padding = b"1" * (row_bytes * 8 - side)
    rows = padding.join(bits[start : start + side] for start in range(0, side * side, side))
    return int(rows + padding, 2).to_bytes(row_bytes * side)


def painted(symbol: Symbol, x: float, y: float, size: float) -> str:
    """Return the PDF operators that paint a symbol with its quiet zone.

    Args:
        symbol: What to paint.
        x: Left edge of the quiet zone, in points.
        y: Its lower edge, in points.
        size: Its side, in points.
    """
    module = size / (symbol.side + 2 * symbol.quiet)
    inner, edge = module * symbol.side, module * symbol.quiet
    return (
        f"1 g {x:.2f} {y:.2f} {size:.2f} {size:.2f} re f 0 g "
        f"q {inner:.3f} 0 0 {inner:.3f} {x + edge:.3f} {y + edge:.3f} cm "
        f"BI /W {symbol.side} /H {symbol.side} /IM true /BPC 1 /F /AHx "
        f"ID {symbol.stencil.hex()}>\nEI Q"
    )
