"""Every service, told what its pod is told, comes up over TLS and is ready."""

import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from cli import ports, postgres, services, triton
from cli.deployment.checking import rendering
from cli.deployment.checking.workloads import environment, workloads
from cli.deployment.pods import Object
from cli.home import PROJECT
from cli.processes import Program
from cli.services import answers
from cli.supervisor import Supervisor
from kit.bus import Bus
from tests.integration.deploy.cluster import Cluster
from tests.integration.deploy.conftest import Reporter


@pytest.fixture
async def database(postgres_server: postgres.Postgres) -> AsyncIterator[str]:
    name = f"pods_{secrets.token_hex(6)}"
    await postgres_server.create(name)
    yield postgres_server.url(name)
    await postgres_server.drop(name)


@pytest.fixture
async def keeper() -> AsyncIterator[Supervisor]:
    made = Supervisor(Reporter(), on_change=lambda: None)
    yield made
    await made.stop()


def told(
    service: str, objects: list[Object], cluster: Cluster, database_url: str, folder: Path
) -> dict[str, str]:
    """Return the variables of a service's pod, with places of this machine in them."""
    (pod,) = (each for each in workloads(objects) if each.service == service)
    found = environment(pod.pod["containers"][0], objects)
    assert not found.problems
    values = {
        name: secrets.token_hex(32) if name in found.secrets else value
        for name, value in found.values.items()
    }
    optional = {name for name, (_, _, may_miss) in found.secrets.items() if may_miss}
    here = {
        "NATS_URL": cluster.url(service),
        "NATS_CA": str(cluster.authority),
        "DATABASE_URL": database_url,
        "STORAGE_URL": folder.as_uri(),
        # without one, the service runs the models itself
        "TRITON_URL": "",
    }
    values = {name: here.get(name, value) for name, value in values.items()}
    kept = {name: value for name, value in values.items() if name not in optional}
    return {"PATH": os.defpath, "MODEL_REPOSITORY": str(triton.REPOSITORY), **kept}


async def test_every_service_is_ready(
    cluster: Cluster, database: str, keeper: Supervisor, folder: Path
) -> None:
    free = ports.free(2 * len(services.NAMES))
    objects, programs = rendering.rendered("dev"), []
    for name, operator, public in zip(services.NAMES, free[::2], free[1::2], strict=False):
        values = told(name, objects, cluster, database, folder / "pictures")
        assert values["OPERATOR_HOST"] == "0.0.0.0"
        # they share an address here, and have one each in a cluster
        values |= {"OPERATOR_PORT": str(operator)} | (
            {"PORT": str(public)} if "PORT" in values else {}
        )
        programs.append(
            Program(
                name=name,
                command=(sys.executable, "-m", f"services.{name}"),
                environment=values,
                folder=PROJECT,
                log=folder / f"{name}.log",
                ready=partial(answers, f"http://127.0.0.1:{operator}/readyz"),
                stop_within_seconds=30.0,
            )
        )
    await keeper.start(programs)
    bus = await Bus.connect(cluster.url("operator"), "test", str(cluster.authority))
    for name in set(services.NAMES) - {"gateway"}:  # which answers nobody on the bus
        reply = await bus.client.request(f"$SRV.PING.{name}", b"", timeout=10)
        assert json.loads(reply.data)["name"] == name
    await bus.close()
