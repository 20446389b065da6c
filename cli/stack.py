"""The whole of Darkroom on one machine: which parts there are, in which order, how they meet."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import msgspec

from cli import accounts, nats, ports, postgres, services, triton
from cli.deployment.longest import SPARE_SECONDS, longest_seconds
from cli.errors import NotRunning, Refused, StartFailed
from cli.home import Home, Links, StackCard, Target
from cli.processes import Program
from cli.progress import Progress
from cli.services import Surroundings
from cli.supervisor import Supervisor
from kit.bus import Bus
from proto.errors import Refusal

DEMO_EMAIL = "demo@darkroom.test"
DEMO_TOKENS = 100

_WORTH_TELLING_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What whoever starts a stack may choose."""

    port: int = 8080
    """Where the gateway listens on 127.0.0.1; 0 for any free port."""
    caller: Mapping[str, str]
    """The environment, from which the settings of services are taken."""


class Stack:
    """PostgreSQL, NATS, Triton and the services under one supervisor.

    Used inside `home.held()`; `stop` must follow `start`, whatever came of it.
    """

    def __init__(self, home: Home, wishes: Wishes, progress: Progress) -> None:
        self.supervisor = Supervisor(progress, self._publish)
        self._home = home
        self._wishes = wishes
        self._progress = progress
        self._published: tuple[StackCard, Links] | None = None
        self._ports: dict[str, int] = {}
        """Where each part tells how it is."""
        self._listener: socket.socket | None = None
        self._program: Callable[[str, int], Program] | None = None
        """Makes the program of a service, given its operator's port."""

    async def start(self) -> StackCard:
        """Start everything, open the demo account, and return how it is reached.

        Raises PortTaken, ProgramMissing, StartFailed, Refused, Interrupted.
        """
        # ours, and inherited by every gateway: while one takes over from another, or starts again
        # after a fault, connections wait in it
        self._listener = ports.listening(self._wishes.port)
        gateway_port = self._listener.getsockname()[1]
        database_port, bus_port, http, grpc, metrics, *operator_ports = ports.free(
            5 + len(services.NAMES)
        )
        bus = nats.Nats(self._home, bus_port)
        models = triton.find(self._home, (http, grpc, metrics), self._wishes.caller)
        if models.note:
            self._progress.say(f"  {models.note}")
        database = await self._database(database_port)
        await self.supervisor.start([database.program(), bus.program(), *models.programs])
        await database.create(postgres.DATABASE)

        links = Links(nats_url=bus.url(), database_url=database.url())
        url = f"http://127.0.0.1:{gateway_port}"
        around = Surroundings(
            fixed={
                "DATABASE_URL": links.database_url,
                "HOST": "127.0.0.1",
                "PORT": str(gateway_port),
                "LISTEN_FD": str(self._listener.fileno()),
                "TRITON_URL": models.url,
            },
            default={
                "STORAGE_URL": self._home.storage.resolve().as_uri(),
                "FILES_SECRETS": self._home.secret("files"),
                "SECRET_KEY": self._home.secret("sealing"),
                "PUBLIC_URL": url,
                "MODEL_REPOSITORY": str(triton.REPOSITORY),
            },
            caller=self._wishes.caller,
        )

        def program(name: str, port: int) -> Program:
            made = services.program(name, self._home, bus.url(name), port, around)
            patience = longest_seconds(name, made.environment) + SPARE_SECONDS
            return replace(made, replace_within_seconds=patience)

        self._program = program
        self._ports = dict(zip(services.NAMES, operator_ports, strict=True))
        # whoever works on items finds the job book when it starts, and stops before that, which
        # hears what became of them
        asks = [name for name in services.NAMES if name not in services.ASKED]
        for stage in (services.ASKED, asks):
            await self.supervisor.start([program(name, self._ports[name]) for name in stage])
        card = await self._open_demo_account(url, links)
        if models.programs:
            self._ports["triton"] = metrics
        self._published = card, links
        self._publish()
        return card

    async def replace(self, service: str) -> float:
        """Replace a running service by a new process of it; returns after how many seconds.

        Nobody who asks it anything meanwhile notices. Raises StartFailed, and then the old one goes
        on; Interrupted, NotRunning.
        """
        if self._program is None or service not in services.NAMES:
            raise NotRunning(f"There is no service {service} in this stack.")
        before = self._ports[service]
        (self._ports[service],) = ports.free(1)
        try:
            return await self.supervisor.replace(self._program(service, self._ports[service]))
        except StartFailed:
            self._ports[service] = before
            raise

    async def stop(self) -> None:
        """Drain and stop everything; no process that was started is left."""
        await self.supervisor.stop()
        if self._listener is not None:
            self._listener.close()

    async def _database(self, port: int) -> postgres.Postgres:
        began = perf_counter()
        database = await postgres.prepare(self._home, port)
        if (seconds := perf_counter() - began) > _WORTH_TELLING_SECONDS:
            self._progress.step("new data folder", seconds)
        return database

    async def _open_demo_account(self, url: str, links: Links) -> StackCard:
        password = self._home.secret("demo account")[:16]
        bus = await Bus.connect(links.nats_url, "darkroom up")
        try:
            account = await accounts.open_demo(bus, DEMO_EMAIL, password, DEMO_TOKENS)
        except Refusal as refusal:
            raise Refused(f"The demo account could not be opened: {refusal}.") from refusal
        finally:
            await bus.close()
        return StackCard(
            url=url, email=account.email, password=password, account_id=str(account.id), pids={}
        )

    def _publish(self) -> None:
        """Write where everything is; called again whenever a process was replaced."""
        if self._published is not None:
            card, links = self._published
            card = msgspec.structs.replace(card, pids=self.supervisor.pids)
            self._home.publish(card, links, [_target(*each) for each in self._ports.items()])


def _target(part: str, port: int) -> Target:
    return Target(targets=[f"127.0.0.1:{port}"], labels={"service": part})
