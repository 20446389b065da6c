"""What was found, as it is told: by state, class and subject, in pages."""

import pytest

from kit.database import Pool
from proto.agencies import FileId, SubjectId
from proto.errors import NotFound
from proto.matching.results import GetResult, GetResults
from proto.matching.subjects import EraseSubject
from services.matching import paging
from tests.integration.matching.day import Day, portrait, told, whose
from tests.integration.matching.reader import between, face, picture, stranger
from tests.integration.matching.studio import new_subject


async def test_a_face_is_told_with_who_it_may_be(day: Day) -> None:
    agency, (ann, ben, _) = await day.agency()
    shoot, (file,) = await day.shoot(agency, picture(face(1, x=7, size=333)))
    match = await day.run(agency, shoot)
    result = await day.result(match, file)
    assert (result.filename, result.key, result.state) == (file.filename, file.key, "matched")
    (seen,) = result.faces
    assert (seen.number, seen.state, seen.subject, seen.reviewed) == (0, "matched", ann.id, False)
    assert seen.box is not None
    assert (seen.box.x, seen.box.w) == (7, 333)
    assert seen.who is not None
    assert (seen.who.student_id, seen.who.name) == (ann.student_id, ann.name)
    assert len(seen.candidates) == 3
    best, second = seen.candidates[:2]
    assert (best.subject, best.student_id, best.name) == (ann.id, ann.student_id, ann.name)
    assert (best.class_name, second.subject) == ("3B", ben.id)
    assert best.score > 0.98
    assert best.margin == pytest.approx(0.97 * 0.2, abs=1e-4)
    assert second.margin == -best.margin


async def test_results_are_found_by_state_class_and_subject(day: Day) -> None:
    agency, (ann, ben) = await day.agency(2)
    (cat,) = await day.studio.subjects(agency, new_subject(3, class_name="4A"))
    await day.studio.references(agency, cat, await day.photo(portrait(3, 1.0)))
    await day.build(agency)
    shoot, files = await day.shoot(
        agency,
        portrait(1),
        picture(between(2, 3)),
        portrait(3),
        picture(face(1), face(3, x=900)),
        picture(stranger()),
        b"broken",
    )
    match = await day.run(agency, shoot)

    async def found(**fields: object) -> list[int]:
        numbers = {file.id: number for number, file in enumerate(files)}
        return [numbers[each.file] for each in await day.results(match, **fields)]

    assert await found() == [0, 1, 2, 3, 4, 5]
    assert await found(state="matched") == [0, 2, 3]
    assert await found(state="needs_review") == [1]
    assert await found(state="unmatched") == [4]
    assert await found(state="failed") == [5]
    assert await found(state="pending") == []
    # by whom it is, and by whom it perhaps is
    assert await found(class_name="3B") == [0, 1, 3]
    assert await found(class_name="4A") == [2, 3]
    assert await found(class_name="9Z") == []
    assert await found(subject_id=ann.id) == [0, 3]
    assert await found(subject_id=ben.id) == [1]
    assert await found(subject_id=cat.id, state="matched") == [2, 3]
    assert await found(subject_id=ann.id, class_name="4A") == []
    assert await found(subject_id=SubjectId(2**62)) == []


async def test_pages_follow_each_other(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    agency, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, *([1] * 5))
    match = await day.run(agency, shoot)

    async def pages(limit: int) -> list[list[int]]:
        found: list[list[int]] = []
        after: int | None = 0
        while after is not None:
            page = await day.studio.ask(GetResults, match=match.id, after=after, limit=limit)
            found.append([each.file for each in page.results])
            after = page.next_after
        return found

    ids = [file.id for file in files]
    assert await pages(5) == [ids]
    assert await pages(2) == [ids[:2], ids[2:4], ids[4:]]
    # each is larger than what fits into a message
    monkeypatch.setattr(paging.that_fit, "__defaults__", (1,))
    assert await pages(5) == [[each] for each in ids]


async def test_what_is_not_there_is_not_found(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    _, (other,) = await day.portraits(agency, 1)
    match = await day.run(agency, shoot)
    with pytest.raises(NotFound):
        await day.result(match, other)
    with pytest.raises(NotFound):
        await day.studio.ask(GetResult, match=match.id, file=FileId(2**62))
    with pytest.raises(NotFound):
        await day.studio.ask(GetResults, match=2**62)


async def test_who_was_erased_is_in_no_result(day: Day, pool: Pool) -> None:
    agency, (ann, ben) = await day.agency(2)
    shoot, _ = await day.shoot(agency, portrait(1), portrait(2), picture(between(1, 2)))
    match = await day.run(agency, shoot)
    await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    results = await day.results(match)
    assert [whose(each) for each in results[:2]] == [[None], [ben.id]]
    assert told(results)[:2] == [("unmatched", ["subject_erased"]), ("matched", [])]
    assert {
        each.subject for result in results for face in result.faces for each in face.candidates
    } == {ben.id}
    left = await day.match(match.id)
    assert left.matched + left.needs_review + left.unmatched == 3
    assert await day.results(match, subject_id=ann.id) == []


async def test_results_of_a_match_that_runs_are_told_as_they_come(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1, 1)
    match = await day.prepare(agency.id, shoot=shoot.id)
    assert told(await day.results(match)) == [("pending", []), ("pending", [])]
