"""A collector of spans, as OTLP over HTTP has it: takes what services export, and shows it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Written
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from cli import ports


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    facts: dict[str, object]
    failed: bool
    links: list[str]
    began: int
    ended: int

    @property
    def text(self) -> str:
        """Everything in it that is not a number, for looking for what must not be there."""
        return "\n".join([self.name, *map(str, self.facts), *map(str, self.facts.values())])


@dataclass
class Collector:
    url: str
    spans: list[Span] = field(default_factory=list)
    raw: bytes = b""
    """Everything that was sent, as it was sent."""

    def of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of_resource = {fact.key: _value(fact.value) for fact in resource.resource.attributes}
            service = str(of_resource["service.name"])
            for scope in resource.scope_spans:
                self.spans += [_read(service, span) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    (port,) = ports.free(1)
    collector = Collector(f"http://127.0.0.1:{port}")
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield collector
    await runner.cleanup()


def _read(service: str, span: Written) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=Written.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        facts={fact.key: _value(fact.value) for fact in span.attributes},
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        links=[link.trace_id.hex() for link in span.links],
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
    )


def _value(value: AnyValue) -> object:
    return getattr(value, str(value.WhichOneof("value")))
