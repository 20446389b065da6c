import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.letters import in_ascii


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Đặng Văn Đức", "Dang Van Duc"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Søren Ærø Ǿ", "Soren AEro O"),
        ("Straße, GROẞ", "Strasse, GROSS"),
        ("Þórður Guðni", "Thordur Gudni"),
        ("Œuvre, Ħal, Ŧ, Işık, Əli", "OEuvre, Hal, T, Isik, Eli"),
        ("½ ﬁ", "12 fi"),
        ("写真 Иван", " "),
    ],
)
def test_latin_letters_lose_their_marks_and_no_letter_is_lost(text: str, plain: str) -> None:
    assert in_ascii(text) == plain


@pytest.mark.parametrize(
    "block",
    [range(0xC0, 0x180), range(0x1E00, 0x1E9C), range(0x1EA0, 0x1EFA)],
    ids=["Latin-1 and Extended-A", "Additional", "Vietnamese"],
)
def test_every_letter_of_european_and_vietnamese_names_has_one_in_ascii(block: range) -> None:
    letters = [chr(code) for code in block if chr(code).isalpha()]
    lost = [letter for letter in letters if not in_ascii(letter).isalpha()]
    assert lost == []


@given(st.text())
def test_whatever_it_is_only_ascii_remains_and_ascii_stays(text: str) -> None:
    assert in_ascii(text).isascii()
    plain = "".join(letter for letter in text if letter.isascii())
    assert in_ascii(plain) == plain


@given(st.text())
def test_it_matters_not_how_marks_are_written_down(text: str) -> None:
    apart = unicodedata.normalize("NFD", text)
    assert in_ascii(apart) == in_ascii(unicodedata.normalize("NFC", text))
