"""CSV for spreadsheets, with nothing in it that they would carry out."""

import codecs
import csv
import io
from collections.abc import Iterable

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet computes begins with one of these; East Asian ones take the wide forms too."""


def to_csv(headings: Iterable[str], rows: Iterable[Iterable[str | None]]) -> bytes:
    """Return CSV as RFC 4180 has it, in UTF-8 with the mark by which Excel knows it.

    A text that begins like a formula gets an apostrophe, as spreadsheets write it; `subjects` takes
    it away again.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(heading) for heading in headings])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return codecs.BOM_UTF8 + text.getvalue().encode()


def _cell(value: str | None) -> str:
    if value is None:
        return ""
    return f"'{value}" if value.startswith(STARTS_A_FORMULA) else value
