"""The bus as it is deployed: three servers, TLS, a user and permissions for each service."""

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.js.api import StreamConfig

from cli import nats, secrets
from cli.asyncapi import requests
from cli.deployment.checking import saying
from cli.errors import Refused
from cli.home import PROJECT
from cli.streams import declare
from kit.bus import Bus
from kit.events import EVENTS
from kit.tls import EncryptedClient, NotEncrypted, trusting
from services.jobs.kinds import WORK
from tests.integration.deploy.cluster import NAMES, Cluster
from tests.integration.jobs.book import until

VIOLATION = re.compile(r"permissions violation for (publish|subscription) to \"?([^\"']+)\"?")


def darkroom(cluster: Cluster, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a Job of the cluster runs it: all that it knows is in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=PROJECT,
        env={"PATH": os.defpath, **cluster.environment()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
async def operator(cluster: Cluster) -> AsyncIterator[Bus]:
    bus = await Bus.connect(cluster.url(nats.OPERATOR), "test", str(cluster.authority))
    yield bus
    await bus.close()


@pytest.mark.parametrize("service", nats.MAY_SAY)
async def test_a_service_may_say_what_its_code_says_and_nothing_else(
    cluster: Cluster, service: str
) -> None:
    denied: set[str] = set()

    async def note(error: Exception) -> None:
        denied.update(subject for _, subject in VIOLATION.findall(str(error).lower()))

    client = Client()
    await client.connect(cluster.url(service), error_cb=note, tls=trusting(str(cluster.authority)))
    subjects = {kind.subject for kind in requests()}
    for subject in subjects:
        await client.publish(subject, b"")
    for _ in range(2):
        await client.flush()
    assert subjects - denied == saying.says(service)
    await client.close()


@pytest.mark.parametrize("service", nats.MAY_SAY)
async def test_a_service_hears_what_it_is_asked_and_nothing_else(
    cluster: Cluster, service: str
) -> None:
    denied: set[str] = set()

    async def note(error: Exception) -> None:
        denied.update(subject for _, subject in VIOLATION.findall(str(error).lower()))

    client = Client()
    await client.connect(cluster.url(service), error_cb=note, tls=trusting(str(cluster.authority)))
    subjects = {kind.subject for kind in requests()}
    inboxes = {f"_inbox.{other}.x" for other in nats.MAY_SAY}
    for subject in subjects | {inbox.replace("_inbox", "_INBOX") for inbox in inboxes}:
        await client.subscribe(subject)
    for _ in range(2):
        await client.flush()
    assert subjects - denied == {name for name in subjects if name.startswith(f"{service}.")}
    assert inboxes - denied == {f"_inbox.{service}.x"}
    await client.close()


async def test_an_answer_comes_back_through_another_server(cluster: Cluster) -> None:
    wallet = await Bus.connect(cluster.url("wallet", "nats-1"), "wallet", str(cluster.authority))
    gateway = await Bus.connect(cluster.url("gateway", "nats-2"), "gateway", str(cluster.authority))

    async def answer(message: object) -> None:
        await message.respond(b"held")  # type: ignore[attr-defined] # a Msg

    await wallet.client.subscribe("wallet.reserve", cb=answer)
    await wallet.client.flush()

    async def is_answered() -> bool:
        try:
            reply = await gateway.client.request("wallet.reserve", b"", timeout=10)
        except NoRespondersError:
            return False  # its own server knows who answers, the other has not heard of it yet
        return bool(reply.data == b"held")

    await until(is_answered)
    await wallet.close()
    await gateway.close()


async def test_streams_get_a_copy_on_each_server(cluster: Cluster, operator: Bus) -> None:
    jetstream = operator.client.jetstream(timeout=30)
    # as services make them, with one copy
    await jetstream.add_stream(EVENTS)
    assert (await jetstream.stream_info("EVENTS")).config.num_replicas == 1
    first = darkroom(cluster, "streams", "--replicas=3")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "EVENTS has 3 copies\nWORK has 3 copies\n"
    for name in ("EVENTS", "WORK"):
        info = await jetstream.stream_info(name)
        assert info.config.num_replicas == 3
        assert info.cluster is not None
    assert darkroom(cluster, "streams", "--replicas=3").stdout == first.stdout


async def test_a_stream_with_other_settings_is_left_alone(empty_bus: Bus) -> None:
    jetstream = empty_bus.client.jetstream()
    await jetstream.add_stream(StreamConfig(name="WORK", subjects=["work.>"], max_msgs=5))
    with pytest.raises(Refused, match="WORK is not as asked for"):
        await declare(empty_bus, 1)
    assert (await jetstream.stream_info("WORK")).config.max_msgs == 5


async def test_an_account_has_limits(cluster: Cluster, operator: Bus) -> None:
    info = await operator.client.jetstream(timeout=30).account_info()
    assert info.limits is not None
    assert info.limits.max_streams == 8
    stored = sum(int(stream.max_bytes or 0) for stream in (EVENTS, WORK))
    assert info.limits.max_storage >= 3 * stored


async def test_nobody_comes_in_without_tls(cluster: Cluster) -> None:
    port = cluster.ports["nats-0"].client
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    greeting = await reader.readline()
    assert b'"tls_required":true' in greeting
    told = {"user": nats.OPERATOR, "pass": cluster.passwords[nats.OPERATOR], "verbose": False}
    writer.write(b"CONNECT " + json.dumps(told).encode() + b"\r\nPING\r\n")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"PONG" not in said


@pytest.mark.parametrize("known", [True, False])
def test_only_a_server_of_our_authority_is_believed(cluster: Cluster, known: bool) -> None:
    context = trusting(str(cluster.authority) if known else "")
    address = ("127.0.0.1", cluster.ports["nats-0"].client)
    with socket.create_connection(address) as plain:
        assert plain.recv(65_536).startswith(b"INFO ")
        if known:
            with context.wrap_socket(plain, server_hostname="nats") as encrypted:
                assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                context.wrap_socket(plain, server_hostname="nats")


async def test_a_server_without_tls_is_told_nothing(nats_server: nats.Nats) -> None:
    url = nats_server.url("wallet").replace("nats://", "tls://")
    client = EncryptedClient()
    with pytest.raises(NotEncrypted):
        await client.connect(url, allow_reconnect=False, max_reconnect_attempts=0, tls=trusting(""))
    await client.close()


def test_a_password_opens_one_door(cluster: Cluster) -> None:
    assert len(set(cluster.passwords.values())) == len(nats.MAY_SAY) + 1
    assert set(NAMES) == set(cluster.ports)


def test_the_bus_of_containers_takes_its_files(tmp_path: Path) -> None:
    for file in ("docker/nats.conf", "nats/users.conf"):
        shutil.copy(PROJECT / "deploy" / file, tmp_path)
    lines = dict(line.split("=", 1) for line in secrets.as_environment().splitlines())
    command = [nats._binary(), "--config", str(tmp_path / "nats.conf"), "-t"]

    def tried(told: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, env=told, capture_output=True, text=True, check=False)

    assert tried(lines).returncode == 0
    # a password that is missing keeps the server from starting, and is not an empty one
    without = tried({name: text for name, text in lines.items() if name != "NATS_PASSWORD_QR"})
    assert without.returncode != 0
    assert "NATS_PASSWORD_QR" in without.stderr + without.stdout
