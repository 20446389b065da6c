"""What a command tells the person who waits: one short line for each step."""

import sys
from contextlib import suppress
from time import perf_counter


class Progress:
    """Writes lines, each with the seconds that its step took.

    Nobody may be reading any more (a closed terminal): that is no reason to stop working.
    """

    def __init__(self) -> None:
        self._began = perf_counter()

    @property
    def seconds(self) -> float:
        """How long it has been since the beginning."""
        return perf_counter() - self._began

    def step(self, name: str, seconds: float, note: str = "") -> None:
        """Say that a step is done."""
        self.say(f"  {name:<26} {seconds:5.1f} s   {note}".rstrip())

    def say(self, text: str = "") -> None:
        """Write one line, at once even into a pipe."""
        with suppress(OSError):
            print(text, flush=True)

    def complain(self, text: str) -> None:
        """Write to standard error."""
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)
