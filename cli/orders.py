"""Orders to a running `darkroom up`: taken through a socket in its home, for its owner alone.

An order is one line, the answers to it are lines, as JSON; the last of them says that it is over.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from cli.errors import CommandFailed, NotRunning, Refused
from cli.home import Home

_OWNER_ONLY = 0o600


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Replace services, one after the other."""

    services: list[str]


class Replaced(msgspec.Struct, frozen=True, tag="replaced"):
    """One of them is replaced."""

    service: str
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The order could not be carried out; nothing more comes."""

    why: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The order was carried out; nothing more comes."""


Answer = Replaced | Failed | Done

_ORDERS = msgspec.json.Decoder(Restart)
_ANSWERS: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class Replaces(Protocol):
    """What can carry the order out."""

    async def replace(self, service: str) -> float:
        """Replace one service. Raises CommandFailed."""


@asynccontextmanager
async def taken(home: Home, stack: Replaces) -> AsyncIterator[None]:
    """Take orders while the body runs; none come where the home's path is too long for a socket."""
    listener = _bound(_place(home))
    if listener is None:
        yield
        return

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await _carry_out(stack, reader, writer)
        writer.close()

    server = await asyncio.start_unix_server(take, sock=listener)
    try:
        yield
    finally:
        server.close()
        _place(home).unlink(missing_ok=True)


async def restart(home: Home, services: Sequence[str]) -> AsyncIterator[Replaced]:
    """Have services of the stack in a home replaced; yields each one that was.

    Raises NotRunning, Refused.
    """
    home.card()
    try:
        reader, writer = await asyncio.open_unix_connection(str(_place(home)))
    except OSError as error:
        raise NotRunning(f"What runs in {home.folder} takes no orders ({error}).") from error
    try:
        writer.write(msgspec.json.encode(Restart(list(services))) + b"\n")
        async for line in reader:
            match _ANSWERS.decode(line):
                case Replaced() as replaced:
                    yield replaced
                case Failed(why):
                    raise Refused(why)
                case Done():
                    return
    finally:
        writer.close()
    raise Refused("The stack stopped before everything was replaced.")


async def _carry_out(
    stack: Replaces, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        order = _ORDERS.decode(await reader.readline())
        for service in order.services:
            seconds = await stack.replace(service)
            await _say(writer, Replaced(service, seconds))
    except (CommandFailed, msgspec.DecodeError) as error:
        await _say(writer, Failed(str(error)))
    else:
        await _say(writer, Done())


async def _say(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    await writer.drain()


def _bound(place: Path) -> socket.socket | None:
    """Return a socket that does not listen yet: until it does, nobody comes in."""
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(place))
        place.chmod(_OWNER_ONLY)
    except OSError:
        listener.close()
        return None
    return listener


def _place(home: Home) -> Path:
    return home.folder / "orders"
