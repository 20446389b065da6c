"""A stack that waits for seconds only, an account in it, and patience for what comes back."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import psutil
import pytest
from PIL import Image

from kit.bus import Bus
from proto.accounts.opening import CreateAccount
from proto.ids import AccountId
from proto.wallet import GetBalance, Reconcile, TopUp
from tests.running import RunningStack, temporary_home

PASSWORD = "correct horse battery"
ENGINE_SECONDS = 3
SETTLED_WITHIN_SECONDS = 40
JOB_SECONDS = 100
"""Within which a batch is done, whatever happens in between."""
SYNC_IMAGES = 12
DRAFT_SECONDS = 4

JOBS = "/v1/services/studio/jobs"


@pytest.fixture(scope="package")
def impatient() -> Iterator[RunningStack]:
    """A stack that waits for its engine, and keeps unsettled holds, for seconds only."""
    hurry = {
        "ENGINE_SECONDS": str(ENGINE_SECONDS),
        "ENGINE_SECONDS_PER_IMAGE": "0.2",
        "LEASE_MARGIN_SECONDS": "1",
        "SWEEP_SECONDS": "0.2",
        "SYNC_IMAGES": str(SYNC_IMAGES),
        "DRAFT_SECONDS": str(DRAFT_SECONDS),
    }
    with temporary_home() as home:
        stack = RunningStack.start(home, **hurry)
        yield stack
        stack.stop()


class Caller:
    """An account with a hundred tokens at first, and the books behind it."""

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
        photos = [_another(photo, number) for number in range(count)]
        status, headers, _ = await self.upload(photos, key)
        return status, headers

    async def top_up(self, tokens: int) -> None:
        await self._bus.request(TopUp(account=self.account, tokens=tokens, key="more"))

    async def begin(self, photos: Sequence[bytes]) -> str:
        """Begin a job and return its task_id."""
        status, _, body = await self.upload(photos)
        assert status == 202, (status, body)
        return str(json.loads(body)["task_id"])

    async def job(self, task: str) -> Any:
        async with self._session.get(
            f"{self._stack.url}{JOBS}/{task}", headers=self.headers
        ) as answer:
            assert answer.status == 200
            return await answer.json()

    async def tasks(self) -> list[str]:
        """Return the jobs of the account, newest first."""
        url = f"{self._stack.url}{JOBS}"
        async with self._session.get(url, headers=self.headers) as answer:
            return [job["task_id"] for job in (await answer.json())["jobs"]]

    async def until_ended(self, task: str, items: int) -> None:
        """Wait until so many items of a job have ended."""

        async def have() -> bool:
            return bool((await self.job(task))["progress"]["current"] >= items)

        await eventually(have, 0.05, JOB_SECONDS)

    async def closed(self, task: str) -> Any:
        """Wait until a job is over, and return how."""
        found: dict[str, Any] = {}

        async def is_over() -> bool:
            found.update(await self.job(task))
            return found["status"] not in ("queued", "running")

        await eventually(is_over, within=JOB_SECONDS)
        return found

    async def read_book(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the database itself."""
        connection = await asyncpg.connect(self._stack.links.database_url)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def events(self, task: str, heard: str) -> AsyncIterator[tuple[str, str]]:
        """Yield names and ids of the events after one that was heard, until the stream ends."""
        url = f"{self._stack.url}{JOBS}/{task}/events"
        headers = self.headers | {"Last-Event-ID": heard}
        async with self._session.get(url, headers=headers) as answer:
            assert answer.status == 200
            name, number = "", ""
            async for line in answer.content:
                field, _, value = line.decode().strip().partition(": ")
                if field == "event":
                    name, number = value, ""
                elif field == "id":
                    number = value
                elif not field and name:
                    yield name, number
                    name = ""

    async def upload(
        self, photos: Sequence[bytes], key: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """Send photographs; a gateway that dies meanwhile counts as status 0."""
        form = aiohttp.FormData({"icp_type": "school"})
        for number, photo in enumerate(photos):
            form.add_field("file[]", photo, filename=f"{number}.jpg")
        url = f"{self._stack.url}/v1/services/studio/face-crop/upload"
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        try:
            async with self._session.post(url, data=form, headers=headers) as answer:
                return answer.status, dict(answer.headers), await answer.read()
        except aiohttp.ClientError:
            return 0, {}, b""

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


async def eventually(
    holds: Callable[[], Awaitable[bool]],
    pause: float = 0.1,
    within: float = SETTLED_WITHIN_SECONDS,
) -> None:
    """Ask again until it holds; services that are being started again may not answer at first."""
    deadline = time.monotonic() + within
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


@pytest.fixture(scope="package")
def pictures(astronaut: bytes) -> list[bytes]:
    """Two hundred photographs of one person, JPEG, 384 x 384, each another file."""
    whole = Image.open(io.BytesIO(astronaut)).convert("RGB")
    files = []
    for number in range(200):
        left, top = number % 20, number // 20
        file = io.BytesIO()
        shifted = whole.crop((left, top, left + 448, top + 448)).resize((384, 384))
        shifted.save(file, "JPEG", quality=85, comment=f"{number}".encode())
        files.append(file.getvalue())
    return files


def _another(jpeg: bytes, number: int) -> bytes:
    """Return the same picture as another file: with a comment in it."""
    comment = f"{number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
