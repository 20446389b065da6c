"""`darkroom up`: run the whole stack in the foreground until it is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cli import orders
from cli.home import PROJECT, Home, StackCard
from cli.progress import Progress
from cli.stack import DEMO_TOKENS, Stack, Wishes

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Up:
    """A stack that runs."""

    card: StackCard
    stopping: asyncio.Event


@asynccontextmanager
async def running(home: Home, wishes: Wishes, progress: Progress) -> AsyncIterator[Up]:
    """Run a stack while the body runs; everything is stopped when it is left.

    Ctrl-C, SIGTERM and a closed terminal set `stopping`; a second one kills what still drains.
    Raises AlreadyRunning, PortTaken, ProgramMissing, StartFailed, Interrupted.
    """
    home.prepare()
    with home.held():
        stack = Stack(home, wishes, progress)
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, stack.supervisor.interrupt)
        progress.say(f"Starting Darkroom; its logs are in {_shown(home)}/logs")
        try:
            card = await stack.start()
            async with orders.taken(home, stack):
                yield Up(card, stack.supervisor.stopping)
        finally:
            await stack.stop()
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)


async def up(home: Home, wishes: Wishes) -> None:
    """Run until told to stop, telling the operator what there is to know."""
    progress = Progress()
    async with running(home, wishes, progress) as it:
        _introduce(it.card, progress, home)
        await it.stopping.wait()
        progress.say("Stopping ...")
        began = progress.seconds
    progress.say(f"Stopped after {progress.seconds - began:.1f} s.")


def _introduce(card: StackCard, progress: Progress, home: Home) -> None:
    progress.say(
        f"""Ready after {progress.seconds:.1f} s.

  Address     {card.url}
  API docs    {card.url}/docs
  Demo login  {card.email}  {card.password}  ({DEMO_TOKENS} tokens to begin with)
  Data, logs  {_shown(home)}

Ctrl-C stops everything."""
    )


def _shown(home: Home) -> str:
    """Return the home's folder as short as it can be said."""
    folder = home.folder.resolve()
    return str(folder.relative_to(PROJECT) if folder.is_relative_to(PROJECT) else folder)
