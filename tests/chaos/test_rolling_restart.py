"""Every service replaced while clients go on: not one request fails, no token goes astray.

`./just rolling-restart` does it for two minutes; here each service is replaced at least once.
"""

import asyncio
import io
import itertools
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import pytest
from PIL import Image

from cli import services
from kit.bus import Bus
from proto.accounts.opening import LiftLimit
from proto.wallet import Reconcile
from tests.chaos.conftest import JOBS, Caller, eventually
from tests.chaos.test_matches_survive import TOKENS, Studio
from tests.running import RunningStack, darkroom, temporary_home

SECONDS = float(os.environ.get("ROLLING_RESTART_SECONDS", "25"))
PER_SECOND = 20
PHOTOS = 40
"""In a job that goes on meanwhile."""
MATCHED = 12
"""In a match, after which the next begins."""

STUDIO = "/v1/services/studio"
SHEET = {
    "job_id": "JOB-1",
    "school_name": "Springfield",
    "subjects": [{"student_id": f"S{number}", "name": f"Name {number}"} for number in range(4)],
}
Request = tuple[str, str, dict[str, Any]]


def requests(photo: bytes, blank: bytes, agency: int) -> list[Request]:
    """Return a round of requests; with the matches beside them they need every service."""

    def upload(file: bytes, **fields: str) -> aiohttp.FormData:
        form = aiohttp.FormData(fields)
        form.add_field("file[]", file, filename="photo.jpg", content_type="image/jpeg")
        return form

    quote = {"operation": "face_crop", "input": {"icp_type": "school", "files": 3}}
    return [
        ("POST", f"{STUDIO}/face-crop/upload", {"data": lambda: upload(photo, icp_type="school")}),
        ("GET", "/v1/wallet", {}),
        ("GET", f"{STUDIO}/presets", {}),
        ("POST", f"{STUDIO}/qr/generate", {"json": lambda: SHEET}),
        ("GET", JOBS, {}),
        ("POST", "/v1/quotes", {"json": lambda: quote}),
        ("GET", "/v1/webhooks", {}),
        ("POST", f"{STUDIO}/qr/sort", {"data": lambda: upload(blank, job_id="JOB-1")}),
        ("GET", "/v1/account", {}),
        ("GET", "/v1/prices", {}),
        ("GET", f"{STUDIO}/agencies", {}),
        ("GET", f"{STUDIO}/agencies/{agency}/jobs", {}),
    ]


@dataclass
class Traffic:
    """Sends so many requests a second, whether or not those before were answered."""

    session: aiohttp.ClientSession
    url: str
    round: list[Request]
    answered: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    restarting: str = ""

    def __str__(self) -> str:
        slowest = {name: round(seconds, 1) for name, seconds in self.slowest.items()}
        return f"statuses: {dict(self.statuses)}; slowest answers, s: {slowest}"

    async def run(self) -> None:
        under_way: set[asyncio.Task[None]] = set()
        began = monotonic()
        try:
            for number in itertools.count():
                await asyncio.sleep(began + number / PER_SECOND - monotonic())
                request = self.round[number % len(self.round)]
                task = asyncio.create_task(self._send(*request))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        finally:
            await asyncio.gather(*under_way)

    async def _send(self, method: str, path: str, made: dict[str, Any]) -> None:
        what, during = f"{method} {path}", self.restarting
        body = {name: make() for name, make in made.items()}
        began = monotonic()
        try:
            async with self.session.request(method, self.url + path, **body) as answer:
                text = await answer.text()
                # 202: sorting becomes a job where a caller would wait too long
                said = "" if answer.status in (200, 202) else f"{answer.status} {text[:300]}"
                self.statuses[answer.status] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            said = f"{type(error).__name__} {error}"
        if said:
            self.failures.append(f"{what} while {during} was replaced: {said}")
        else:
            self.answered[what] += 1
        self.slowest[during] = max(self.slowest.get(during, 0.0), monotonic() - began)


@dataclass
class Matches:
    """Matches a shoot, and again when that has ended, so that one is always under way."""

    caller: Caller
    studio: Studio
    shoot: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[tuple[str, int, int]] = field(default_factory=list)
    """State, photographs matched and tokens of each."""

    async def run(self) -> None:
        while not self.over.is_set():
            wish = {"agency_id": self.studio.id, "job_id": self.shoot}
            begun = await self.studio.ask("matching/match-job", **wish)
            await self.caller.closed(begun["task_id"])
            stands = await self.studio.match(begun["match_job_id"])
            tokens = begun["tokens_deducted"]
            self.ended.append((stands["status"], stands["matched"], tokens))


@pytest.fixture(scope="module")
def steady() -> Iterator[RunningStack]:
    """A stack with the patience that stacks have."""
    with temporary_home() as home:
        stack = RunningStack.start(home)
        yield stack
        stack.stop()


@pytest.fixture
async def regular(steady: RunningStack) -> AsyncIterator[Caller]:
    """An account with enough of everything."""
    bus = await Bus.connect(steady.nats_url, "chaos")
    async with aiohttp.ClientSession() as session:
        caller = Caller(steady, bus, session)
        await caller.open()
        await caller.top_up(1_000_000)
        await bus.request(LiftLimit(account=caller.account, per_minute=0))
        yield caller
        books = await bus.request(Reconcile())
        assert books.discrepancies == []
        assert books.sum_of_all_places == 0
    await bus.close()


@pytest.fixture
async def matches(
    steady: RunningStack, regular: Caller, pictures: list[bytes], astronaut_jpeg: bytes
) -> AsyncIterator[Matches]:
    """A shoot of one person whom the agency knows."""
    async with aiohttp.ClientSession(headers=regular.headers) as session:
        studio = Studio(steady.url, session)
        await studio.open(astronaut_jpeg)
        bus = await Bus.connect(steady.nats_url, "chaos")
        await studio.build(bus, regular.account)
        await bus.close()
        yield Matches(regular, studio, await studio.shoot(pictures[-MATCHED:]))


async def replaced(stack: RunningStack, service: str) -> None:
    """Have a service replaced, as an operator does it."""
    command = darkroom("restart", service, home=stack.at)
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    said, complained = await process.communicate()
    assert (process.returncode, complained) == (0, b""), complained.decode()
    assert said.split()[0] == service.encode()


async def test_services_are_replaced_and_nobody_notices(
    steady: RunningStack, regular: Caller, pictures: list[bytes], matches: Matches
) -> None:
    before = steady.card.pids
    begun: list[str] = []

    async def begin() -> bool:
        begun.append(await regular.begin(pictures[:PHOTOS]))
        return True

    await eventually(begin)  # a stack that has just started may be slow
    # no second try behind our back: a connection that the gateway closed at the wrong moment counts
    session = aiohttp.ClientSession(
        headers=regular.headers, timeout=aiohttp.ClientTimeout(total=100)
    )
    session._retry_connection = False
    async with session:
        round_ = requests(pictures[PHOTOS], _blank(), matches.studio.id)
        traffic = Traffic(session, steady.url, round_)
        sending = asyncio.create_task(traffic.run())
        matching = asyncio.create_task(matches.run())
        times = Counter[str]()
        until = monotonic() + SECONDS
        for service in itertools.cycle(services.NAMES):
            if monotonic() > until and set(times) == set(services.NAMES):
                break
            traffic.restarting = service
            await replaced(steady, service)
            times[service] += 1
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        matches.over.set()
        await matching
    said = f"replaced: {dict(times)}; {traffic}; matches: {len(matches.ended)}"
    sys.stdout.write(f"{said}\n")
    assert traffic.failures == []
    assert set(traffic.answered) == {f"{method} {path}" for method, path, _ in traffic.round}
    assert traffic.answered.total() >= PER_SECOND * SECONDS / 2, "there was no load to speak of"
    after = steady.card.pids
    assert all(after[name] != before[name] for name in services.NAMES)
    assert steady.process.poll() is None
    assert "starting it again" not in steady.output
    assert matches.ended
    assert set(matches.ended) == {("completed", MATCHED, TOKENS * MATCHED)}
    job = await regular.closed(begun[0])
    assert (job["status"], job["succeeded"], job["failed"]) == ("completed", PHOTOS, 0)

    await regular.holds(0)


def test_a_service_that_there_is_not_is_said_in_one_sentence(steady: RunningStack) -> None:
    refused = steady.run("restart", "wallets")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("There is no service wallets; there are accounts, wallet")


def _blank() -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (300, 200), "#405060").save(into, "JPEG")
    return into.getvalue()
