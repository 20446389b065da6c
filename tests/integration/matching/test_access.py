"""The access log: what was done, the latest first, also after the agency is gone."""

from typing import Any

import pytest

from kit.database import Pool
from proto.agencies import SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import EraseAgency, GetAccessLog, NoteAccess
from services.matching.access import note
from tests.integration.matching.studio import BY, Studio


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
