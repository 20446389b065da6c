import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from services.qr.drawing.cards import Card, LayoutName, Paper, SheetOptions, SymbolName, Words
from services.qr.drawing.errors import LogoUnreadable, NoCards, PayloadTooLong
from services.qr.drawing.layouts import LAYOUTS, PAPERS, cells
from services.qr.drawing.preview import preview
from services.qr.drawing.sheet import draw
from tests.unit.qr.pages import drawn, lines, read, rendered, told

SCHOOL = int(os.environ.get("QR_CARDS", "60"))
"""More take a while: 2000 are drawn, rendered and read in half a minute."""

NAMES = {
    "Vietnamese": "Nguyễn Thị Phượng",
    "Chinese": "王小明",
    "Japanese": "山田 たろう",
    "Korean": "김하늘",
    "Thai": "สมชาย ใจดี",
    "Arabic": "محمد علي الأحمد",
    "Hebrew": "שלמה כהן",
    "Greek": "Ελένη Παππά",
    "Cyrillic": "Иван Щербаков",
    "Hindi": "राधिका",
    "Latin": "Zoë Šimůnek-Åberg",
}


def roster(count: int) -> Iterator[Card]:
    names = [*NAMES.values()]
    for number in range(count):
        name = f"{names[number % len(names)]} {number}"
        yield Card(f"DR1:JOB-1:S{number:04d}:Q7", name, f"S{number:04d}", f"{number // 20}A")


def png(width: int, height: int, mode: str = "RGBA") -> bytes:
    written = BytesIO()
    Image.new(mode, (width, height), (200, 0, 0, 128)[: len(mode)]).save(written, "PNG")
    return written.getvalue()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("symbol", ["qr", "datamatrix"])
def test_every_code_is_read_again_from_the_printed_page(
    tmp_path: Path, layout: LayoutName, paper: Paper, symbol: SymbolName
) -> None:
    cards = [*roster(10)]
    pdf, result = drawn(tmp_path, cards, layout=layout, paper=paper, symbol=symbol)
    pages = [*rendered(pdf)]
    assert len(pages) == result.pages == -(-10 // len(cells(layout, paper)))
    found = [code.text for page in pages for code in read(page)]
    assert found == [card.payload for card in cards]


def test_a_whole_school_is_read_again(tmp_path: Path) -> None:
    cards = [*roster(SCHOOL)]
    pdf, _ = drawn(tmp_path, cards, school_name="Springfield")
    found = [code.text for page in rendered(pdf) for code in read(page)]
    assert found == [card.payload for card in cards]


def test_paper_has_its_size_in_points(tmp_path: Path) -> None:
    for paper, size in (("a4", (595.28, 841.89)), ("letter", (612, 792))):
        pdf, _ = drawn(tmp_path, roster(1), paper=paper)
        with pikepdf.open(pdf) as document:
            assert [float(edge) for edge in document.pages[0].MediaBox] == pytest.approx(
                [0, 0, *size], abs=0.01
            )
            assert document.pages[0].TrimBox == document.pages[0].MediaBox


@pytest.mark.parametrize(("script", "name"), NAMES.items())
def test_names_of_every_script_can_be_copied_from_the_pdf(
    tmp_path: Path, script: str, name: str
) -> None:
    pdf, result = drawn(tmp_path, [Card("x", name, "S1", "5A", ("Session 2",))], layout="single")
    assert result.missing == ()
    assert lines(pdf) == [[name, "5A", "S1", "Session 2"]]


def test_every_font_is_embedded_and_subset(tmp_path: Path) -> None:
    pdf, _ = drawn(tmp_path, roster(11), school_name="Springfield")
    rows = told("pdffonts", pdf).splitlines()[2:]
    assert len(rows) >= 5
    for row in rows:
        assert row.split()[-5:-2] == ["yes", "yes", "yes"], row
    assert "Helvetica" not in told("pdffonts", pdf)


def test_the_pdf_is_sound_linearised_packed_and_says_what_it_is(tmp_path: Path) -> None:
    pdf, _ = drawn(tmp_path, roster(5), title="Cards of the foxes", language="vi", logo=png(40, 20))
    checked = told("qpdf", "--check", pdf)
    assert "No syntax or stream encoding errors" in checked
    assert "File is linearized" in checked
    assert pdf.read_bytes().startswith(b"%PDF-1.6")
    with pikepdf.open(pdf) as document:
        assert document.Root.Lang == "vi"
        assert document.docinfo.Title == "Cards of the foxes"
        with document.open_metadata() as metadata:
            assert metadata["dc:title"] == "Cards of the foxes"
            assert metadata["dc:language"] == {"vi"}
        assert document.Root.ViewerPreferences.DisplayDocTitle
    assert b"/ObjStm" in pdf.read_bytes()


def test_the_same_roster_gives_the_same_bytes(tmp_path: Path) -> None:
    options = SheetOptions(school_name="Springfield", logo=png(30, 30), dividers=True)
    first, second = BytesIO(), BytesIO()
    draw(roster(30), options, first)
    draw(roster(30), options, second)
    assert first.getvalue() == second.getvalue()
    third = BytesIO()
    draw(roster(31), options, third)
    assert third.getvalue() != first.getvalue()


def test_codes_are_stencils_and_stay_small(tmp_path: Path) -> None:
    pdf, _ = drawn(tmp_path, roster(4))
    assert told("pdfimages", "-list", pdf).count("stencil") == 4
    more, _ = drawn(tmp_path, roster(404))
    assert more.stat().st_size < 400 * 500 + 100_000


@pytest.mark.parametrize(
    ("options", "pages"),
    [
        ({}, 2),
        ({"page_break_per_group": True}, 3),
        ({"dividers": True}, 5),
        ({"dividers": True, "page_break_per_group": True}, 5),
    ],
)
def test_pages_break_where_the_class_changes(
    tmp_path: Path, options: dict[str, bool], pages: int
) -> None:
    cards = [Card(f"c{i}", f"Name {i}", f"S{i}", "5A" if i < 5 else "5B") for i in range(8)]
    pdf, result = drawn(tmp_path, cards, **options)
    assert result.pages == pages
    with pikepdf.open(pdf) as document:
        assert len(document.pages) == pages
    found = [code.text for page in rendered(pdf) for code in read(page)]
    assert found == [card.payload for card in cards]


def test_a_divider_names_its_class_and_none_stands_before_cards_without(tmp_path: Path) -> None:
    cards = [Card("a", "An", "S1", "Lớp 5A"), Card("b", "Extra 1", kind="extra")]
    pdf, result = drawn(tmp_path, cards, dividers=True, school_name="Springfield")
    assert result.pages == 3
    assert lines(pdf)[0] == ["Springfield", "Lớp 5A"]


def test_group_cards_say_so_in_the_language_of_the_sheet(tmp_path: Path) -> None:
    cards = [Card("g", "Lớp 5A", "", "5A", kind="group")]
    pdf, _ = drawn(tmp_path, cards, words=Words(group_photo="Ảnh tập thể"))
    assert lines(pdf) == [["Lớp 5A", "Ảnh tập thể"]]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_extra_cards_have_lines_to_write_on(tmp_path: Path, layout: LayoutName) -> None:
    pdf, _ = drawn(tmp_path, [Card("e", "Extra 1", "X1", kind="extra")], layout=layout)
    plain = tmp_path / "plain"
    plain.mkdir()
    other, _ = drawn(plain, [Card("e", "Extra 1", "X1")], layout=layout)
    assert lines(pdf) == [["Extra 1", "Name", "Class", "X1"]]
    (ruled,), (bare,) = rendered(pdf), rendered(other)
    assert wide_lines(ruled, layout) == 2
    assert wide_lines(bare, layout) == 0


def wide_lines(page: Image.Image, layout: LayoutName) -> int:
    """Count the lines in the first card below its code that are longer than half of its width."""
    cell, dot = cells(layout, "a4")[0], page.height / PAPERS["a4"][1]
    left, right = cell.texts.x * dot, (cell.texts.x + cell.texts.width) * dot
    upper, lower = page.height - cell.texts.top * dot, page.height - cell.texts.y * dot
    part = page.crop((round(left), round(upper), round(right), round(lower)))
    rows = [
        sum(value < 200 for value in part.crop((0, y, part.width, y + 1)).tobytes())
        > part.width / 2
        for y in range(part.height)
    ]
    return sum(here and not above for above, here in zip([False, *rows], rows, strict=False))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_longest_texts_stay_in_their_cell(tmp_path: Path, layout: LayoutName) -> None:
    long = "Wolfeschlegelsteinhausen bergerdorff " * 8
    cards = [
        Card("x", long, "S" * 100, "Class " * 20, ("Extra line " * 10,) * 5),
        Card("y", "王" * 300, "S2", "ชั้น" * 30),
    ]
    pdf, result = drawn(tmp_path, cards, layout=layout, school_name="School " * 30)
    page = next(rendered(pdf))
    assert result.missing == ()
    assert len(read(page)) == min(2, len(cells(layout, "a4")))
    inset, dot = LAYOUTS[layout].inset_mm, page.height / 297
    for x in range(round((inset - 0.5) * dot)):
        column = page.crop((x, round(6 * dot), x + 1, round(60 * dot)))
        assert min(column.tobytes()) == 255
    printed = "".join(line for page in lines(pdf) for line in page)
    assert printed.count("Wolfeschlegelsteinhausen") == 8
    assert printed.count("王") == 300


def test_characters_without_a_glyph_are_reported_once_for_each_card(tmp_path: Path) -> None:
    cards = [
        Card("a", "An 🎒🎒", "S1", "5🪅"),
        Card("b", "Bo", "S2"),
        Card("c", "🎒", "", kind="extra"),
    ]
    pdf, result = drawn(tmp_path, cards, school_name="School 🪅")
    assert result.missing == (("", "🪅"), ("S1", "🎒🪅"), ("🎒", "🎒"))
    assert lines(pdf)[0].count("An") == 1


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "P"])
def test_a_logo_stands_beside_the_school_and_is_stored_once(tmp_path: Path, mode: str) -> None:
    logo = BytesIO()
    Image.new("RGB", (60, 20), (200, 0, 0)).convert(mode).save(logo, "PNG")
    pdf, _ = drawn(tmp_path, roster(9), logo=logo.getvalue(), school_name="Springfield")
    with pikepdf.open(pdf) as document:
        pictures = [
            each
            for each in document.objects
            if isinstance(each, pikepdf.Stream) and each.get("/Subtype") == "/Image"
        ]
        assert sum("/SMask" in each or mode != "RGBA" for each in pictures) == 1
    page = next(rendered(pdf))
    header, dot = cells("4up", "a4")[0].header, page.height / PAPERS["a4"][1]
    left = round(header.x * dot), round(page.height - header.top * dot)
    right = round((header.x + header.width) * dot), round(page.height - header.y * dot)
    greys = set(page.crop((*left, *right)).tobytes())
    assert any(40 < grey < 120 for grey in greys)


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (10, 3000)])
def test_a_logo_of_any_shape_leaves_the_code_readable(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    pdf, _ = drawn(tmp_path, roster(4), logo=png(*size))
    assert len(read(next(rendered(pdf)))) == 4


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(NoCards):
        draw([], SheetOptions(), BytesIO())
    with pytest.raises(PayloadTooLong):
        draw([Card("x" * 3000, "An")], SheetOptions(), BytesIO())
    with pytest.raises(LogoUnreadable):
        draw(roster(1), SheetOptions(logo=b"<svg/>"), BytesIO())


def test_the_preview_shows_the_page(tmp_path: Path) -> None:
    pdf, _ = drawn(tmp_path, roster(5), school_name="Springfield")
    for source in (pdf, pdf.read_bytes()):
        picture = Image.open(BytesIO(preview(source)))
        assert picture.format == "PNG"
        assert picture.mode == "L"
        assert picture.size == pytest.approx((662, 936), abs=1)
        assert len(read(picture)) == 4
    assert len(read(Image.open(BytesIO(preview(pdf, page=2))))) == 1
