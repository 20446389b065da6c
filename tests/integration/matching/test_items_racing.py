"""Single photographs in a race with erasures, with references that come in, and with the end."""

import asyncio
from typing import Any

import pytest

from kit.database import Pool
from proto.agencies import Subject
from proto.jobs import Failed, Succeeded
from proto.matching.agencies import ChangeAgency, WithdrawConsent
from proto.matching.matches import FileMatched
from proto.matching.subjects import EraseReference, EraseSubject, GetSubjects
from services.matching import agencies
from services.matching.matchendpoints import MatchEndpoints
from services.matching.together import Found, Together
from tests.integration.matching.day import Day, portrait, whose
from tests.integration.matching.drafting import (
    _held_back,
    _is_read,
    _wait_for_lock,
    drafted,
    matched,
)
from tests.integration.matching.reader import (
    between,
    picture,
)

# who is erased while somebody is compared with them


async def test_whoever_is_erased_while_a_photograph_is_read_is_not_found(
    day: Day, replica: MatchEndpoints
) -> None:
    agency, (ann, ben), (file,), match = await drafted(day, portrait(1))
    # it has been loaded before, and is in memory
    warm, _ = await day.portraits(agency, 2)
    _ = await day.run(agency, warm)
    async with _held_back(day):
        working = asyncio.create_task(replica.match_file(day.work(match.id, file.id)))
        await _is_read(day, file.key)
        await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    assert matched(await working).state == "unmatched"
    result = await day.result(match, file)
    assert [each.subject for each in result.faces[0].candidates] == [ben.id]


@pytest.mark.parametrize("first", ["erasure", "result"])
async def test_an_erasure_and_a_result_at_once_leave_nothing_of_the_subject(
    day: Day, replica: MatchEndpoints, pool: Pool, first: str
) -> None:
    agency, (ann, ben), (file,), match = await drafted(day, picture(between(1, 2)))

    async def work() -> Succeeded | Failed:
        return await replica.match_file(day.work(match.id, file.id))

    async def erase() -> None:
        await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)

    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await agencies.locked(connection, day.studio.account, agency.id)
        begin = (erase, work) if first == "erasure" else (work, erase)
        tasks = []
        for number, each in enumerate(begin, 1):
            tasks.append(asyncio.create_task(each()))
            await _wait_for_lock(pool, number)
        await transaction.commit()
    await asyncio.gather(*tasks)
    result = await day.result(match, file)
    assert [each.subject for each in result.faces[0].candidates] == [ben.id]
    assert result.faces[0].subject != ann.id
    assert await _mentions(pool, ann) == 0


async def test_an_erased_reference_is_not_compared_with_any_more(
    day: Day, replica: MatchEndpoints
) -> None:
    agency, (ann, _), (file,), match = await drafted(day, portrait(1))
    (reference,) = await day.studio.references(agency, ann)
    async with _held_back(day):
        working = asyncio.create_task(replica.match_file(day.work(match.id, file.id)))
        await _is_read(day, file.key)
        await day.studio.ask(EraseReference, agency.id, subject_id=ann.id, reference=reference.id)
    assert matched(await working).state == "unmatched"


@pytest.mark.parametrize("midway", [True, False])
@pytest.mark.parametrize("how", ["consent", "mode"])
async def test_faces_are_not_compared_once_nobody_agrees(
    day: Day, replica: MatchEndpoints, how: str, midway: bool
) -> None:
    agency, _, (file,), match = await drafted(day, portrait(1))

    async def withdraw() -> None:
        if how == "consent":
            await day.studio.ask(WithdrawConsent, agency.id)
        else:
            await day.studio.ask(ChangeAgency, agency.id, mode="cards")

    if midway:
        async with _held_back(day):
            working = asyncio.create_task(replica.match_file(day.work(match.id, file.id)))
            await _is_read(day, file.key)
            await withdraw()
        outcome = await working
    else:
        await withdraw()
        outcome = await replica.match_file(day.work(match.id, file.id))
        assert file.key not in day.reader.read
    assert isinstance(outcome, Failed)
    assert outcome.code == "CONSENT_MISSING"
    result = await day.result(match, file)
    assert (result.state, result.faces) == ("failed", [])


async def test_while_references_come_in_nobody_who_was_erased_is_written(
    day: Day, replica: MatchEndpoints, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency, (ann, ben), (file,), match = await drafted(day, picture(between(1, 2)))
    searches, erased_after, nearest = 0, 3, Together.nearest

    async def and_then(self: Together, *asked: Any) -> Found:
        """Let the gallery change after each search, and Ann be erased after the third."""
        nonlocal searches
        found = await nearest(self, *asked)
        searches += 1
        if searches < erased_after:
            await pool.execute(agencies.BUMP, day.studio.account, agency.id)
        elif searches == erased_after:
            await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
        return found

    monkeypatch.setattr(Together, "nearest", and_then)
    await replica.match_file(day.work(match.id, file.id))
    assert searches > erased_after
    result = await day.result(match, file)
    assert [each.subject for each in result.faces[0].candidates] == [ben.id]
    assert await _mentions(pool, ann) == 0


async def test_a_gallery_that_never_rests_is_searched_a_few_times(
    day: Day, replica: MatchEndpoints, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency, (ann, _), (file,), match = await drafted(day, portrait(1))
    searches, nearest = 0, Together.nearest

    async def and_then(self: Together, *asked: Any) -> Found:
        nonlocal searches
        searches += 1
        found = await nearest(self, *asked)
        await pool.execute(agencies.BUMP, day.studio.account, agency.id)
        return found

    monkeypatch.setattr(Together, "nearest", and_then)
    async with asyncio.timeout(20):
        await replica.match_file(day.work(match.id, file.id))
    assert searches == 3
    assert whose(await day.result(match, file)) == [ann.id]


async def test_who_was_slower_writes_nothing_over_what_was_reviewed(
    day: Day, replica: MatchEndpoints, pool: Pool
) -> None:
    agency, _, (file,), match = await drafted(day, portrait(1))
    async with pool.acquire() as connection, connection.transaction():
        await agencies.locked(connection, day.studio.account, agency.id)
        slow = asyncio.create_task(replica.match_file(day.work(match.id, file.id)))
        await _wait_for_lock(pool, 1)
        # meanwhile another worker has written a result, and a person has looked at it
        await connection.execute(
            "UPDATE matching.results SET state = 'unmatched', reviewed = true WHERE match_id = $1",
            match.id,
        )
    assert matched(await slow) == FileMatched(state="unmatched", faces=0)
    result = await day.result(match, file)
    assert (result.state, result.reviewed, result.faces) == ("unmatched", True, [])


async def test_after_the_end_nothing_is_written(
    day: Day, replica: MatchEndpoints, pool: Pool
) -> None:
    agency, _, (file, late), match = await drafted(day, portrait(1), portrait(1))
    await replica.match_file(day.work(match.id, file.id))
    async with _held_back(day):
        working = asyncio.create_task(replica.match_file(day.work(match.id, late.id)))
        await _is_read(day, late.key)
        await pool.execute("UPDATE matching.matches SET state = 'failed' WHERE id = $1", match.id)
    outcome = await working
    assert isinstance(outcome, Failed)
    assert outcome.code == "MATCH_ENDED"
    assert (await day.result(match, late)).state == "pending"
    again = await replica.match_file(day.work(match.id, late.id))
    assert isinstance(again, Failed)
    assert (await day.studio.ask(GetSubjects, agency.id)).subjects != []


async def _mentions(pool: Pool, subject: Subject) -> int:
    """In how many faces of any match a subject is told of."""
    found: int = await pool.fetchval(
        "SELECT count(*) FROM matching.faces WHERE subject_id = $1 "
        "OR candidates @> jsonb_build_array(jsonb_build_object('subject', $1::bigint))",
        subject.id,
    )
    return found
