"""How long a client took to send its body, which is not the gateway's time."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from aiohttp import web

_SECONDS = web.RequestKey("RECEIVING_SECONDS", float)


@contextmanager
def receiving(request: web.Request) -> Iterator[None]:
    """Count what is done inside as waiting for the client's body."""
    began = perf_counter()
    try:
        yield
    finally:
        request[_SECONDS] = seconds(request) + perf_counter() - began


def seconds(request: web.Request) -> float:
    """Return how long the client has been waited for."""
    waited: float = request.get(_SECONDS, 0.0)
    return waited
