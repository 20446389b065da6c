"""`darkroom bench`: send photographs to a running gateway, as a client would, and time the answers.

It costs tokens like any client's requests. What it could cost is asked for first, and nothing is
sent if that is more than the operator allowed.
"""

import argparse
import asyncio
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import cv2
import msgspec
import numpy as np

from cli.client import Client, UnexpectedAnswer
from cli.errors import CommandFailed, TooExpensive
from cli.home import Home
from triton_models.builder.archives import BadSource, astronaut
from vision.decode import decode
from vision.encode import encode_jpeg
from vision.picture import Pixels

UPLOAD = "/v1/services/studio/face-crop/upload"
QUOTES = "/v1/quotes"

_API_KEYS = ("mk_live_", "stu_")
_GRAIN = 6.0
"""Standard deviation of added noise; an enlargement alone is smaller and quicker than a photo."""
_QUALITY = 90
_LONGEST_SECONDS = 600.0
_RATE_LIMITED = "429"
_PERCENTILES = (50, 90, 95, 99)


class Quote(msgspec.Struct, frozen=True):
    """What the gateway says one photograph costs."""

    tokens: int


class Answer(msgspec.Struct, frozen=True):
    """What is read of the answer to one photograph."""

    results: list["Result"]
    tokens_deducted: int
    tokens_refunded: int


class Result(msgspec.Struct, frozen=True):
    """A portrait, or why there is none."""

    error: "Reason | None" = None


class Reason(msgspec.Struct, frozen=True):
    """Why a photograph could not be cropped."""

    code: str


class Refused(msgspec.Struct, frozen=True):
    """The answer to a request that was refused."""

    error: str
    results: list["Result"] = []
    """Where none of the photographs could be cropped."""


@dataclass(slots=True)
class Run:
    """What came of the requests so far."""

    seconds_each: list[float] = field(default_factory=list)
    """Of those that were answered with a portrait."""
    errors: Counter[str] = field(default_factory=Counter)
    """By status and code, or what happened to the connection."""
    tokens: int = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The result, as its JSON line has it."""

    url: str
    photos: int
    bytes: int
    """Size of one photograph."""
    callers: int
    seconds: float
    images_per_s: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]
    tokens: int


async def run(options: argparse.Namespace) -> None:
    """Measure and print; the last line is one JSON object.

    Raises NotRunning, TooExpensive, CommandFailed.
    """
    url, headers = await _credentials(options)
    photo = _photograph(options.file, options.megapixels)
    patience = aiohttp.ClientTimeout(total=_LONGEST_SECONDS)
    connector = aiohttp.TCPConnector(limit=options.callers)
    try:
        async with aiohttp.ClientSession(
            url, headers=headers, timeout=patience, connector=connector
        ) as session:
            await _check_price(session, options)
            print(
                f"{options.photos} photographs of {len(photo) / 1e6:.1f} MB,"
                f" {options.callers} at a time, to {url}",
                flush=True,
            )
            measured = await _measure(session, url, photo, options)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandFailed(f"{url} does not answer ({type(error).__name__}).") from error
    print(_table(measured))
    print(msgspec.json.encode(measured).decode())
    if not measured.images_per_s:
        raise CommandFailed("Not one photograph was answered with a portrait.")


async def _credentials(options: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """Return the gateway's address and the headers of whoever pays."""
    key = await asyncio.to_thread(_key, options.key)
    if key:
        url: str = options.url or Home(options.home).card().url
        name = "X-Api-Key" if key.startswith(_API_KEYS) else "Authorization"
        return url.rstrip("/"), {name: key if name == "X-Api-Key" else f"Bearer {key}"}
    if options.url:
        raise CommandFailed("Whose tokens are they? Give --key FILE, or set DARKROOM_KEY.")
    card = Home(options.home).card()
    async with aiohttp.ClientSession() as session:
        client = Client(session, card.url)
        try:
            await client.login(card.email, card.password)
        except UnexpectedAnswer as error:
            raise CommandFailed(f"{error}") from error
        return card.url, client.headers


def _key(file: str | None) -> str:
    """Return the key from where it is; it never stands on the command line, for others to see."""
    if file == "-":
        return sys.stdin.readline().strip()
    if file is None:
        return os.environ.get("DARKROOM_KEY", "").strip()
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read ({error.strerror}).") from error


def _photograph(file: Path | None, megapixels: float) -> bytes:
    """Return a JPEG: the operator's own, or the demo's photograph at a camera's size."""
    try:
        if file is not None:
            return file.read_bytes()
        pixels = decode(astronaut()).pixels
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read ({error.strerror}).") from error
    except BadSource as error:
        raise CommandFailed(f"{error}; or name a photograph with --file.") from error
    side = round(math.sqrt(megapixels * 1e6))
    large = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).normal(0, _GRAIN, (side, side, 1)).astype(np.float32)
    noisy: Pixels = np.clip(large + grain, 0, 255).astype(np.uint8)
    return encode_jpeg(noisy, quality=_QUALITY)


async def _check_price(session: aiohttp.ClientSession, options: argparse.Namespace) -> None:
    """Raises TooExpensive, before anything is sent."""
    wanted = {"icp_type": options.preset, "files": 1, "enhance": options.enhance}
    body = {"operation": "face_crop", "input": wanted}
    async with session.post(QUOTES, json=body) as answer:
        content = await answer.read()
        if answer.status != 200:
            raise CommandFailed(f"{UnexpectedAnswer(f'POST {QUOTES}', answer.status, content)}")
    cost = msgspec.json.decode(content, type=Quote).tokens * options.photos
    if cost > options.most_tokens:
        raise TooExpensive(
            f"{options.photos} photographs may cost {cost} tokens, and {options.most_tokens} are"
            " allowed: send fewer, or allow more with --most-tokens."
        )


async def _measure(
    session: aiohttp.ClientSession, url: str, photo: bytes, options: argparse.Namespace
) -> Measured:
    run = Run()
    numbers = iter(range(options.photos))

    async def caller() -> None:
        for number in numbers:
            await _send(session, _told_apart(photo, number), options, run)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(options.callers)))
    seconds = time.perf_counter() - began
    return _measured(url, len(photo), options, run, seconds)


async def _send(
    session: aiohttp.ClientSession, photo: bytes, options: argparse.Namespace, run: Run
) -> None:
    form = aiohttp.FormData({"icp_type": options.preset})
    form.add_field("enhance", "true" if options.enhance else "false")
    form.add_field("file[]", photo, filename="photo.jpg", content_type="image/jpeg")
    began = time.perf_counter()
    try:
        async with session.post(UPLOAD, data=form) as answer:
            content = await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        run.errors[type(error).__name__] += 1
        return
    took = time.perf_counter() - began
    if status != 200:
        run.errors[f"{status} {_code(content)}".rstrip()] += 1
        return
    told = msgspec.json.decode(content, type=Answer)
    run.tokens += told.tokens_deducted - told.tokens_refunded
    reasons = [result.error.code for result in told.results if result.error]
    run.errors.update(reasons)
    if not reasons:
        run.seconds_each.append(took)


def _code(content: bytes) -> str:
    """Return the code of an error; nothing where a proxy answers in our place."""
    try:
        told = msgspec.json.decode(content, type=Refused)
    except msgspec.DecodeError:
        return ""
    # why the photograph could not be cropped says more than that none could
    return next((result.error.code for result in told.results if result.error), told.error)


def _told_apart(jpeg: bytes, number: int) -> bytes:
    """Return the same picture as another file, with a comment in it: equal ones are done once."""
    comment = f"{time.time_ns()}-{number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def _measured(
    url: str, size: int, options: argparse.Namespace, run: Run, seconds: float
) -> Measured:
    times = np.array(run.seconds_each or [0.0]) * 1000
    p50, p90, p95, p99 = (round(float(each), 1) for each in np.percentile(times, _PERCENTILES))
    return Measured(
        url=url,
        photos=options.photos,
        bytes=size,
        callers=options.callers,
        seconds=round(seconds, 2),
        images_per_s=round(len(run.seconds_each) / seconds, 2),
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=round(float(times.max()), 1),
        errors=dict(run.errors),
        tokens=run.tokens,
    )


def _table(measured: Measured) -> str:
    rows: Sequence[tuple[str, str]] = [
        ("images a second", f"{measured.images_per_s:.2f}"),
        ("half within", f"{measured.p50_ms:.0f} ms"),
        ("95 of 100 within", f"{measured.p95_ms:.0f} ms"),
        ("99 of 100 within", f"{measured.p99_ms:.0f} ms"),
        ("slowest", f"{measured.max_ms:.0f} ms"),
        ("tokens spent", f"{measured.tokens}"),
        ("errors", ", ".join(f"{n} x {what}" for what, n in measured.errors.items()) or "none"),
    ]
    lines = [f"  {name:<18} {value:>12}" for name, value in rows]
    if any(what.startswith(_RATE_LIMITED) for what in measured.errors):
        lines.append("  The account's rate limit was met; `darkroom account limit` lifts it.")
    return "\n".join(lines)
