"""The commands of `darkroom`, each a few lines over the module that does the work."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import uuid4

from cli import accounts, arguments, configuration, demo, running, wallet
from cli.errors import BooksWrong, CommandFailed, Refused
from cli.home import PROJECT, Home
from cli.stack import Wishes
from kit import logs
from kit.bus import Bus
from proto.errors import Refusal
from proto.wallet import Reconcile

Command: TypeAlias = Callable[[argparse.Namespace], Coroutine[Any, Any, None]]

_CONNECT_SECONDS = 5.0


def main(words: Sequence[str]) -> int:
    """Carry out one command; returns the exit code. An error is a sentence on standard error."""
    options = arguments.parser().parse_args(words)
    logs.configure("darkroom", "ERROR")
    try:
        asyncio.run(COMMANDS[options.words](options))
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"You may not use {error.filename}: it belongs to another user.", file=sys.stderr)
        return 1
    return 0


async def _up(options: argparse.Namespace) -> None:
    caller = os.environ | {"FETCH_ALLOW": options.fetch_allow}
    await running.up(Home(options.home), Wishes(port=options.port, caller=caller))


async def _demo(_: argparse.Namespace) -> None:
    await demo.run()


async def _create_account(options: argparse.Namespace) -> None:
    password = options.password or secrets.token_urlsafe(12)
    async with _running_stack(options) as bus:
        account = await accounts.create(bus, options.email, password, options.tokens)
    print(f"Opened account {account.id} for {account.email} with {options.tokens} tokens.")
    if not options.password:
        print(f"Its password is {password}")


async def _top_up(options: argparse.Namespace) -> None:
    key = options.key or str(uuid4())
    async with _running_stack(options) as bus:
        account = await wallet.account_named(bus, options.account)
        balance = await wallet.topup(bus, account, options.tokens, key, options.reason)
    print(f"Account {account} has {balance.available} tokens.")


async def _reconcile(options: argparse.Namespace) -> None:
    async with _running_stack(options) as bus:
        books = await bus.request(Reconcile(), timeout_seconds=600.0)
    wrong = wallet.differences(books)
    if wrong:
        raise BooksWrong("\n".join(wrong))
    print(f"{books.accounts} accounts, {books.entries} entries: the books add up.")


async def _config(_: argparse.Namespace) -> None:
    print(configuration.text())


async def _models(_: argparse.Namespace) -> None:
    command = (sys.executable, "-m", "triton_models.builder")
    build = await asyncio.create_subprocess_exec(*command, cwd=PROJECT)
    if code := await build.wait():
        raise CommandFailed(f"The models could not be built (exit code {code}).")


async def _docs(options: argparse.Namespace) -> None:
    from cli import documents  # loads every service, which the other commands need not wait for

    if not options.check:
        for path in documents.write():
            print(f"wrote {path.relative_to(PROJECT)}")
    elif outdated := documents.outdated():
        names = ", ".join(str(path.relative_to(PROJECT)) for path in outdated)
        raise CommandFailed(f"Out of date: {names}; run ./just docs.")


COMMANDS: Mapping[str, Command] = {
    "up": _up,
    "demo": _demo,
    "account create": _create_account,
    "wallet topup": _top_up,
    "wallet reconcile": _reconcile,
    "config": _config,
    "models": _models,
    "docs": _docs,
}


@asynccontextmanager
async def _running_stack(options: argparse.Namespace) -> AsyncIterator[Bus]:
    """Connect to the stack that runs in the home. Raises NotRunning, Refused."""
    links = Home(options.home).links()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            bus = await Bus.connect(links.nats_url, "darkroom command")
    except TimeoutError:
        raise Refused("The message bus of the running stack does not answer.") from None
    try:
        yield bus
    except Refusal as refusal:
        sentence = str(refusal)
        raise Refused(f"{sentence[:1].upper()}{sentence[1:]}.") from refusal
    finally:
        await bus.close()
