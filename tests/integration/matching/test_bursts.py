"""Bursts and the end of matches: what happens once, when the job has closed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from kit.bus import Bus
from kit.database import Pool
from proto.ids import JobId
from proto.matching.agencies import ChangeAgency, WithdrawConsent
from proto.matching.matches import GetMatches, MatchOptions
from services.matching.standing import Standing
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, portrait, told, whose
from tests.integration.matching.reader import between, face, picture

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BURSTS = MatchOptions(bursts=True)


def shot(second: float, person: int, cosine: float = 0.97, camera: str | None = "Canon 1") -> bytes:
    return portrait(person, cosine, captured_at=NOON + timedelta(seconds=second), camera=camera)


UNSURE = 0.92
"""A cosine to look at."""


async def test_neighbours_settle_what_was_unsure(day: Day) -> None:
    agency, (ann, _) = await day.agency(2)
    shoot, _ = await day.shoot(
        agency,
        shot(0, 1),
        shot(1, 1, UNSURE),
        # too late, and of another camera, and of none
        shot(9, 1, UNSURE),
        shot(1, 1, UNSURE, "Canon 2"),
        shot(1, 1, UNSURE, None),
        # between two who were both seen
        picture(between(1, 2), captured_at=NOON + timedelta(seconds=40), camera="Canon 1"),
        shot(41, 1),
        shot(39, 2),
    )
    match = await day.run(agency, shoot, options=BURSTS)
    results = await day.results(match)
    assert told(results) == [
        ("matched", []),
        ("matched", ["burst"]),
        ("needs_review", ["low_score"]),
        ("needs_review", ["low_score"]),
        ("needs_review", ["low_score"]),
        ("needs_review", ["low_margin"]),
        ("matched", []),
        ("matched", []),
    ]
    assert whose(results[1]) == [ann.id]
    assert (match.matched, match.needs_review) == (4, 4)
    plain = await day.run(agency, shoot)
    assert plain.needs_review == 5


@pytest.mark.parametrize("certain", [True, False])
async def test_two_cameras_of_one_model_are_not_taken_for_one(day: Day, certain: bool) -> None:
    agency, _ = await day.agency(1)
    taken: dict[str, Any] = {
        "captured_at": NOON,
        "camera": "Maker Phone",
        "camera_is_certain": certain,
    }
    shoot, _ = await day.shoot(agency, portrait(1, **taken), portrait(1, UNSURE, **taken))
    match = await day.run(agency, shoot, options=BURSTS)
    assert (match.matched, match.needs_review) == ((2, 0) if certain else (1, 1))


@pytest.mark.parametrize("cards", [False, True])
async def test_without_consent_nobody_is_recognised_any_more(day: Day, cards: bool) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.shoot(agency, shot(0, 1), shot(1, 1, UNSURE))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job, options=BURSTS)
    await day.begin(match, job)
    await day.closed(job)
    if cards:
        await day.studio.ask(ChangeAgency, agency.id, mode="cards")
    else:
        await day.studio.ask(WithdrawConsent, agency.id)
    ended = await day.match(match.id)
    assert (ended.state, ended.matched, ended.needs_review) == ("completed", 1, 1)


async def test_what_a_person_decided_stays(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(2)
    shoot, (_, unsure) = await day.shoot(agency, shot(0, 1), shot(1, 1, UNSURE))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job, options=BURSTS)
    await day.begin(match, job)
    closed = await day.closed(job)
    assert closed.succeeded == 2
    # nobody has looked at the match since its job closed; a person is as quick
    await pool.execute(
        "UPDATE matching.results SET reviewed = true WHERE match_id = $1 AND file_id = $2",
        match.id,
        unsure.id,
    )
    ended = await day.match(match.id)
    assert (ended.state, ended.matched, ended.needs_review) == ("completed", 1, 1)


async def test_a_match_ends_once_however_many_look(day: Day, pool: Pool, bus: Bus) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.shoot(agency, shot(0, 1), shot(2, 1, UNSURE), shot(4, 1, UNSURE))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job, options=BURSTS)
    await day.begin(match, job)
    await day.closed(job)
    replicas = [Standing(pool, bus) for _ in range(3)]
    account = day.studio.account
    seen = await asyncio.gather(
        *(replica.get(account, match.id) for replica in replicas * 4),
        *(day.match(match.id) for _ in range(4)),
    )
    assert len({each.ended_at for each in seen}) == 1
    assert {each.state for each in seen} == {"completed"}
    # what was raised by a neighbour does not raise the next at a second look
    assert {(each.matched, each.needs_review) for each in seen} == {(2, 1)}
    assert seen[0].ended_at == (await day.closed(job)).closed_at


async def test_a_match_ends_though_whoever_looked_did_not_wait(
    day: Day, pool: Pool, bus: Bus
) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.shoot(agency, shot(0, 1), shot(1, 1, UNSURE))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job, options=BURSTS)
    await day.begin(match, job)
    await day.closed(job)
    standing = Standing(pool, bus)

    async def is_held_up() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database() AND query LIKE '%FOR UPDATE OF match%')"
            )
        )

    async def has_ended() -> bool:
        query = "SELECT state = 'completed' FROM matching.matches WHERE id = $1"
        return bool(await pool.fetchval(query, match.id))

    async with pool.acquire() as connection, connection.transaction():
        query = "SELECT FROM matching.matches WHERE id = $1 FOR UPDATE"
        await connection.execute(query, match.id)
        looking = asyncio.create_task(standing.get(day.studio.account, match.id))
        await until(is_held_up)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    await until(has_ended)
    await standing.close()
    assert (await day.match(match.id)).matched == 2


async def test_what_was_never_read_has_failed_when_the_job_has(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1, 1)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    await day.begin(match, job)
    await day.closed(job)
    # an item whose workers died, say, has no result
    await pool.execute(
        "UPDATE matching.results SET state = 'pending' WHERE match_id = $1 "
        "AND file_id = (SELECT min(file_id) FROM matching.results WHERE match_id = $1)",
        match.id,
    )
    ended = await day.match(match.id)
    assert (ended.state, ended.matched, ended.failed) == ("completed", 1, 1)
    (failed,) = await day.results(match, state="failed")
    assert failed.code == "PROCESSING_FAILED"


@pytest.mark.parametrize("done", [True, False])
async def test_a_match_whose_job_is_forgotten_ends_as_it_stands(
    day: Day, pool: Pool, done: bool
) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1, 1)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    await day.begin(match, job)
    await day.closed(job)
    await pool.execute("DELETE FROM jobs.items WHERE job_id = $1", job)
    await pool.execute("DELETE FROM jobs.jobs WHERE id = $1", job)
    if not done:
        await pool.execute(
            "UPDATE matching.results SET state = 'pending' WHERE match_id = $1 "
            "AND file_id = (SELECT min(file_id) FROM matching.results WHERE match_id = $1)",
            match.id,
        )
    await pool.execute(
        "UPDATE matching.matches SET created_at = created_at - interval '1 day' WHERE id = $1",
        match.id,
    )
    (ended,) = (await day.studio.ask(GetMatches)).matches
    assert ended.state == ("completed" if done else "failed")
    assert ended.matched == (2 if done else 1)
    assert ended.ended_at is not None


async def test_while_the_job_book_is_away_matches_are_shown_as_they_stand(
    day: Day, pool: Pool, nats_url: str
) -> None:
    agency, _ = await day.agency(1)
    shoot, _ = await day.portraits(agency, 1)
    match = await day.prepare(agency.id, shoot=shoot.id)
    lonely = await Bus.connect(nats_url, "lonely")
    await lonely.close()
    standing = Standing(pool, lonely)
    shown = await standing.get(day.studio.account, match.id)
    assert (shown.state, shown.job, shown.total) == ("queued", None, 1)


async def test_faces_of_one_photograph_are_raised_each_for_itself(day: Day) -> None:
    agency, (ann, ben) = await day.agency(2)
    group = picture(face(1, UNSURE), face(2, UNSURE, x=900), captured_at=NOON, camera="Canon 1")
    shoot, _ = await day.shoot(agency, group, shot(1, 2), shot(2, 1))
    match = await day.run(agency, shoot, options=BURSTS)
    results = await day.results(match)
    assert told(results)[0] == ("matched", ["several_faces", "burst"])
    assert whose(results[0]) == [ann.id, ben.id]
