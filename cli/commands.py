"""The commands of `darkroom`, each a few lines over the module that does the work."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from cli import (
    arguments,
    configuration,
    demo,
    deploying,
    elsewhere,
    jobs,
    operating,
    orders,
    running,
    services,
)
from cli.errors import CommandFailed, NeedsMending, Refused
from cli.home import PROJECT, Home
from cli.progress import Progress
from cli.stack import Wishes
from kit import logs
from kit.bus import Bus
from proto.errors import Refusal

Command: TypeAlias = Callable[[argparse.Namespace], Coroutine[Any, Any, None]]


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


async def _restart(options: argparse.Namespace) -> None:
    names = options.services or services.NAMES
    if unknown := sorted(set(names) - set(services.NAMES)):
        raise CommandFailed(
            f"There is no service {', '.join(unknown)}; there are {', '.join(services.NAMES)}."
        )
    progress = Progress()
    async for replaced in orders.restart(Home(options.home), names):
        progress.step(replaced.service, replaced.seconds)


async def _doctor(options: argparse.Namespace) -> None:
    # loads what every service needs, which the other commands need not wait for
    from cli import doctor
    from cli.doctoring import findings

    report = await doctor.examine(Home(options.home), options.service)
    print(findings.as_json(report) if options.json else findings.as_table(report))
    if not report.ok:
        raise NeedsMending("Something must be fixed.")


async def _bench(options: argparse.Namespace) -> None:
    from cli import operatorbench

    await operatorbench.run(options)


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
    "restart": _restart,
    "doctor": _doctor,
    "bench": _bench,
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
    **deploying.COMMANDS,
}


@asynccontextmanager
async def _running_stack(options: argparse.Namespace) -> AsyncIterator[Bus]:
    """Connect to the stack that runs in the home, or to the one whose bus NATS_URL names.

    Raises NotRunning, Refused.
    """
    if elsewhere.names_a_bus():
        reached = elsewhere.bus()
    else:
        reached = elsewhere.connected(Home(options.home).links().nats_url)
    async with reached as bus:
        try:
            yield bus
        except Refusal as refusal:
            sentence = str(refusal)
            raise Refused(f"{sentence[:1].upper()}{sentence[1:]}.") from refusal
