"""A symbol for showing on a screen: SVG with one unit a module."""

from collections.abc import Iterator
from itertools import groupby

from services.qr.drawing.symbols import Symbol


def drawn(symbol: Symbol) -> str:
    """Return a symbol with its quiet zone; sharp at any size, black on white whatever is around."""
    side = symbol.side + 2 * symbol.quiet
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path d="{"".join(_runs(symbol))}"/></svg>'
    )


def _runs(symbol: Symbol) -> Iterator[str]:
    """Yield a rectangle for each run of black modules in a row."""
    row_bytes = (symbol.side + 7) // 8
    for row in range(symbol.side):
        packed = symbol.stencil[row * row_bytes : (row + 1) * row_bytes]
        bits = f"{int.from_bytes(packed):0{row_bytes * 8}b}"[: symbol.side]
        x, y = symbol.quiet, symbol.quiet + row
        for bit, run in groupby(bits):
            width = len(list(run))
            if bit == "0":
                yield f"M{x} {y}h{width}v1h-{width}z"
            x += width
