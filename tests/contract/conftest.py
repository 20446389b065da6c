"""A client of the running stack, an account of its own for each test."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from PIL import Image

from kit.bus import Bus
from proto.accounts import CreateAccount
from proto.ids import AccountId
from proto.wallet import TopUp
from tests.running import RunningStack

PASSWORD = "correct horse battery"


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

    async def balance(self) -> int:
        return int((await self.send("GET", "/v1/wallet")).body["balance"])

    async def picture(self, url: str) -> Image.Image:
        answer = await self.send("GET", url, headers={"Authorization": ""})
        assert answer.status == 200
        return Image.open(io.BytesIO(answer.body))


Newcomer = Callable[..., Awaitable[Client]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def newcomer(stack: RunningStack, session: aiohttp.ClientSession) -> AsyncIterator[Newcomer]:
    bus = await Bus.connect(stack.nats_url, "contract tests")

    async def make(tokens: int = 100) -> Client:
        email = f"{uuid4().hex}@example.com"
        account = await bus.request(CreateAccount(email=email, password=PASSWORD))
        if tokens:
            await bus.request(TopUp(account=account.id, tokens=tokens, key="first"))
        anonymous = Client(session, stack.url, account.id, email, {})
        credentials = {"email": email, "password": PASSWORD}
        answer = await anonymous.send("POST", "/v1/account/login", json=credentials)
        token = answer.body["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return Client(session, stack.url, account.id, email, headers)

    yield make
    await bus.close()


@pytest.fixture
async def client(newcomer: Newcomer) -> Client:
    return await newcomer()
