import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli import nats, ports
from cli.supervisor import Supervisor
from kit.bus import Bus
from tests.integration.deploy.cluster import NAMES, Cluster
from tests.running import temporary_home


class Reporter:
    def step(self, name: str, seconds: float, note: str = "") -> None:
        pass

    def complain(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="darkroom-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    made = Cluster(folder)
    made.prepare()
    keeper = Supervisor(Reporter(), on_change=lambda: None)
    await keeper.start([made.program(name) for name in NAMES])
    yield made
    await keeper.stop()


@pytest.fixture
async def empty_bus() -> AsyncIterator[Bus]:
    keeper = Supervisor(Reporter(), on_change=lambda: None)
    with temporary_home() as home:
        (port,) = ports.free(1)
        server = nats.Nats(home, port)
        await keeper.start([server.program()])
        bus = await Bus.connect(server.url(), "drill")
        yield bus
        await bus.close()
        await keeper.stop()
