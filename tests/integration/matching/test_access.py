"""The access log: what was done, the latest first, also after the agency is gone."""

import asyncio
from typing import Any

import pytest

from kit.database import Pool
from proto.agencies import SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import EraseAgency, GetAccessLog, NoteAccess
from proto.matching.exports import GetMissing, GetMissingOfAgency
from proto.matching.references import GetReferencesBuilt
from proto.matching.results import Decide, GetResult, GetResults
from proto.matching.subjects import ChangeSubject, GetReferences, GetSubject, GetSubjects
from services.matching.access import note
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio, new_subject, remote

_OTHER = "key:another"


async def test_what_is_done_elsewhere_is_noted(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    details = {"match": "7", "action": "csv", "by": "nobody"}
    await studio.ask(
        NoteAccess, agency.id, action="results_exported", subject_id=subject.id, details=details
    )
    (entry,) = await studio.log(agency)
    assert (entry.action, entry.by, entry.subject) == ("results_exported", BY, subject.id)
    assert entry.details == details
    assert entry.at >= agency.created_at


async def test_the_latest_comes_first_and_a_list_goes_on(studio: Studio) -> None:
    agency, beside = await studio.agency(), await studio.agency()
    for number in range(5):
        await studio.ask(NoteAccess, agency.id, action="seen", details={"number": str(number)})
        await studio.ask(NoteAccess, beside.id, action="seen_beside")
    seen, before = [], None
    while True:
        page = await studio.ask(GetAccessLog, agency.id, limit=2, before=before)
        seen += [entry.details["number"] for entry in page.entries]
        if page.next_before is None:
            break
        before = page.next_before
    assert seen == ["4", "3", "2", "1", "0"]


async def test_a_page_of_the_longest_entries_fits_into_a_message(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.agency()
    long = {"text": "a" * 3_900}
    async with pool.acquire() as connection, connection.transaction():
        for _ in range(300):
            await note(connection, studio.account, agency.id, BY, "seen", None, long)
    seen, before = 0, None
    while True:
        page = await studio.ask(GetAccessLog, agency.id, limit=500, before=before)
        seen, before = seen + len(page.entries), page.next_before
        if before is None:
            break
    assert seen == 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": ""},
        {"action": "Seen"},
        {"action": "a" * 61},
        {"action": "seen\n"},
        {"details": {"a": "\0"}},
        {"details": {"\0": "a"}},
        {"details": {"a": "a" * 4_000}},
        {"by": "\0"},
    ],
)
async def test_what_makes_no_sense_is_refused(studio: Studio, wrong: dict[str, Any]) -> None:
    agency = await studio.agency()
    with pytest.raises(InvalidRequest):
        await studio.ask(NoteAccess, agency.id, **{"action": "seen", **wrong})
    assert await studio.log(agency) == []


async def test_both_ends_of_what_is_allowed(studio: Studio) -> None:
    agency = await studio.agency()
    for action, text in (("a", ""), ("a" * 60, "a" * 3_990), ("seen", '"\n\x01\u2028')):
        await studio.ask(NoteAccess, agency.id, action=action, details={"a": text})
        assert (await studio.log(agency))[0].details == {"a": text}


async def test_another_account_neither_notes_nor_reads(studio: Studio) -> None:
    agency, elsewhere = await studio.agency(), await studio.agency()
    subject = await studio.subject(agency)
    other = studio.other()
    for who, where, whom in (
        (other, agency, None),
        (other, agency, subject.id),
        (studio, elsewhere, subject.id),
        (studio, agency, SubjectId(2**63 - 1)),
    ):
        with pytest.raises(NotFound):
            await who.ask(NoteAccess, where.id, action="seen", subject_id=whom)
    with pytest.raises(NotFound):
        await other.ask(GetAccessLog, agency.id)
    assert await studio.log(agency) == []


async def test_the_log_outlives_its_agency(studio: Studio) -> None:
    agency = await studio.with_consent()
    await studio.ask(EraseAgency, agency.id)
    assert [action for action, _ in await studio.actions(agency)] == [
        "agency_erased",
        "consent_given",
    ]
    with pytest.raises(NotFound):
        await studio.other().log(agency)
    with pytest.raises(NotFound):
        await studio.ask(NoteAccess, agency.id, action="seen")


async def test_who_looks_stands_in_the_log_once_an_hour(studio: Studio, pool: Pool) -> None:
    agency, beside = await studio.agency(), await studio.agency()
    for by in (BY, BY, _OTHER, BY):
        await studio.ask(GetSubjects, agency.id, by=by)
    await studio.ask(GetSubjects, beside.id)
    assert await studio.looks(agency) == [(BY, "subjects_viewed"), (_OTHER, "subjects_viewed")]
    assert await studio.looks(beside) == [(BY, "subjects_viewed")]
    for minutes, entries in ((59, 2), (61, 3)):
        await pool.execute(
            "UPDATE matching.access_log SET at = now() - make_interval(mins => $3) "
            "WHERE account_id = $1 AND agency_id = $2",
            studio.account,
            agency.id,
            minutes,
        )
        await studio.ask(GetSubjects, agency.id)
        assert len(await studio.looks(agency)) == entries


async def test_what_is_noted_once_an_hour_is_noted_once_for_each_thing(studio: Studio) -> None:
    agency = await studio.agency()
    noted = {"action": "portraits_viewed", "once_an_hour": True}
    for by, task in ((BY, "a"), (BY, "a"), (BY, "b"), (_OTHER, "a"), (BY, "b")):
        await studio.ask(NoteAccess, agency.id, by=by, details={"task": task}, **noted)
    page = await studio.ask(GetAccessLog, agency.id)
    told = [(each.by, each.details["task"]) for each in reversed(page.entries)]
    assert told == [(BY, "a"), (BY, "b"), (_OTHER, "a")]
    await studio.ask(NoteAccess, agency.id, action="portraits_viewed", details={"task": "a"})
    assert len((await studio.ask(GetAccessLog, agency.id)).entries) == 4


async def test_looks_at_the_same_moment_are_one(studio: Studio) -> None:
    agency = await studio.agency()
    await asyncio.gather(*(studio.ask(GetSubjects, agency.id) for _ in range(12)))
    assert await studio.looks(agency) == [(BY, "subjects_viewed")]


async def test_whoever_is_shown_names_or_links_has_looked(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    subject = await studio.subject(agency)
    (file,) = await studio.files(await studio.shoot(agency), remote("https://a.example/a"))
    match = await found.match(pool, studio.account, agency)
    await found.result(pool, studio.account, match, file.id, "unmatched")
    about = {"subject_id": subject.id}
    given = {"action": "reassign", **about}
    asked: list[tuple[Any, Any, dict[str, Any], str]] = [
        (GetSubjects, agency.id, {}, "subjects_viewed"),
        (GetSubject, agency.id, about, "subjects_viewed"),
        (GetMissingOfAgency, agency.id, {}, "subjects_viewed"),
        (GetMissing, None, {"match": match}, "subjects_viewed"),
        (GetReferences, agency.id, about, "references_viewed"),
        (GetReferencesBuilt, agency.id, {}, "references_viewed"),
        (GetResults, None, {"match": match}, "results_viewed"),
        (GetResult, None, {"match": match, "file": file.id}, "results_viewed"),
        (ChangeSubject, agency.id, about, "subjects_viewed"),
        (Decide, None, {"match": match, "file": file.id, **given}, "results_viewed"),
    ]
    for number, (kind, where, fields, _) in enumerate(asked):
        await studio.ask(kind, where, by=f"key:{number}", **fields)
    views = [(f"key:{number}", view) for number, (*_, view) in enumerate(asked)]
    assert await studio.looks(agency) == views


async def test_who_looks_at_what_is_not_theirs_stands_in_no_log(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    match = await found.match(pool, studio.account, agency)
    other = studio.other()
    for kind, where, fields in (
        (GetSubjects, agency.id, {}),
        (GetResults, None, {"match": match}),
    ):
        with pytest.raises(NotFound):
            await other.ask(kind, where, **fields)
    with pytest.raises(NotFound):
        await other.log(agency)
    assert await studio.looks(agency) == []


async def test_references_that_come_stand_in_the_log(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    await studio.references(agency, subject, await studio.photo(), await studio.photo())
    await studio.subjects(
        agency, new_subject(2, reference_urls=["https://a.example/2"]), new_subject(3)
    )
    entries = [(each.action, each.subject, each.details) for each in await studio.log(agency)]
    assert entries == [
        ("references_added", None, {"urls": "1"}),
        ("references_added", subject.id, {"photographs": "2"}),
    ]
