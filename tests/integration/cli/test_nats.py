"""What each service may say on the bus; one that was taken over can do no more than that."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import nats as client_library
import pytest
from nats.aio.client import Client

from cli import nats, ports
from cli.progress import Progress
from cli.supervisor import Supervisor
from tests.running import temporary_home

Connect = Callable[[str], Awaitable["Visitor"]]


class Visitor:
    """A connection with the rights of one service, and what the server held against it."""

    def __init__(self) -> None:
        self.client = Client()
        self.errors: list[str] = []

    async def note(self, error: Exception) -> None:
        self.errors.append(str(error).lower())

    async def denied(self) -> bool:
        # twice: the client may send the first ping before what was sent earlier
        await self.client.flush()
        await self.client.flush()
        return any("permissions violation" in error for error in self.errors)


@pytest.fixture(scope="module")
async def nats_server() -> AsyncIterator[nats.Nats]:
    """A server of its own: what is said here must not stand in the streams of other tests."""
    keeper = Supervisor(Progress(), on_change=lambda: None)
    with temporary_home() as home:
        (port,) = ports.free(1)
        server = nats.Nats(home, port)
        await keeper.start([server.program()])
        yield server
        await keeper.stop()


@pytest.fixture
async def connect(nats_server: nats.Nats) -> AsyncIterator[Connect]:
    visitors: list[Visitor] = []

    async def make(user: str) -> Visitor:
        visitor = Visitor()
        await visitor.client.connect(
            nats_server.url(user), error_cb=visitor.note, inbox_prefix=f"_INBOX.{user}"
        )
        visitors.append(visitor)
        return visitor

    yield make
    for visitor in visitors:
        await visitor.client.close()


@pytest.mark.parametrize(
    ("user", "subject", "allowed"),
    [
        ("gateway", "wallet.reserve", True),
        ("gateway", "wallet.attach", False),
        ("gateway", "accounts.login", True),
        ("gateway", "facecrop.crop-face", True),
        ("facecrop", "wallet.top-up", False),
        ("gateway", "webhooks.create-endpoint", True),
        ("gateway", "accounts.authenticate", True),
        ("gateway", "accounts.create", False),
        ("gateway", "accounts.change-plan", False),
        ("gateway", "accounts.lift-limit", False),
        ("gateway", "accounts.issue-service-key", False),
        ("gateway", "accounts.set-outbound", False),
        ("gateway", "presets.create-preset", True),
        ("gateway", "qr.draw-sheet", True),
        ("gateway", "cardreader.read-logo", True),
        ("gateway", "jobs.create", True),
        ("gateway", "jobs.cancel", True),
        ("gateway", "jobs.take-item", False),
        ("gateway", "jobs.finish-item", False),
        ("gateway", "work.face_crop", False),
        ("gateway", "work.qr_sheet", False),
        ("gateway", "wallet.grant", False),
        ("gateway", "wallet.reconcile", False),
        ("gateway", "events.wallet.low_balance", False),
        ("gateway", "$JS.API.STREAM.DELETE.EVENTS", False),
        ("facecrop", "accounts.check-service-key", True),
        ("facecrop", "jobs.take-item", True),
        ("facecrop", "jobs.create", False),
        ("facecrop", "work.face_crop", False),
        ("facecrop", "$JS.API.CONSUMER.MSG.NEXT.WORK.face_crop", True),
        ("facecrop", "$JS.API.CONSUMER.MSG.NEXT.WORK.card_read", False),
        ("facecrop", "$JS.ACK.WORK.face_crop.1.1.1.1.1", True),
        ("facecrop", "qr.card", False),
        ("qr", "jobs.job", True),
        ("qr", "jobs.items", True),
        ("qr", "jobs.take-item", True),
        ("qr", "jobs.create", False),
        ("qr", "jobs.cancel", False),
        ("qr", "work.qr_sheet", False),
        ("qr", "$JS.API.CONSUMER.MSG.NEXT.WORK.qr_sheet", True),
        ("qr", "$JS.API.CONSUMER.MSG.NEXT.WORK.card_read", False),
        ("qr", "$JS.ACK.WORK.qr_sheet.1.1.1.1.1", True),
        ("qr", "cardreader.read-cards", False),
        ("qr", "wallet.settle", False),
        ("qr", "accounts.authenticate", False),
        ("cardreader", "accounts.check-service-key", True),
        ("cardreader", "jobs.take-item", True),
        ("cardreader", "jobs.items", False),
        ("cardreader", "work.card_read", False),
        ("cardreader", "$JS.API.CONSUMER.MSG.NEXT.WORK.card_read", True),
        ("cardreader", "$JS.API.CONSUMER.MSG.NEXT.WORK.qr_sheet", False),
        ("cardreader", "qr.printed", False),
        ("cardreader", "qr.card", False),
        ("cardreader", "wallet.top-up", False),
        ("cardreader", "accounts.create", False),
        ("facereader", "accounts.check-service-key", True),
        ("facereader", "matching.agency", False),
        ("facereader", "jobs.take-item", False),
        ("facereader", "wallet.top-up", False),
        ("matching", "facereader.read-faces", True),
        ("matching", "facereader.embedder", True),
        ("matching", "qr.sorted", True),
        ("matching", "qr.printed", False),
        ("matching", "jobs.job", True),
        ("matching", "jobs.take-item", True),
        ("matching", "jobs.create", False),
        ("matching", "jobs.cancel", False),
        ("matching", "work.face_match", False),
        ("matching", "$JS.API.CONSUMER.MSG.NEXT.WORK.face_match", True),
        ("matching", "$JS.API.CONSUMER.MSG.NEXT.WORK.face_reference", True),
        ("matching", "$JS.API.CONSUMER.MSG.NEXT.WORK.face_crop", False),
        ("matching", "wallet.settle", False),
        ("gateway", "matching.prepare-match", True),
        ("gateway", "facereader.read-faces", False),
        ("jobs", "wallet.settle", True),
        ("jobs", "wallet.attach", True),
        ("jobs", "wallet.reserve", False),
        ("jobs", "wallet.top-up", False),
        ("jobs", "work.face_crop", True),
        ("jobs", "events.job.completed", True),
        ("jobs", "events.wallet.low_balance", False),
        ("jobs", "$JS.API.STREAM.DELETE.WORK", False),
        ("presets", "wallet.top-up", False),
        ("facecrop", "accounts.authenticate", False),
        ("facecrop", "accounts.create", False),
        ("facecrop", "events.wallet.low_balance", False),
        ("wallet", "events.wallet.low_balance", True),
        ("wallet", "events.job.completed", False),
        ("wallet", "$JS.API.STREAM.DELETE.EVENTS", False),
        ("wallet", "$JS.API.STREAM.PURGE.EVENTS", False),
        ("webhooks", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.webhooks", True),
        ("webhooks", "events.wallet.low_balance", False),
        ("webhooks", "wallet.top-up", False),
        ("wallet", "accounts.create", False),
        ("accounts", "wallet.top-up", False),
        (nats.OPERATOR, "wallet.top-up", True),
    ],
)
async def test_a_service_asks_only_whom_it_must(
    connect: Connect, user: str, subject: str, allowed: bool
) -> None:
    visitor = await connect(user)
    await visitor.client.publish(subject, b"")
    assert await visitor.denied() is not allowed


@pytest.mark.parametrize(
    ("user", "subject", "allowed"),
    [
        ("wallet", "wallet.reserve", True),
        ("wallet", "$SRV.PING", True),
        ("wallet", "$SRV.STATS.wallet.f00d", True),
        ("wallet", "$SRV.STATS.gateway", False),
        ("gateway", "$SRV.PING", False),
        ("facecrop", "wallet.reserve", False),
        ("gateway", "progress.c1a2b3d4", True),
        ("facecrop", "work.face_crop", False),
        ("gateway", "accounts.login", False),
        ("qr", "qr.draw-sheet", True),
        ("qr", "cardreader.read-cards", False),
        ("cardreader", "cardreader.read-cards", True),
        ("cardreader", "qr.draw-sheet", False),
        ("facereader", "facereader.read-faces", True),
        ("facereader", "matching.agency", False),
        ("matching", "matching.agency", True),
        ("matching", "facereader.read-faces", False),
        ("gateway", "qr.printed", False),
        ("facecrop", ">", False),
        ("gateway", "_INBOX.gateway.>", True),
        ("cardreader", "_INBOX.>", False),
        ("cardreader", "_INBOX.gateway.>", False),
    ],
)
async def test_a_service_hears_only_what_it_is_asked(
    connect: Connect, user: str, subject: str, allowed: bool
) -> None:
    visitor = await connect(user)
    await visitor.client.subscribe(subject)
    assert await visitor.denied() is not allowed


async def test_an_answer_reaches_whoever_asked(connect: Connect) -> None:
    wallet, gateway = await connect("wallet"), await connect("gateway")

    async def answer(message: client_library.aio.msg.Msg) -> None:
        await message.respond(b"held")

    await wallet.client.subscribe("wallet.reserve", cb=answer)
    assert not await wallet.denied()
    reply = await gateway.client.request("wallet.reserve", b"", timeout=5)
    assert reply.data == b"held"
    assert not await wallet.denied()


async def test_nobody_gets_in_without_a_password(nats_server: nats.Nats) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    writer.write(b'CONNECT {"verbose": false}\r\nPING\r\n')
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"-ERR 'Authorization Violation'" in said
    assert b"PONG" not in said


async def test_jetstream_is_on(connect: Connect) -> None:
    operator = await connect(nats.OPERATOR)
    assert (await operator.client.jetstream().account_info()).streams == 0
