"""The message bus: whom it lets in, whether its streams are as asked, which services answer."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import time
from urllib.parse import urlsplit

import aiohttp
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from cli import services
from cli.doctoring.clock import skew
from cli.doctoring.findings import Finding
from cli.doctoring.patient import Patient
from cli.nats import ONLY_ASKS
from cli.streams import STREAMS
from kit.discovery import VERSION
from kit.events import EVENTS
from kit.streams import differences
from kit.tls import EncryptedClient, NotEncrypted, trusting

_CONNECT_SECONDS = 3.0
_LISTEN_SECONDS = 0.7
_OLDEST = (2, 9)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_AREA = "connections"


class _Unreachable(Exception):
    """Nobody got in; the message says why, the second argument what to do."""


async def look(patient: Patient) -> AsyncIterator[Finding]:
    """Look at the bus as the operator, as every service whose password is known, and at each.

    A service may not ask what the operator may; as one it is seen only whether it is let in.
    """
    if not patient.nats_url:
        yield Finding(_AREA, "nats", "skipped", "no NATS_URL is set here")
        return
    if (user := urlsplit(patient.nats_url).username) in services.NAMES:
        yield await _user(user, patient.nats_url, patient.nats_ca)
        said = f"{user} may not look at streams and other services; the operator may"
        yield Finding(_AREA, "nats", "skipped", said)
        return
    try:
        async with _connected(patient.nats_url, patient.nats_ca) as client:
            async for finding in _server(client, patient):
                yield finding
            async for finding in _answering(client, patient):
                yield finding
    except _Unreachable as error:
        yield Finding(_AREA, "nats", "fix", error.args[0], error.args[1])
        return
    for user, url in patient.users.items():
        yield await _user(user, url, patient.nats_ca)
    if not patient.users:
        yield Finding(_AREA, "nats users", "skipped", "their passwords are not known here")


async def _server(client: Client, patient: Patient) -> AsyncIterator[Finding]:
    version = client.connected_server_version
    said = f"nats-server {version.major}.{version.minor}.{version.patch}"
    if (version.major, version.minor) < _OLDEST:
        yield Finding("versions", "nats", "fix", said, "Install nats-server 2.9 or newer.")
    else:
        yield Finding("versions", "nats", "ok", said)
    parts = urlsplit(patient.nats_url)
    if parts.scheme != "tls" and parts.hostname not in _LOOPBACK:
        sentence = f"{parts.hostname} is another machine, and passwords go there in clear"
        yield Finding(_AREA, "nats", "warning", sentence, "Let NATS_URL begin with tls://.")
    jetstream = client.jetstream(timeout=_CONNECT_SECONDS)
    try:
        account = await jetstream.account_info()
    except (NatsError, TimeoutError):
        yield Finding(
            _AREA,
            "nats",
            "fix",
            "JetStream is off: jobs and events have no place to wait in",
            "Start nats-server with JetStream (`jetstream { store_dir: … }`).",
        )
        return
    yield Finding(_AREA, "nats", "ok", f"reached, JetStream is on, {account.streams} streams")
    there = False
    for stream in STREAMS:
        name = str(stream.name)
        try:
            found = (await jetstream.stream_info(name)).config
        except NotFoundError:
            yield Finding(
                _AREA,
                f"stream {name}",
                "warning",
                "is not there yet",
                "Services make it when they need it; or run `darkroom streams`.",
            )
            continue
        there = there or name == EVENTS.name
        if wrong := differences(stream, found):
            yield Finding(
                _AREA,
                f"stream {name}",
                "fix",
                "is not as asked for; " + "; ".join(map(str, wrong)),
                "Copy what is in it, delete it, and let `darkroom streams` make it again.",
            )
        else:
            yield Finding(_AREA, f"stream {name}", "ok", "as asked for")
    if there:
        yield await _clock(client, str(EVENTS.name))


async def _clock(client: Client, stream: str) -> Finding:
    """Compare clocks: the server says when it made a consumer, which is for nobody else."""
    jetstream = client.jetstream(timeout=_CONNECT_SECONDS)
    passing = ConsumerConfig(
        name=f"doctor-{int(time() * 1000)}",
        deliver_policy=DeliverPolicy.NEW,
        ack_policy=AckPolicy.EXPLICIT,
        inactive_threshold=5.0,
        mem_storage=True,
    )
    before = datetime.now(UTC)
    try:
        made = await jetstream.add_consumer(stream, passing)
    except (NatsError, TimeoutError) as error:
        return Finding("clock", "nats", "skipped", f"the server does not tell ({error})")
    after = datetime.now(UTC)
    await jetstream.delete_consumer(stream, made.name)
    if made.created is None:
        return Finding("clock", "nats", "skipped", "the server does not tell")
    return skew("nats", before, made.created, after)


async def _user(user: str, url: str, authority: str) -> Finding:
    what = f"nats as {user}"
    try:
        async with _connected(url, authority):
            return Finding(_AREA, what, "ok", "let in")
    except _Unreachable as error:
        return Finding(_AREA, what, "fix", error.args[0], error.args[1])


async def _answering(client: Client, patient: Patient) -> AsyncIterator[Finding]:
    """Ask everybody who is there; the service API of NATS is made for that."""
    versions: dict[str, list[str]] = {}

    async def hear(message: Msg) -> None:
        told = json.loads(message.data)
        versions.setdefault(told["name"], []).append(told["version"])

    inbox = client.new_inbox()
    listening = await client.subscribe(inbox, cb=hear)
    await client.publish("$SRV.PING", b"", reply=inbox)
    await asyncio.sleep(_LISTEN_SECONDS)
    await listening.unsubscribe()
    unready = await _unready(patient.operator_ports)
    for service in services.NAMES:
        for finding in _service(service, versions.get(service, []), unready):
            yield finding
    if patient.url:
        yield await _gateway(patient.url)


def _service(service: str, versions: list[str], unready: Mapping[str, str]) -> list[Finding]:
    log = f"Its log says why: logs/{service}.log in the home, or that of its pods."
    if why := unready.get(service):
        return [Finding(_AREA, service, "fix", why, log)]
    if service in ONLY_ASKS:
        return []
    if not versions:
        return [Finding(_AREA, service, "fix", "does not answer on the bus", log)]
    said = f"answers, {len(versions)} of it, {', '.join(sorted(set(versions)))}"
    if set(versions) != {VERSION}:
        fix = f"Go on with the upgrade until all are {VERSION}."
        return [Finding(_AREA, service, "warning", said, fix)]
    return [Finding(_AREA, service, "ok", said)]


async def _unready(operator_ports: Mapping[str, int]) -> dict[str, str]:
    """Return why services on this machine are not ready, by name."""
    wrong: dict[str, str] = {}
    patience = aiohttp.ClientTimeout(total=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(timeout=patience) as session:
        for service in operator_ports.keys() & set(services.NAMES):
            url = f"http://127.0.0.1:{operator_ports[service]}/readyz"
            try:
                async with session.get(url) as answer:
                    state = msgspec.json.decode(await answer.read())
            except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
                wrong[service] = "does not say how it is"
                continue
            failing = [name for name, passes in state["checks"].items() if not passes]
            if failing:
                wrong[service] = f"is not ready: {', '.join(failing)} does not answer it"
    return wrong


async def _gateway(url: str) -> Finding:
    patience = aiohttp.ClientTimeout(total=_CONNECT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience) as session,
            session.get(f"{url}/v1/prices") as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        said = f"{url} does not answer ({type(error).__name__})"
        return Finding(_AREA, "gateway", "fix", said, "Start it, or correct PUBLIC_URL.")
    if status != 200:
        said = f"{url}/v1/prices is answered with {status}"
        return Finding(_AREA, "gateway", "fix", said, "Look what stands in front of the gateway.")
    return Finding(_AREA, "gateway", "ok", f"answers at {url}")


@asynccontextmanager
async def _connected(url: str, authority: str) -> AsyncIterator[Client]:
    """Connect once, and do not try again. Raises _Unreachable."""
    parts = urlsplit(url)
    place, user = f"{parts.hostname}:{parts.port or 4222}", parts.username or "nobody"
    encrypted = parts.scheme == "tls"
    told: list[str] = []

    async def note(error: Exception) -> None:
        told.append(str(error))

    client = EncryptedClient() if encrypted else Client()
    try:
        tls = trusting(authority) if encrypted else None
        async with asyncio.timeout(2 * _CONNECT_SECONDS):
            await client.connect(
                url,
                name="darkroom doctor",
                allow_reconnect=False,
                connect_timeout=int(_CONNECT_SECONDS),
                error_cb=note,
                inbox_prefix=f"_INBOX.{user}",
                tls=tls,
            )
    except (NatsError, OSError, TimeoutError) as error:
        await client.close()
        raise _why(error, told, place, user) from error
    try:
        yield client
    finally:
        await client.close()


def _why(error: Exception, told: list[str], place: str, user: str) -> _Unreachable:
    said = " ".join([*told, str(error)]).lower()
    if "authorization" in said or "authentication" in said:
        return _Unreachable(
            f"{place} does not let {user} in: name or password is wrong",
            f"Give {user} the password that the server's list of users has.",
        )
    if isinstance(error, NotEncrypted) or ("tls" in said and "offers" in said):
        return _Unreachable(
            f"{place} offers no TLS, though its URL says tls://",
            "Give the server a certificate, or correct NATS_URL.",
        )
    if isinstance(error, ssl.SSLError) or "certificate" in said:
        return _Unreachable(
            f"{place} shows a certificate that is not trusted",
            "Name the authority that signed it in NATS_CA.",
        )
    if isinstance(error, FileNotFoundError):
        return _Unreachable("the file that NATS_CA names is not there", "Correct NATS_CA.")
    return _Unreachable(f"{place} does not answer", "Start nats-server there, or correct NATS_URL.")
