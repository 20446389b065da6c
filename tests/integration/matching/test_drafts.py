"""Matches before their job: one at a time, found again by their call, dropped and void."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.agencies import MatchId
from proto.errors import (
    InvalidRequest,
    MatchRunning,
    NotFound,
)
from proto.ids import JobId
from proto.matching.matches import DropMatch, GetMatches
from tests.integration.matching.day import Day


async def test_a_shoot_is_matched_once_at_a_time(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    answers = await asyncio.gather(
        *(day.prepare(agency.id, shoot=shoot.id) for _ in range(5)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, MatchRunning)]
    assert len(refused) == 4
    (match,) = (each for each in answers if not isinstance(each, BaseException))
    # a job that it does not wait for takes nothing away
    await day.studio.ask(DropMatch, match=match.id, job=JobId(uuid4()))
    with pytest.raises(MatchRunning):
        await day.prepare(agency.id, shoot=shoot.id)


async def test_an_ended_match_makes_room_without_being_looked_at(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    job = JobId(uuid4())
    first = await day.prepare(agency.id, shoot=shoot.id, job=job)
    await day.begin(first, job)
    await day.closed(job)
    second = await day.prepare(agency.id, shoot=shoot.id)
    assert second.id != first.id
    assert (await day.match(first.id)).state == "completed"


async def test_the_same_call_gets_the_same_match(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    call, jobs = uuid4(), [JobId(uuid4()) for _ in range(6)]
    answers = await asyncio.gather(
        *(day.prepare(agency.id, shoot=shoot.id, call=call, job=job) for job in jobs)
    )
    assert len({each.id for each in answers}) == 1
    match = answers[0]
    # any of the attempts may be the one that begins
    await day.begin(match, jobs[3])
    assert (await day.match(match.id)).job == jobs[3]
    late = JobId(uuid4())
    again = await day.prepare(agency.id, shoot=shoot.id, call=call, job=late)
    assert (again.id, again.job) == (match.id, jobs[3])
    await day.closed(jobs[3])
    ended = await day.prepare(agency.id, shoot=shoot.id, call=call, job=late)
    assert (ended.id, ended.state, ended.job) == (match.id, "completed", jobs[3])
    other, _ = await day.agency(1)
    with pytest.raises(InvalidRequest):
        await day.prepare(other.id, shoot=shoot.id, call=call)


async def test_a_job_that_did_not_begin_is_dropped(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    call, jobs = uuid4(), [JobId(uuid4()) for _ in range(2)]
    match = await day.prepare(agency.id, shoot=shoot.id, call=call, job=jobs[0])
    await day.prepare(agency.id, shoot=shoot.id, call=call, job=jobs[1])
    await day.studio.ask(DropMatch, match=match.id, job=jobs[0])
    assert (await day.match(match.id)).state == "queued"
    await day.studio.ask(DropMatch, match=match.id, job=jobs[1])
    with pytest.raises(NotFound):
        await day.match(match.id)
    with pytest.raises(NotFound):
        await day.studio.ask(DropMatch, match=match.id, job=jobs[1])
    await day.prepare(agency.id, shoot=shoot.id)
    actions = [entry.action for entry in await day.studio.log(agency)]
    assert actions[:3] == ["match_begun", "match_dropped", "match_begun"]


async def test_a_job_that_began_is_not_dropped(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    match = await day.run(agency, shoot)
    assert match.job is not None
    await day.studio.ask(DropMatch, match=match.id, job=match.job)
    assert await day.match(match.id) == match


async def test_a_void_draft_gives_way(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    void = await day.prepare(agency.id, shoot=shoot.id)
    with pytest.raises(MatchRunning):
        await day.prepare(agency.id, shoot=shoot.id)
    await _age(pool, void.id)
    match = await day.prepare(agency.id, shoot=shoot.id)
    with pytest.raises(NotFound):
        await day.match(void.id)
    await _age(pool, match.id)
    assert (await day.studio.ask(GetMatches)).matches == []


async def test_a_draft_whose_job_is_drafted_is_not_void(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    await day.begin(match, job, start=False)
    await _age(pool, match.id)
    with pytest.raises(MatchRunning):
        await day.prepare(agency.id, shoot=shoot.id)
    assert (await day.match(match.id)).state == "queued"


async def _age(pool: Pool, match: MatchId) -> None:
    """Let ten minutes pass since a match was drafted."""
    await pool.execute(
        "UPDATE matching.matches SET created_at = created_at - interval '601 seconds' "
        "WHERE id = $1",
        match,
    )
