"""Making texts fit: smaller first, then on several lines, then smaller still; never cut."""

from dataclasses import dataclass
from functools import lru_cache

from services.qr.drawing.directions import base_level
from services.qr.drawing.fonts import UNITS, Fonts
from services.qr.drawing.text import Line, Piece, cleaned, clusters, drawable, joined, line

ONE_LINE_LEAST = 0.6
"""Of the largest size: a text that would be smaller on one line is set on several."""
_STEP = 0.94
"""From one size that is tried to the next."""


_GAP = 150
"""Left free below each line, in thousandths of the size."""


def leading(line: Line) -> int:
    """Return how far below a line the next one starts, in thousandths of the size."""
    return line.ascent + line.descent + _GAP


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one size, one below the other."""

    lines: tuple[Line, ...]
    size: float
    """In points."""
    missing: str = ""
    """Characters of the text that no font has."""

    @property
    def width(self) -> float:
        """Of the longest line, in points."""
        return max((line.width for line in self.lines), default=0) * self.size / UNITS

    @property
    def height(self) -> float:
        """From the top of the first line to the bottom of the last, in points."""
        return sum(map(leading, self.lines)) * self.size / UNITS


class Typesetter:
    """Sets texts in one weight, and remembers those that come again, as classes and schools do."""

    def __init__(self, fonts: Fonts) -> None:
        self._fonts = fonts
        self._remembered = lru_cache(_REMEMBERED)(self._fitted)

    def fitted(self, text: str, size: float, width: float, height: float) -> Block:
        """Set a text at the largest size at which it fits.

        Args:
            text: As it came.
            size: The largest size, in points.
            width: Room in points, more than 0.
            height: Likewise.
        """
        return self._remembered(text, size, width, height)

    def _fitted(self, text: str, size: float, width: float, height: float) -> Block:
        pieces, missing = drawable(cleaned(text), self._fonts)
        if not pieces:
            return Block((), size, missing)
        whole = line(pieces)
        fits_width = width * UNITS / max(whole.width, 1)
        on_one_line = min(size, fits_width, height * UNITS / leading(whole))
        tried = size * ONE_LINE_LEAST
        if fits_width < tried:
            while tried > on_one_line:
                block = Block(_wrapped(pieces, width * UNITS / tried), tried, missing)
                if block.height <= height and block.width <= width:
                    return block
                tried *= _STEP
        return Block((whole,), on_one_line, missing)


_REMEMBERED = 256


def _wrapped(pieces: list[Piece], width: float) -> tuple[Line, ...]:
    """Break a text into lines no wider than `width`, in thousandths of the size.

    A line ends at its last space, or, if it has none, between two clusters. Widths are those of
    clusters on their own; letters that join may need a little more or less.
    """
    atoms = [Piece(piece.face, each) for piece in pieces for each in clusters(piece.text)]
    widths = {atom: line([atom]).width for atom in set(atoms)}
    right_to_left = bool(base_level("".join(atom.text for atom in atoms)))
    starts, space, used = [0], 0, 0
    for index, atom in enumerate(atoms):
        if atom.text == " ":
            space = index
        elif used + widths[atom] > width and index > starts[-1]:
            starts.append(space + 1 if space > starts[-1] else index)
            used = sum(widths[each] for each in atoms[starts[-1] : index])
        used += widths[atom]
    ends = [*starts[1:], len(atoms)]
    return tuple(
        line(_stripped(atoms[start:end]), right_to_left=right_to_left)
        for start, end in zip(starts, ends, strict=True)
    )


def _stripped(atoms: list[Piece]) -> list[Piece]:
    """Drop the space at the end of a line."""
    return joined(atoms[:-1] if atoms[-1].text == " " else atoms)
