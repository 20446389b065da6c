"""CSV as spreadsheets read it, RFC 4180, with nothing in it that they would carry out."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(lines: Iterable[Iterable[object]]) -> bytes:
    """Return lines of CSV; moments in ISO 8601, nothing for None.

    Every cell is quoted: some spreadsheets part cells at other characters than the comma, and what
    comes after one could begin like a formula.
    """
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
        [_cell(value) for value in line] for line in lines
    )
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    # a number below zero is one; any other text with such a beginning a spreadsheet would compute
    risky = isinstance(value, str) and text.startswith(_STARTS_A_FORMULA)
    return f"'{text}" if risky else text
