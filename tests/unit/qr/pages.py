"""PDFs of the tests: drawn, rendered with poppler, read again."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image
from zxingcpp import BarcodeFormat, BarcodeFormats

from services.qr.drawing.cards import Card, Drawn, SheetOptions
from services.qr.drawing.sheet import draw

FORMATS = BarcodeFormats((BarcodeFormat.QRCodeModel2, BarcodeFormat.DataMatrix))
"""What is on cards. `QRCode` would name the whole family, Micro QR and rMQR with it."""


def drawn(folder: Path, cards: Iterable[Card], **options: Any) -> tuple[Path, Drawn]:
    """Draw cards into a file."""
    pdf = folder / "cards.pdf"
    return pdf, draw(cards, SheetOptions(**options), pdf)


def told(*command: str | Path) -> str:
    """Run a program and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rendered(pdf: Path, dpi: int = 150) -> Iterator[Image.Image]:
    """Yield the pages as pictures, as poppler draws them."""
    told("pdftoppm", "-gray", "-r", str(dpi), pdf, pdf.with_suffix(""))
    files = sorted(pdf.parent.glob(f"{pdf.stem}-*.pgm"))
    for file in files:
        with Image.open(file) as page:
            yield page.copy()


def first_page(pdf: Path, dpi: int = 150) -> Image.Image:
    """Return the first page as a picture, without rendering the others."""
    told("pdftoppm", "-gray", "-singlefile", "-r", str(dpi), pdf, pdf.with_suffix(""))
    with Image.open(pdf.with_suffix(".pgm")) as page:
        return page.copy()


def read(page: Image.Image) -> list[zxingcpp.Barcode]:
    """Return the codes on a page, from above and from the left."""
    found = zxingcpp.read_barcodes(page, formats=FORMATS)
    rows = round(page.height / 12)
    return sorted(
        found,
        key=lambda code: (code.position.top_left.y // rows, code.position.top_left.x),
    )


def lines(pdf: Path) -> list[list[str]]:
    """Return the lines of text of each page, as they are read."""
    printed = told("pdftotext", pdf, "-").translate(_DIRECTIONS)
    pages = printed.removesuffix("\f").split("\f")
    return [[line for line in page.split("\n") if line] for page in pages]


_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), 0x200E, 0x200F])
"""What poppler puts around text that runs from right to left."""
