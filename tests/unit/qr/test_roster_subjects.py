import unicodedata
from dataclasses import replace
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.ids import AccountId
from proto.qr import MOST_SUBJECTS
from proto.qr import Subject as Printed
from services.qr.payload import CardContent, Cards, Kind
from services.qr.rosters.columns import Column, Columns, guess
from services.qr.rosters.errors import ColumnMissing
from services.qr.rosters.exports import to_csv
from services.qr.rosters.reading import read
from services.qr.rosters.subjects import RowProblem, Subject, subjects
from services.qr.rosters.tables import Row, Table

ACCOUNT = AccountId(UUID(int=7))
CARDS = Cards(["a secret of the tests, long enough"])
ID_NAME_CLASS = Columns(Column(0), Column(1), class_name=Column(2))


def table(*rows: tuple[str, ...]) -> Table:
    """Return a table with headings in its first row."""
    numbered = tuple(Row(number, cells) for number, cells in enumerate(rows, 2))
    return Table(("Student ID", "Name", "Class", "Note"), numbered, "csv", "utf-8", ",", None)


def codes(problems: list[RowProblem]) -> list[tuple[int, int | None, str]]:
    return [(problem.row, problem.column, problem.code) for problem in problems]


def test_rows_become_subjects() -> None:
    rows = table(("S1", "An Nguyen", "5A", "blue"), ("S2", "Bo"))
    columns = Columns(Column(0), Column(1), class_name=Column(2), lines=(3, 2))
    assert subjects(rows, columns) == (
        [
            Subject(2, "S1", "An Nguyen", "5A", ("blue", "5A")),
            Subject(3, "S2", "Bo", None, ("", "")),
        ],
        [],
    )


def test_every_problem_of_every_row_is_told() -> None:
    found, problems = subjects(
        table(
            ("", "", "5A"),
            ("x" * 65, "y" * 201, "z" * 101),
            ("S1", "Ann\nLee", "#N/A"),
            ("S2", "Fine", "5A"),
        ),
        ID_NAME_CLASS,
    )
    assert [subject.student_id for subject in found] == ["S2"]
    assert codes(problems) == [
        (2, 0, "missing_id"),
        (2, 1, "missing_name"),
        (3, 0, "too_long"),
        (3, 1, "too_long"),
        (3, 2, "too_long"),
        (4, 1, "control_character"),
        (4, 2, "formula_error"),
    ]
    assert not any(problem.warning for problem in problems)
    assert problems[3].sentence == "The name in row 3 has 201 characters; at most 200 are printed."
    assert "B4" in problems[5].sentence


def test_the_longest_that_is_allowed_is_taken() -> None:
    found, problems = subjects(table(("x" * 64, "y" * 200, "z" * 100)), ID_NAME_CLASS)
    assert len(found) == 1
    assert all(problem.warning for problem in problems)


def test_rows_that_share_an_id_are_all_told_and_all_left_out() -> None:
    found, problems = subjects(
        table(("S1", "Ann"), ("S2", "Bo"), (" S1 ", "Cy"), ("é", "Di"), ("e\u0301", "Ed")),
        ID_NAME_CLASS,
    )
    assert [subject.student_id for subject in found] == ["S2"]
    assert codes(problems) == [(row, 0, "duplicate_id") for row in (2, 4, 5, 6)]
    assert {p.sentence for p in problems if p.row in (2, 4)} == {"The id “S1” is in rows 2, 4."}


def test_of_very_many_duplicates_each_sentence_stays_short() -> None:
    _, problems = subjects(table(*[("S1", "Ann")] * 3000), ID_NAME_CLASS)
    assert len(problems) == 3000
    assert problems[0].sentence == "The id “S1” is in rows 2, 3, 4, 5, 6 and 2995 more."


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Ann 😀", "emoji"),
        ("👩‍👧 Ann", "emoji"),
        ("Ann ❤️", "emoji"),
        ("=cmd|' /C calc'!A0", "formula"),
        ("+1 Ann", "formula"),
        ("-Ann", "formula"),
        ("@Ann", "formula"),
        ("＝Ann", "formula"),
        ("Nguyá»…n", "garbled"),
        ("MÃ¼ller", "garbled"),
        ("M\ufffdller", "garbled"),
    ],
)
def test_what_is_odd_is_kept_with_a_warning(text: str, code: str) -> None:
    found, problems = subjects(table(("S1", text)), ID_NAME_CLASS)
    assert found[0].name == text
    assert [(problem.code, problem.warning) for problem in problems] == [(code, True)]


@pytest.mark.parametrize(
    "text", ["a\tb", "a\0b", "a\x1bb", "a\x85b", "a\u2028b", "a\u202eb", "a\u200bb", "a\ud800b"]
)
def test_what_cannot_be_printed_is_refused(text: str) -> None:
    found, problems = subjects(table(("S1", text)), ID_NAME_CLASS)
    assert found == []
    assert codes(problems) == [(2, 1, "control_character")]


@pytest.mark.parametrize(
    "name",
    [
        "Nguyễn Thị Ánh Tuyết",
        "王小明",
        "佐藤 花子",
        "김민준",
        "สมชาย ใจดี",
        "أحمد محمد",
        "נועה לוי",
        "می\u200cنا",
        "O’Neil-Smith, Jr.",
        "Zoë Ã",
        "Ürün Şağ",
        "𠮷田",
    ],
)
def test_names_of_every_script_are_fine(name: str) -> None:
    found, problems = subjects(table(("S1", name)), ID_NAME_CLASS)
    assert ([subject.name for subject in found], problems) == ([name], [])


@pytest.mark.parametrize("invisible", ["\u200d", "\u200b", "\ue000", "\u0378"])
def test_a_character_that_no_code_holds_is_refused_in_an_id(invisible: str) -> None:
    found, problems = subjects(table((f"S{invisible}1", "Ann")), ID_NAME_CLASS)
    assert (found, codes(problems)) == ([], [(2, 0, "control_character")])


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2009"])
def test_an_id_has_plain_spaces(space: str) -> None:
    (found,), problems = subjects(table((f"S{space}1", "Ann")), ID_NAME_CLASS)
    assert (found.student_id, problems) == ("S 1", [])


@pytest.mark.parametrize("nothing", ["\u3164", "\u200d\ufe0f", "\u2800"])
def test_a_name_of_which_nothing_is_seen_is_missing(nothing: str) -> None:
    found, problems = subjects(table(("S1", nothing)), ID_NAME_CLASS)
    assert found == []
    assert (2, 1, "missing_name") in codes(problems)


def test_what_only_some_cards_can_hold_is_a_warning() -> None:
    row = ("S1", "n" * 65, "c" * 65)
    (found,), problems = subjects(table(row), ID_NAME_CLASS)
    assert (found.name, found.class_name) == row[1:]
    assert codes(problems) == [(2, 1, "too_long"), (2, 2, "too_long")]
    assert all(problem.warning for problem in problems)
    assert "group cards hold at most 64" in problems[1].sentence
    (_,), problems = subjects(table(("S1", "n" * 64, "c" * 64)), ID_NAME_CLASS)
    assert problems == []
    (_,), problems = subjects(table(("S1", "Ann \ue000")), ID_NAME_CLASS)
    assert [(problem.code, problem.warning) for problem in problems] == [
        ("control_character", True)
    ]


def test_more_subjects_than_a_sheet_has_are_a_warning() -> None:
    rows = [(f"S{number}", "Ann") for number in range(MOST_SUBJECTS + 1)]
    found, problems = subjects(table(*rows), ID_NAME_CLASS)
    assert len(found) == len(rows)
    assert codes(problems) == [(found[-1].row, None, "too_many")]
    assert problems[0].warning
    assert subjects(table(*rows[1:]), ID_NAME_CLASS)[1] == []


GENERATED = st.text(
    st.sampled_from("aZ9 é\u00a0\u3000\u200b\u200d\u202e\ue000\u3164'=😀\n"), max_size=8
)


@given(GENERATED, GENERATED, GENERATED)
def test_what_the_preview_lets_pass_can_be_printed(who: str, name: str, class_name: str) -> None:
    found, problems = subjects(table((who, name, class_name)), ID_NAME_CLASS)
    for subject in found:
        printed = Printed(
            student_id=subject.student_id, name=subject.name, class_name=subject.class_name or ""
        )
        msgspec.convert(msgspec.to_builtins(printed), Printed)
        content = CardContent(Kind.SUBJECT, b"job1", subject.student_id)
        CARDS.write(content, ACCOUNT)
        if not problems:
            CARDS.write(replace(content, name=subject.name), ACCOUNT)


@pytest.mark.parametrize(
    ("first", "last", "family_first", "name"),
    [
        ("Ann", "Lee", False, "Ann Lee"),
        ("An", "Nguyễn Văn", True, "Nguyễn Văn An"),
        ("小明", "王", True, "王小明"),
        ("민준", "김", True, "김민준"),
        ("", "Lee", False, "Lee"),
        ("Ann", "", True, "Ann"),
    ],
)
def test_a_name_in_two_columns_is_put_together(
    first: str, last: str, family_first: bool, name: str
) -> None:
    columns = Columns(
        Column(0), first_name=Column(1), last_name=Column(2), family_first=family_first
    )
    found, problems = subjects(table(("S1", first, last)), columns)
    assert ([subject.name for subject in found], problems) == ([name], [])


@pytest.mark.parametrize(
    "columns",
    [
        Columns(),
        Columns(student_id=Column(0)),
        Columns(name=Column(1)),
        Columns(Column(0), first_name=Column(1)),
        Columns(Column(0), Column(4)),
        Columns(Column(-1), Column(1)),
        Columns(Column(0), Column(1), lines=(9,)),
    ],
)
def test_columns_that_are_not_enough_or_not_there_are_refused(columns: Columns) -> None:
    with pytest.raises(ColumnMissing):
        subjects(table(("S1", "Ann", "5A", "x")), columns)


def test_an_export_comes_back_without_its_apostrophes() -> None:
    names = ["=1+1", "+84", "-x", "@y", "'quoted'", "O'Neil"]
    data = to_csv(["ID", "Name"], [(f"S{n}", name) for n, name in enumerate(names)])
    rows = read(data)
    found, problems = subjects(rows, guess(rows))
    assert [subject.name for subject in found] == names
    assert [problem.code for problem in problems] == ["formula"] * 4


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=220)), max_size=30))
def test_whatever_the_cells_hold_subjects_are_sound(cells: list[tuple[str, str]]) -> None:
    found, problems = subjects(table(*cells), ID_NAME_CLASS)
    ids = [subject.student_id for subject in found]
    assert len(set(ids)) == len(ids)
    for subject in found:
        assert 1 <= len(subject.student_id) <= 64
        assert 1 <= len(subject.name) <= 200
        for text in (subject.student_id, subject.name):
            assert unicodedata.is_normalized("NFC", text)
            assert text == text.strip()
            assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    refused = {problem.row for problem in problems if not problem.warning}
    assert refused.isdisjoint(subject.row for subject in found)
    assert len(refused) + len(found) == len(cells)
    assert [problem.row for problem in problems] == sorted(problem.row for problem in problems)


@pytest.mark.parametrize(
    ("cell", "url"),
    [
        ("https://example.com/a.jpg", "https://example.com/a.jpg"),
        ("HTTP://EXAMPLE.COM/A", "HTTP://EXAMPLE.COM/A"),
        ("", ""),
        ("a.jpg", ""),
        ("javascript:alert(1)", ""),
        ("https://example.com/a b", ""),
        ("https://example.com/\nx", ""),
    ],
)
def test_a_reference_photograph_is_a_url_or_nothing(cell: str, url: str) -> None:
    columns = Columns(Column(0), Column(1), reference_photo_url=Column(2))
    (found,), problems = subjects(table(("S1", "An Nguyen", cell)), columns)
    assert found.reference_photo_url == url
    assert codes(problems) == ([] if cell == url else [(2, 2, "not_a_url")])


def test_a_column_of_reference_photographs_must_be_in_the_table() -> None:
    with pytest.raises(ColumnMissing):
        subjects(table(("S1", "An")), Columns(Column(0), Column(1), reference_photo_url=Column(9)))
