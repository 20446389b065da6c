"""Cards beside faces, and alone: sorted by the real service qr from a real job book."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from cli.nats import Nats
from kit.bus import Bus
from proto.agencies import Agency, File, Shoot, Subject
from proto.cardreader import KIND, CardsRead
from proto.errors import InvalidRequest, NotFound
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import AddItems, CreateJob, NewItem, StartJob
from proto.matching.agencies import ChangeAgency
from proto.matching.matches import Match, MatchOptions
from proto.matching.subjects import EraseSubject
from proto.qr import SortOptions
from services.qr.app import build as build_qr
from services.qr.payload import CardContent, Cards, Kind, job_tag
from services.qr.settings import Settings as QrSettings
from tests.integration.matching.conftest import SECRET
from tests.integration.matching.day import Day, portrait, told, whose
from tests.integration.matching.reader import between, face, picture, stranger
from tests.integration.matching.studio import new_subject
from tests.integration.qr.shooting import card_reader, closed, frame

ROSTER = "SPRING-2026"
Seen = tuple[str, ...] | None
"""Whose cards a frame shows; None where it could not be read."""


@pytest.fixture(scope="module", autouse=True)
async def qr(
    nats_server: Nats, database_url: str, folder: Path, bus: Bus, jobs: web.Application
) -> AsyncIterator[None]:
    """The service that sorts, and a reader of cards."""
    settings = QrSettings(
        nats_url=nats_server.url("qr"),
        database_url=database_url,
        storage_url=f"file://{folder}",
        secret_key=[SECRET],
    )
    runner = web.AppRunner(build_qr(settings))
    await runner.setup()
    async with card_reader(bus):
        yield
    await runner.cleanup()


async def sorted_by_cards(day: Day, *frames: tuple[File | None, Seen]) -> JobId:
    """A job that read the cards of these photographs, in the order of the shoot."""
    bus, account, job = day.studio.bus, day.studio.account, JobId(uuid4())
    items = [
        NewItem(number=number, name=f"IMG_{number:04d}.JPG", work=_work(account, number, *each))
        for number, each in enumerate(frames)
    ]
    options = msgspec.json.encode(SortOptions(job_id=ROSTER, order="sent")).decode()
    create = CreateJob(
        account=account,
        job=job,
        kind=KIND,
        hold=0,
        unit_tokens=0,
        total=len(items),
        outputs=StorageKey(f"outputs/{account}/{job}"),
        details={"options": options},
    )
    await bus.request(create)
    await bus.request(AddItems(account=account, job=job, items=items))
    await bus.request(StartJob(account=account, job=job), 15.0)
    await closed(bus, account, job)
    return job


def _work(account: AccountId, number: int, file: File | None, seen: Seen) -> bytes:
    if seen is None:
        return b"broken"
    cards = Cards([SECRET])
    contents = [CardContent(Kind.SUBJECT, job_tag(account, ROSTER), who) for who in seen]
    texts = [cards.write(each, account) for each in contents]
    read = msgspec.msgpack.decode(frame(number, *texts), type=CardsRead)
    file_id = None if file is None else file.id
    return msgspec.msgpack.encode(msgspec.structs.replace(read, file_id=file_id))


async def day_of(
    day: Day, *contents: bytes, people: int = 3, **more: Any
) -> tuple[Agency, list[Subject], Shoot, list[File]]:
    agency, subjects = await day.agency(people, **more)
    shoot, files = await day.shoot(agency, *contents)
    return agency, subjects, shoot, files


async def run(day: Day, agency: Agency, shoot: Shoot, sort_job: JobId) -> Match:
    return await day.run(agency, shoot, options=MatchOptions(sort_job=sort_job))


async def test_cards_and_faces_are_set_against_each_other(day: Day) -> None:
    agency, (ann, ben, _), shoot, files = await day_of(
        day,
        picture(),
        portrait(1),
        portrait(1, 0.92),
        portrait(1, 0.97, "small_face"),
        picture(stranger()),
        picture(),
        picture(),
        portrait(1),
        portrait(2),
        picture(face(2), face(1, x=900)),
    )
    cards: list[tuple[str, ...]] = [(ann.student_id,), *[()] * 5, (ben.student_id,), *[()] * 3]
    job = await sorted_by_cards(day, *zip(files, cards, strict=True))
    match = await run(day, agency, shoot, job)
    results = await day.results(match)
    assert told(results) == [
        # the frames of the cards themselves are nobody's photographs
        ("unmatched", ["no_face"]),
        ("matched", []),
        # both say Ann
        ("matched", ["low_score"]),
        ("matched", ["small_face"]),
        # a face that is hardly Ann's, though nobody's sooner, or none at all, behind Ann's card
        ("needs_review", ["low_score"]),
        ("needs_review", ["no_face", "card_only"]),
        ("unmatched", ["no_face"]),
        # Ann behind Ben's card
        ("needs_review", ["sequence_conflict"]),
        ("matched", []),
        ("matched", ["several_faces"]),
    ]
    assert [each.from_card for each in results] == [
        [],
        *[[ann.id]] * 5,
        [],
        *[[ben.id]] * 3,
    ]
    assert whose(results[9]) == [ben.id, ann.id]
    first = results[4].faces[0].candidates[0]
    assert first.subject == ann.id
    assert first.score < 0.5
    (answer,) = results[5].faces
    assert (answer.number, answer.box) == (-1, None)
    assert [each.subject for each in answer.candidates] == [ann.id]
    confirmed = await day.decide(match, files[5], "confirm")
    assert (confirmed.state, whose(confirmed)) == ("matched", [ann.id])
    assert whose(await day.decide(match, files[4], "confirm")) == [ann.id]


async def test_siblings_on_one_card_belong_to_it_both(day: Day) -> None:
    agency, (ann, ben, _), shoot, files = await day_of(
        day, picture(), picture(face(1, 0.92), face(2, 0.92, x=900)), picture(between(1, 2))
    )
    both = (ann.student_id, ben.student_id)
    job = await sorted_by_cards(day, *zip(files, [both, (), ()], strict=True))
    match = await run(day, agency, shoot, job)
    results = await day.results(match)
    assert [each.from_card for each in results[1:]] == [[ann.id, ben.id]] * 2
    assert told(results)[1] == ("matched", ["several_faces", "low_score"])
    assert whose(results[1]) == [ann.id, ben.id]
    # one face that is as near to both: the card does not say which of them it is
    assert told(results)[2] == ("needs_review", ["low_margin"])


async def test_without_biometrics_cards_decide_and_no_face_is_read(day: Day) -> None:
    agency, (ann, ben, _), shoot, files = await day_of(
        day, picture(), portrait(2), picture(), picture(), portrait(1), mode="cards"
    )
    cards: list[tuple[str, ...]] = [(ann.student_id,), (), (ann.student_id, ben.student_id), (), ()]
    job = await sorted_by_cards(day, *zip(files[:4], cards[:4], strict=True))
    with pytest.raises(InvalidRequest, match="only a job that read cards"):
        await day.prepare(agency.id, shoot=shoot.id)
    match = await run(day, agency, shoot, job)
    assert day.reader.read == []
    results = await day.results(match)
    assert told(results) == [
        ("unmatched", []),
        ("matched", ["card_only"]),
        ("unmatched", []),
        ("matched", ["card_only"]),
        ("unmatched", []),
    ]
    assert whose(results[1]) == [ann.id]
    assert [each.number for each in results[3].faces] == [-1, -2]
    assert whose(results[3]) == [ann.id, ben.id]
    assert (match.state, match.faces) == ("completed", 0)
    swapped = await day.decide(match, files[1], "reassign", subject_id=ben.id)
    assert (whose(swapped), swapped.reasons) == ([ben.id], [])


async def test_whom_the_agency_does_not_know_no_card_names(day: Day) -> None:
    agency, (ann, *_), shoot, files = await day_of(day, picture(), portrait(1), b"", portrait(1))
    job = await sorted_by_cards(
        day,
        (files[0], ("S-99999",)),
        (files[1], ()),
        # one that could not be read, and one that is not of the shoot
        (files[2], None),
        (None, ()),
        (files[3], ()),
    )
    match = await run(day, agency, shoot, job)
    results = await day.results(match)
    assert [each.from_card for each in results] == [[], [], [], []]
    assert [whose(each) for each in results] == [[], [ann.id], [], [ann.id]]


async def test_who_has_no_reference_is_known_by_the_card_alone(day: Day) -> None:
    agency, _, shoot, files = await day_of(day, picture(), picture(stranger()))
    (dan,) = await day.studio.subjects(agency, new_subject(9))
    job = await sorted_by_cards(day, (files[0], (dan.student_id,)), (files[1], ()))
    match = await run(day, agency, shoot, job)
    (_, result) = await day.results(match)
    assert told([result]) == [("needs_review", ["card_only"])]
    best = result.faces[0].candidates[0]
    assert (best.subject, best.score, best.margin) == (dan.id, 0.0, 0.0)


async def test_who_is_erased_is_named_by_no_card(day: Day) -> None:
    agency, (ann, *_), shoot, files = await day_of(day, picture(), portrait(1))
    job = await sorted_by_cards(day, (files[0], (ann.student_id,)), (files[1], ()))
    match_job = JobId(uuid4())
    match = await day.prepare(
        agency.id, shoot=shoot.id, job=match_job, options=MatchOptions(sort_job=job)
    )
    await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    await day.begin(match, match_job)
    await day.closed(match_job)
    (_, result) = await day.results(match)
    assert result.from_card == []
    assert whose(result) == [None]


async def test_cards_of_other_photographs_are_refused(day: Day) -> None:
    agency, (ann, *_), shoot, files = await day_of(day, picture(), portrait(1))
    _, others = await day.shoot(agency, picture(), portrait(1))
    elsewhere = await sorted_by_cards(day, (others[0], (ann.student_id,)), (others[1], ()))
    unread = await sorted_by_cards(day, (files[0], None), (None, ()))
    for mode in ("faces", "cards"):
        await day.studio.ask(ChangeAgency, agency.id, mode=mode)
        for sort_job in (elsewhere, unread):
            with pytest.raises(InvalidRequest, match="none of these photographs"):
                await day.prepare(
                    agency.id, shoot=shoot.id, options=MatchOptions(sort_job=sort_job)
                )
    # some of them are enough, if it is only the card itself
    partly = await sorted_by_cards(day, (files[0], (ann.student_id,)), (others[1], ()))
    match = await run(day, agency, shoot, partly)
    assert [each.from_card for each in await day.results(match)] == [[], []]


async def test_a_job_that_read_no_cards_is_refused(day: Day) -> None:
    agency, _, shoot, files = await day_of(day, portrait(1))
    other = Day(day.studio.other(), day.reader)
    job = await sorted_by_cards(other, (files[0], ()))
    for sort_job in (JobId(uuid4()), job):
        with pytest.raises(NotFound, match="no such job that read cards"):
            await day.prepare(agency.id, shoot=shoot.id, options=MatchOptions(sort_job=sort_job))
    match = await day.run(agency, shoot)
    assert match.job is not None
    with pytest.raises(InvalidRequest, match="no job that reads cards"):
        await day.prepare(agency.id, shoot=shoot.id, options=MatchOptions(sort_job=match.job))
