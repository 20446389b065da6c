"""A stack that waits for seconds only, an account in it, and patience for what comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import psutil
import pytest

from kit.bus import Bus
from proto.accounts import CreateAccount
from proto.ids import AccountId
from proto.wallet import GetBalance, Reconcile, TopUp
from tests.running import RunningStack, temporary_home

PASSWORD = "correct horse battery"
ENGINE_SECONDS = 3
SETTLED_WITHIN_SECONDS = 40


@pytest.fixture(scope="package")
def impatient() -> Iterator[RunningStack]:
    """A stack that waits for its engine, and keeps unsettled holds, for seconds only."""
    hurry = {
        "ENGINE_SECONDS": str(ENGINE_SECONDS),
        "ENGINE_SECONDS_PER_IMAGE": "0.2",
        "LEASE_MARGIN_SECONDS": "1",
        "SWEEP_SECONDS": "0.2",
    }
    with temporary_home() as home, pytest.MonkeyPatch.context() as environment:
        for name, value in hurry.items():
            environment.setenv(name, value)
        stack = RunningStack.start(home)
        yield stack
        stack.stop()


class Caller:
    """An account with a hundred tokens, and the books behind it."""

    def __init__(self, stack: RunningStack, bus: Bus, session: aiohttp.ClientSession) -> None:
        self._stack, self._bus, self._session = stack, bus, session
        self.account = AccountId(uuid4())
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        email = f"{uuid4().hex}@example.com"
        self.account = (await self._bus.request(CreateAccount(email=email, password=PASSWORD))).id
        await self._bus.request(TopUp(account=self.account, tokens=100, key="first"))
        body = {"email": email, "password": PASSWORD}
        async with self._session.post(f"{self._stack.url}/v1/account/login", json=body) as answer:
            token = (await answer.json())["access_token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    async def crop(self, photo: bytes, count: int = 1, key: str = "") -> tuple[int, dict[str, str]]:
        form = aiohttp.FormData({"icp_type": "school"})
        for number in range(count):
            form.add_field("file[]", photo, filename=f"{number}.jpg")
        url = f"{self._stack.url}/v1/services/studio/face-crop/upload"
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        try:
            async with self._session.post(url, data=form, headers=headers) as answer:
                await answer.read()
                return answer.status, dict(answer.headers)
        except aiohttp.ClientError:
            return 0, {}

    async def owns(self, available: int) -> None:
        """Wait until nothing is held and so much is left."""
        await eventually(lambda: self._has(available))

    async def holds(self, tokens: int) -> None:
        """Wait until so much is held."""

        async def held() -> bool:
            return (await self._bus.request(GetBalance(account=self.account))).held == tokens

        await eventually(held)

    async def _has(self, available: int) -> bool:
        balance = await self._bus.request(GetBalance(account=self.account))
        return (balance.available, balance.held) == (available, 0)

    async def forget_answers(self) -> None:
        """Do as if the gateway had died between settling and remembering its answers."""
        connection = await asyncpg.connect(self._stack.links.database_url)
        await connection.execute(
            "UPDATE wallet.calls SET status = NULL, content_type = NULL, body = NULL,"
            " lease_ends = now() WHERE account_id = $1",
            self.account,
        )
        await connection.close()

    def files(self, folder: str) -> list[Path]:
        found = (self._stack.home / "storage" / folder).rglob("*")
        return [path for path in found if path.is_file() and str(self.account) in str(path)]


@pytest.fixture
async def caller(impatient: RunningStack) -> AsyncIterator[Caller]:
    bus = await Bus.connect(impatient.nats_url, "chaos")
    async with aiohttp.ClientSession() as session:
        caller = Caller(impatient, bus, session)
        await eventually_opened(caller)
        yield caller
        books = await bus.request(Reconcile())
        assert books.discrepancies == []
        assert books.sum_of_all_places == 0
    await bus.close()


async def eventually_opened(caller: Caller) -> None:
    async def opened() -> bool:
        await caller.open()
        return True

    await eventually(opened)


async def eventually(holds: Callable[[], Awaitable[bool]], pause: float = 0.1) -> None:
    """Ask again until it holds; services that are being started again may not answer at first."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while True:
        try:
            if await holds():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(pause)


async def started_again(stack: RunningStack, name: str, was: int) -> None:
    async def is_another() -> bool:
        pid = stack.card.pids[name]
        return pid != was and psutil.pid_exists(pid)

    await eventually(is_another)


async def works_again(caller: Caller, photo: bytes) -> None:
    async def cropped() -> bool:
        return (await caller.crop(photo))[0] == 200

    await eventually(cropped)
