"""How often, how fast and how well each operation is answered: the gateway's part of the metrics.

An operation's time is ours alone: what a client takes to send its body is left out, and an answer
that is sent piece by piece has been given when it begins.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from kit import tracing
from kit.metrics import Measure
from services.gateway import receiving
from services.gateway.operations import Handler, Operation
from services.gateway.problems import CUT_OFF
from services.gateway.resources import BY_HANDLER

_LABELS = ("dialect", "operation")

REQUESTS = Counter("darkroom_http_requests", "Requests answered, by status", (*_LABELS, "code"))
SECONDS = Histogram(
    "darkroom_http_request_duration_seconds",
    "From having the whole request to beginning the answer",
    _LABELS,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
SLOW = Counter(
    "darkroom_http_slow_requests",
    "Requests that were answered, but later than is aimed at for their operation",
    _LABELS,
)
CUT = Counter(
    "darkroom_http_answers_cut",
    "Answers that had begun and could not be sent to their end",
    _LABELS,
)
IN_FLIGHT = Gauge("darkroom_http_requests_in_flight", "Requests being worked on", _LABELS)
OBJECTIVE = Gauge(
    "darkroom_http_objective_seconds", "Within what time an operation should be answered", _LABELS
)

DIALECTS = {"/v1/services/studio/": "studio"}
"""Published APIs that are spoken, by how their paths begin; everything else is Darkroom's own."""

OWN = "darkroom"

CHARGING_SECONDS = 10.0
"""For what does work before it answers: eight photographs on one core take a few seconds."""
CHANGING_SECONDS = 2.0
"""Hashing a password takes a tenth of a second, by design, and many may come at once."""
READING_SECONDS = 1.0

_NOBODYS = (OWN, "unknown")
_OURS = ("500", "503")
_FAULT = 500

_BEGUN = web.RequestKey("ANSWER_BEGUN", float)


class Meter:
    """The numbers of one operation."""

    def __init__(self, labels: tuple[str, str], statuses: Iterable[str], within: float) -> None:
        self.name = labels[1]
        self._measure = Measure(REQUESTS, SECONDS, labels, {*statuses, *_OURS})
        self._slow = SLOW.labels(*labels)
        self._in_flight = IN_FLIGHT.labels(*labels)
        self._cut = CUT.labels(*labels)
        self._within = within
        OBJECTIVE.labels(*labels).set(within)

    @contextmanager
    def once(self, request: web.Request) -> Iterator[Callable[[int], None]]:
        """Measure one request; the body says its status."""
        status = 500
        began = perf_counter()

        def answered(code: int) -> None:
            nonlocal status
            status = code

        self._in_flight.inc()
        try:
            yield answered
        finally:
            self._in_flight.dec()
            ended = request.get(_BEGUN, perf_counter())
            seconds = max(0.0, ended - began - receiving.seconds(request))
            self._measure.add(str(status), seconds)
            if status < _FAULT and seconds > self._within:
                self._slow.inc()
            if request.get(CUT_OFF):
                self._cut.inc()


class Meters:
    """The meters of all operations, there from the start."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_handler: dict[Handler, Meter] = {
            operation.handler: Meter(labels(operation), map(str, operation.answers), within)
            for operation in operations
            for within in [objective_seconds(operation)]
        }
        self._unknown = Meter(_NOBODYS, ("404", "405"), READING_SECONDS)

    def of(self, request: web.Request) -> Meter:
        """Return the meter of what is asked for; one for all that we do not offer."""
        handler: Callable[..., Awaitable[web.StreamResponse]] = request.match_info.handler
        return self._by_handler.get(handler, self._unknown)


METERS = web.AppKey("METERS", Meters)


def install(public: web.Application) -> None:
    """Give the application, which knows its operations, a meter for each."""
    public[METERS] = Meters(public[BY_HANDLER].values())
    public.on_response_prepare.append(_note_answer)


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measure and trace the request as what it asks for."""
    meter = request.app[METERS].of(request)
    facts = {"http.route": meter.name, "http.request.method": meter.name.partition(" ")[0]}
    with tracing.span(meter.name, "server", facts) as span, meter.once(request) as answered:
        response = await handler(request)
        answered(response.status)
        span.note("http.response.status_code", response.status)
        if response.status >= _FAULT:
            span.fail(str(response.status))
    return response


def labels(operation: Operation) -> tuple[str, str]:
    """Return the dialect and the name of an operation."""
    found = (name for start, name in DIALECTS.items() if operation.path.startswith(start))
    return next(found, OWN), f"{operation.method} {operation.path}"


def objective_seconds(operation: Operation) -> float:
    """Return within what time an operation should be answered."""
    if operation.charges:
        return CHARGING_SECONDS
    return READING_SECONDS if operation.method == "GET" else CHANGING_SECONDS


async def _note_answer(request: web.Request, _: web.StreamResponse) -> None:
    request[_BEGUN] = perf_counter()
