"""A stack of its own for a measurement, started and stopped like any other."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

_READY_SECONDS = 120
_ANOTHER = "another@example.com"


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """What `.darkroom/stack.json` says."""

    url: str
    email: str
    password: str
    account_id: str
    pids: dict[str, int]
    home: str = ""
    """Its folder."""


@asynccontextmanager
async def running(tokens: int, **settings: str) -> AsyncIterator[tuple[Stack, dict[str, str]]]:
    """Start a stack, give its account tokens, yield it with the headers of a logged-in client.

    Its services have their standard settings but for those that are given.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        home = Path(folder)
        # as root, PostgreSQL runs as another user, who must get through
        await asyncio.to_thread(home.chmod, 0o711)
        up = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything is measured
            [sys.executable, "-m", "cli", "up", "--port", "0", "--home", folder],
            stdout=subprocess.DEVNULL,
            env=os.environ | settings,
        )
        try:
            stack = msgspec.structs.replace(await _ready(home / "stack.json", up), home=folder)
            _run(
                "wallet",
                "topup",
                stack.account_id,
                str(tokens),
                "--reason",
                "bench",
                "--home",
                folder,
            )
            yield stack, await _login(stack)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)


async def another_account(stack: Stack, tokens: int) -> dict[str, str]:
    """Open a second account; return the headers of a client logged in to it."""
    password = secrets.token_urlsafe(12)
    options = ("--password", password, "--tokens", str(tokens), "--plan", "business")
    _run("account", "create", _ANOTHER, *options, "--home", stack.home)
    return await _login(msgspec.structs.replace(stack, email=_ANOTHER, password=password))


async def _ready(file: Path, up: "subprocess.Popen[bytes]") -> Stack:
    for _ in range(_READY_SECONDS * 10):
        if stack := _read(file):
            return stack
        if up.poll() is not None:
            break
        await asyncio.sleep(0.1)
    raise SystemExit("the stack did not start")


def _read(file: Path) -> Stack | None:
    return msgspec.json.decode(file.read_bytes(), type=Stack) if file.exists() else None


async def _login(stack: Stack) -> dict[str, str]:
    body = {"email": stack.email, "password": stack.password}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{stack.url}/v1/account/login", json=body) as answer,
    ):
        return {"Authorization": f"Bearer {json.loads(await answer.text())['access_token']}"}


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *arguments], check=True, stdout=subprocess.DEVNULL)
