"""Subjects: told by their student_id, added or changed together, only within the agency."""

import asyncio
from typing import Any

import pytest

from kit.database import Pool
from proto.agencies import MOST_IN_MESSAGE, MOST_REFERENCES, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import ChangeAgency
from proto.matching.subjects import (
    ChangeSubject,
    EraseSubject,
    ExportSubject,
    GetReferences,
    GetSubject,
    GetSubjects,
    PutSubjects,
)
from services.matching import agencies, references
from services.matching import subjects as module
from services.matching.subjects import Subjects
from tests.integration.jobs.book import until
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio, new_subject

URL = "https://example.com/a.jpg"


async def test_subjects_are_added_and_listed_by_student_id(studio: Studio) -> None:
    agency = await studio.agency()
    sent = [new_subject(2), new_subject(1, class_name="9B"), new_subject(3, name="Žofie")]
    made = await studio.subjects(agency, *sent)
    assert [(each.student_id, each.name, each.class_name) for each in made] == [
        ("S-00001", "Name 1", "9B"),
        ("S-00002", "Name 2", ""),
        ("S-00003", "Žofie", ""),
    ]
    assert await studio.everybody(agency) == made
    assert (await studio.now(agency)).subjects == 3
    assert await studio.ask(GetSubject, agency.id, subject_id=made[1].id) == made[1]


async def test_who_is_known_is_changed(studio: Studio) -> None:
    agency = await studio.agency()
    first = await studio.subject(agency, 1, class_name="9B")
    await studio.subject(agency, 2)
    made = await studio.subjects(agency, new_subject(1, name="Other"), new_subject(3))
    # a class that is not given stays, and one that is empty does not
    assert (made[0].id, made[0].name, made[0].class_name) == (first.id, "Other", "9B")
    assert made[1].class_name == ""
    (blank,) = await studio.subjects(agency, new_subject(1, class_name=""))
    assert (blank.id, blank.class_name) == (first.id, "")
    assert len(await studio.everybody(agency)) == 3


async def test_what_is_only_tried_changes_nothing(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = await studio.agency()
    known = await studio.subject(agency, 1, reference_urls=[URL])
    sent = [new_subject(1, name="Other", reference_urls=[f"{URL}?1"]), new_subject(2)]
    tried = await studio.ask(PutSubjects, agency.id, subjects=sent, only_try=True)
    assert tried.subjects == [known]
    assert await studio.everybody(agency) == [known]
    monkeypatch.setattr(references, "MOST_REFERENCES", 1)
    with pytest.raises(InvalidRequest, match="S-00001"):
        await studio.ask(PutSubjects, agency.id, subjects=sent, only_try=True)
    assert await studio.everybody(agency) == [known]
    await studio.ask(ChangeAgency, agency.id, archived=True)
    with pytest.raises(InvalidRequest, match="archived"):
        await studio.ask(PutSubjects, agency.id, subjects=sent, only_try=True)


async def test_two_agencies_may_have_the_same_student_ids(studio: Studio) -> None:
    agencies = [await studio.agency() for _ in range(2)]
    made = [await studio.subject(agency) for agency in agencies]
    assert made[0].id != made[1].id
    assert [await studio.everybody(agency) for agency in agencies] == [[each] for each in made]


async def test_student_ids_are_told_apart_and_ordered_as_they_are_written(studio: Studio) -> None:
    agency = await studio.agency()
    written = ["a", "A", "B", "\u00e9", "e\u0301", "10", "9", "\U0001f600", "\uffee", "a "]
    await studio.subjects(agency, *(new_subject(0, student_id=each) for each in written))
    shown = [each.student_id for each in await studio.everybody(agency)]
    assert shown == sorted(written)
    after, paged = "", []
    while after is not None:
        page = await studio.ask(GetSubjects, agency.id, after=after, limit=2)
        paged += [each.student_id for each in page.subjects]
        after = page.next_after
    assert paged == shown


async def test_a_student_id_that_comes_twice_is_named(studio: Studio) -> None:
    agency = await studio.agency()
    with pytest.raises(InvalidRequest, match="S-00007"):
        await studio.subjects(agency, new_subject(1), new_subject(7), new_subject(7, name="Other"))
    assert await studio.everybody(agency) == []


async def test_lists_are_narrowed_by_class_and_student_id(studio: Studio) -> None:
    agency = await studio.agency()
    made = await studio.subjects(
        agency, *(new_subject(number, class_name="ab"[number % 2]) for number in range(6))
    )

    async def listed(**by: Any) -> list[SubjectId]:
        return [each.id for each in (await studio.ask(GetSubjects, agency.id, **by)).subjects]

    ids = [each.id for each in made]
    assert await listed(class_name="a") == ids[::2]
    assert await listed(class_name="c") == []
    assert await listed(class_name="") == []
    assert await listed(student_ids=["S-00003", "S-00000", "nobody"]) == [ids[0], ids[3]]
    assert await listed(student_ids=[]) == []
    assert await listed(student_ids=["S-00003", "S-00000"], class_name="b") == [ids[3]]
    assert await listed(after="S-00003") == ids[4:]
    for wrong in ({"after": "\0"}, {"class_name": "\0"}, {"student_ids": ["\0"]}, {"limit": 0}):
        with pytest.raises(InvalidRequest):
            await listed(**wrong)


async def test_what_is_given_changes_and_nothing_else(studio: Studio) -> None:
    agency = await studio.agency()
    made = await studio.subject(agency, class_name="9B")
    changed = await studio.ask(ChangeSubject, agency.id, subject_id=made.id, class_name="")
    assert (changed.name, changed.class_name) == (made.name, "")
    changed = await studio.ask(ChangeSubject, agency.id, subject_id=made.id, name="Other")
    assert (changed.name, changed.class_name) == ("Other", "")
    assert await studio.ask(ChangeSubject, agency.id, subject_id=made.id) == changed


async def test_a_change_waits_for_who_puts_subjects(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    made = await studio.subject(agency, class_name="9B")
    about = {"subject_id": made.id, "class_name": "10B"}
    async with pool.acquire() as connection, connection.transaction():
        await agencies.locked(connection, studio.account, agency.id)
        changing = asyncio.create_task(studio.ask(ChangeSubject, agency.id, **about))

        async def waits() -> bool:
            waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            return bool(await pool.fetchval(waiting))

        await until(waits)
        # as one does who has read the class before
        await connection.execute(
            "UPDATE matching.subjects SET class_name = '9B' WHERE id = $1", made.id
        )
    assert (await changing).class_name == "10B"
    assert [each.class_name for each in await studio.everybody(agency)] == ["10B"]


async def test_a_change_may_bring_references(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = await studio.agency()
    made = await studio.subject(agency, class_name="9B")

    async def change(*urls: str, **more: Any) -> Any:
        wish = {"subject_id": made.id, "reference_urls": list(urls), **more}
        return await studio.ask(ChangeSubject, agency.id, **wish)

    changed = await change(URL, f"{URL}?1", URL)
    assert (changed.name, changed.class_name, changed.references) == (made.name, "9B", 2)
    assert (await change(URL)).references == 2
    with pytest.raises(InvalidRequest, match="http"):
        await change("ftp://example.com/a.jpg", name="Other")
    monkeypatch.setattr(references, "MOST_REFERENCES", 2)
    with pytest.raises(InvalidRequest, match="at most 2"):
        await change(f"{URL}?2", name="Other")
    await studio.ask(ChangeAgency, agency.id, archived=True)
    with pytest.raises(InvalidRequest, match="archived"):
        await change(URL, name="Other")
    assert await studio.everybody(agency) == [changed]


async def test_urls_become_references_once(studio: Studio) -> None:
    agency = await studio.agency()
    urls = [f"{URL}?{number}" for number in range(3)]
    made = await studio.subject(agency, reference_urls=[urls[0], urls[1], urls[0]])
    assert (made.references, made.embeddings) == (2, 0)
    before = await studio.references(agency, made)
    assert [(each.url, each.key, each.state) for each in before] == [
        (url, "", "waiting") for url in urls[:2]
    ]
    again = await studio.subject(agency, reference_urls=[urls[2], urls[1]])
    assert again.references == 3
    after = await studio.references(agency, made)
    assert (after[:2], after[2].url) == (before, urls[2])
    assert (await studio.subject(agency)).references == 3


async def test_embeddings_are_counted_that_can_be_compared_with(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    made = await studio.subject(agency, reference_urls=[f"{URL}?{at}" for at in range(3)])
    first, second, _ = await studio.references(agency, made)
    await found.embed(pool, studio.account, first.id, second.id)
    asked = GetSubjects(account=studio.account, by=BY, agency=agency.id)
    for version, counted in ((None, 2), (found.VERSION, 2), ("v2", 0)):
        (shown,) = (await Subjects(pool).page(asked, version)).subjects
        assert (shown.references, shown.embeddings) == (3, counted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"student_id": ""},
        {"student_id": "a" * 65},
        {"student_id": "a\0"},
        {"student_id": "a\n"},
        {"name": ""},
        {"name": "a" * 201},
        {"name": "a\0"},
        {"class_name": "a" * 101},
        {"class_name": "\x7f"},
        {"reference_urls": [""]},
        {"reference_urls": ["no url"]},
        {"reference_urls": [URL + "\0"]},
        {"reference_urls": [URL + "\ud7ff\n"]},
        {"reference_urls": ["file:///etc/passwd"]},
        {"reference_urls": [f"{URL}?{at}" for at in range(MOST_REFERENCES + 1)]},
    ],
)
async def test_what_makes_no_sense_is_refused(studio: Studio, wrong: dict[str, Any]) -> None:
    agency = await studio.agency()
    with pytest.raises(InvalidRequest):
        await studio.subjects(agency, new_subject(1), new_subject(2, **wrong))
    assert await studio.everybody(agency) == []


async def test_the_longest_of_everything_fits_into_a_message(studio: Studio) -> None:
    agency = await studio.agency()
    wide = "\N{GRINNING FACE}"
    sent = [
        new_subject(
            0, student_id=f"{number:04}" + wide * 60, name=wide * 200, class_name=wide * 100
        )
        for number in range(MOST_IN_MESSAGE)
    ]
    assert len(await studio.subjects(agency, *sent)) == MOST_IN_MESSAGE
    assert len(await studio.subjects(agency, *sent[:10])) == 10
    page = await studio.ask(GetSubjects, agency.id, limit=500)
    rest = await studio.ask(GetSubjects, agency.id, limit=500, after=page.next_after or wide)
    assert len(page.subjects) + len(rest.subjects) == MOST_IN_MESSAGE
    for wrong in ([], [new_subject(number) for number in range(MOST_IN_MESSAGE + 1)]):
        with pytest.raises(InvalidRequest):
            await studio.subjects(agency, *wrong)


async def test_an_agency_has_so_many_subjects_and_no_more(
    studio: Studio, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SUBJECTS", 10)
    agency = await studio.agency()

    async def put(number: int) -> None:
        sent = [new_subject(10 * number + at) for at in range(3)]
        asked = PutSubjects(account=studio.account, by=BY, agency=agency.id, subjects=sent)
        await Subjects(pool).put(asked, None)

    outcomes = await asyncio.gather(*map(put, range(8)), return_exceptions=True)
    assert sum(each is None for each in outcomes) == 3
    assert {type(each) for each in outcomes if each is not None} == {InvalidRequest}
    assert len(await studio.everybody(agency)) == 9
    # who is known needs no room, and one more fits
    await put(outcomes.index(None))
    await studio.subject(agency, 99)


async def test_a_subject_has_so_many_references_and_no_more(
    studio: Studio, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "MOST_REFERENCES", 5)
    agency = await studio.agency()

    async def put(number: int) -> None:
        urls = [f"{URL}?{number}-{at}" for at in range(2)]
        sent = [new_subject(1, reference_urls=urls), new_subject(100 + number)]
        asked = PutSubjects(account=studio.account, by=BY, agency=agency.id, subjects=sent)
        await Subjects(pool).put(asked, None)

    outcomes = await asyncio.gather(*map(put, range(6)), return_exceptions=True)
    refused = [each for each in outcomes if each is not None]
    assert (len(refused), {type(each) for each in refused}) == (4, {InvalidRequest})
    assert "S-00001" in str(refused[0])
    made = await studio.everybody(agency)
    assert [each.references for each in made] == [4, 0, 0]


async def test_the_same_subjects_put_at_once_are_there_once(studio: Studio) -> None:
    agency = await studio.agency()
    sent = [new_subject(number, reference_urls=[URL]) for number in range(50)]
    await asyncio.gather(
        *(studio.subjects(agency, *(sent if at % 2 else sent[::-1])) for at in range(6))
    )
    made = await studio.everybody(agency)
    assert [each.references for each in made] == [1] * 50


async def test_nobody_is_added_to_an_archived_agency(studio: Studio) -> None:
    agency = await studio.agency()
    made = await studio.subject(agency)
    await studio.ask(ChangeAgency, agency.id, archived=True)
    for number in (1, 2):
        with pytest.raises(InvalidRequest, match="archived"):
            await studio.subject(agency, number)
    with pytest.raises(InvalidRequest, match="archived"):
        await studio.references(agency, made, await studio.photo())
    assert await studio.everybody(agency) == [made]


async def test_neither_another_account_nor_another_agency_finds_them(studio: Studio) -> None:
    agency, elsewhere = await studio.agency(), await studio.agency()
    made = await studio.subject(agency)
    other = studio.other()
    theirs = await other.agency()
    asked: list[tuple[Any, dict[str, Any]]] = [
        (GetSubject, {}),
        (ChangeSubject, {"name": "Stolen"}),
        (EraseSubject, {}),
        (GetReferences, {}),
        (ExportSubject, {"key": f"outputs/{other.account}/a.json"}),
    ]
    for kind, fields in asked:
        for who, where in ((other, agency), (other, theirs), (studio, elsewhere)):
            export = {"key": f"outputs/{who.account}/a.json"} if "key" in fields else fields
            with pytest.raises(NotFound):
                await who.ask(kind, where.id, subject_id=made.id, **export)
    for kind, fields in ((PutSubjects, {"subjects": [new_subject(1)]}), (GetSubjects, {})):
        with pytest.raises(NotFound):
            await other.ask(kind, agency.id, **fields)
    assert await studio.everybody(agency) == [made]
    assert not await studio.is_stored(f"outputs/{other.account}/a.json")
