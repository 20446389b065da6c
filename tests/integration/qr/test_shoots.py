"""Shoots in a real job book, sorted by the cards in them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from kit.bus import Bus
from proto.errors import InvalidRequest, NotFound
from proto.ids import JobId
from proto.jobs import CancelJob, NewItem, RegisterKind
from proto.qr import ForgetJob, GetSorted, Person, ReasonCount, SortedShoot, SortOptions
from services.qr.payload import CardContent, Cards, Kind, job_tag
from services.qr.shoots import MOST_KEPT
from tests.integration.qr.shooting import (
    AT_ONCE,
    BROKEN,
    LATE,
    begun,
    card_reader,
    closed,
    frame,
    shot,
)
from tests.integration.qr.studio import JOB, Studio, subject


@pytest.fixture(scope="module", autouse=True)
async def gate(bus: Bus, jobs: web.Application) -> AsyncIterator[asyncio.Event]:
    async with card_reader(bus) as gate:
        yield gate


def text(studio: Studio, who: str, kind: Kind = Kind.SUBJECT, job_id: str = JOB) -> str:
    """What a card says."""
    content = CardContent(kind, job_tag(studio.account, job_id), who)
    return studio.cards.write(content, studio.account)


async def ask(studio: Studio, job: JobId, **more: Any) -> SortedShoot:
    asked = GetSorted(account=studio.account, job=job, options=SortOptions(job_id=JOB))
    return await studio.bus.request(msgspec.structs.replace(asked, **more), 30.0)


def roles(shoot: SortedShoot) -> list[tuple[str, list[str]]]:
    """Role and owners of each file."""
    return [(file.role, [person.student_id for person in file.people]) for file in shoot.files]


def person(number: int, class_name: str = "3B") -> Person:
    return Person(
        kind="subject", student_id=f"S-{number:04d}", name=f"Name {number}", class_name=class_name
    )


async def test_photographs_belong_to_the_card_before_them(studio: Studio) -> None:
    await studio.draw([subject(number, class_name="3B") for number in (1, 2)])
    frames = [
        frame(0, text(studio, "S-0001")),
        frame(1),
        frame(2),
        frame(3, text(studio, "S-0002")),
        frame(4),
        BROKEN,
        frame(6),
    ]
    job = await shot(studio.bus, studio.account, frames)
    shoot = await ask(studio, job)
    assert roles(shoot) == [
        ("card", ["S-0001"]),
        ("photo", ["S-0001"]),
        ("photo", ["S-0001"]),
        ("card", ["S-0002"]),
        ("photo", ["S-0002"]),
        ("failed", []),
        ("unassigned", []),
    ]
    assert [file.number for file in shoot.files] == list(range(7))
    assert [file.filename for file in shoot.files][::6] == ["IMG_0001.JPG", "IMG_0007.JPG"]
    assert shoot.files[1].people == [person(1)]
    assert (shoot.files[5].code, shoot.files[5].message) == ("NOT_A_PICTURE", "This is no picture.")
    # it may have been the next card
    assert [file.reasons for file in shoot.files] == [[]] * 5 + [["unreadable_file"]] * 2
    assert (shoot.people, shoot.photos, shoot.unassigned) == (2, 3, 1)
    assert shoot.reasons == [ReasonCount(reason="unreadable_file", count=2)]
    assert not shoot.more


async def test_files_of_an_agency_are_told_by_their_ids(studio: Studio) -> None:
    await studio.draw([subject(1, class_name="3B")])
    frames = [frame(0, text(studio, "S-0001"), file_id=8), frame(1, file_id=2**40), BROKEN]
    shoot = await ask(studio, await shot(studio.bus, studio.account, frames))
    assert [file.file_id for file in shoot.files] == [8, 2**40, None]


async def test_siblings_have_their_photographs_together(studio: Studio) -> None:
    await studio.draw([subject(number, class_name="3B") for number in (1, 2)])
    frames = [frame(0, text(studio, "S-0001"), text(studio, "S-0002")), frame(1)]
    shoot = await ask(studio, await shot(studio.bus, studio.account, frames))
    assert [file.role for file in shoot.files] == ["card", "photo"]
    assert [file.people for file in shoot.files] == [[person(1), person(2)]] * 2
    assert [file.reasons for file in shoot.files] == [["several_cards"], []]
    assert (shoot.people, shoot.photos) == (2, 1)


async def test_cards_that_are_not_of_the_job_begin_sequences_of_nobody(studio: Studio) -> None:
    await studio.draw([subject(1, class_name="3B")])
    stranger, good = studio.other(), text(studio, "S-0001")
    forged = Cards(["another secret, of 32 characters and more"])
    content = CardContent(Kind.SUBJECT, job_tag(studio.account, JOB), "S-0001")
    frames = [
        frame(0),
        frame(1, good),
        frame(2),
        frame(3, text(studio, "S-0001", job_id="AUTUMN")),
        frame(4),
        frame(5, text(stranger, "S-0001")),
        frame(6),
        frame(7, forged.write(content, studio.account)),
        frame(8),
        frame(9, good[:-1] + ("A" if good[-1] != "A" else "B")),
        frame(10, good),
        frame(11, face=False),
        frame(12, "https://example.com/", has_face=True),
    ]
    shoot = await ask(studio, await shot(studio.bus, studio.account, frames))
    nobody: tuple[str, list[str]] = ("unassigned", [])
    assert roles(shoot) == [
        nobody,
        ("card", ["S-0001"]),
        ("photo", ["S-0001"]),
        *[nobody] * 7,
        ("card", ["S-0001"]),
        ("photo", ["S-0001"]),
        ("photo", ["S-0001"]),
    ]
    reasons = [file.reasons for file in shoot.files]
    assert reasons == [
        ["before_first_card"],
        [],
        [],
        *[["foreign_card"]] * 4,
        *[["unreadable_card"]] * 3,
        ["subject_again"],
        ["nothing_seen"],
        [],
    ]
    assert shoot.reasons == [
        ReasonCount(reason="before_first_card", count=1),
        ReasonCount(reason="foreign_card", count=4),
        ReasonCount(reason="nothing_seen", count=1),
        ReasonCount(reason="subject_again", count=1),
        ReasonCount(reason="unreadable_card", count=3),
    ]
    assert (shoot.people, shoot.photos, shoot.unassigned) == (1, 3, 8)


async def test_groups_and_extras_are_named_as_they_were_printed(studio: Studio) -> None:
    frames = [
        frame(0, text(studio, "3B", Kind.GROUP)),
        frame(1),
        frame(2, text(studio, "extra-2", Kind.EXTRA)),
        frame(3),
    ]
    shoot = await ask(studio, await shot(studio.bus, studio.account, frames))
    assert [file.people for file in shoot.files[::2]] == [
        [Person(kind="group", student_id="3B", name="3B")],
        [Person(kind="extra", student_id="extra-2", name="Extra 2")],
    ]


async def test_who_is_not_on_the_list_is_told_once_there_is_a_list(studio: Studio) -> None:
    named = CardContent(Kind.SUBJECT, job_tag(studio.account, JOB), "S-0007", "Ann Lee")
    frames = [
        frame(0, text(studio, "S-0001")),
        frame(1),
        frame(2, studio.cards.write(named, studio.account)),
        frame(3),
    ]
    job = await shot(studio.bus, studio.account, frames)
    unlisted = await ask(studio, job)
    assert [file.reasons for file in unlisted.files] == [[]] * 4
    # without a list there are no names but those that cards themselves say
    assert [file.people[0].name for file in unlisted.files] == ["", "", "Ann Lee", "Ann Lee"]
    await studio.draw([subject(1, class_name="3B")])
    listed = await ask(studio, job)
    assert [file.reasons for file in listed.files] == [[], [], ["unknown_id"], []]
    assert listed.files[0].people == [person(1)]
    # a card that is printed for somebody who was missing
    await studio.draw([subject(7, class_name="4A")])
    assert [file.reasons for file in (await ask(studio, job)).files] == [[]] * 4
    await studio.bus.request(ForgetJob(account=studio.account, job_id=JOB))
    forgotten = await ask(studio, job)
    assert [file.people[0].name for file in forgotten.files] == ["", "", "Ann Lee", "Ann Lee"]


async def test_a_shoot_is_sorted_as_it_was_photographed(studio: Studio) -> None:
    first, second = text(studio, "S-0001"), text(studio, "S-0002")
    frames = [
        frame(3, camera="one"),
        frame(2, second, camera="one"),
        frame(0, first, camera="one"),
        frame(1, camera="two"),
    ]
    names = ["IMG_0002.JPG", "IMG_0001.JPG", "IMG_0003.JPG", "IMG_0004.JPG"]
    job = await shot(studio.bus, studio.account, frames, names)

    async def owners(**options: Any) -> list[str]:
        shoot = await ask(studio, job, options=SortOptions(job_id=JOB, **options))
        return ["+".join(people) for _, people in roles(shoot)]

    assert await owners() == ["S-0002", "S-0002", "S-0001", ""]
    assert await owners(cameras_apart=False) == ["S-0002", "S-0002", "S-0001", "S-0001"]
    assert await owners(cameras_apart=False, order="sent") == ["", "S-0002", "S-0001", "S-0001"]
    assert await owners(order="sent", card="last") == ["S-0002", "S-0002", "S-0001", ""]
    assert await owners(order="name") == ["S-0002", "S-0002", "S-0001", ""]
    assert (await ask(studio, job, options=SortOptions(job_id="OTHER"))).people == 0


async def test_pages_show_every_file_once_and_the_whole_in_numbers(studio: Studio) -> None:
    frames = [
        frame(number, *([text(studio, f"S-{number:04d}")] if number % 3 == 0 else []))
        for number in range(20)
    ]
    job = await shot(studio.bus, studio.account, frames)
    found: list[int] = []
    after, more = -1, True
    while more:
        page = await ask(studio, job, after=after, limit=7)
        assert (page.people, page.photos, page.unassigned) == (7, 13, 0)
        found += [file.number for file in page.files]
        after, more = page.files[-1].number, page.more
    assert found == list(range(20))
    beyond = await ask(studio, job, after=19)
    assert (beyond.files, beyond.more) == ([], False)
    assert (await ask(studio, job, after=10_000)).files == []


async def test_a_page_ends_early_where_it_would_not_fit_into_a_message(studio: Studio) -> None:
    await studio.draw(
        [subject(number, name="名" * 200, class_name="組" * 100) for number in range(5)]
    )
    siblings = [text(studio, f"S-{number:04d}") for number in range(5)]
    frames = [frame(0, *siblings)] + [frame(number) for number in range(1, 180)]
    job = await shot(studio.bus, studio.account, frames)
    page = await ask(studio, job, limit=500)
    assert page.more
    assert 50 < len(page.files) < 180
    assert len(msgspec.msgpack.encode(page)) < 1_000_000
    rest = await ask(studio, job, after=page.files[-1].number, limit=500)
    assert rest.files[0].number == len(page.files)


async def test_more_shoots_than_are_kept_are_sorted_all_the_same(studio: Studio) -> None:
    jobs = [
        await shot(studio.bus, studio.account, [frame(0, text(studio, f"S-{n:04d}")), frame(1)])
        for n in range(MOST_KEPT + 2)
    ]
    for n, job in [*enumerate(jobs), *enumerate(jobs)]:
        assert roles(await ask(studio, job))[1] == ("photo", [f"S-{n:04d}"])


async def test_a_shoot_is_an_accounts_own_even_when_it_is_kept(studio: Studio) -> None:
    job = await shot(studio.bus, studio.account, [frame(0)])
    await ask(studio, job)
    with pytest.raises(NotFound):
        await ask(studio.other(), job)
    with pytest.raises(NotFound):
        await ask(studio, JobId(uuid4()))


async def test_only_jobs_that_read_cards_and_have_ended_are_sorted(studio: Studio) -> None:
    items = [NewItem(number=0, name="a.jpg", work=frame(0))]
    await studio.bus.request(RegisterKind(kind="paint", most_seconds=60.0))
    painting = await begun(studio.bus, studio.account, "paint", items)
    with pytest.raises(InvalidRequest, match="no job that reads cards"):
        await ask(studio, painting)
    draft = await begun(studio.bus, studio.account, "card_read", items, start=False)
    with pytest.raises(InvalidRequest, match="has not ended"):
        await ask(studio, draft)


async def test_what_was_cancelled_is_told_as_failed(studio: Studio, gate: asyncio.Event) -> None:
    items = [NewItem(number=n, name=f"{n}.jpg", work=LATE + frame(n)) for n in range(30)]
    job = await begun(studio.bus, studio.account, "card_read", items)
    await studio.bus.request(CancelJob(account=studio.account, job=job))
    gate.set()
    cancelled = (await closed(studio.bus, studio.account, job)).cancelled
    assert cancelled >= len(items) - AT_ONCE
    shoot = await ask(studio, job)
    failed = [file for file in shoot.files if file.role == "failed"]
    assert len(failed) == cancelled
    assert {file.code for file in failed} == {"CANCELLED"}
    assert "cancelled" in failed[0].message
