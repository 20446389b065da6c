"""Why a command could not be carried out; the message is the sentence that the operator reads.

CommandFailed
├── AlreadyRunning      a stack runs in this home; use it, or choose another home
├── NotRunning          nothing runs in this home; start it first
├── PortTaken           another program listens on the port; choose another
├── ProgramMissing      something that set-up installs is not here
├── StartFailed         a part of the stack did not come up; its log says why
├── Interrupted         asked to stop before everything was up
├── Refused             the stack answered, and said no
├── BooksWrong          a balance is not what its entries make
├── NeedsMending        the doctor found something that must be fixed
├── TooExpensive        a measurement could cost more tokens than was allowed
└── DemoFailed          the demo was answered with something else than a portrait
"""

from pathlib import Path


class CommandFailed(Exception):
    """The command could not be carried out."""


class AlreadyRunning(CommandFailed):
    """A stack runs in this home; use that one, or choose another home."""


class NotRunning(CommandFailed):
    """Nothing runs in this home; start it with `./just up`."""


class PortTaken(CommandFailed):
    """Another program listens on the port; choose another with --port."""


class ProgramMissing(CommandFailed):
    """Something that set-up installs is not here; run `./just setup`."""


class StartFailed(CommandFailed):
    """A part of the stack did not come up; the end of its log is in the message."""

    def __init__(self, name: str, why: str, log: Path) -> None:
        self.log = log
        super().__init__(f"{name} {why}; its log ends:\n{tail(log)}\n(all of it: {log})")


class Interrupted(CommandFailed):
    """Asked to stop before everything was up."""


class Refused(CommandFailed):
    """The stack answered, and said no."""


class BooksWrong(CommandFailed):
    """A balance is not what its entries make; every difference is in the message."""


class NeedsMending(CommandFailed):
    """The doctor found something that must be fixed; its report says what, and how."""


class TooExpensive(CommandFailed):
    """A measurement could cost more tokens than was allowed; nothing was sent."""


class DemoFailed(CommandFailed):
    """The demo was answered with something else than a portrait."""


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented; empty when there is no log."""
    if not log.exists():
        return ""
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last)
