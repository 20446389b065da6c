"""What measuring and tracing cost: a span with and without a collector, and the metrics of a call.

Each is timed beside an empty loop, many times, and the fastest round counts: what is slower was
disturbed. The collector is one that takes everything; sending happens in a thread of its own.
"""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from time import perf_counter_ns

from kit import context, metrics, tracing
from kit.tracing import Telemetry

CALLS = 20_000
SENT = 100
"""Spans of a round that are sent: in all fewer than wait for the sender at most."""
ROUNDS = 15
_FACTS = {"rpc.system": "nats"}
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def main() -> None:
    """Measure and print."""
    answered = metrics.Answered("bench.subject")

    def nothing() -> None:
        pass

    def span() -> None:
        with tracing.span("bench.subject", "server", _FACTS):
            pass

    def measured() -> None:
        with answered.once() as outcome:
            outcome.code = "OK"

    def called() -> None:
        metrics.called("bench.subject", "OK", 0.001)

    print(f"{'':42}{'ns a call':>10}")
    empty = _fastest(nothing)
    print(f"{'a call of an empty function':42}{empty:10.0f}")
    for name, step in (
        ("a span, no collector", span),
        ("metrics of a message answered", measured),
        ("metrics of a message asked", called),
    ):
        print(f"{name:42}{_fastest(step) - empty:10.0f}")
    context.traceparent.set(_TRACE)
    print(f"{'  with an exemplar':42}{_fastest(called) - empty:10.0f}")
    context.traceparent.set("")
    server = HTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    tracing.configure("bench", Telemetry(otel_exporter_otlp_endpoint=url))
    print(f"{'a span, sent to a collector':42}{_fastest(span, SENT) - empty:10.0f}")
    context.traceparent.set(_TRACE[:-1] + "0")
    print(f"{'a span of a trace that is not kept':42}{_fastest(span) - empty:10.0f}")
    tracing.stop()
    server.shutdown()


def _fastest(step: Callable[[], None], calls: int = CALLS) -> float:
    """Return how many nanoseconds one call takes."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = perf_counter_ns()
        for _ in range(calls):
            step()
        best = min(best, (perf_counter_ns() - began) / calls)
    return best


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    main()
