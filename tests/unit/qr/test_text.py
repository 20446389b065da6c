import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qr.drawing.directions import base_level, levels, seen_order
from services.qr.drawing.fitting import Typesetter
from services.qr.drawing.fonts import UNITS, installed
from services.qr.drawing.text import Line, Piece, cleaned, clusters, drawable, line

REGULAR, BOLD = installed()


def shaped(text: str) -> Line:
    return line(drawable(cleaned(text), REGULAR)[0])


def said(of: Line) -> str:
    """Return what the glyphs stand for, from left to right."""
    return "".join(glyph.text for run in of.runs for glyph in run.glyphs)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  An \t Nguyen\r\n", "An Nguyen"),
        ("Nguye\u0302\u0303n", "Nguy\u1ec5n"),
        ("A\u202eB\u200f\ufeff", "AB"),
        ("\u2066x\u2069\u00adz", "xz"),
        ("\u2764\ufe0f", "\u2764"),
        ("\u0645\u200c\u06cc", "\u0645\u200c\u06cc"),
        (" \u3000 ", ""),
    ],
)
def test_texts_are_composed_and_freed_of_what_is_not_seen(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_marks_and_joiners_stay_with_their_letter() -> None:
    assert list(clusters("ที่น้ำ")) == ["ที่", "น้", "ำ"]
    assert list(clusters("\u0645\u200d\u0645a")) == ["\u0645\u200d", "\u0645", "a"]
    assert list(clusters("")) == []


def test_runs_are_split_by_font_and_neutral_characters_stay() -> None:
    pieces, missing = drawable("5A 王小明 (2) Anna", REGULAR)
    assert [(piece.face.name, piece.text) for piece in pieces] == [
        ("DejaVuSans", "5A "),
        ("WenQuanYiMicroHei", "王小明 (2) "),
        ("DejaVuSans", "Anna"),
    ]
    assert missing == ""


def test_what_no_font_has_is_left_out_and_reported() -> None:
    pieces, missing = drawable(cleaned("Lê \x07🎒 An"), REGULAR)
    assert "".join(piece.text for piece in pieces) == "Lê  An"
    assert missing == "\x07🎒"
    assert drawable(cleaned("👩\u200d🎓🪅"), REGULAR) == ([], "👩🎓🪅")


def test_a_mark_that_no_font_has_leaves_its_letter() -> None:
    pieces, missing = drawable("A\u20ddB", REGULAR)
    if missing:
        assert ("".join(piece.text for piece in pieces), missing) == ("AB", "\u20dd")


def test_arabic_letters_join() -> None:
    alone = shaped("م").runs[0].glyphs[0].number
    by_letter = [(glyph.text, glyph.number) for glyph in shaped("محمد").runs[0].glyphs]
    forms = {number for letter, number in by_letter if letter == "م"}
    assert len(forms | {alone}) == 3


def test_right_to_left_is_laid_out_from_the_right_with_numbers_as_they_are() -> None:
    assert said(shaped("שלמה כהן")) == "ןהכ המלש"
    assert said(shaped("כיתה 12 ב")) == "ב 12 התיכ"
    assert said(shaped("Anna כהן 5")) == "Anna 5 ןהכ"


def test_a_ligature_keeps_its_letters_apart_for_who_copies_them() -> None:
    lam_alef = shaped("لا")
    assert said(lam_alef) == "ال"
    assert [glyph.text for glyph in lam_alef.runs[0].glyphs] == ["ا", "ل"]
    whole = sum(glyph.advance for glyph in lam_alef.runs[0].glyphs)
    assert whole == lam_alef.width < shaped("ا").width + shaped("ل").width


def test_thai_marks_take_no_room_and_stand_above_each_other() -> None:
    assert shaped("ที่").width == shaped("ท").width
    assert shaped("ที่").ascent > shaped("ท").ascent


def test_a_line_is_as_high_as_what_it_shows() -> None:
    assert shaped("An").ascent == shaped("on").ascent
    assert shaped("Ễ").ascent > shaped("E").ascent
    assert shaped("ج").descent > shaped("A").descent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna", None),
        ("王小明 Nguyễn", None),
        ("שלום", [1, 1, 1, 1]),
        ("ab שד", [0, 0, 0, 1, 1]),
        ("שד ab", [1, 1, 1, 2, 2]),
        ("مد 12", [1, 1, 1, 2, 2]),
        ("م\u200dم", [1, 1, 1]),
    ],
)
def test_levels_follow_the_bidirectional_algorithm(text: str, expected: list[int] | None) -> None:
    assert levels(text, base_level(text)) == expected


def test_runs_are_reversed_from_the_highest_level_down() -> None:
    runs = [(1, "a"), (2, "b"), (2, "c"), (1, "d"), (0, "e"), (1, "f")]
    assert seen_order(runs) == ["d", "b", "c", "a", "e", "f"]


@pytest.mark.parametrize("bold", [False, True])
def test_a_name_that_fits_has_the_largest_size(bold: bool) -> None:
    block = Typesetter(BOLD if bold else REGULAR).fitted("An", 24, 200, 100)
    assert (block.size, len(block.lines)) == (24, 1)


def test_a_longer_name_becomes_smaller_before_it_takes_two_lines() -> None:
    setter = Typesetter(BOLD)
    smaller = setter.fitted("Maximiliane Fürstenberg", 24, 260, 100)
    assert len(smaller.lines) == 1
    assert 24 * 0.6 <= smaller.size < 24
    assert smaller.width == pytest.approx(260, abs=1)

    wrapped = setter.fitted("Maximiliane Fürstenberg zu Hohenstein und Falkenau", 24, 260, 100)
    assert len(wrapped.lines) == 2
    assert said(wrapped.lines[0]).endswith("zu")


NAMES = st.text(st.sampled_from("ab W  éễ王山김สม้مدלשΩЩ\u0301🎒-"), min_size=1, max_size=300)


@given(NAMES, st.floats(40, 300), st.floats(20, 120))
def test_nothing_is_cut_and_nothing_leaves_its_box(name: str, width: float, height: float) -> None:
    block = Typesetter(REGULAR).fitted(name, 24, width, height)
    assert block.width <= width + 0.01
    assert block.height <= height + 0.01
    pieces, missing = drawable(cleaned(name), REGULAR)
    assert block.missing == missing
    expected = sorted("".join(piece.text for piece in pieces).replace(" ", ""))
    shown = "".join(run.text for each in block.lines for run in each.runs)
    assert sorted(shown.replace(" ", "")) == expected


def test_a_wrapped_name_is_read_on_from_line_to_line() -> None:
    block = Typesetter(REGULAR).fitted("אבג דהו זחט יכל מנס עפצ קרש", 24, 60, 100)
    assert len(block.lines) > 1
    texts = ["".join(run.text for run in each.runs) for each in block.lines]
    assert " ".join(texts) == "אבג דהו זחט יכל מנס עפצ קרש"


def test_widths_add_up() -> None:
    for text in ("AVATAR", "สมชาย", "محمد", "王小明 Wang"):
        measured = shaped(text)
        glyphs = [glyph for run in measured.runs for glyph in run.glyphs]
        assert measured.width == sum(glyph.advance for glyph in glyphs)
        assert measured.width < UNITS * len(text) * 1.2


def test_an_empty_piece_of_text_takes_no_room() -> None:
    assert Typesetter(REGULAR).fitted("", 24, 100, 100).height == 0
    assert Typesetter(REGULAR).fitted("🎒", 24, 100, 100).height == 0
    assert line([]).width == 0
    assert Piece(REGULAR.plain, "a") in drawable("a", REGULAR)[0]
