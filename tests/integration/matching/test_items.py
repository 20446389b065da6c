"""Single photographs: worked on again, in a race with erasures, and by readers that are ill."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from kit.database import Pool
from proto.errors import InvalidRequest, Unavailable
from proto.jobs import Failed, Succeeded
from proto.matching.agencies import EraseAgency
from proto.matching.matches import FileMatched, MatchOptions
from services.matching.matchendpoints import MatchEndpoints
from services.matching.reading import TookTooLong, Untrustworthy
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, portrait, whose
from tests.integration.matching.drafting import _held_back, _is_read, drafted, matched
from tests.integration.matching.reader import (
    EMBEDDER,
    Shown,
    between,
    face,
    leaning,
    picture,
    unit,
)
from tests.integration.matching.studio import remote


async def test_a_photograph_is_worked_on_once(day: Day, replica: MatchEndpoints) -> None:
    _, (ann, _), (file,), match = await drafted(day, portrait(1))
    work = day.work(match.id, file.id)
    first = await replica.match_file(work)
    assert matched(first) == FileMatched(state="matched", faces=1)
    day.reader.read.clear()
    # the worker was killed before it could tell the job book
    assert await replica.match_file(work) == first
    assert day.reader.read == []
    assert whose(await day.result(match, file)) == [ann.id]


async def test_what_somebody_decided_on_stays(day: Day, replica: MatchEndpoints) -> None:
    _, (_, ben), (file,), match = await drafted(day, portrait(1))
    work = day.work(match.id, file.id)
    await replica.match_file(work)
    reviewed = await day.decide(match, file, "reassign", subject_id=ben.id)
    assert matched(await replica.match_file(work)).state == "matched"
    assert await day.result(match, file) == reviewed
    assert whose(reviewed) == [ben.id]


async def test_two_workers_at_one_photograph_write_one_result(
    day: Day, replica: MatchEndpoints
) -> None:
    _, (ann, _), (file,), match = await drafted(day, portrait(1))
    work = day.work(match.id, file.id)
    outcomes = await asyncio.gather(*(replica.match_file(work) for _ in range(4)))
    assert [matched(each) for each in outcomes] == [FileMatched(state="matched", faces=1)] * 4
    assert whose(await day.result(match, file)) == [ann.id]


async def test_a_failure_is_told_again(day: Day, replica: MatchEndpoints) -> None:
    _, _, (broken, rejected), match = await drafted(
        day, b"no picture", picture(rejected="PICTURE_TRUNCATED" * 20)
    )
    for file, code in ((broken, "NOT_A_PICTURE"), (rejected, ("PICTURE_TRUNCATED" * 20)[:100])):
        outcome = await replica.match_file(day.work(match.id, file.id))
        assert isinstance(outcome, Failed)
        assert outcome.code == code
        assert "\0" not in outcome.message
        assert await replica.match_file(day.work(match.id, file.id)) == outcome
        assert (await day.result(match, file)).state == "failed"


async def test_a_photograph_that_is_gone_from_storage_has_failed(
    day: Day, replica: MatchEndpoints
) -> None:
    _, _, (file,), match = await drafted(day, portrait(1))
    await day.studio.storage.delete(file.key)  # type: ignore[arg-type]
    outcome = await replica.match_file(day.work(match.id, file.id))
    assert isinstance(outcome, Failed)
    assert "not there any more" in outcome.message
    assert (await day.result(match, file)).state == "failed"


async def test_while_the_reader_is_away_nothing_is_written(
    day: Day, replica: MatchEndpoints
) -> None:
    _, (ann, _), (file,), match = await drafted(day, portrait(1))
    day.reader.away = True
    with pytest.raises(Unavailable):
        await replica.match_file(day.work(match.id, file.id))
    assert (await day.result(match, file)).state == "pending"
    day.reader.away = False
    await replica.match_file(day.work(match.id, file.id))
    assert whose(await day.result(match, file)) == [ann.id]


async def test_a_photograph_that_kills_the_reader_harms_only_itself(
    day: Day, replica: MatchEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.matching.reading.STORED_SECONDS", 0.6)
    _, (ann, _), files, match = await drafted(day, *(portrait(1) for _ in range(4)))
    works = [day.work(match.id, file.id) for file in files]
    day.reader.deadly, day.reader.crowd = files[1].key, len(files)
    together = await asyncio.gather(
        *(replica.match_file(work) for work in works), return_exceptions=True
    )
    assert [type(each) for each in together] == [TookTooLong] * 4
    # each is sent alone now, whoever comes first
    again = await asyncio.gather(
        *(replica.match_file(work) for work in works), return_exceptions=True
    )
    assert [type(each) for each in again] == [Succeeded, TookTooLong, Succeeded, Succeeded]
    results = [await day.result(match, file) for file in files]
    assert [each.state for each in results] == ["matched", "pending", "matched", "matched"]
    assert whose(results[0]) == [ann.id]


@pytest.mark.parametrize(
    "spoiled",
    [
        unit([float("nan")] * 128),
        unit([float("inf"), *[0.0] * 127]),
        unit([0.0] * 128),
        unit([0.1] * 128),
        unit([1.0, *[0.0] * 126]),
        unit([1.0, *[0.0] * 128]),
        b"",
        b"odd",
    ],
)
async def test_numbers_that_are_none_are_a_fault_and_no_stranger(
    day: Day, replica: MatchEndpoints, spoiled: bytes
) -> None:
    _, _, (file,), match = await drafted(day, portrait(1))
    day.reader.spoil = spoiled
    with pytest.raises(Untrustworthy):
        await replica.match_file(day.work(match.id, file.id))
    assert (await day.result(match, file)).state == "pending"


@pytest.mark.parametrize(
    "changed",
    [{"slope": 0.0}, {"slope": float("nan")}, {"midpoint": float("inf")}, {"dimensions": 0}],
)
async def test_a_calibration_that_makes_no_sense_is_a_fault(
    day: Day, replica: MatchEndpoints, changed: dict[str, float]
) -> None:
    _, _, (file,), match = await drafted(day, portrait(1))
    day.reader.embedder = msgspec.structs.replace(EMBEDDER, **changed)
    with pytest.raises(Untrustworthy):
        await replica.match_file(day.work(match.id, file.id))


async def test_an_embedder_that_changes_midway_matches_nobody(
    day: Day, replica: MatchEndpoints
) -> None:
    _, _, (file,), match = await drafted(day, portrait(1))
    day.reader.embedder = msgspec.structs.replace(EMBEDDER, version="another")
    outcome = await replica.match_file(day.work(match.id, file.id))
    assert isinstance(outcome, Failed)
    assert outcome.code == "REFERENCES_STALE"
    assert (await day.result(match, file)).code == "REFERENCES_STALE"


async def test_no_message_and_no_match_are_no_work(day: Day, replica: MatchEndpoints) -> None:
    _, _, (file,), match = await drafted(day, portrait(1))
    with pytest.raises(InvalidRequest):
        await replica.match_file(b"no message")
    other = Day(day.studio.other(), day.reader)
    for work in (day.work(match.id, file.id + 1), other.work(match.id, file.id)):  # type: ignore[arg-type]
        outcome = await replica.match_file(work)
        assert isinstance(outcome, Failed)
        assert outcome.code == "FILE_ERASED"


async def test_what_comes_from_a_url_is_fetched_once(day: Day, replica: MatchEndpoints) -> None:
    agency, (ann, _) = await day.agency(2)
    shoot = await day.studio.shoot(agency)
    url = "https://photos.example/1.jpg"
    content = portrait(1)
    day.reader.web[url] = content
    gone = "https://photos.example/2.jpg"
    files = await day.studio.files(shoot, remote(url), remote(gone))
    match = await day.prepare(agency.id, shoot=shoot.id)
    await replica.match_file(day.work(match.id, files[0].id))
    outcome = await replica.match_file(day.work(match.id, files[1].id))
    assert isinstance(outcome, Failed)
    assert outcome.code == "URL_UNREACHABLE"
    kept, left = await day.studio.files_of(agency, shoot.id)
    assert kept.key.startswith(f"photos/{day.studio.account}/{agency.id}/")
    assert kept.size == len(content)
    assert left.key == ""
    assert whose(await day.result(match, kept)) == [ann.id]
    second = await day.prepare(agency.id, [kept.id])
    await replica.match_file(day.work(second.id, kept.id))
    assert day.reader.read[-1] == kept.key


async def test_of_two_who_fetch_at_once_one_object_stays(day: Day, replica: MatchEndpoints) -> None:
    agency, _ = await day.agency(2)
    shoot = await day.studio.shoot(agency)
    url = "https://photos.example/1.jpg"
    day.reader.web[url] = portrait(1)
    (file,) = await day.studio.files(shoot, remote(url))
    matches = [await day.prepare(agency.id, [file.id]) for _ in range(3)]
    day.reader.gate.clear()
    working = [
        asyncio.create_task(replica.match_file(day.work(match.id, file.id))) for match in matches
    ]

    async def all_read() -> bool:
        return day.reader.read.count(url) == len(matches)

    await until(all_read)
    day.reader.gate.set()
    await asyncio.gather(*working)
    (kept,) = await day.studio.files_of(agency, shoot.id)
    folder = f"photos/{day.studio.account}/{agency.id}"
    assert await _keys(day, folder) == [kept.key]


async def test_what_was_erased_while_it_was_fetched_does_not_stay(
    day: Day, replica: MatchEndpoints
) -> None:
    agency, _ = await day.agency(2)
    shoot = await day.studio.shoot(agency)
    url = "https://photos.example/1.jpg"
    day.reader.web[url] = portrait(1)
    (file,) = await day.studio.files(shoot, remote(url))
    match = await day.prepare(agency.id, shoot=shoot.id)
    async with _held_back(day):
        working = asyncio.create_task(replica.match_file(day.work(match.id, file.id)))
        await _is_read(day, url)
        await day.studio.ask(EraseAgency, agency.id)
    outcome = await working
    assert isinstance(outcome, Failed)
    assert outcome.code == "FILE_ERASED"
    assert await _keys(day, f"photos/{day.studio.account}/{agency.id}") == []


async def test_what_cameras_say_is_kept_as_it_can_be(
    day: Day, replica: MatchEndpoints, pool: Pool
) -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    zoneless = noon.replace(tzinfo=None)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    moments = [noon, zoneless, first, last, noon.replace(year=1), None]
    contents = [
        picture(face(1), captured_at=moment, camera="Canon\0 EOS" if moment else None)
        for moment in moments
    ]
    _, _, files, match = await drafted(day, *contents)
    for file in files:
        assert matched(await replica.match_file(day.work(match.id, file.id))).state == "matched"
    rows = await pool.fetch(
        "SELECT captured_at, camera FROM matching.results WHERE match_id = $1 ORDER BY file_id",
        match.id,
    )
    assert [row["captured_at"] for row in rows] == [noon, noon, None, None, None, None]
    assert [row["camera"] for row in rows] == ["Canon EOS"] * 5 + [None]


async def test_a_class_is_as_it_is_now(day: Day, replica: MatchEndpoints, pool: Pool) -> None:
    agency, (ann, _) = await day.agency(2)
    shoot, (file,) = await day.portraits(agency, 1)
    match = await day.prepare(agency.id, shoot=shoot.id, options=MatchOptions(class_name="3B"))
    await pool.execute(
        "UPDATE matching.subjects SET class_name = '4A' WHERE account_id = $1 AND id = $2",
        day.studio.account,
        ann.id,
    )
    outcome = await replica.match_file(day.work(match.id, file.id))
    assert matched(outcome).state == "unmatched"


@pytest.mark.parametrize(
    ("seen", "state", "reasons"),
    [
        # nobody outside is near; one who is as near, and one who is nearer
        (face(1), "matched", []),
        (between(1, 2), "needs_review", ["low_margin"]),
        (leaning(2, 1), "needs_review", ["low_margin"]),
        # of somebody outside alone
        (face(2), "unmatched", []),
    ],
)
async def test_a_class_is_compared_with_everybody(
    day: Day, pool: Pool, seen: Shown, state: str, reasons: list[str]
) -> None:
    agency, (ann, _) = await day.agency(2)
    await pool.execute("UPDATE matching.subjects SET class_name = '4A' WHERE id = $1", ann.id)
    shoot, (file,) = await day.shoot(agency, picture(seen))
    match = await day.run(agency, shoot, options=MatchOptions(class_name="4A"))
    result = await day.result(match, file)
    assert (result.state, list(result.reasons)) == (state, reasons)
    # of others nothing is told
    assert [each.subject for each in result.faces[0].candidates] == [ann.id]


async def _keys(day: Day, folder: str) -> Sequence[str]:
    return [key async for key, _ in day.studio.storage.list(folder)]  # type: ignore[arg-type]
