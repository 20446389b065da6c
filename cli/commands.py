"""The commands of `darkroom`, each a few lines over the module that does the work."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from cli import arguments, configuration, demo, jobs, operating, running
from cli.errors import CommandFailed, Refused
from cli.home import PROJECT, Home
from cli.stack import Wishes
from kit import logs
from kit.bus import Bus
from proto.errors import Refusal

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


def _operating(command: operating.Command) -> Command:
    """Return a command that is carried out on the running stack."""

    async def carry_out(options: argparse.Namespace) -> None:
        async with _running_stack(options) as bus:
            print(await command(bus, options))

    return carry_out


COMMANDS: Mapping[str, Command] = {
    "up": _up,
    "demo": _demo,
    "account create": _operating(operating.create_account),
    "account plan": _operating(operating.change_plan),
    "account limit": _operating(operating.limit),
    "account keys": _operating(operating.api_keys),
    "wallet topup": _operating(operating.top_up),
    "wallet grant": _operating(operating.grant),
    "wallet statement": _operating(operating.statement),
    "wallet reconcile": _operating(operating.reconcile),
    "jobs list": _operating(jobs.list_jobs),
    "jobs cancel": _operating(jobs.cancel),
    "issuer add": _operating(operating.add_issuer),
    "issuer list": _operating(operating.issuers),
    "issuer remove": _operating(operating.remove_issuer),
    "keys rotate": _operating(operating.rotate_keys),
    "service issue-key": _operating(operating.issue_key),
    "service set-outbound": _operating(operating.set_outbound),
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
