"""Spans: what a request did where and for how long, told to a collector over OTLP.

Without a collector (OTEL_EXPORTER_OTLP_ENDPOINT) nothing of OpenTelemetry is imported, and a span
costs what a function call and an empty `with` cost. The trace that a caller brought is passed on
all the same.

A span says what kind of thing was done: routes, subjects, statements' verbs and tables, models,
sizes, codes. Never what it was done to: no keys, URLs, names, tokens, values or texts of errors.
The one place where the present span lives is `kit.context.traceparent`, which also travels.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

import msgspec
from msgspec import Meta

from kit import context

if TYPE_CHECKING:
    from kit.spans import Made, Maker

Kind: TypeAlias = Literal["server", "client", "consumer", "internal"]
Fact: TypeAlias = str | int | float | bool
Facts: TypeAlias = Mapping[str, Fact]


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Where spans go; the variables are OpenTelemetry's own."""

    otel_exporter_otlp_endpoint: Annotated[
        str,
        Meta(
            description="Collector that spans are sent to by OTLP over HTTP: http://host:4318; "
            "none are made if empty"
        ),
    ] = ""
    otel_exporter_otlp_headers: Annotated[
        str, Meta(description="Headers for the collector: name=value,name=value")
    ] = ""
    otel_traces_sampler: Annotated[
        str, Meta(description="Which traces are kept, as OpenTelemetry names it")
    ] = "parentbased_always_on"
    otel_traces_sampler_arg: Annotated[
        str, Meta(description="What the sampler takes: the share of a traceidratio, 0 to 1")
    ] = ""


class NotMade:
    """A span that is not made; does as `kit.spans.Made` does, without doing anything."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, fact: str, value: Fact) -> None:
        """See `Made.note`."""

    def refuse(self, code: str) -> None:
        """See `Made.refuse`."""

    def fail(self, code: str) -> None:
        """See `Made.fail`."""


AnySpan: TypeAlias = "NotMade | Made"

_NOT_MADE = NotMade()
_NO_FACTS: Facts = {}
_DEPENDENT = ("client", "internal")

_maker: "Maker | None" = None


def span(
    name: str,
    kind: Kind = "internal",
    facts: Facts = _NO_FACTS,
    *,
    parent: str | None = None,
    links: Iterable[str] = (),
) -> AnySpan:
    """Return what makes a span of the body of a `with`, or nothing where no spans are wanted.

    Only what answers or takes from a queue begins a trace; the rest is shown where it belongs to
    one, so that checks, sweeps and surveys do not fill the collector. Enter it at once: a span
    begins when this is called.

    Args:
        name: What is done, of few different values.
        kind: Whether it answers, asks, takes from a queue, or none of these.
        facts: What is known from the start, by OpenTelemetry's names.
        parent: W3C traceparent to stand under, instead of the present one; empty for none.
        links: Further traceparents for which it is done, too.
    """
    if _maker is None:
        return _NOT_MADE
    above = context.traceparent.get() if parent is None else parent
    if not above and kind in _DEPENDENT:
        return _NOT_MADE
    return _maker.make(name, kind, facts, above, links)


def past(name: str, kind: Kind, seconds: float, facts: Facts, failed: str = "") -> None:
    """Make a span of something that has just ended, under the present one, if there is one."""
    above = context.traceparent.get()
    if _maker is not None and above:
        _maker.past(name, kind, facts, above, seconds, failed)


def on() -> bool:
    """Whether spans are made."""
    return _maker is not None


def configure(service: str, telemetry: Telemetry) -> None:
    """Begin to make spans, if there is a collector to send them to."""
    global _maker  # noqa: PLW0603 - one for the process, as the collector is
    if telemetry.otel_exporter_otlp_endpoint:
        from kit.spans import Maker  # a third of a second, for those who want it

        _maker = Maker(service, telemetry.otel_exporter_otlp_endpoint)


def stop() -> None:
    """Send what is left, for a few seconds at most, and make no more spans."""
    global _maker
    maker, _maker = _maker, None
    if maker is not None:
        maker.stop()
