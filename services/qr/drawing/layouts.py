"""Where things stand: paper, cells and what a cell holds. All lengths are points, from below."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from services.qr.drawing.cards import LayoutName, Paper
from services.qr.drawing.symbols import Correction

MM = 72 / 25.4
PAPERS: dict[Paper, tuple[float, float]] = {
    "a4": (210 * MM, 297 * MM),
    "letter": (8.5 * 72, 11 * 72),
}
"""Width and height, portrait."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Type sizes in points, each the largest; a text that is too wide is set smaller."""

    school: float
    name: float
    detail: float
    """Class and student id."""
    line: float


@dataclass(frozen=True, slots=True)
class Layout:
    """How many cards a page has, and how large the things on them are."""

    columns: int
    rows: int
    code_mm: float
    """Side of the code with its quiet zone."""
    inset_mm: float
    """Kept free inside each cell, for the knife and for printers that cannot reach the edge."""
    header_mm: float
    """Room for logo and school."""
    ruled_mm: float
    """Between the lines to write on by hand."""
    sizes: Sizes
    correction: Correction


LAYOUTS: dict[LayoutName, Layout] = {
    # M is what the inventor of the code takes as standard; a large code has damage to spare.
    "4up": Layout(2, 2, 80, 7, 13, 9, Sizes(13, 24, 13, 10), "M"),
    "single": Layout(1, 1, 150, 15, 24, 14, Sizes(22, 44, 22, 16), "M"),
    # On the small card a thumb, a fold or glare covers a larger part: Q, for one version more.
    "9up": Layout(3, 3, 55, 5, 8, 6.5, Sizes(9, 15, 9, 7.5), "Q"),
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Cell:
    """The parts of one card, from above: header, code, texts. None overlaps another."""

    box: Box
    header: Box
    code: Box
    texts: Box


@cache
def cells(layout: LayoutName, paper: Paper) -> tuple[Cell, ...]:
    """Return the cells of a page, row by row from the upper left. They tile the paper."""
    plan = LAYOUTS[layout]
    width, height = PAPERS[paper]
    across, down = width / plan.columns, height / plan.rows
    return tuple(
        _cell(plan, Box(column * across, height - (row + 1) * down, across, down))
        for row in range(plan.rows)
        for column in range(plan.columns)
    )


def _cell(plan: Layout, box: Box) -> Cell:
    inset, code, header = plan.inset_mm * MM, plan.code_mm * MM, plan.header_mm * MM
    left, width = box.x + inset, box.width - 2 * inset
    header_y = box.top - inset - header
    code_y = header_y - code
    floor = box.y + inset
    return Cell(
        box,
        header=Box(left, header_y, width, header),
        code=Box(box.x + (box.width - code) / 2, code_y, code, code),
        texts=Box(left, floor, width, code_y - floor),
    )


CUT_MM = 4.0
"""Length of a cut mark: less than any inset, so that none touches what a card shows."""


def cut_marks(layout: LayoutName, paper: Paper) -> Iterator[tuple[float, float, float, float]]:
    """Yield the cut marks of a page as lines (x1, y1, x2, y2).

    Where cuts reach the edge of the paper stands a stroke, where they cross stands a cross. A page
    that is one card has none.
    """
    plan = LAYOUTS[layout]
    width, height = PAPERS[paper]
    arm = CUT_MM * MM
    across = [width * column / plan.columns for column in range(1, plan.columns)]
    down = [height * row / plan.rows for row in range(1, plan.rows)]
    for x in across:
        yield x, 0, x, arm
        yield x, height - arm, x, height
    for y in down:
        yield 0, y, arm, y
        yield width - arm, y, width, y
    for x in across:
        for y in down:
            yield x - arm, y, x + arm, y
            yield x, y - arm, x, y + arm
