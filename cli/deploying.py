"""The commands of whoever deploys: each is told by its environment where servers are."""

import argparse
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from cli import elsewhere, migrating, repository, secrets, streams
from cli.backups import drill, keeping, taking
from cli.backups.keeping import Keeping
from cli.elsewhere import DatabaseSettings, told
from cli.home import Home
from kit.bus import Bus

Command: TypeAlias = Callable[[argparse.Namespace], Awaitable[str]]
Printing: TypeAlias = Callable[[argparse.Namespace], Coroutine[Any, Any, None]]

DATABASE_HOST = "postgresql"
"""What a PostgreSQL that is run beside the services is called."""


async def _migrate(options: argparse.Namespace) -> str:
    return await migrating.migrate(options.services)


async def _streams(options: argparse.Namespace) -> str:
    async with elsewhere.bus() as bus:
        return await streams.declare(bus, options.replicas)


async def _secrets_environment(_: argparse.Namespace) -> str:
    return secrets.as_environment()


async def _secrets_manifests(options: argparse.Namespace) -> str:
    return secrets.as_manifests(options.namespace, DATABASE_HOST)


async def _publish(options: argparse.Namespace) -> str:
    return await repository.publish(options.url)


async def _fetch_models(options: argparse.Namespace) -> str:
    return await repository.fetch(options.url, options.folder)


async def _take(options: argparse.Namespace) -> str:
    wants_database, wants_streams = options.only != "streams", options.only != "database"
    here = "DATABASE_URL" not in os.environ and not elsewhere.names_a_bus()
    links = Home(options.home).links() if here else None
    url = None
    if wants_database:
        url = links.database_url if links else told(DatabaseSettings).database_url
    async with _bus_if(wants_streams, links.nats_url if links else None) as bus:
        return await taking.take(options.folder, url, bus)


async def _store(options: argparse.Namespace) -> str:
    return await keeping.store(options.folder, options.what, told(Keeping))


async def _fetch_backup(options: argparse.Namespace) -> str:
    return await keeping.fetch(options.folder, options.what, told(Keeping))


async def _drill(options: argparse.Namespace) -> str:
    url = told(DatabaseSettings).database_url
    async with _bus_if(elsewhere.names_a_bus(), None) as bus:
        return await drill.drill(options.folder, url, bus, options.replicas)


@asynccontextmanager
async def _bus_if(wanted: bool, url: str | None) -> AsyncIterator[Bus | None]:
    """Connect to a bus, or to the one that the environment names, if one is wanted."""
    if not wanted:
        yield None
        return
    async with elsewhere.connected(url) if url else elsewhere.bus() as bus:
        yield bus


def _printing(command: Command) -> Printing:
    async def carry_out(options: argparse.Namespace) -> None:
        print(await command(options))

    return carry_out


COMMANDS: Mapping[str, Printing] = {
    words: _printing(command)
    for words, command in {
        "migrate": _migrate,
        "streams": _streams,
        "secrets environment": _secrets_environment,
        "secrets manifests": _secrets_manifests,
        "repository publish": _publish,
        "repository fetch": _fetch_models,
        "backup take": _take,
        "backup store": _store,
        "backup fetch": _fetch_backup,
        "backup drill": _drill,
    }.items()
}
