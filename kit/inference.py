"""Requests to models, counted, timed and traced from the side of whoever makes them.

The server counts for itself what it did; here stands what the service waited for. `watch` has the
shape that `vision.watching.Watch` asks for, which knows no metrics.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from kit import tracing
from kit.metrics import SECONDS, exemplar

MODELS = Gauge("darkroom_models", "What runs the models: 1 for the one in use", ("served_by",))
REQUESTS = Counter(
    "darkroom_model_requests",
    "Requests to models: ok, failed for want of a usable answer, or interrupted",
    ("model", "outcome"),
)
DURATION = Histogram(
    "darkroom_model_request_duration_seconds",
    "From sending a request to having its answer",
    ("model",),
    buckets=SECONDS,
)
WAIT = Histogram(
    "darkroom_model_wait_seconds",
    "How long requests waited for a place among those in flight",
    ("model",),
    buckets=SECONDS,
)
ITEMS = Histogram(
    "darkroom_model_batch_items",
    "Items in one request",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32, 64),
)


@contextmanager
def watch(model: str, items: int, /) -> Iterator[Callable[[], None]]:
    """Hear of one request to a model."""
    asked = perf_counter()
    sent = asked
    outcome = "interrupted"

    def begun() -> None:
        nonlocal sent
        sent = perf_counter()

    with tracing.span(f"model {model}", "client", {"darkroom.items": items}) as span:
        try:
            yield begun
            outcome = "ok"
        except Exception:
            outcome = "failed"
            raise
        finally:
            ended = perf_counter()
            span.note("darkroom.wait_seconds", sent - asked)
            trace = exemplar()
            WAIT.labels(model).observe(sent - asked, trace)
            DURATION.labels(model).observe(ended - sent, trace)
            ITEMS.labels(model).observe(items)
            REQUESTS.labels(model, outcome).inc()
            for other in ("ok", "failed"):
                REQUESTS.labels(model, other)
