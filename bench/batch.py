"""Batches: 200 photographs of 12 megapixels as one job, against the bare chain and thumbor.

All in one run on the same files, of which no two are equal, because equal ones are worked on once:

- the bare chain of bench/facecrop.py;
- the whole stack over HTTP with one facecrop process, and with two: one upload, then waiting until
  the job has completed. `End to end` counts from the first byte of the upload, `working` from the
  answer that the job has begun; a job is looked at four times a second;
- thumbor with its face detector to 640 x 800 in two processes, which read the files from the disk.

At last 5 GB in 500 files are sent in one upload, for the gateway's memory, and the job is
cancelled.

With `--turns` something else is measured: how long another account's jobs of five photographs take,
alone, and while a job of 2,000 small photographs is under way.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import aiohttp
import cv2
import psutil

from bench.facecrop import bare_rates
from bench.forms import form
from bench.load import Rate, measure
from bench.memory import watched
from bench.peers import THUMBOR, thumbor
from bench.photographs import large_files, series
from bench.stack import Stack, another_account, running
from cli import ports
from cli.processes import Program
from cli.progress import Progress
from cli.services import answers
from cli.supervisor import Supervisor

PHOTOGRAPHS = 200
WARM_UP = 16
"""Photographs of a batch before each that is measured."""
LARGE_FILES = 500
LARGE_FILES_DISTINCT = 4
THUMBOR_PROCESSES = 2
THUMBOR_CALLERS = 4

MANY = 2_000
FEW = 5
SMALL_SIDE = 512
"""Of each of these photographs, in pixels."""
ALONE = 10
"""Jobs of few photographs before the large one begins."""

_LOOK_SECONDS = 0.25
_JOBS = "/v1/services/studio/jobs"


@dataclass(frozen=True, slots=True)
class Batch:
    """How fast a batch went, in images a second."""

    end_to_end: float
    working: float

    def __str__(self) -> str:
        return f"{self.end_to_end:6.2f}/s end to end, {self.working:6.2f}/s working"


async def main() -> None:
    """Measure and print; the last line is one JSON object.

    Its `images_per_s_1` and `_2` are end to end with one and with two facecrop processes, and
    `bytes_per_image` is the mean size of an uploaded file.
    """
    cv2.setNumThreads(1)  # as the engine does
    cores = len(os.sched_getaffinity(0))
    print(f"load average {os.getloadavg()[0]:.2f} on {cores} cores before anything is measured")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-photographs-") as name:
        folder = Path(name)
        began = time.perf_counter()
        files = series(folder, PHOTOGRAPHS)
        size = sum(file.stat().st_size for file in files) / len(files)
        seconds = time.perf_counter() - began
        print(f"{len(files)} photographs of {size / 1e6:.1f} MB, made in {seconds:.0f} s")
        bare = _best(await bare_rates([file.read_bytes() for file in files], len(files)))
        one, two, gateway_mb = await stack_rates(files, large_files(folder, LARGE_FILES_DISTINCT))
        peer = (await thumbor_rate(folder, files)).per_second
    best = max(one.end_to_end, two.end_to_end)
    result = {
        "images_per_s_1": round(one.end_to_end, 2),
        "images_per_s_2": round(two.end_to_end, 2),
        "scaling": round(two.end_to_end / one.end_to_end, 3),
        "peer": f"thumbor {THUMBOR}, {THUMBOR_PROCESSES} processes",
        "peer_images_per_s": round(peer, 2),
        "peer_ratio": round(best / peer, 2),
        "ratio": round(best / bare, 3),
        "gateway_peak_rss_mb": round(gateway_mb),
        "working_per_s_1": round(one.working, 2),
        "working_per_s_2": round(two.working, 2),
        "bare_images_per_s": round(bare, 2),
        "bytes_per_image": round(size),
    }
    print(json.dumps(result))


async def turns() -> None:
    """Measure how long few photographs wait for another account's many; the last line is JSON."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-photographs-") as name:
        files = series(Path(name), MANY + FEW, SMALL_SIDE)
        few, many = files[:FEW], files[FEW:]
        # so that five are a job, and not worked on while the caller waits
        async with running(1_000_000, SYNC_IMAGES=str(FEW - 1)) as (stack, headers):
            others = await another_account(stack, 1_000_000)
            async with (
                aiohttp.ClientSession(
                    stack.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
                ) as large,
                aiohttp.ClientSession(stack.url, headers=others) as small,
            ):
                await job_seconds(small, few)
                alone = [await job_seconds(small, few) for _ in range(ALONE)]
                print(f"{FEW} photographs alone: {_told(alone)}", flush=True)
                began = time.perf_counter()
                rest = asyncio.create_task(_heard(large, await _upload(large, many), MANY))
                beside: list[float] = []
                while not rest.done():
                    seconds = await job_seconds(small, few)
                    if not rest.done():
                        beside.append(seconds)
                many_seconds = await rest - began
                print(f"beside {MANY:,} of another account: {_told(beside)}")
    result = {
        "alone_s": round(statistics.median(alone), 2),
        "beside_s": round(statistics.median(beside), 2),
        "beside_most_s": round(max(beside), 2),
        "jobs_beside": len(beside),
        "many_s": round(many_seconds, 1),
    }
    print(json.dumps(result))


async def job_seconds(client: aiohttp.ClientSession, files: Sequence[Path]) -> float:
    """Send files as one job; return how long it took from the first byte to its last event."""
    began = time.perf_counter()
    return await _heard(client, await _upload(client, files), len(files)) - began


async def stack_rates(files: Sequence[Path], large: Sequence[Path]) -> tuple[Batch, Batch, float]:
    """Return a batch with one engine, one with two, and the gateway's peak in megabytes."""
    async with (
        running(tokens=1_000_000) as (stack, headers),
        # uploads of gigabytes take longer than aiohttp's five minutes on a slow disk
        aiohttp.ClientSession(
            stack.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
        ) as client,
    ):
        gateway = {"gateway": stack.pids["gateway"]}
        async with watched(gateway) as in_batches:
            one = await _measured(client, files, "1 facecrop process")
            async with another_engine(stack):
                two = await _measured(client, files, "2 facecrop processes")
        async with watched(gateway) as in_large_upload:
            await upload_and_cancel(client, list(islice(cycle(large), LARGE_FILES)))
    peaks = in_batches.peak_mb["gateway"], in_large_upload.peak_mb["gateway"]
    print(f"gateway at most {peaks[0]:.0f} MB in batches, {peaks[1]:.0f} MB in the large upload")
    return one, two, max(peaks)


@asynccontextmanager
async def another_engine(stack: Stack) -> AsyncIterator[None]:
    """Run a second facecrop process beside the stack's own, told the same. Raises StartFailed."""
    first = psutil.Process(stack.pids["facecrop"])
    (port,) = ports.free(1)
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-engine-") as folder:
        program = Program(
            name="facecrop 2",
            command=tuple(first.cmdline()),
            environment=first.environ() | {"OPERATOR_PORT": str(port)},
            folder=Path(first.cwd()),
            log=Path(folder) / "facecrop.log",
            ready=partial(answers, f"http://127.0.0.1:{port}/readyz"),
            stop_within_seconds=30.0,
        )
        supervisor = Supervisor(Progress(), on_change=lambda: None)
        try:
            await supervisor.start([program])
            yield
        finally:
            await supervisor.stop()


async def batch(client: aiohttp.ClientSession, files: Sequence[Path]) -> Batch:
    """Upload files as one job and wait until it has completed. Ends the run if it does not."""
    began = time.perf_counter()
    task = await _upload(client, files)
    begun = time.perf_counter()
    job = await _ended(client, task)
    ended = time.perf_counter()
    if (job["status"], job["succeeded"]) != ("completed", len(files)):
        raise SystemExit(f"the job went wrong: {job}")
    return Batch(len(files) / (ended - began), len(files) / (ended - begun))


async def upload_and_cancel(client: aiohttp.ClientSession, files: Sequence[Path]) -> None:
    """Upload files as one job and cancel it at once, unless it has completed before that."""
    began = time.perf_counter()
    task = await _upload(client, files)
    seconds = time.perf_counter() - began
    size = sum(file.stat().st_size for file in files)
    print(f"\n{len(files)} files, {size / 1e9:.2f} GB, uploaded in {seconds:.1f} s", flush=True)
    async with client.delete(f"{_JOBS}/{task}") as answer:
        if answer.status not in (200, 409):
            raise SystemExit(f"{answer.status}: {await answer.text()}")
    await _ended(client, task)


async def thumbor_rate(folder: Path, files: Sequence[Path]) -> Rate:
    """Crop every file once with thumbor, callers taking turns at its processes."""
    print(f"\nthumbor {THUMBOR}", flush=True)
    async with thumbor(folder, THUMBOR_PROCESSES) as urls, aiohttp.ClientSession() as client:
        await _check_detector(client, urls[0], files[0])
        turns = zip(cycle(urls), cycle(files), strict=False)

        async def crop() -> bytes:
            url, file = next(turns)
            return await _bytes(client, f"{url}/unsafe/640x800/smart/{file.name}")

        rate = await measure(crop, THUMBOR_CALLERS, len(files))
        print(rate, flush=True)
        return rate


async def _check_detector(client: aiohttp.ClientSession, url: str, file: Path) -> None:
    """Thumbor says nothing when its detector does not work: it cuts out the middle."""
    smart = await _bytes(client, f"{url}/unsafe/640x800/smart/{file.name}")
    middle = await _bytes(client, f"{url}/unsafe/640x800/{file.name}")
    if smart == middle:
        raise SystemExit("thumbor's face detector found nothing")


async def _bytes(client: aiohttp.ClientSession, url: str) -> bytes:
    async with client.get(url) as answer:
        if answer.status != 200:
            raise SystemExit(f"{answer.status} to {url}")
        return await answer.read()


async def _measured(client: aiohttp.ClientSession, files: Sequence[Path], name: str) -> Batch:
    await batch(client, files[:WARM_UP])
    measured = await batch(client, files)
    print(f"\nbatch of {len(files)}, {name}\n{measured}", flush=True)
    return measured


async def _upload(client: aiohttp.ClientSession, files: Sequence[Path]) -> str:
    """Send files in one form, read from the disk piece by piece; return the task_id."""
    data, headers = form(files, icp_type="school")
    async with client.post(
        "/v1/services/studio/face-crop/upload", data=data, headers=headers
    ) as answer:
        if answer.status != 202:
            raise SystemExit(f"{answer.status}: {await answer.text()}")
        task: str = (await answer.json())["task_id"]
        return task


async def _ended(client: aiohttp.ClientSession, task: str) -> dict[str, object]:
    while True:
        async with client.get(f"{_JOBS}/{task}", params={"limit": 1}) as answer:
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {await answer.text()}")
            job: dict[str, object] = await answer.json()
        if job["status"] in ("completed", "failed", "cancelled"):
            return job
        await asyncio.sleep(_LOOK_SECONDS)


async def _heard(client: aiohttp.ClientSession, task: str, files: int) -> float:
    """Hear a job's events until it has ended; return when. Ends the run if it went wrong."""
    async with client.get(f"{_JOBS}/{task}/events") as events:
        await events.read()
    heard = time.perf_counter()
    job = await _ended(client, task)
    if (job["status"], job["succeeded"]) != ("completed", files):
        raise SystemExit(f"the job went wrong: {job}")
    return heard


def _told(seconds: Sequence[float]) -> str:
    middle = statistics.median(seconds)
    return f"{len(seconds)} jobs, {min(seconds):.2f} to {max(seconds):.2f} s, median {middle:.2f} s"


def _best(rates: Sequence[Rate]) -> float:
    return max(rate.per_second for rate in rates)


if __name__ == "__main__":
    sys.exit(asyncio.run(turns() if sys.argv[1:] == ["--turns"] else main()))
