"""`darkroom demo`: the main jobs on a stack of its own, from an empty home to what came of them."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from cli import ports, postgres
from cli.client import Client, Crops, FaceBox, Transaction, UnexpectedAnswer
from cli.demomatch import Told, told
from cli.errors import DemoFailed, Interrupted, tail
from cli.home import DEFAULT, PROJECT, Home, StackCard
from cli.progress import Progress
from cli.running import running
from cli.stack import Wishes
from triton_models.builder import archives

HOME = DEFAULT / "demo"
OUTPUT = PROJECT / "demo-output"

_ICP_TYPE = "school"
_FILENAME = "astronaut.png"
_NAME = "Astronaut"
_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TRITON_URL")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: what came out, for programs."""

    face_box: FaceBox
    output_files: list[str]
    match_state: str
    match_score: float
    tokens_deducted: int
    balance_before: int
    balance_after: int
    seconds_to_ready: float
    seconds_total: float


@dataclass(frozen=True, slots=True)
class Shown:
    """What the calls brought."""

    face_box: FaceBox
    files: list[Path]
    match: Told
    tokens: int
    before: int
    after: int


async def run() -> None:
    """Run the demo, and print its outcome as one line of JSON at the end. Raises CommandFailed."""
    progress = Progress()
    photo = await asyncio.to_thread(archives.astronaut)
    home = Home(HOME)
    _clear(home)
    async with _web_server(photo) as origin:
        caller = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        wishes = Wishes(port=0, caller=caller | {"FETCH_ALLOW": origin})
        async with running(home, wishes, progress) as it:
            ready = progress.seconds
            progress.step("ready", ready, it.card.url)
            calls = _calls(it.card, photo, f"http://{origin}/{_FILENAME}", progress)
            shown = await _unless_interrupted(calls, it.stopping, home)
            stopping = progress.seconds
        progress.step("stopped", progress.seconds - stopping)
    _clear(home, but="logs")
    outcome = Outcome(
        face_box=shown.face_box,
        output_files=[str(file.relative_to(PROJECT)) for file in shown.files],
        match_state=shown.match.state,
        match_score=round(shown.match.score, 3),
        tokens_deducted=shown.tokens,
        balance_before=shown.before,
        balance_after=shown.after,
        seconds_to_ready=round(ready, 1),
        seconds_total=round(progress.seconds, 1),
    )
    progress.say(msgspec.json.encode(outcome).decode())


async def _calls(card: StackCard, photo: bytes, photo_url: str, progress: Progress) -> Shown:
    """Make every call as a client would, over HTTP."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, card.url)
        await client.login(card.email, card.password)
        before = await client.balance()
        _show_statement("before", before, await client.statement(), progress)

        jobs = {
            "plain": client.crop_upload(photo, _FILENAME, _ICP_TYPE, enhance=False),
            "enhanced": client.crop_upload(photo, _FILENAME, _ICP_TYPE, enhance=True),
            "by-url": client.crop_url(photo_url, _ICP_TYPE),
        }
        crops: list[Crops] = []
        files: list[Path] = []
        for name, job in jobs.items():
            began = perf_counter()
            crops.append(await job)
            progress.step(f"face crop, {name}", perf_counter() - began, _price(crops[-1]))
            files += await _download(client, crops[-1], name)
        progress.say(f"  {len(files)} pictures in {OUTPUT.relative_to(PROJECT)}/")

        began = perf_counter()
        match = await told(client, photo, _NAME)
        price = f"{match.tokens} tokens, {match.transaction}"
        progress.step("match, turned and darker", perf_counter() - began, price)
        progress.say(f"  {match.state}: {match.name or 'nobody'}, score {match.score:.3f}")

        after = await client.balance()
        _show_statement("after", after, await client.statement(), progress)
    return Shown(
        face_box=crops[0].results[0].face_box,
        files=files,
        match=match,
        tokens=sum(crop.tokens_deducted for crop in crops) + match.tokens,
        before=before,
        after=after,
    )


async def _download(client: Client, crops: Crops, prefix: str) -> list[Path]:
    """Save the pictures behind the signed links of an answer."""
    OUTPUT.mkdir(exist_ok=True)
    files = []
    for result in crops.results:
        for link in (result.output_urls.original, result.output_urls.medium):
            name, content = await client.download(link)
            files.append(OUTPUT / f"{prefix}_{name}")
            files[-1].write_bytes(content)
    return files


def _show_statement(when: str, balance: int, lines: list[Transaction], progress: Progress) -> None:
    progress.say(f"  wallet {when}: {balance} tokens")
    for line in lines:
        moved = line.tokens_added - line.tokens_consumed
        progress.say(f"    {line.id}  {line.operation:<20} {moved:+5d}  {line.state}")


def _price(crops: Crops) -> str:
    return f"{crops.tokens_deducted} tokens, {crops.wallet_transaction_id}"


async def _unless_interrupted(
    calls: Coroutine[Any, Any, Shown], stopping: asyncio.Event, home: Home
) -> Shown:
    """Await the calls, unless the stack is told to stop. Raises Interrupted, DemoFailed."""
    showing = asyncio.create_task(calls)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({showing, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not showing.done():
        showing.cancel()
        await asyncio.wait({showing})
        raise Interrupted("The demo was stopped.")
    try:
        return showing.result()
    except UnexpectedAnswer as error:
        # the gateway answers 503 when the engine behind it has failed
        engine = "matching.log" if "/matching/" in error.what else "facecrop.log"
        log = home.logs / (engine if error.status == 503 else "gateway.log")
        raise DemoFailed(f"{error}\n{log} ends:\n{tail(log)}") from error


@asynccontextmanager
async def _web_server(photo: bytes) -> AsyncIterator[str]:
    """Serve the photograph as somebody's web site would; yields host and port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=photo, content_type="image/png")

    app = web.Application()
    app.router.add_get(f"/{_FILENAME}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    (port,) = ports.free(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def _clear(home: Home, but: str = "") -> None:
    """Remove what a demo stored, and all its folders but one. Raises AlreadyRunning."""
    home.prepare()
    with home.held():
        postgres.remove_data(home)
        for entry in home.folder.iterdir():
            if entry.is_dir() and entry.name != but:
                shutil.rmtree(entry)
