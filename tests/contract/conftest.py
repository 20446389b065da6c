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
from proto.plans import PlanName
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
async def operator(stack: RunningStack) -> AsyncIterator[Bus]:
    """Whoever runs the stack, who may say everything on its bus."""
    bus = await Bus.connect(stack.nats_url, "contract tests")
    yield bus
    await bus.close()


@pytest.fixture
def newcomer(stack: RunningStack, session: aiohttp.ClientSession, operator: Bus) -> Newcomer:
    async def make(tokens: int = 100, plan: PlanName = "premium") -> Client:
        email = f"{uuid4().hex}@example.com"
        opening = CreateAccount(email=email, password=PASSWORD, plan=plan)
        account = await operator.request(opening)
        if tokens:
            await operator.request(TopUp(account=account.id, tokens=tokens, key="first"))
        anonymous = Client(session, stack.url, account.id, email, {})
        credentials = {"email": email, "password": PASSWORD}
        answer = await anonymous.send("POST", "/v1/account/login", json=credentials)
        token = answer.body["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return Client(session, stack.url, account.id, email, headers)

    return make


@pytest.fixture
async def client(newcomer: Newcomer) -> Client:
    return await newcomer()
