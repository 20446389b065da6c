"""Spans without a collector: nothing is imported, made or lost on the way."""

import subprocess
import sys

import pytest

from cli.home import PROJECT
from kit import context, tracing
from kit.tracing import Telemetry

BROUGHT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from kit import tracing; tracing.configure('wallet', tracing.Telemetry())\n"
        "with tracing.span('x', 'server') as span: span.note('a', 1)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_a_span_that_is_not_made_leaves_the_callers_trace_as_it_is() -> None:
    assert not tracing.on()
    token = context.traceparent.set(BROUGHT)
    try:
        with tracing.span("x", "server", {"a": 1}, links=[BROUGHT]) as span:
            span.note("b", 2)
            span.fail("CODE")
            assert context.headers(1.0)[context.TRACE_HEADER] == BROUGHT
        tracing.past("y", "client", 0.1, {})
    finally:
        context.traceparent.reset(token)


def test_an_error_goes_through_a_span_that_is_not_made() -> None:
    with pytest.raises(ValueError, match="as it was"), tracing.span("x"):
        raise ValueError("as it was")


def test_the_settings_are_opentelemetrys_own_names() -> None:
    names = {name.upper() for name in Telemetry.__struct_fields__}
    assert names == {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
    }
