"""Large sheets as jobs: worked on through the real queue and job book."""

from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from kit.bus import Bus
from kit.lifecycle import CHECKS
from proto.ids import StorageKey
from proto.jobs import GetItems, Item, NewItem
from proto.qr import KIND, DrawnSheet, DrawSheet
from tests.integration.jobs.book import until
from tests.integration.qr.shooting import begun, closed
from tests.integration.qr.studio import Studio, subject

pytestmark = pytest.mark.usefixtures("jobs")


async def worked_on(studio: Studio, work: bytes, units: int = 1) -> Item:
    """The one item of a job, when it has ended."""
    item = NewItem(number=0, name="a sheet", work=work, units=units)
    job = await begun(studio.bus, studio.account, KIND, [item])
    await closed(studio.bus, studio.account, job)
    (ended,) = (await studio.bus.request(GetItems(account=studio.account, job=job))).items
    return ended


async def test_a_sheet_is_drawn_as_a_job(studio: Studio) -> None:
    request = await studio.begin([subject(number) for number in range(300)])
    item = await worked_on(studio, msgspec.msgpack.encode(request), 300)
    assert item.state == "succeeded"
    assert item.result is not None
    drawn = msgspec.msgpack.decode(item.result, type=DrawnSheet)
    assert (drawn.subjects, drawn.pages) == (300, 75)
    assert (await studio.file(drawn.pdf)).startswith(b"%PDF-")
    assert len(await studio.printed(limit=500)) == 300
    # a ticket that comes twice, and a caller who asks, find it drawn
    again = await worked_on(studio, msgspec.msgpack.encode(request), 300)
    assert again.result == item.result
    assert await studio.ask(request) == drawn


async def test_a_sheet_that_cannot_be_drawn_has_failed(studio: Studio) -> None:
    twice = await studio.begin([subject(1), subject(1)])
    gone = DrawSheet(
        account=studio.account,
        sheet=uuid4(),
        outputs=StorageKey(f"outputs/{studio.account}/gone"),
    )
    for work, sentence in (
        (msgspec.msgpack.encode(twice), "S-0001 is on this sheet twice"),
        (msgspec.msgpack.encode(gone), "not there any more"),
        (b"no message", "no sheet to draw"),
    ):
        item = await worked_on(studio, work)
        assert (item.state, item.code) == ("failed", "INVALID_REQUEST")
        assert sentence in item.message


async def test_it_is_ready_when_it_can_draw(bus: Bus, service: web.Application) -> None:
    checks = service[CHECKS]
    assert set(checks) == {"nats", "postgresql", "fonts", "worker", "sweeps"}

    async def is_ready() -> bool:
        return all([await check() for check in checks.values()])

    await until(is_ready)
