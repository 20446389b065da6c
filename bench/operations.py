"""What one unit of each operation costs: processor time by part, transactions, messages, storage.

    ./just bench operations            measures and prints
    ./just bench operations --keep     and writes bench/costs.json, which bench/capacity.py reads

Each operation runs alone on a stack of its own. Processor time is what the processes of a part,
children included, have used up by their own account, less what they use when nobody asks anything;
how long something took on a busy machine does not matter to it, though what else runs makes every
instruction a little dearer. Photographs are the 12 megapixel ones of the other benchmarks.
"""

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg
import cv2
import msgspec
import psutil
from nats.js.errors import NotFoundError
from prometheus_client.parser import text_string_to_metric_families

from bench.batch import batch
from bench.costs import FILE, Cost, Costs
from bench.forms import Json
from bench.matching_studio import Studio
from bench.photographs import photographs, series
from bench.qr_sort import with_card
from bench.stack import Stack, running
from cli.home import Home, Target
from cli.streams import STREAMS
from kit.bus import Bus
from vision.decode import decode
from vision.encode import encode_jpeg

PHOTOGRAPHS = 48
ENHANCED = 6
"""Each takes half a minute of processor time."""
SUBJECTS = 200
SHEETS = 4
SHOTS = 48
CARD_EVERY = 6
CALLERS = 4
IDLE_SECONDS = 30.0
TOKENS = 1_000_000
PATIENCE_SECONDS = "1200"
"""Of the gateway with the engine: on a busy machine enhanced portraits take minutes."""

_ENHANCED = "face_crop_enhanced"
_WITHOUT_MODELS = ("card_read", "qr_subject")
"""What needs no Triton; the time it uses meanwhile goes into looking whether models answer."""

_STUDIO = "/v1/services/studio"
_SETTLE_SECONDS = 12.0
"""Until PostgreSQL's sessions have told how many transactions they made: they do when idle."""
_LOOK_SECONDS = 0.5

_BOOK = """
SELECT xact_commit + xact_rollback AS transactions,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal_bytes
FROM pg_stat_database WHERE datname = current_database()
"""

Act = Callable[[aiohttp.ClientSession], Awaitable[int]]
"""Does an operation, and returns how many units of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All meters at one moment."""

    at: float
    cpu_seconds: dict[str, float]
    counts: Counter[str]


class Meters:
    """Reads what a stack has used up so far."""

    def __init__(self, stack: Stack) -> None:
        self._home = Home(Path(stack.home))
        self._pids = stack.pids
        self._links = self._home.links()

    async def read(self) -> Reading:
        """Read everything once, after what was done has been counted."""
        await asyncio.sleep(_SETTLE_SECONDS)
        counts = Counter(await self._book())
        counts += await self._streams()
        counts += await self._told()
        counts["kept_bytes"] = await asyncio.to_thread(self._kept)
        cpu = {part: _family_seconds(pid) for part, pid in self._pids.items()}
        return Reading(time.monotonic(), cpu, counts)

    async def _book(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._links.database_url)
        try:
            row = await connection.fetchrow(_BOOK)
        finally:
            await connection.close()
        return dict(row or {})

    async def _streams(self) -> Counter[str]:
        bus = await Bus.connect(self._links.nats_url, "bench")
        found: Counter[str] = Counter()
        for stream in STREAMS:
            with suppress(NotFoundError):
                state = (await bus.client.jetstream().stream_info(str(stream.name))).state
                found["stream_messages"] += state.last_seq
        await bus.close()
        return found

    async def _told(self) -> Counter[str]:
        """Return what the services have counted themselves."""
        found: Counter[str] = Counter()
        targets = msgspec.json.decode(self._home.targets.read_bytes(), type=list[Target])
        async with aiohttp.ClientSession() as session:
            for target in targets:
                if target.labels["service"] == "triton":
                    continue
                async with session.get(f"http://{target.targets[0]}/metrics") as answer:
                    _count(await answer.text(), found)
        return found

    def _kept(self) -> int:
        """Return the size of all finished files."""
        return sum(
            file.stat().st_size
            for file in (self._home.storage / "outputs").rglob("*")
            if file.is_file()
        )


def _count(exposition: str, into: Counter[str]) -> None:
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            match sample.name:
                case "darkroom_bus_calls_total":
                    into["bus_messages"] += int(sample.value)
                case "darkroom_storage_operations_total":
                    into["storage_requests"] += int(sample.value)
                case "darkroom_storage_bytes_total":
                    into[f"storage_{sample.labels['direction']}_bytes"] += int(sample.value)
                case _:
                    pass


def _family_seconds(pid: int) -> float:
    """Return the processor time of a process, of its children, and of those that have ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        times = process.cpu_times()
        own = times.user + times.system + times.children_user + times.children_system
        return float(own) + sum(_family_seconds(child.pid) for child in process.children())
    return 0.0


async def main(keep: bool) -> None:
    """Measure and print; the last line is one JSON object."""
    os.environ.setdefault("ENGINE_SECONDS", PATIENCE_SECONDS)
    load = os.getloadavg()[0]
    print(f"load average {load:.1f} on {os.cpu_count()} cores before anything is measured")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-photographs-") as name:
        files = series(Path(name), PHOTOGRAPHS)
        size = round(sum(file.stat().st_size for file in files) / len(files))
        reference = Path(name) / "reference.jpg"
        reference.write_bytes(photographs()["512"])
        async with (
            running(TOKENS) as (stack, headers),
            aiohttp.ClientSession(
                stack.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
            ) as client,
        ):
            matching = await _matching(Studio(stack, client), reference, files)
            found = await _measure_all(Meters(stack), client, files, size, matching)
    costs = Costs(
        measured_at=datetime.now(UTC).date().isoformat(),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        load_average=(round(load, 1), round(os.getloadavg()[0], 1)),
        photograph_bytes=size,
        operations=found,
    )
    if keep:
        FILE.write_bytes(msgspec.json.format(msgspec.json.encode(costs), indent=1) + b"\n")
        print(f"wrote {FILE}")
    print(msgspec.json.encode(costs).decode())


async def _measure_all(
    meters: Meters,
    client: aiohttp.ClientSession,
    files: Sequence[Path],
    size: int,
    matching: Act,
) -> dict[str, Cost]:
    acts: Mapping[str, tuple[Act, int]] = {
        "face_crop": (lambda client: _crops(client, files, CALLERS), size),
        "batch_item": (lambda client: _batch(client, files), size),
        "card_read": (lambda client: _shoot(client, files[0].read_bytes()), size),
        "face_match": (matching, size),
        "qr_subject": (_sheets, 0),
        # one at a time: a busy machine would be late with tiles
        _ENHANCED: (
            lambda client: _crops(client, files[:ENHANCED], 1, enhance=True),
            size,
        ),
    }
    for name, (act, _) in acts.items():  # so that nothing is measured that happens only once
        if name != _ENHANCED:
            await act(client)
    before = await meters.read()
    await asyncio.sleep(IDLE_SECONDS)
    after = await meters.read()
    idle = _rates(before, after)
    print(f"when nobody asks anything, in {idle.at:.0f} s: {dict(idle.counts)}", flush=True)
    found = {}
    for name, (act, received) in acts.items():
        before = await meters.read()
        units = await act(client)
        after = await meters.read()
        found[name] = _cost(before, after, idle, units, received)
        if name in _WITHOUT_MODELS:
            found[name].cpu_ms["triton"] = 0.0
        if name == _ENHANCED:
            found[name] = _sharpened(found["face_crop"], found[name])
        print(f"{name}: {found[name]}", flush=True)
    return found


def _sharpened(plain: Cost, enhanced: Cost) -> Cost:
    """Return a plain crop's cost with what sharpening adds.

    A few enhanced ones take minutes, in which what goes on anyway outweighs what they cost the
    other parts; these are asked the same as for a plain crop.
    """
    more = {part: enhanced.cpu_ms[part] for part in ("facecrop", "triton")}
    return msgspec.structs.replace(
        plain,
        units=enhanced.units,
        cpu_ms=plain.cpu_ms | more,
        storage_written_bytes=enhanced.storage_written_bytes,
        kept_bytes=enhanced.kept_bytes,
    )


def _rates(before: Reading, after: Reading) -> Reading:
    """Return what goes on each second when nobody asks anything."""
    seconds = after.at - before.at
    return Reading(
        seconds,
        {
            part: (after.cpu_seconds[part] - before.cpu_seconds[part]) / seconds
            for part in after.cpu_seconds
        },
        Counter({name: after.counts[name] - before.counts[name] for name in after.counts}),
    )


def _cost(before: Reading, after: Reading, idle: Reading, units: int, received: int) -> Cost:
    seconds = after.at - before.at

    def counted(name: str) -> float:
        # what the log takes comes in bursts, after each checkpoint: its standing part is unknown
        standing = 0.0 if name == "wal_bytes" else idle.counts[name] / idle.at * seconds
        return round(max(0.0, after.counts[name] - before.counts[name] - standing) / units, 2)

    cpu = {
        part: after.cpu_seconds[part] - before.cpu_seconds[part] - rate * seconds
        for part, rate in idle.cpu_seconds.items()
    }
    return Cost(
        units=units,
        cpu_ms={part: round(max(0.0, used) / units * 1000, 2) for part, used in cpu.items()},
        transactions=counted("transactions"),
        wal_bytes=counted("wal_bytes"),
        bus_messages=counted("bus_messages"),
        stream_messages=counted("stream_messages"),
        storage_requests=counted("storage_requests"),
        storage_read_bytes=counted("storage_read_bytes"),
        storage_written_bytes=counted("storage_written_bytes"),
        kept_bytes=counted("kept_bytes"),
        received_bytes=received,
    )


async def _crops(
    client: aiohttp.ClientSession, files: Sequence[Path], callers: int, *, enhance: bool = False
) -> int:
    left = iter(files)

    async def caller() -> None:
        for file in left:
            form = aiohttp.FormData({"icp_type": "school", "enhance": str(enhance).lower()})
            content = await asyncio.to_thread(file.read_bytes)
            form.add_field("file[]", content, filename=file.name, content_type="image/jpeg")
            await _answered(client.post(f"{_STUDIO}/face-crop/upload", data=form), 200)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(files)


async def _batch(client: aiohttp.ClientSession, files: Sequence[Path]) -> int:
    await batch(client, files)
    return len(files)


async def _matching(studio: Studio, reference: Path, files: Sequence[Path]) -> Act:
    """Add an agency of one person; return what uploads photographs to it and matches them."""
    agency = await studio.agency("Springfield")
    (person,) = await studio.people(agency, 1)
    await studio.reference(agency, person, reference)

    async def match(_: aiohttp.ClientSession) -> int:
        shoot, _seconds = await studio.shoot(agency, files)
        return (await studio.matched(agency, shoot)).files

    return match


async def _sheets(client: aiohttp.ClientSession) -> int:
    for sheet in range(SHEETS):
        people = [
            {"student_id": f"S{sheet}-{number}", "name": f"Chloé Nguyễn {number}"}
            for number in range(SUBJECTS)
        ]
        body = {"job_id": f"JOB-{time.time_ns()}", "school_name": "Springfield", "subjects": people}
        await _answered(client.post(f"{_STUDIO}/qr/generate", json=body), 200)
    return SHEETS * SUBJECTS


async def _shoot(client: aiohttp.ClientSession, photo: bytes) -> int:
    """Sort photographs, of which every sixth shows a card; wait until it is done."""
    card = await asyncio.to_thread(_held, photo)
    form = aiohttp.FormData({"job_id": "JOB-1"})
    for number in range(SHOTS):
        file = _told_apart(card if number % CARD_EVERY == 0 else photo)
        form.add_field("file[]", file, filename=f"{number}.jpg", content_type="image/jpeg")
    begun = await _answered(client.post(f"{_STUDIO}/qr/sort", data=form), 202)
    while True:
        job = await _answered(client.get(f"{_STUDIO}/jobs/{begun['task_id']}"), 200)
        if job["status"] not in ("queued", "running"):
            return SHOTS
        await asyncio.sleep(_LOOK_SECONDS)


def _held(photo: bytes) -> bytes:
    return encode_jpeg(with_card(decode(photo).pixels, 17.0), quality=90)


def _told_apart(jpeg: bytes) -> bytes:
    comment = str(time.time_ns()).encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


async def _answered(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse], status: int
) -> Json:
    async with request as answer:
        if answer.status != status:
            raise SystemExit(f"{answer.status}: {await answer.text()}")
        return json.loads(await answer.read())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    sys.exit(asyncio.run(main("--keep" in sys.argv)))
