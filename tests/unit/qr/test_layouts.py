from itertools import combinations, product

import pytest

from services.qr.drawing.cards import LayoutName, Paper
from services.qr.drawing.layouts import CUT_MM, LAYOUTS, MM, PAPERS, Box, cells, cut_marks

EVERY: list[tuple[LayoutName, Paper]] = [*product(LAYOUTS, PAPERS)]
every = pytest.mark.parametrize(("layout", "paper"), EVERY)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width - 1e-6
        and other.x < one.x + one.width - 1e-6
        and one.y < other.top - 1e-6
        and other.y < one.top - 1e-6
    )


@pytest.mark.parametrize(
    ("layout", "count", "code_mm"), [("4up", 4, 80), ("9up", 9, 55), ("single", 1, 150)]
)
@pytest.mark.parametrize("paper", PAPERS)
def test_a_page_has_as_many_cards_as_its_layout_says(
    layout: LayoutName, paper: Paper, count: int, code_mm: float
) -> None:
    page = cells(layout, paper)
    assert len(page) == count
    assert all(cell.code.width == cell.code.height == code_mm * MM for cell in page)


@every
def test_cells_tile_the_paper(layout: LayoutName, paper: Paper) -> None:
    width, height = PAPERS[paper]
    page = [cell.box for cell in cells(layout, paper)]
    assert sum(box.width * box.height for box in page) == pytest.approx(width * height)
    assert not any(overlap(one, other) for one, other in combinations(page, 2))
    assert all(box.x >= 0 and box.y > -1e-6 for box in page)


@every
def test_cards_come_in_the_order_of_reading(layout: LayoutName, paper: Paper) -> None:
    places = [(round(-cell.box.y), round(cell.box.x)) for cell in cells(layout, paper)]
    assert places == sorted(places)


@every
def test_the_parts_of_a_card_stay_inside_it_and_apart(layout: LayoutName, paper: Paper) -> None:
    inset = LAYOUTS[layout].inset_mm * MM - 1e-6
    for cell in cells(layout, paper):
        parts = (cell.header, cell.code, cell.texts)
        assert not any(overlap(one, other) for one, other in combinations(parts, 2))
        for part in parts:
            assert part.x >= cell.box.x + inset
            assert part.y >= cell.box.y + inset
            assert part.x + part.width <= cell.box.x + cell.box.width - inset
            assert part.top <= cell.box.top - inset


@every
def test_names_have_room_for_the_largest_size_and_two_details(
    layout: LayoutName, paper: Paper
) -> None:
    sizes = LAYOUTS[layout].sizes
    needed = 1.2 * (sizes.name + 2 * sizes.detail)
    assert all(cell.texts.height >= needed for cell in cells(layout, paper))


@every
def test_no_cut_mark_touches_what_a_card_shows(layout: LayoutName, paper: Paper) -> None:
    for x1, y1, x2, y2 in cut_marks(layout, paper):
        mark = Box(min(x1, x2), min(y1, y2), abs(x2 - x1) + 0.25, abs(y2 - y1) + 0.25)
        for cell in cells(layout, paper):
            assert not any(overlap(mark, part) for part in (cell.header, cell.code, cell.texts))


@every
def test_cut_marks_stand_where_cells_end(layout: LayoutName, paper: Paper) -> None:
    boxes = [cell.box for cell in cells(layout, paper)]
    xs = {round(box.x, 3) for box in boxes}
    ys = {round(box.y, 3) for box in boxes}
    for x1, y1, x2, y2 in cut_marks(layout, paper):
        assert round(x1, 3) in xs if x1 == x2 else round(y1, 3) in ys
        assert max(abs(x2 - x1), abs(y2 - y1)) <= 2 * CUT_MM * MM + 1e-6


def test_a_page_that_is_one_card_is_not_cut() -> None:
    assert list(cut_marks("single", "a4")) == []
    assert len(list(cut_marks("4up", "a4"))) == 6
    assert len(list(cut_marks("9up", "a4"))) == 16
