from datetime import UTC, datetime

import pytest

from proto.agencies import Subject, SubjectId
from services.gateway.yearbookjobs import People

OUTPUTS = "outputs/an-account/a-job"


def subject(number: int, student_id: str) -> Subject:
    return Subject(
        id=SubjectId(number),
        student_id=student_id,
        name=student_id,
        class_name="",
        references=0,
        embeddings=0,
        created_at=datetime.now(UTC),
    )


AN, BO = subject(12, "S-1"), subject(13, "12")
"""The student_id of the one is the id of the other."""


@pytest.fixture
def people() -> People:
    people = People()
    people.add([AN, BO])
    return people


def test_a_portrait_shows_whom_its_item_names_by_id(people: People) -> None:
    assert people.shown("12", f"{OUTPUTS}/s12_md.jpg", OUTPUTS) == AN
    assert people.shown("13", f"{OUTPUTS}/s13_md.jpg", OUTPUTS) == BO


def test_in_jobs_of_older_versions_items_go_by_student_ids(people: People) -> None:
    assert people.shown("12", f"{OUTPUTS}/12_md.jpg", OUTPUTS) == BO
    assert people.shown("S-1", f"{OUTPUTS}/S1_md.jpg", OUTPUTS) == AN
    assert people.shown("13", f"{OUTPUTS}/13_md.jpg", OUTPUTS) is None


def test_who_is_gone_is_not_taken_for_somebody_whose_student_id_is_the_same(people: People) -> None:
    del people.by_id["12"]
    assert people.shown("12", f"{OUTPUTS}/s12_md.jpg", OUTPUTS) is None
    assert people.shown("12", f"{OUTPUTS}/s123_md.jpg", OUTPUTS) == BO
