"""Prometheus metrics that every endpoint has, HTTP and NATS alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

_LABELS = ("transport", "endpoint")

REQUESTS = Counter(
    "darkroom_requests", "Requests answered, by endpoint and outcome", (*_LABELS, "code")
)
SECONDS = Histogram(
    "darkroom_request_seconds",
    "Time from taking a request to answering it",
    _LABELS,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
IN_FLIGHT = Gauge("darkroom_requests_in_flight", "Requests being worked on", _LABELS)


class Outcome:
    """How one request ended; `code` is OK, an error code or an HTTP status."""

    def __init__(self) -> None:
        self.code = "INTERNAL"


@contextmanager
def measured(transport: str, endpoint: str) -> Iterator[Outcome]:
    """Count and time what runs inside; set the outcome's code before leaving.

    Args:
        transport: `http` or `nats`.
        endpoint: the route's pattern or the subject, never a path with ids in it.
    """
    outcome = Outcome()
    started = perf_counter()
    IN_FLIGHT.labels(transport, endpoint).inc()
    try:
        yield outcome
    finally:
        IN_FLIGHT.labels(transport, endpoint).dec()
        SECONDS.labels(transport, endpoint).observe(perf_counter() - started)
        REQUESTS.labels(transport, endpoint, outcome.code).inc()


def exposition() -> bytes:
    """Return every metric of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)
