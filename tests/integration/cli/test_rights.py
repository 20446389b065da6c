"""Rights on the bus, message by message: what is granted goes through, all else is refused.

Every request of proto is sent by every service to a running server. The operator, who hears
everything, tells what went through.
"""

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from cli import nats, ports, services
from cli.asyncapi import requests
from cli.home import PROJECT
from cli.progress import Progress
from cli.supervisor import Supervisor
from proto.accounts.calling import Authenticate
from proto.accounts.opening import CreateAccount
from proto.wallet import Grant, Reserve, Settle, TopUp
from tests.running import temporary_home

REQUESTS = requests()
SUBJECTS = [request.subject for request in REQUESTS]
SAID_BY_KIT = {
    "key_required": {"CheckServiceKey"},
    "working": {"RegisterKind", "TakeItem", "FinishItem"},
}
"""What a service says by calling something of the kit."""


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[nats.Nats]:
    keeper = Supervisor(Progress(), on_change=lambda: None)
    with temporary_home() as home:
        (port,) = ports.free(1)
        server = nats.Nats(home, port)
        await keeper.start([server.program()])
        yield server
        await keeper.stop()


async def went_through(server: nats.Nats, user: str) -> set[str]:
    """Return the subjects of all requests that the server takes from a user."""
    heard: set[str] = set()

    async def hear(message: Msg) -> None:
        heard.add(message.subject)

    listening, sending = Client(), Client()

    async def ignore(_: Exception) -> None:
        """A refusal is expected, and told by what is not heard."""

    await listening.connect(server.url())
    await listening.subscribe(">", cb=hear)
    await listening.flush()
    await listening.flush()
    await sending.connect(server.url(user), error_cb=ignore, inbox_prefix=f"_INBOX.{user}")
    for subject in SUBJECTS:
        await sending.publish(subject, b"")
    for client in (sending, sending, listening, listening):
        # twice: a ping goes ahead of what waits to be sent
        await client.flush()
    await sending.close()
    await listening.drain()
    return heard & set(SUBJECTS)


def granted(user: str) -> set[str]:
    """Return the requests that the table of rights gives a user."""
    told = nats.permissions(user)["publish"]
    assert isinstance(told, dict)
    return {
        subject
        for subject in SUBJECTS
        if any(covers(pattern, subject) for pattern in told["allow"])
        and not any(covers(pattern, subject) for pattern in told["deny"])
    }


def covers(pattern: str, subject: str) -> bool:
    """Whether a pattern of nats-server (`*` for a part, `>` for the rest) fits a subject."""
    parts = subject.split(".")
    for number, part in enumerate(pattern.split(".")):
        if part == ">":
            return len(parts) > number
        if number >= len(parts) or part not in ("*", parts[number]):
            return False
    return len(parts) == len(pattern.split("."))


def said_by(service: str) -> set[str]:
    """Return the requests of other services that the code of a service makes."""
    subjects = {request.__name__: request.subject for request in REQUESTS}
    folder = PROJECT / "services" / service
    called = {name for file in folder.rglob("*.py") for name in _called(file)}
    for name in SAID_BY_KIT.keys() & called:
        called |= SAID_BY_KIT[name]
    return {
        subjects[name]
        for name in called
        if name in subjects and not subjects[name].startswith(f"{service}.")
    }


def _called(file: Path) -> Iterator[str]:
    """Yield the names that are called in a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


@pytest.mark.parametrize("service", services.NAMES)
async def test_a_service_says_what_it_is_granted_and_nothing_else(
    server: nats.Nats, service: str
) -> None:
    assert await went_through(server, service) == granted(service)


async def test_the_operator_says_everything(server: nats.Nats) -> None:
    assert await went_through(server, nats.OPERATOR) == set(SUBJECTS)


@pytest.mark.parametrize("service", services.NAMES)
def test_a_service_is_granted_what_its_code_says(service: str) -> None:
    assert said_by(service) - granted(service) == set()


async def test_qr_cannot_publish_wallet_reserve(server: nats.Nats) -> None:
    taken = await went_through(server, "qr")
    assert Reserve.subject == "wallet.reserve"
    assert Reserve.subject not in taken
    assert Reserve.subject in await went_through(server, "gateway")


@pytest.mark.parametrize("service", [name for name in services.NAMES if name != "gateway"])
async def test_only_the_gateway_holds_tokens_and_nobody_makes_them(
    server: nats.Nats, service: str
) -> None:
    taken = await went_through(server, service)
    assert taken & {Reserve.subject, Grant.subject, TopUp.subject} == set()
    assert taken & {CreateAccount.subject, Authenticate.subject} == set()
    assert service == "jobs" or Settle.subject not in taken


@pytest.mark.parametrize("service", services.NAMES)
async def test_nobody_hears_what_others_are_asked(server: nats.Nats, service: str) -> None:
    """One that was taken over must not answer in the place of the wallet, or listen to logins."""
    client, refused = Client(), asyncio.Event()

    async def note(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    await client.connect(server.url(service), error_cb=note, inbox_prefix=f"_INBOX.{service}")
    for subject in SUBJECTS:
        if subject.startswith(f"{service}."):
            continue
        refused.clear()
        await client.subscribe(subject)
        await client.flush()
        await client.flush()
        assert refused.is_set(), f"{service} hears {subject}"
    await client.close()
