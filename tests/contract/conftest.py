"""A client of the running stack, an account of its own for each test."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from kit.bus import Bus
from proto.accounts.login import Register
from proto.accounts.opening import ChangePlan
from proto.ids import AccountId
from proto.plans import PlanName
from proto.wallet import TopUp
from tests.running import RunningStack

PASSWORD = "correct horse battery"
JOBS = "/v1/services/studio/jobs"
JOB_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: Any


@dataclass(frozen=True)
class Client:
    """One logged-in account."""

    session: aiohttp.ClientSession
    url: str
    account: AccountId
    email: str
    headers: dict[str, str]

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        headers = {**self.headers, **request.pop("headers", {})}
        async with self.session.request(
            method, path if "://" in path else self.url + path, headers=headers, **request
        ) as answer:
            is_json = answer.content_type == "application/json"
            body = await answer.json() if is_json else await answer.read()
            return Answer(answer.status, answer.headers, body)

    async def upload(
        self, *files: tuple[str, bytes], icp_type: str = "school", **fields: str
    ) -> Answer:
        form = aiohttp.FormData({"icp_type": icp_type, **fields}, quote_fields=False)
        for name, data in files:
            form.add_field("file[]", data, filename=name, content_type="image/jpeg")
        return await self.send("POST", "/v1/services/studio/face-crop/upload", data=form)

    def instead(self, **headers: str) -> "Client":
        """The same account, called with other credentials."""
        return Client(self.session, self.url, self.account, self.email, headers)

    async def api_key(self, kind: str = "mk_live", **rest: Any) -> Answer:
        body = {"kind": kind, "name": "press", **rest}
        return await self.send("POST", "/v1/account/api-keys", json=body)

    async def with_key(self, kind: str = "mk_live", **rest: Any) -> "Client":
        """The same account, called with a new API key."""
        answer = await self.api_key(kind, **rest)
        assert answer.status == 201, answer.body
        return self.instead(**{"X-Api-Key": answer.body["key"]})

    async def begin(self, *files: tuple[str, bytes], **fields: str) -> str:
        """Begin a job and return its task_id."""
        answer = await self.upload(*files, **fields)
        assert answer.status == 202, answer.body
        return str(answer.body["task_id"])

    async def job(self, task: str, **query: str) -> Any:
        answer = await self.send("GET", f"{JOBS}/{task}", params=query)
        assert answer.status == 200, answer.body
        return answer.body

    async def ended(self, task: str) -> Any:
        """Poll a job until it has ended, and return how."""
        async with asyncio.timeout(JOB_SECONDS):
            while True:
                found = await self.job(task)
                if found["status"] not in ("queued", "running"):
                    return found
                await asyncio.sleep(0.1)

    async def balance(self) -> int:
        return int((await self.send("GET", "/v1/wallet")).body["balance"])

    async def picture(self, url: str) -> Image.Image:
        answer = await self.send("GET", url, headers={"Authorization": ""})
        assert answer.status == 200
        return Image.open(io.BytesIO(answer.body))


def another(jpeg: bytes, number: int) -> bytes:
    """Return the same picture as another file: with a comment in it."""
    comment = f"{number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def photographs(jpeg: bytes, count: int) -> list[tuple[str, bytes]]:
    """Return so many files that are not the same, and their names."""
    return [(f"{number}.jpg", another(jpeg, number)) for number in range(count)]


def uploads_of(stack: RunningStack, client: Client) -> list[Path]:
    """Return the uploaded files of an account that are in storage, a folder for each request."""
    folder = stack.home / "storage" / "uploads" / str(client.account)
    # folders of other requests may go while this looks
    found = [Path(at, name) for at, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.is_file()]


Newcomer = Callable[..., Awaitable[Client]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def operator(stack: RunningStack) -> AsyncIterator[Bus]:
    """Whoever runs the stack, who may say everything on its bus."""
    bus = await Bus.connect(stack.nats_url, "contract tests")
    yield bus
    await bus.close()


async def account_opened(
    operator: Bus,
    session: aiohttp.ClientSession,
    url: str,
    tokens: int = 100,
    plan: PlanName = "premium",
) -> Client:
    """Open an account whose owner is logged in.

    To register takes one hash of a password; to create an account and log in takes two, and they
    are slow on purpose.
    """
    email = f"{uuid4().hex}@example.com"
    login = await operator.request(Register(email=email, password=PASSWORD))
    await operator.request(ChangePlan(account=login.account, plan=plan))
    if tokens:
        await operator.request(TopUp(account=login.account, tokens=tokens, key="first"))
    headers = {"Authorization": f"Bearer {login.access_token}"}
    return Client(session, url, login.account, email, headers)


@pytest.fixture
def newcomer(stack: RunningStack, session: aiohttp.ClientSession, operator: Bus) -> Newcomer:
    return partial(account_opened, operator, session, stack.url)


@pytest.fixture
async def client(newcomer: Newcomer) -> Client:
    return await newcomer()


@dataclass(frozen=True)
class Elsewhere:
    """The one local origin that the stack of the tests may fetch from and tell of events."""

    url: str
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """Content and content type of further files to serve, by name."""
    told: "asyncio.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=asyncio.Queue)
    """Headers, by lowered names, and bodies of what was posted to /events."""


@pytest.fixture
async def elsewhere(stack: RunningStack, astronaut_jpeg: bytes) -> AsyncIterator[Elsewhere]:
    origin = Elsewhere(f"http://127.0.0.1:{stack.fetch_port}")

    async def serve(request: web.Request) -> web.StreamResponse:
        match request.match_info["name"]:
            case name if name in origin.files:
                content, kind = origin.files[name]
                return web.Response(body=content, content_type=kind)
            case "page.html":
                return web.Response(text="<html>no photo</html>", content_type="text/html")
            case "inwards":
                raise web.HTTPFound("http://127.0.0.1:1/secret")
            case name if name.endswith(".jpg") and name != "gone.jpg":
                return web.Response(body=astronaut_jpeg, content_type="image/jpeg")
            case _:
                raise web.HTTPNotFound

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        await origin.told.put((headers, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/{name:.*}", serve)
    app.router.add_post("/events", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.fetch_port).start()
    yield origin
    await runner.cleanup()
