"""A picture of one page, for showing before the PDF is opened."""

from io import BytesIO
from pathlib import Path
from threading import Lock

import pypdfium2

_ONE_AT_A_TIME = Lock()
"""PDFium must not be called from two threads at once."""
_POINTS = 72


def preview(pdf: Path | bytes, page: int = 1, dpi: float = 80) -> bytes:
    """Draw a page of a PDF that `draw` wrote.

    Args:
        pdf: The file or its bytes.
        page: From 1, not beyond the last.
        dpi: Pixels an inch.

    Returns:
        A PNG, grey unless a logo has colours.
    """
    with _ONE_AT_A_TIME, pypdfium2.PdfDocument(pdf) as document:
        drawn = document[page - 1].render(scale=dpi / _POINTS).to_pil().convert("RGB")
    grey = drawn.convert("L")
    result = BytesIO()
    (grey if grey.convert("RGB") == drawn else drawn).save(result, "PNG")
    return result.getvalue()
