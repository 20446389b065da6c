"""Who is in which photograph after review, and who is in none."""

from typing import Any
from uuid import uuid4

import pytest

from proto.agencies import Agency, ShootId
from proto.errors import InvalidRequest, NotFound
from proto.ids import JobId, StorageKey
from proto.matching.exports import Assignment, GetAssignments, GetMissing, GetMissingOfAgency
from proto.matching.matches import Match, MatchOptions
from proto.matching.results import Decide
from proto.matching.subjects import EraseSubject
from services.matching import paging
from tests.integration.matching.day import Day, portrait
from tests.integration.matching.reader import face, picture, stranger
from tests.integration.matching.studio import new_subject

CLASSES = ["3B", "10A", "", "3b"]
"""In the order of their bytes: "", 10A, 3B, 3b."""


async def school(day: Day) -> tuple[Agency, Match]:
    """A match over people of several classes, one of whom is in two photographs and one in none."""
    agency = await day.studio.with_consent()
    people = await day.studio.subjects(
        agency,
        *(new_subject(number, class_name=name) for number, name in enumerate(CLASSES, 1)),
        new_subject(5, class_name="3B"),
    )
    for number, subject in enumerate(people, 1):
        await day.studio.references(agency, subject, await day.photo(portrait(number, 1.0)))
    await day.build(agency)
    shoot, _ = await day.shoot(
        agency,
        portrait(1),
        portrait(4),
        picture(face(1), face(2, x=900), stranger(x=1700)),
        portrait(3),
        picture(stranger()),
        portrait(5, 0.97, "small_face"),
    )
    return agency, await day.run(agency, shoot)


async def assigned(day: Day, match: Match, limit: int = 500) -> list[Assignment]:
    """All assignments, page by page."""
    found: list[Assignment] = []
    after: str | None = ""
    while after is not None:
        page = await day.studio.ask(GetAssignments, match=match.id, after=after, limit=limit)
        assert len(page.assignments) <= limit
        found += page.assignments
        after = page.next_after
    return found


async def missing(day: Day, match: Match, **fields: Any) -> list[str]:
    page = await day.studio.ask(GetMissing, match=match.id, **fields)
    return [each.student_id for each in page.subjects]


@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_assignments_come_by_class_student_and_file(day: Day, limit: int) -> None:
    _, match = await school(day)
    found = await assigned(day, match, limit)
    assert [(each.class_name, each.student_id) for each in found] == [
        ("", "S-00003"),
        ("10A", "S-00002"),
        ("3B", "S-00001"),
        ("3B", "S-00001"),
        ("3b", "S-00004"),
    ]
    assert found[2].file < found[3].file
    assert all(each.score is not None and each.score > 0.9 for each in found)
    assert not any(each.reviewed for each in found)


async def test_they_are_as_they_stand_after_review(day: Day) -> None:
    _, match = await school(day)
    results = await day.results(match)
    assert await missing(day, match) == ["S-00005"]
    (unsure,) = (each for each in results if each.state == "needs_review")
    await day.studio.ask(Decide, match=match.id, file=unsure.file, action="confirm")
    assert await missing(day, match) == []
    (confirmed,) = (each for each in await assigned(day, match) if each.reviewed)
    assert (confirmed.file, confirmed.student_id) == (unsure.file, "S-00005")
    (of_two,) = (each for each in results if each.state == "matched" and len(each.faces) == 3)
    await day.studio.ask(Decide, match=match.id, file=of_two.file, action="unmatch", face=1)
    assert await missing(day, match) == ["S-00002"]
    assert "S-00002" not in {each.student_id for each in await assigned(day, match)}


async def test_who_is_missing_comes_in_pages(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    agency, _ = await day.agency(4)
    shoot, _ = await day.portraits(agency, 2)
    match = await day.run(agency, shoot)
    ids = ["S-00001", "S-00003", "S-00004"]
    assert await missing(day, match) == ids
    first = await day.studio.ask(GetMissing, match=match.id, limit=2)
    assert ([each.student_id for each in first.subjects], first.next_after) == (ids[:2], ids[1])
    assert (first.subjects[0].references, first.subjects[0].embeddings) == (1, 1)
    assert await missing(day, match, after=first.next_after) == ids[2:]
    monkeypatch.setattr(paging.that_fit, "__defaults__", (1,))
    assert await missing(day, match) == ids[:1]


async def test_only_the_class_of_the_match_can_be_missing(day: Day) -> None:
    agency, match = await school(day)
    shoot, _ = await day.portraits(agency, 1)
    of_class = await day.run(agency, shoot, options=MatchOptions(class_name="3B"))
    assert await missing(day, of_class) == ["S-00005"]
    assert await missing(day, match) == ["S-00005"]


async def test_who_was_erased_is_neither_assigned_nor_missing(day: Day) -> None:
    agency, match = await school(day)
    (first, *_) = await assigned(day, match)
    await day.studio.ask(EraseSubject, agency.id, subject_id=first.subject)
    assert first.student_id not in {each.student_id for each in await assigned(day, match)}
    assert await missing(day, match) == ["S-00005"]


@pytest.mark.parametrize("after", ["x", "é", "AAAA", "=", "kwE=", "k6EAoQD//w=="])
async def test_a_place_that_is_none_is_refused(day: Day, after: str) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    match = await day.prepare(agency.id, shoot=shoot.id)
    with pytest.raises(InvalidRequest):
        await day.studio.ask(GetAssignments, match=match.id, after=after)


async def test_another_account_sees_nobody(day: Day) -> None:
    _, match = await school(day)
    other = day.studio.other()
    for ask in (GetAssignments, GetMissing):
        with pytest.raises(NotFound):
            await other.ask(ask, match=match.id)


# over all matches of an agency


async def missing_of(day: Day, agency: Agency, **fields: Any) -> list[str]:
    """Who is missing in an agency, by the numbers of their ids."""
    page = await day.studio.ask(GetMissingOfAgency, agency.id, **fields)
    return [each.student_id.removeprefix("S-0000") for each in page.subjects]


async def test_who_is_missing_is_in_no_photograph_of_any_match(day: Day) -> None:
    agency, _ = await day.agency(4)
    assert await missing_of(day, agency) == ["1", "2", "3", "4"]
    first, _ = await day.portraits(agency, 1)
    second, _ = await day.portraits(agency, 2, 3)
    await day.run(agency, first)
    await day.run(agency, second)
    assert await missing_of(day, agency) == ["4"]
    assert await missing_of(day, agency, shoot=first.id) == ["2", "3", "4"]
    assert await missing_of(day, agency, class_name="3B") == ["4"]
    assert await missing_of(day, agency, class_name="5A") == []
    page = await day.studio.ask(GetMissingOfAgency, agency.id, shoot=first.id, limit=2)
    assert (len(page.subjects), page.next_after) == (2, "S-00003")
    assert await missing_of(day, agency, shoot=first.id, after=page.next_after) == ["4"]


async def test_of_a_photograph_the_latest_match_counts_as_it_stands(day: Day) -> None:
    agency, (ann, ben) = await day.agency(2)
    shoot, (file,) = await day.portraits(agency, 1)
    first = await day.run(agency, shoot)
    await day.decide(first, file, "reassign", subject_id=ben.id)
    assert await missing_of(day, agency) == ["1"]
    again = await day.run(agency, shoot)
    assert await missing_of(day, agency) == ["2"]
    await day.decide(again, file, "unmatch")
    assert await missing_of(day, agency) == ["1", "2"]
    await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    assert await missing_of(day, agency) == ["2"]


async def test_a_match_that_has_not_ended_or_could_not_read_replaces_nothing(day: Day) -> None:
    agency, _ = await day.agency(2)
    shoot, (file,) = await day.portraits(agency, 1)
    await day.run(agency, shoot)
    await day.studio.storage.put(StorageKey(file.key), b"no picture", "image/jpeg")
    job = JobId(uuid4())
    later = await day.prepare(agency.id, shoot=shoot.id, job=job)
    assert await missing_of(day, agency) == ["2"]
    await day.begin(later, job)
    await day.closed(job)
    assert await missing_of(day, agency) == ["2"]
    (unread,) = await day.results(later)
    assert unread.state == "failed"


async def test_what_has_ended_counts_without_being_looked_at(day: Day) -> None:
    agency, _ = await day.agency(2)
    shoot, _ = await day.portraits(agency, 1)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    await day.begin(match, job)
    await day.closed(job)
    assert await missing_of(day, agency) == ["2"]


async def test_a_match_over_a_class_only_adds(day: Day) -> None:
    agency, match = await school(day)
    shoot, _ = await day.portraits(agency, 5)
    await day.run(agency, shoot)
    assert await missing_of(day, agency) == []
    job, options = JobId(uuid4()), MatchOptions(class_name="3b")
    narrow = await day.prepare(agency.id, shoot=match.shoot, job=job, options=options)
    await day.begin(narrow, job)
    await day.closed(job)
    assert await missing_of(day, agency) == []
    (its,) = await assigned(day, narrow)
    await day.studio.ask(Decide, match=narrow.id, file=its.file, action="unmatch")
    assert await missing_of(day, agency) == []
    # who was found before the class was another is not missing for it
    await day.studio.subjects(agency, new_subject(1, class_name="3b"))
    assert await missing_of(day, agency) == []
    # a match over everybody replaces what one over a class has found
    shoot, (file,) = await day.portraits(agency, 2)
    await day.run(agency, shoot, options=MatchOptions(class_name="10A"))
    assert await missing_of(day, agency, shoot=shoot.id) == ["1", "3", "4", "5"]
    await day.decide(await day.run(agency, shoot), file, "unmatch")
    assert await missing_of(day, agency, shoot=shoot.id) == ["1", "2", "3", "4", "5"]


async def test_nobody_is_missing_elsewhere(day: Day) -> None:
    agency, _ = await day.agency(1)
    beside, _ = await day.agency(1)
    shoot, _ = await day.portraits(beside, 1)
    with pytest.raises(NotFound):
        await missing_of(day, agency, shoot=shoot.id)
    with pytest.raises(NotFound):
        await missing_of(day, agency, shoot=ShootId(2**62))
    with pytest.raises(NotFound):
        await day.studio.other().ask(GetMissingOfAgency, agency.id)
