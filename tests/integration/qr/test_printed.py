"""Who has a card: kept for printing again, shown, forgotten, and gone after its time."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
import zxingcpp

from kit.aside import Aside
from kit.database import Pool
from kit.storage import ObjectNotFound, Storage
from proto.errors import InvalidRequest, NotFound
from proto.qr import ForgetJob, GetPrinted, Wishes
from services.qr.payload import CardContent, Kind, job_tag
from services.qr.printed import Roster
from services.qr.sheets import Sheets
from tests.integration.qr.studio import JOB, Studio, subject

AGE = """
UPDATE qr.printed SET printed_at = now() - $2::interval, added_at = now() - $2::interval
WHERE account_id = $1
"""
AGE_SHEETS = """
UPDATE qr.sheets SET created_at = now() - $2::interval WHERE account_id = $1
"""
COUNT_PARTS = """
SELECT count(*) FROM qr.sheet_parts WHERE account_id = $1
"""


async def test_who_was_drawn_is_known_with_everything_that_was_printed(studio: Studio) -> None:
    someone = subject(1, class_name="3B", lines=["Bus 7", "", '"Quoted", \\ and ü'])
    await studio.draw([someone])
    (found,) = await studio.printed()
    assert (found.student_id, found.name, found.class_name, found.lines) == (
        "S-0001",
        "Name 1",
        "3B",
        ["Bus 7", "", '"Quoted", \\ and ü'],
    )
    assert abs(datetime.now(UTC) - found.added_at) < timedelta(minutes=1)


async def test_who_is_printed_again_has_the_new_name_and_was_added_when_it_was_first(
    studio: Studio, pool: Pool
) -> None:
    await studio.draw([subject(1), subject(2)])
    await pool.execute(AGE, studio.account, timedelta(days=3))
    before = {each.student_id: each for each in await studio.printed()}
    await studio.draw([subject(2, name="Renamed", class_name="4C"), subject(3)])
    first, second, third = await studio.printed()
    assert first == before["S-0001"]
    assert (second.name, second.class_name) == ("Renamed", "4C")
    assert second.added_at == before["S-0002"].added_at
    assert third.added_at > second.added_at + timedelta(days=2)
    since = await studio.printed(added_since=datetime.now(UTC) - timedelta(days=1))
    assert [each.student_id for each in since] == ["S-0003"]


async def test_pages_show_everybody_once_and_end(studio: Studio) -> None:
    await studio.draw([subject(number) for number in range(25)])
    found: list[str] = []
    after: str | None = None
    pages = 0
    while pages == 0 or after is not None:
        page = await studio.bus.request(
            GetPrinted(account=studio.account, job_id=JOB, after=after, limit=10)
        )
        found += [each.student_id for each in page.subjects]
        after, pages = page.next_after, pages + 1
    assert found == [f"S-{number:04d}" for number in range(25)]
    assert pages == 3
    chosen = await studio.printed(student_ids=["S-0020", "S-0003", "nobody"])
    assert [each.student_id for each in chosen] == ["S-0003", "S-0020"]
    # beyond the end, and nobody of a job that has cards: nothing, but no error
    assert await studio.printed(after="S-0024") == []
    assert await studio.printed(student_ids=["nobody"]) == []


async def test_a_page_ends_early_where_it_would_not_fit_into_a_message(studio: Studio) -> None:
    long = [
        subject(number, name="名" * 200, class_name="組" * 100, lines=["線" * 100] * 4)
        for number in range(500)
    ]
    await studio.draw(long[:250])
    await studio.draw(long[250:])
    page = await studio.bus.request(GetPrinted(account=studio.account, job_id=JOB, limit=500))
    assert 200 < len(page.subjects) < 500
    assert page.next_after == page.subjects[-1].student_id
    assert len(msgspec.msgpack.encode(page)) < 1_000_000
    rest = await studio.printed(after=page.next_after, limit=500)
    assert len(page.subjects) + len(rest) == 500


async def test_a_cursor_that_is_none_is_refused(studio: Studio) -> None:
    with pytest.raises(InvalidRequest):
        await studio.printed(after="a\0b")


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(school_name="Springfield"),
        Wishes(name_in_code=True),
        Wishes(symbol="datamatrix"),
        Wishes(symbol="datamatrix", name_in_code=True, layout="single"),
    ],
    ids=["qr", "qr with name", "datamatrix", "datamatrix with name"],
)
async def test_a_card_on_a_screen_says_what_the_one_on_paper_says(
    studio: Studio, wishes: Wishes
) -> None:
    drawn = await studio.draw([subject(1, class_name="3B")], wishes=wishes)
    card = await studio.card("S-0001")
    assert (card.name, card.class_name, card.school_name) == ("Name 1", "3B", wishes.school_name)
    (symbol,) = zxingcpp.read_barcodes(rendered(card.svg))
    assert symbol.format.name == ("QRCode" if wishes.symbol == "qr" else "DataMatrix")
    assert [studio.cards.read(symbol.text, studio.account)] == await studio.codes(drawn)
    assert studio.cards.read(symbol.text, studio.account) == CardContent(
        Kind.SUBJECT,
        job_tag(studio.account, JOB),
        "S-0001",
        "Name 1" if wishes.name_in_code else "",
    )


def rendered(svg: str) -> np.ndarray:
    """Draw the one kind of SVG there is, four pixels a module."""
    assert 'shape-rendering="crispEdges"' in svg
    (side,) = {int(part) for part in re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0]}
    white, black = re.findall(r' d="([^"]*)"', svg)
    assert white == f"M0 0h{side}v{side}H0z"
    pixels = np.full((side, side), 255, np.uint8)
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", black)
    assert "".join(f"M{x} {y}h{w}v1h-{back}z" for x, y, w, back in runs) == black
    for x, y, width, back in ((int(n) for n in run) for run in runs):
        assert width == back
        pixels[y, x : x + width] = 0
    quiet = next(edge for edge in range(side) if (pixels[edge] == 0).any())
    assert quiet >= 2
    assert (pixels[:, :quiet] == 255).all()
    assert (pixels[:, -quiet:] == 255).all()
    assert (pixels[-quiet:] == 255).all()
    return np.kron(pixels, np.ones((4, 4), np.uint8))


async def test_cards_are_an_accounts_own_and_a_jobs_own(studio: Studio) -> None:
    await studio.draw([subject(1)])
    stranger = studio.other()
    for asking in (
        stranger.card("S-0001"),
        stranger.printed(),
        stranger.bus.request(ForgetJob(account=stranger.account, job_id=JOB)),
        studio.card("S-0001", "ANOTHER"),
        studio.card("S-0002"),
        studio.printed("ANOTHER"),
    ):
        with pytest.raises(NotFound):
            await asking
    assert len(await studio.printed()) == 1


async def test_a_job_that_is_forgotten_leaves_no_name_and_no_id(studio: Studio, pool: Pool) -> None:
    rare = chr(0x14400)
    await studio.draw([subject(1)], job_id="ANOTHER")
    request = await studio.begin([subject(1, name=f"Ann {rare}"), subject(2)])
    assert (await studio.ask(request)).missing[0].student_id == "S-0001"
    forgetting = ForgetJob(account=studio.account, job_id=JOB)
    assert (await studio.bus.request(forgetting)).subjects == 2
    for gone in (studio.printed(), studio.card("S-0001"), studio.bus.request(forgetting)):
        with pytest.raises(NotFound):
            await gone
    with pytest.raises(NotFound):
        await studio.ask(request)
    assert await pool.fetchval(COUNT_PARTS, studio.account) == 0
    assert len(await studio.printed("ANOTHER")) == 1


async def test_the_files_of_a_job_that_is_forgotten_are_removed(
    studio: Studio, storage: Storage
) -> None:
    drawn = await studio.draw([subject(1)])
    kept = await studio.draw([subject(1)], job_id="ANOTHER")
    await studio.bus.request(ForgetJob(account=studio.account, job_id=JOB))
    for gone in (drawn.pdf, drawn.preview):
        with pytest.raises(ObjectNotFound):
            await storage.size_of(gone)
    assert await storage.size_of(kept.pdf)


async def test_a_sheet_that_was_never_drawn_is_forgotten_too(studio: Studio, pool: Pool) -> None:
    await studio.begin([subject(1)])
    forgetting = ForgetJob(account=studio.account, job_id=JOB)
    assert (await studio.bus.request(forgetting)).subjects == 0
    assert await pool.fetchval(COUNT_PARTS, studio.account) == 0
    with pytest.raises(NotFound):
        await studio.bus.request(forgetting)


async def test_who_is_forgotten_while_a_sheet_is_drawn_stays_forgotten(studio: Studio) -> None:
    request = await studio.begin([subject(number) for number in range(500)])
    drawing = asyncio.create_task(studio.ask(request))
    forgetting = ForgetJob(account=studio.account, job_id=JOB)
    forgotten = False
    while not drawing.done():
        with suppress(NotFound):
            await studio.bus.request(forgetting)
            forgotten = True
    assert forgotten
    # if it was finished before, whom it shows was forgotten with it
    with suppress(NotFound):
        await drawing
        await studio.bus.request(forgetting)
    with pytest.raises(NotFound):
        await studio.printed()


async def test_what_has_had_its_time_is_removed(
    studio: Studio, pool: Pool, storage: Storage
) -> None:
    old, young = studio, studio.other()
    for each in (old, young):
        await each.draw([subject(1), subject(2)])
    undrawn = await old.begin([subject(3)])
    await pool.execute(AGE, old.account, timedelta(days=400, hours=1))
    await pool.execute(AGE_SHEETS, old.account, timedelta(days=30, hours=1))
    assert await pool.fetchval(COUNT_PARTS, old.account) == 1
    async with Aside.open(1) as aside:
        sheets, roster = Sheets(pool, storage, studio.cards, aside), Roster(pool)
        assert await roster.forget_old(timedelta(days=401)) == 0
        assert await roster.forget_old(timedelta(days=400)) == 2
        assert await sheets.remove_old(timedelta(days=31)) == 0
        assert await sheets.remove_old(timedelta(days=30)) == 2
    for gone in (old.printed(), old.ask(undrawn)):
        with pytest.raises(NotFound):
            await gone
    assert await pool.fetchval(COUNT_PARTS, old.account) == 0
    assert len(await young.printed()) == 2


async def test_printing_somebody_again_keeps_them_longer(studio: Studio, pool: Pool) -> None:
    await studio.draw([subject(1), subject(2)])
    await pool.execute(AGE, studio.account, timedelta(days=500))
    await studio.draw([subject(2)])
    assert await Roster(pool).forget_old(timedelta(days=400)) == 1
    assert [each.student_id for each in await studio.printed()] == ["S-0002"]
