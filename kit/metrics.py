"""What a service counts and times, for Prometheus.

Labels are made of names that stand in the code (subjects, operations, kinds), never of what a
caller sent, so that their number is bounded. What can be counted is there from the start with 0: a
rate over something that appears when it first goes wrong misses just that.

Names end in their unit and are in base units: seconds, bytes, tokens. Which service it was is told
by the label `service` that Prometheus gives to its target, and not said again here.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from kit import context
from kit.discovery import VERSION

# a series more for each counter, which nobody looks at
disable_created_metrics()  # type: ignore[no-untyped-call] # the library left it bare

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Bounds for what takes from a millisecond to two minutes."""

FAULTS = ("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "BROKEN")
"""Codes of answers that are our fault, not the caller's."""

BUS_REQUESTS = Counter(
    "darkroom_bus_requests",
    "Messages answered, by how: OK or the code of an error",
    ("subject", "code"),
)
BUS_SECONDS = Histogram(
    "darkroom_bus_request_duration_seconds",
    "From beginning with a message to its answer",
    ("subject",),
    buckets=SECONDS,
)
BUS_IN_FLIGHT = Gauge("darkroom_bus_requests_in_flight", "Messages being worked on", ("subject",))
BUS_CALLS = Counter(
    "darkroom_bus_calls", "Messages that this service asked, by what came back", ("subject", "code")
)
BUS_CALL_SECONDS = Histogram(
    "darkroom_bus_call_duration_seconds",
    "From asking to having the answer",
    ("subject",),
    buckets=SECONDS,
)
CHECK_PASSES = Gauge(
    "darkroom_check_passes", "Whether what the service needs answers: 1 if it does", ("check",)
)
BUILD = Gauge("darkroom_build_info", "The version that runs; always 1", ("version",))
LOOP_LAG = Histogram(
    "darkroom_event_loop_lag_seconds",
    "How much later than asked for the event loop woke a task, measured once a second",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)

_LOOP_SECONDS = 1.0


class Outcome:
    """How one request ended; `code` is OK, an error code or an HTTP status."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code = "INTERNAL"


class Measure:
    """Counts, times and outcomes of one endpoint, with its series looked up once."""

    def __init__(
        self, requests: Counter, seconds: Histogram, labels: tuple[str, ...], codes: Iterable[str]
    ) -> None:
        """Prepare to measure.

        Args:
            requests: Counter with `labels` and the code.
            seconds: Histogram with `labels`.
            labels: Values of the labels that both have.
            codes: Outcomes that are there with 0 from the start.
        """
        self._requests = requests
        self._labels = labels
        self._seconds = seconds.labels(*labels)
        self._by_code = {code: requests.labels(*labels, code) for code in codes}

    def add(self, code: str, seconds: float) -> None:
        """Add one that has ended."""
        counter = self._by_code.get(code)
        if counter is None:
            counter = self._by_code[code] = self._requests.labels(*self._labels, code)
        counter.inc()
        self._seconds.observe(seconds, exemplar())


class Answered:
    """Measures the answers to one subject."""

    def __init__(self, subject: str) -> None:
        self._measure = Measure(BUS_REQUESTS, BUS_SECONDS, (subject,), ("OK", *FAULTS))
        self._in_flight = BUS_IN_FLIGHT.labels(subject)

    @contextmanager
    def once(self) -> Iterator[Outcome]:
        """Count and time what runs inside; set the outcome's code before leaving."""
        outcome = Outcome()
        self._in_flight.inc()
        started = perf_counter()
        try:
            yield outcome
        finally:
            self._in_flight.dec()
            self._measure.add(outcome.code, perf_counter() - started)


_calls: dict[str, Measure] = {}


def called(subject: str, code: str, seconds: float) -> None:
    """Count a message that this service asked."""
    measure = _calls.get(subject)
    if measure is None:
        codes = ("OK", *FAULTS)
        measure = _calls[subject] = Measure(BUS_CALLS, BUS_CALL_SECONDS, (subject,), codes)
    measure.add(code, seconds)


class Few:
    """Names that come from elsewhere, as values of a label: the first so many, then `other`."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._known: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the name, or `other` when there are too many to count each for itself."""
        if name not in self._known:
            if len(self._known) >= self._at_most:
                return "other"
            self._known.add(name)
        return name


def exemplar() -> dict[str, str] | None:
    """Return what leads from a number to the trace of a request that made it, if it is traced."""
    trace = context.traceparent.get()
    # version-trace-parent-flags; the lowest bit of the flags says that somebody keeps the trace
    if trace and trace[-1] in "13579bdf":
        return {"trace_id": trace[3:35]}
    return None


def told(passes: Mapping[str, bool]) -> None:
    """Note which of the service's checks pass."""
    for name, passed in passes.items():
        CHECK_PASSES.labels(name).set(passed)


def exposition(accept: str) -> tuple[bytes, str]:
    """Return every metric of this process in the format that is asked for, and its content type.

    OpenMetrics carries exemplars; whoever does not ask for it gets Prometheus' text format.
    """
    BUILD.labels(VERSION).set(1)
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


async def watch_loop(clock: Callable[[], float] = perf_counter) -> None:
    """Measure how late the event loop is, until this is cancelled."""
    while True:
        asked = clock()
        await asyncio.sleep(_LOOP_SECONDS)
        LOOP_LAG.observe(max(0.0, clock() - asked - _LOOP_SECONDS))
