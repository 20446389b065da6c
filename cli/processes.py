"""Starting a program so that it cannot outlive us, whatever happens to us."""

import ctypes
import os
import pwd
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process, create_subprocess_exec
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LARGEST_LOG_BYTES = 20_000_000

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One part of the stack: how it is started, known to be ready, and stopped."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it: nothing else is inherited."""
    folder: Path
    """Where it runs."""
    log: Path
    """Gets its output, after what earlier runs wrote."""
    ready: Callable[[], Awaitable[bool]]
    """Whether it answers; asked again and again until it does."""
    ready_within_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    """Tells it that everything stops."""
    replace_signal: signal.Signals = signal.SIGTERM
    """Tells it that another process of the same program has taken over."""
    replace_within_seconds: float = 180.0
    """Then it may finish what it was asked, which can take longer than anybody waits at a stop."""
    stop_within_seconds: float = 15.0
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when we die without stopping it."""
    user: str | None = None
    """Runs as this user instead of ours; only root may ask for that."""
    sockets: tuple[int, ...] = ()
    """File descriptors that it inherits, under the same numbers."""


async def spawn(program: Program) -> Process:
    """Start it in a process group of its own, which Ctrl-C at the terminal does not reach."""
    _limit(program.log)
    with program.log.open("ab") as log:
        return await create_subprocess_exec(
            *program.command,
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            cwd=program.folder,
            env=program.environment,
            process_group=0,
            pass_fds=program.sockets,
            preexec_fn=tied_to_us(program.orphan_signal),
            user=program.user,
            group=group_of(program.user),
            extra_groups=None if program.user is None else [],
        )


def tied_to_us(orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child does between fork and exec so that it does not outlive us.

    The kernel forgets it when the user changes, so it belongs after that.
    """
    parent = os.getpid()

    def tie() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, orphan_signal)
            if os.getppid() != parent:
                os._exit(1)

    return tie


def tell(process: Process, what: signal.Signals) -> None:
    """Send a signal to the process if it is still there."""
    with suppress(ProcessLookupError):
        process.send_signal(what)


def kill_group(process: Process) -> None:
    """Kill what is left of the process and of those it started in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def group_of(user: str | None) -> int | None:
    """Return the main group of a user."""
    if user is None:
        return None
    return pwd.getpwnam(user).pw_gid


def _limit(log: Path) -> None:
    """Set a log aside that has grown large, in place of the one set aside before."""
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
