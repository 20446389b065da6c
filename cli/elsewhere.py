"""A stack that runs elsewhere, in a cluster or in containers: how its servers are reached.

There every part has its settings in its environment, and so have the operator's commands.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from cli.errors import CommandFailed, Refused
from kit import settings
from kit.bus import Bus
from kit.lifecycle import Trust

Asked = TypeVar("Asked", bound=msgspec.Struct)

_CONNECT_SECONDS = 5.0


class BusSettings(Trust, frozen=True, kw_only=True):
    """Where the message bus is."""

    nats_url: Annotated[
        str,
        Meta(description="The message bus, as one who may say everything: nats://operator:pw@…"),
    ]


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database is."""

    database_url: Annotated[str, Meta(description="PostgreSQL, with the right to make tables")]


def told(kind: type[Asked], environment: Mapping[str, str] = os.environ) -> Asked:
    """Return what the environment says. Raises CommandFailed with the name of what is missing."""
    try:
        return settings.load(kind, environment)
    except settings.BadSetting as error:
        raise CommandFailed(f"{error}.") from error


def names_a_bus(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a command is meant for a stack elsewhere, not for one that runs in a home."""
    return bool(environment.get("NATS_URL"))


@asynccontextmanager
async def bus(environment: Mapping[str, str] = os.environ) -> AsyncIterator[Bus]:
    """Connect to the bus that the environment names. Raises CommandFailed, Refused."""
    where = told(BusSettings, environment)
    async with connected(where.nats_url, where.nats_ca) as made:
        yield made


@asynccontextmanager
async def connected(url: str, authority: str = "") -> AsyncIterator[Bus]:
    """Connect to a bus, and give up when it does not answer. Raises Refused."""
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            made = await Bus.connect(url, "darkroom command", authority)
    except TimeoutError:
        raise Refused("The message bus of the running stack does not answer.") from None
    try:
        yield made
    finally:
        await made.close()
