"""Spans as OpenTelemetry makes them; imported only where there is a collector (`kit.tracing`)."""

from collections.abc import Iterable, Mapping
from contextvars import Token
from threading import Thread
from time import time_ns
from types import TracebackType
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from kit import context
from kit.discovery import VERSION
from kit.metrics import FAULTS
from proto.errors import Refusal

Fact = str | int | float | bool

_LAST_SECONDS = 3.0
_FIELDS = 4
_TRACE_HEX = 32
_SPAN_HEX = 16
_NO_CONTEXT = Context()


class Made:
    """A span that is made: begins with the body of a `with`, and is the parent of what it does."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[str]

    def __enter__(self) -> Self:
        of = self._span.get_span_context()
        written = f"00-{of.trace_id:032x}-{of.span_id:016x}-{of.trace_flags:02x}"
        self._token = context.traceparent.set(written)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        context.traceparent.reset(self._token)
        if isinstance(error, Refusal):
            self.refuse(error.code)
        elif kind is not None:
            self.fail(kind.__name__)
        self._span.end()

    def note(self, fact: str, value: Fact) -> None:
        """Add a fact under OpenTelemetry's name for it."""
        self._span.set_attribute(fact, value)

    def refuse(self, code: str) -> None:
        """Say with which code it was refused, which is a failure if the fault is ours."""
        if code in FAULTS:
            self.fail(code)
        else:
            self.note("darkroom.code", code)

    def fail(self, code: str) -> None:
        """Say that it failed, and how, by a code or the name of an exception; never its text."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(StatusCode.ERROR)


class Maker:
    """Makes the spans of one service, and sends them to a collector from a thread of its own."""

    def __init__(self, service: str, endpoint: str) -> None:
        """Connect lazily; sampler and headers come from the environment, by OpenTelemetry's names.

        Args:
            service: Its name.
            endpoint: The collector's URL.
        """
        facts = {
            "service.name": service,
            "service.namespace": "darkroom",
            "service.version": VERSION,
        }
        self._provider = TracerProvider(resource=Resource.create(facts), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("darkroom", VERSION)

    def make(
        self, name: str, kind: str, facts: Mapping[str, Fact], parent: str, links: Iterable[str]
    ) -> Made:
        """Return a span that begins now."""
        found = [Link(of) for text in links if (of := _read(text)) is not None]
        span = self._tracer.start_span(
            name,
            context=_under(parent),
            kind=SpanKind[kind.upper()],
            attributes=facts,
            links=found,
        )
        return Made(span)

    def past(
        self,
        name: str,
        kind: str,
        facts: Mapping[str, Fact],
        parent: str,
        seconds: float,
        failed: str,
    ) -> None:
        """Make a span of something that took so long, and has just ended."""
        now = time_ns()
        span = self._tracer.start_span(
            name,
            context=_under(parent),
            kind=SpanKind[kind.upper()],
            attributes=facts,
            start_time=now - int(seconds * 1e9),
        )
        if failed:
            Made(span).fail(failed)
        span.end(now)

    def stop(self) -> None:
        """Send what is left, for three seconds at most."""
        # by itself it would go on for half a minute while the collector is away
        sending = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_LAST_SECONDS)


def _under(parent: str) -> Context:
    """Return what a span stands under."""
    found = _read(parent)
    if found is None:
        return _NO_CONTEXT
    return set_span_in_context(NonRecordingSpan(found), _NO_CONTEXT)


def _read(traceparent: str) -> SpanContext | None:
    """Return what a W3C traceparent names, None if it names nothing."""
    parts = traceparent.split("-")
    if len(parts) != _FIELDS or (len(parts[1]), len(parts[2])) != (_TRACE_HEX, _SPAN_HEX):
        return None
    try:
        _, trace, above, flags = (int(part, 16) for part in parts)
    except ValueError:
        return None
    found = SpanContext(trace, above, is_remote=True, trace_flags=TraceFlags(flags))
    return found if found.is_valid else None
