"""When to ask a model whether it lives, and what to do when it does not. Decides, does nothing.

A model that stops answering is loaded anew; if it still does not answer, or the server is gone or
does not come up, the server is started again, after a pause that doubles each time it did not help.
"""

from dataclasses import dataclass, field
from typing import Literal

LEAST_INTERVAL_SECONDS = 3.0
_INTERVAL_PER_PROBE_SECOND = 50.0
"""Asking may take at most a fiftieth of a core, so slow models are asked less often."""

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Action:
    """What to do now, and why."""

    kind: Literal["reload", "restart"]
    reason: str
    model: str = ""
    pause_seconds: float = 0.0
    """How long to wait before starting again."""


@dataclass(slots=True)
class _Model:
    answered: bool = False
    """Since the server was started last."""
    failures: int = 0
    """In a row."""
    due: float = 0.0


@dataclass(slots=True)
class Watch:
    """What is known of each model. Times are seconds on any clock that only goes forward."""

    models: list[str]
    started: float
    start_seconds: float
    """How long a server may take until every model has answered once."""
    _known: dict[str, _Model] = field(init=False)
    _restarts: int = 0

    def __post_init__(self) -> None:
        """Begin with a server that was just started."""
        self._known = {model: _Model() for model in self.models}

    @property
    def ready(self) -> bool:
        """Whether every model has answered since the last start."""
        return all(model.answered for model in self._known.values())

    def due(self, now: float) -> list[str]:
        """Return the models to ask now."""
        return [name for name, model in self._known.items() if now >= model.due]

    def answered(self, name: str, now: float, seconds: float) -> None:
        """Note that a model answered, after so many seconds."""
        model = self._known[name]
        model.answered, model.failures = True, 0
        model.due = now + max(LEAST_INTERVAL_SECONDS, seconds * _INTERVAL_PER_PROBE_SECOND)
        if self.ready:
            self._restarts = 0

    def silent(self, name: str, now: float) -> Action | None:
        """Note that a model did not answer, and return what to do about it."""
        model = self._known[name]
        if not model.answered:
            if now - self.started < self.start_seconds:
                return None
            return self._restart(f"{name} did not answer in the first {self.start_seconds:.0f} s")
        model.failures += 1
        if model.failures == 1:
            return Action("reload", "it does not answer", name)
        return self._restart(f"{name} does not answer although it was loaded anew")

    def gone(self) -> Action:
        """Note that the server's process has ended, and return what to do about it."""
        return self._restart("the server has ended")

    def restarted(self, now: float) -> None:
        """Note that the server was started again."""
        self.started = now
        self._known = {model: _Model() for model in self.models}

    def _restart(self, reason: str) -> Action:
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._restarts, _LONGEST_PAUSE_SECONDS)
        self._restarts += 1
        return Action("restart", reason, pause_seconds=pause)
