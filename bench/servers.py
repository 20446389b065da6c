"""PostgreSQL, NATS and services of a measurement's own, started as the stack starts them."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli import ports, postgres
from cli.home import Home
from cli.nats import Nats
from cli.postgres import Postgres
from cli.services import Surroundings, program
from cli.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two servers are."""

    postgres: Postgres
    nats: Nats


@contextmanager
def running(*services: str) -> Iterator[Servers]:
    """Start both servers and the services named; stop them afterwards.

    In an event loop of their own, which stands still between: uvloop, on which measurements run
    because services do, cannot start programs as the supervisor wants them started.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, asyncio.Runner() as loop:
        home = Home(Path(folder))
        home.folder.chmod(0o711)  # as root, PostgreSQL runs as another user, who must get through
        home.prepare()
        supervisor = Supervisor(_Silent(), on_change=lambda: None)
        try:
            yield loop.run(_start(home, supervisor, services))
        finally:
            loop.run(supervisor.stop())
            postgres.remove_data(home)


async def _start(home: Home, supervisor: Supervisor, services: tuple[str, ...]) -> Servers:
    sql, bus, *operators = ports.free(2 + len(services))
    server = await postgres.prepare(home, sql)
    nats = Nats(home, bus)
    await supervisor.start([server.program(), nats.program()])
    await server.create(postgres.DATABASE)
    around = Surroundings(fixed={"DATABASE_URL": server.url()}, default={}, caller={})
    await supervisor.start(
        [
            program(service, home, nats.url(service), port, around)
            for service, port in zip(services, operators, strict=True)
        ]
    )
    return Servers(server, nats)


class _Silent:
    """Complains, but says nothing of steps."""

    def step(self, name: str, seconds: float, note: str = "") -> None:
        pass

    def complain(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
