import csv
import io
from datetime import UTC, datetime

import pytest

from services.gateway.table import rows


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_cells_come_back_as_they_went_in() -> None:
    line = ["a,b", 'say "x"', "two\nlines", "Zoë 雪", 7, -7, None]
    assert read(rows([line])) == [["a,b", 'say "x"', "two\nlines", "Zoë 雪", "7", "-7", ""]]


def test_lines_end_as_the_standard_has_it() -> None:
    assert rows([["a"], ["b"]]) == b'"a"\r\n"b"\r\n'


def test_every_cell_is_quoted() -> None:
    assert rows([["x;=cmd", 1, None]]) == b'"x;=cmd","1",""\r\n'


def test_moments_are_written_in_iso_8601() -> None:
    assert rows([[datetime(2026, 11, 21, 8, tzinfo=UTC)]]) == b'"2026-11-21T08:00:00+00:00"\r\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_begins_like_a_formula(text: str) -> None:
    assert read(rows([[text]])) == [["'" + text]]
