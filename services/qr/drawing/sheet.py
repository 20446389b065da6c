"""Drawing a roster: cards into cells, cells onto pages, pages into a finished PDF."""

from collections.abc import Iterable
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from services.qr.drawing.cards import Card, Drawn, SheetOptions
from services.qr.drawing.composing import Composer
from services.qr.drawing.errors import LogoUnreadable, NoCards
from services.qr.drawing.finishing import finish
from services.qr.drawing.layouts import MM, PAPERS, Box, cells, cut_marks

_MARGIN_MM = 25
"""On divider pages."""
_CUT_WIDTH = 0.25
"""In points: as thin as every printer still draws."""


def draw(cards: Iterable[Card], options: SheetOptions, into: Path | BinaryIO) -> Drawn:
    """Draw cards in the order in which they come, and write the PDF.

    The same cards and options give the same bytes. It is work for the processor, about half a
    millisecond a card, so an event loop calls it in a thread.

    Args:
        cards: At least one; read one by one.
        options: How the sheets look.
        into: A file to write, or a stream open for writing bytes.

    Raises:
        NoCards: There was none.
        PayloadTooLong: A code cannot be printed.
        PayloadUnfit: A payload is empty.
        LogoUnreadable: The logo is not a picture.
        FontsMissing: The machine is not set up.
    """
    sheet = _Sheet(options)
    for class_name, of_class in groupby(cards, key=lambda card: card.class_name):
        sheet.start_class(class_name)
        for card in of_class:
            sheet.place(card)
    return sheet.finished(into)


class _Sheet:
    """A document that grows page by page."""

    def __init__(self, options: SheetOptions) -> None:
        self._options = options
        self._cells = cells(options.layout, options.paper)
        self._paper = PAPERS[options.paper]
        self._composer = Composer(options)
        self._written = BytesIO()
        # What reportlab would pack slowly, and spell in ASCII, is packed when the PDF is finished.
        self._canvas = Canvas(
            self._written, self._paper, pageCompression=0, invariant=1, trimBox=(0, 0, *self._paper)
        )
        self._pages = 0
        self._on_page: list[str] = []
        """What the cards of the page under way show, each below the header."""
        self._define_header()
        self._define_frame("marks", headers=0)
        self._define_frame("full", headers=len(self._cells))

    def start_class(self, class_name: str) -> None:
        """Start a new page, and a divider, where they are asked for."""
        if self._options.dividers or self._options.page_break_per_group:
            self._end_page()
        if self._options.dividers and class_name:
            margin = _MARGIN_MM * MM
            width, height = self._paper
            page = Box(margin, margin, width - 2 * margin, height - 2 * margin)
            self._canvas.addLiteral(self._composer.divider(class_name, page))
            self._show_page()

    def place(self, card: Card) -> None:
        """Draw a card into the next cell."""
        cell = self._cells[len(self._on_page)]
        self._on_page.append(self._composer.card(card, cell))
        if len(self._on_page) == len(self._cells):
            self._end_page()

    def finished(self, into: Path | BinaryIO) -> Drawn:
        """Write the document; nothing can be drawn after it."""
        self._end_page()
        if not self._pages:
            raise NoCards
        self._canvas.save()
        self._written.seek(0)
        finish(self._written, self._composer.embedding, self._options, into)
        return Drawn(self._pages, tuple(self._composer.missing.items()))

    def _end_page(self) -> None:
        shown = len(self._on_page)
        if not shown:
            return
        if shown == len(self._cells):
            self._canvas.doForm("full")
        else:
            self._canvas.doForm("marks")
            self._draw_headers(shown)
        self._canvas.addLiteral("\n".join(self._on_page))
        self._on_page.clear()
        self._show_page()

    def _show_page(self) -> None:
        self._canvas.showPage()
        self._pages += 1

    def _define_frame(self, name: str, headers: int) -> None:
        """Draw once what many pages show: cut marks, and the headers of the first cells."""
        canvas = self._canvas
        canvas.beginForm(name, 0, 0, *self._paper)
        canvas.setLineWidth(_CUT_WIDTH)
        canvas.lines(list(cut_marks(self._options.layout, self._options.paper)))
        self._draw_headers(headers)
        canvas.endForm()

    def _draw_headers(self, count: int) -> None:
        for cell in self._cells[:count]:
            self._canvas.saveState()
            self._canvas.translate(cell.header.x, cell.header.y)
            self._canvas.doForm("header")
            self._canvas.restoreState()

    def _define_header(self) -> None:
        """Draw logo and school once; every card shows the same."""
        canvas, header = self._canvas, self._cells[0].header
        logo = _logo(self._options.logo)
        shape = logo.getSize()[0] / logo.getSize()[1] if logo else 0.0
        room = Box(0, 0, header.width, header.height)
        canvas.beginForm("header", 0, 0, header.width, header.height)
        text, place = self._composer.header(room, shape)
        if logo and place:
            canvas.drawImage(logo, place.x, place.y, place.width, place.height, mask="auto")
        canvas.addLiteral(text)
        canvas.endForm()


def _logo(png: bytes | None) -> ImageReader | None:
    if png is None:
        return None
    try:
        return ImageReader(BytesIO(png))
    except OSError as error:
        raise LogoUnreadable from error
