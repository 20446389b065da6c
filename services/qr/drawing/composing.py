"""One card: its code, its name and everything below, as PDF operators."""

from collections.abc import Iterable, Iterator, Sequence

from services.qr.drawing.cards import Card, SheetOptions
from services.qr.drawing.embedding import Embedding
from services.qr.drawing.fitting import Block, Typesetter, leading
from services.qr.drawing.fonts import UNITS, installed
from services.qr.drawing.layouts import LAYOUTS, MM, Box, Cell
from services.qr.drawing.symbols import encoded, painted

_DETAILS_SHARE = 0.6
"""Of the room for texts: what stands below the name never takes more."""
_SMALLER = 0.92
_BESIDE_SCHOOL = 0.4
"""Of the header's width: a logo takes no more if a school's name stands beside it."""
_RULE = "0.5 w 0.4 G"
_RULES_HEIGHT = 2.5
"""Of two lines to write on, in distances between them: the rest is free below."""
_DIVIDER_SIZE = 72.0


class Composer:
    """Composes the cards of one document, and notes what could not be printed."""

    def __init__(self, options: SheetOptions) -> None:
        self._options = options
        self._layout = LAYOUTS[options.layout]
        regular, bold = installed()
        self._regular, self._bold = Typesetter(regular), Typesetter(bold)
        self.embedding = Embedding()
        self.missing: dict[str, str] = {}
        """Characters that no font has, by whose texts they are in."""

    def card(self, card: Card, cell: Cell) -> str:
        """Compose everything of a card but the header."""
        layout, options = self._layout, self._options
        symbol = encoded(card.payload, options.symbol, layout.correction, layout.code_mm)
        parts = [painted(symbol, cell.code.x, cell.code.y, cell.code.width)]
        parts.extend(self._texts(card, cell.texts))
        return "\n".join(parts)

    def _texts(self, card: Card, box: Box) -> Iterator[str]:
        details = self._details(card, box)
        taken = sum(block.height for block in details)
        rules = _RULES_HEIGHT * self._layout.ruled_mm * MM if card.kind == "extra" else 0
        rules = min(rules, box.height * _DETAILS_SHARE)
        size = self._layout.sizes.name
        name = self._bold.fitted(card.name, size, box.width, box.height - taken - rules)
        self._note_missing(card.student_id or card.name, [name, *details])
        yield from self._stacked([name], box, box.top)
        top = box.top - name.height
        if rules:
            yield from self._ruled(Box(box.x, top - rules, box.width, rules))
        yield from self._stacked(details, box, top - rules)

    def _details(self, card: Card, box: Box) -> list[Block]:
        """Set what stands below the name, smaller and smaller until it fits."""
        sizes, group = self._layout.sizes, card.kind == "group"
        second = self._options.words.group_photo if group else card.class_name
        texts = [(second, sizes.detail), (card.student_id, sizes.detail)]
        texts.extend((text, sizes.line) for text in card.lines)
        most, scale = box.height * _DETAILS_SHARE, 1.0
        if card.kind == "extra":
            most /= 2
        while True:
            fitted = self._regular.fitted
            blocks = [fitted(text, size * scale, box.width, most) for text, size in texts if text]
            if sum(block.height for block in blocks) <= most:
                return blocks
            scale *= _SMALLER

    def _ruled(self, box: Box) -> Iterator[str]:
        """Draw two lines to write on by hand, and what belongs on them."""
        words, size = self._options.words, self._layout.sizes.line
        step = box.height / _RULES_HEIGHT
        for row, word in enumerate((words.name, words.class_name), start=1):
            y = box.top - row * step
            label = self._regular.fitted(word, size, box.width / 3, step)
            yield from self._lines(label, box.x, y + label.height, 0)
            start, end, level = box.x + label.width + size / 2, box.x + box.width, y + size / 4
            yield f"q {_RULE} {start:.2f} {level:.2f} m {end:.2f} {level:.2f} l S Q"

    def header(self, box: Box, logo_shape: float) -> tuple[str, Box | None]:
        """Compose what all cards show above the code.

        Args:
            box: Where.
            logo_shape: Width by height of the logo, 0 without one.

        Returns:
            Operators for the school's name, and the place of the logo.
        """
        school = self._options.school_name
        logo_width = 0.0
        if logo_shape:
            most = box.width * (_BESIDE_SCHOOL if school else 1)
            logo_width = min(box.height * logo_shape, most)
        gap = box.height / 4 if logo_width and school else 0
        room = box.width - logo_width - gap
        block = self._regular.fitted(school, self._layout.sizes.school, room, box.height)
        self._note_missing("", [block])
        left = box.x + (box.width - logo_width - gap - block.width) / 2
        start = left + logo_width + gap
        top = box.y + (box.height + block.height) / 2
        text = "\n".join(self._lines(block, start, top, block.width))
        if not logo_shape:
            return text, None
        logo_height = logo_width / logo_shape
        return text, Box(left, box.y + (box.height - logo_height) / 2, logo_width, logo_height)

    def divider(self, class_name: str, page: Box) -> str:
        """Compose the page that stands before the cards of a class."""
        size, third = _DIVIDER_SIZE, page.height / 3
        school = self._regular.fitted(self._options.school_name, size / 3, page.width, third)
        name = self._bold.fitted(class_name, size, page.width, third)
        return "\n".join(self._stacked([school, name], page, page.top - third))

    def _stacked(self, blocks: Sequence[Block], box: Box, top: float) -> Iterator[str]:
        for block in blocks:
            yield from self._lines(block, box.x, top, box.width)
            top -= block.height

    def _lines(self, block: Block, x: float, top: float, width: float) -> Iterator[str]:
        """Paint a block, each line in the middle of the width; from the left if that is 0."""
        for line in block.lines:
            indent = (width - line.width * block.size / UNITS) / 2 if width else 0
            base = top - line.ascent * block.size / UNITS
            yield self.embedding.painted(line, x + indent, base, block.size)
            top -= leading(line) * block.size / UNITS

    def _note_missing(self, whose: str, blocks: Iterable[Block]) -> None:
        if characters := "".join(block.missing for block in blocks):
            noted = self.missing.get(whose, "") + characters
            self.missing[whose] = "".join(dict.fromkeys(noted))
