"""Real servers for the tests, each started once per run and only when a test asks for it.

They are private: on ports and with data of their own, started by the same code as `darkroom up`.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from io import BytesIO

import pytest
from PIL import Image

from cli import nats, ports, postgres, triton
from cli.home import Home
from cli.supervisor import Supervisor
from tests.running import RunningStack, temporary_home
from triton_models.builder import archives

# some tests run networks themselves, with an onnxruntime that must not tell its makers
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

STRIPE_SECRET = "whsec_of_these_tests"


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Home]:
    """Where the servers of this run keep their data."""
    with temporary_home() as made:
        yield made


@pytest.fixture(scope="session")
async def supervisor(servers_home: Home) -> AsyncIterator[Supervisor]:
    """Keeps the servers of this run, and stops them before their home is removed."""
    keeper = Supervisor(_Reporter(), on_change=lambda: None)
    yield keeper
    await keeper.stop()


@pytest.fixture(scope="session")
async def postgres_server(servers_home: Home, supervisor: Supervisor) -> postgres.Postgres:
    """A PostgreSQL server, in which a test may make databases."""
    (port,) = ports.free(1)
    server = await postgres.prepare(servers_home, port)
    await supervisor.start([server.program()])
    return server


@pytest.fixture(scope="module")
async def database_url(postgres_server: postgres.Postgres) -> AsyncIterator[str]:
    """An empty database for the tests of one module."""
    name = f"test_{secrets.token_hex(6)}"
    await postgres_server.create(name)
    yield postgres_server.url(name)
    await postgres_server.drop(name)


@pytest.fixture(scope="session")
async def nats_server(servers_home: Home, supervisor: Supervisor) -> nats.Nats:
    """A NATS server with JetStream; `url(service)` is that service's way in, with its rights."""
    (port,) = ports.free(1)
    server = nats.Nats(servers_home, port)
    await supervisor.start([server.program()])
    return server


@pytest.fixture(scope="session")
def nats_url(nats_server: nats.Nats) -> str:
    """The NATS server, for one who may say everything."""
    return nats_server.url()


@pytest.fixture(scope="session")
async def triton_url(servers_home: Home, supervisor: Supervisor) -> str:
    """Host and gRPC port of a Triton that serves the built models."""
    http, grpc, metrics = ports.free(3)
    found = triton.find(servers_home, (http, grpc, metrics), os.environ)
    if not found.url:
        pytest.skip(found.note)
    await supervisor.start(found.programs)
    return found.url


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The whole of Darkroom, as `darkroom up` runs it."""
    with temporary_home() as home:
        running = RunningStack.start(home, STRIPE_WEBHOOK_SECRETS=STRIPE_SECRET)
        yield running
        running.stop()


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """A photograph of one person, PNG, 512 x 512."""
    return archives.astronaut()


@pytest.fixture(scope="session")
def astronaut_jpeg(astronaut: bytes) -> bytes:
    """The same photograph as JPEG."""
    into = BytesIO()
    Image.open(BytesIO(astronaut)).convert("RGB").save(into, "JPEG", quality=92)
    return into.getvalue()


class _Reporter:
    """Lets trouble with a server show in the output of the test that met it."""

    def step(self, name: str, seconds: float, note: str = "") -> None:
        pass

    def complain(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
