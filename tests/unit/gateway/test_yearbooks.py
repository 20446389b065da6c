import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.agencies import FileId, SubjectId
from proto.facecrop import FaceBox
from proto.matching.exports import Assignment
from proto.matching.results import FaceState, FileResult, MatchedFace
from services.gateway.yearbooks import (
    Entry,
    chosen,
    grade_of,
    image_names,
    index,
    main_person,
    names,
)

AN, BO = SubjectId(1), SubjectId(2)


def face(
    subject: SubjectId | None, height: int | None, state: FaceState = "matched", number: int = 0
) -> MatchedFace:
    return MatchedFace(
        number=number,
        box=None if height is None else FaceBox(x=0, y=0, w=10, h=height),
        state=state,
        subject=subject,
        who=None,
        candidates=[],
        reasons=[],
        reviewed=False,
    )


def result(faces: Sequence[MatchedFace]) -> FileResult:
    return FileResult(
        file=FileId(1),
        filename="a.jpg",
        key="k",
        state="matched",
        faces=list(faces),
        reasons=[],
        from_card=[],
        code="",
        message="",
        reviewed=False,
    )


def given_to(
    subject: SubjectId, file: int, score: float | None = 0.9, *, reviewed: bool = False
) -> Assignment:
    return Assignment(
        file=FileId(file),
        filename=f"{file}.jpg",
        key=f"photos/{file}",
        subject=subject,
        student_id=f"S{subject}",
        name="x",
        class_name="",
        score=score,
        reviewed=reviewed,
    )


def test_the_index_has_a_line_for_each_portrait() -> None:
    entries = [Entry("S1.jpg", "An Nguyen", "5A"), Entry("S2.jpg", "Tran, Binh", "Staff")]
    told = index(entries, "SPRING26", "tab", "given_first").decode()
    assert told.count("\r\n") == 2
    assert list(csv.reader(io.StringIO(told, newline=""), delimiter="\t")) == [
        ["SPRING26", "PORTRAITS", "S1.jpg", "5", "Nguyen", "An", "", "5A"],
        ["SPRING26", "PORTRAITS", "S2.jpg", "Staff", "Tran", "Binh", "", "Staff"],
    ]
    commas = index(entries, "SPRING26", "comma", "given_first").decode()
    assert commas.replace(",", "\t") == told


def test_names_stand_in_an_index_as_they_are() -> None:
    told = index([Entry("a.jpg", '-An "Bo" +y', "@z")], "V", "comma", "given_first")
    (line,) = csv.reader(io.StringIO(told.decode(), newline=""))
    assert line[3:] == ["@z", "+y", '-An "Bo"', "", "@z"]


@pytest.mark.parametrize(
    ("name", "order", "last", "first"),
    [
        ("An Nguyen", "given_first", "Nguyen", "An"),
        ("Nguyễn Văn An", "family_first", "Nguyễn", "Văn An"),
        ("Mary Jane van Dyke", "given_first", "Dyke", "Mary Jane van"),
        ("van Dyke, Mary Jane", "given_first", "van Dyke", "Mary Jane"),
        ("van Dyke, Mary Jane", "family_first", "van Dyke", "Mary Jane"),
        ("Cher", "given_first", "", "Cher"),
        ("田中太郎", "family_first", "", "田中太郎"),
        (",", "given_first", "", ""),
    ],
)
def test_names_are_cut_by_a_stated_rule(name: str, order: str, last: str, first: str) -> None:
    assert names(name, "family_first" if order == "family_first" else "given_first") == (
        last,
        first,
    )


@pytest.mark.parametrize(
    ("class_name", "grade"),
    [("5A", "5"), ("10 B", "10"), ("Year 6", "Year 6"), ("2026", "2026"), ("", ""), ("K", "K")],
)
def test_a_grade_is_the_number_that_a_class_begins_with(class_name: str, grade: str) -> None:
    assert grade_of(class_name) == grade


def test_an_image_is_called_by_the_id_where_that_will_do() -> None:
    ids = ["STU-001", "12345-6789", "1234567890", "ab-1", "AB1", "雪", "P0000001", "Đỗ 1"]
    assert image_names(ids) == {
        "STU-001": "STU001",
        "12345-6789": "123456789",
        "P0000001": "P0000001",
        "Đỗ 1": "Do1",
        "1234567890": "P0000002",
        "ab-1": "P0000003",
        "AB1": "P0000004",
        "雪": "P0000005",
    }


@given(st.lists(st.text(min_size=1, max_size=64), unique=True, max_size=30))
def test_image_names_are_plain_short_and_told_apart_whatever_the_ids(ids: list[str]) -> None:
    found = image_names(ids)
    assert list(found.keys() ^ set(ids)) == []
    assert len({name.casefold() for name in found.values()}) == len(ids)
    for name in found.values():
        assert name.isascii()
        assert name.isalnum()
        assert len(name) <= 9


@pytest.mark.parametrize(
    ("faces", "person"),
    [
        ([face(AN, 200)], AN),
        ([face(AN, 200), face(BO, 100, number=1)], AN),
        ([face(AN, 200), face(BO, 101, number=1)], None),
        ([face(AN, 200), face(None, 150, "unmatched", 1)], None),
        # the smaller one is somebody, the larger one is not known
        ([face(None, 200, "unmatched"), face(BO, 50, number=1)], None),
        ([face(AN, 200, "needs_review")], None),
        # cards alone
        ([face(AN, None, number=-1)], AN),
        ([face(AN, None, number=-1), face(BO, None, number=-2)], None),
        ([face(AN, None, "needs_review", -1)], None),
        # a card beside a face of nobody
        ([face(None, 200, "unmatched"), face(AN, None, number=-1)], None),
        ([], None),
    ],
)
def test_a_portrait_is_cut_only_where_it_is_beyond_doubt_whom_it_shows(
    faces: list[MatchedFace], person: SubjectId | None
) -> None:
    assert main_person(result(faces)) == person


def test_of_somebodys_photographs_the_confirmed_and_surest_is_chosen() -> None:
    main = {FileId(n): AN for n in (1, 2, 3, 4)} | {FileId(9): BO}
    taken = [
        given_to(AN, 1, 0.9),
        given_to(AN, 2, 0.99),
        given_to(AN, 3, 0.8, reviewed=True),
        given_to(AN, 4, 0.8, reviewed=True),
        given_to(BO, 1, 1.0),
    ]
    assert chosen(taken, main)[AN].file == 3
    assert chosen(taken[:2], main)[AN].file == 2
    # Bo is in a photograph, and in none as the main person
    assert BO not in chosen(taken, main)
    assert chosen([given_to(BO, 9, None)], main)[BO].file == 9
