"""What a service says and hears besides requests and answers, read out of its code.

Tickets and the state of queues, events, the progress of jobs, and who is there. Streams and
subjects are those of `proto`; what a queue is asked for is read off the methods that are called.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from types import FunctionType
from typing import Any

from cli.deployment.checking.sources import (
    asked_for,
    called,
    calls,
    imported,
    module,
    of_service,
    part,
    uses,
)
from proto.events import STREAM as EVENTS
from proto.events import Event
from proto.jobs import STREAM as WORK

_API = "$JS.API"
_OF_STREAMS: dict[str, tuple[str, ...]] = {
    # what kit.streams does after a server dropped settings is left to whoever runs the server
    "declare_stream": ("STREAM.INFO.{stream}", "STREAM.CREATE.{stream}"),
    "add_stream": ("STREAM.CREATE.{stream}",),
    "update_stream": ("STREAM.UPDATE.{stream}",),
    "purge_stream": ("STREAM.PURGE.{stream}",),
    "delete_stream": ("STREAM.DELETE.{stream}",),
    "stream_info": ("STREAM.INFO.{stream}",),
    "declare_consumer": (
        "CONSUMER.INFO.{stream}.{consumer}",
        "CONSUMER.DURABLE.CREATE.{stream}.{consumer}",
    ),
    "add_consumer": ("CONSUMER.DURABLE.CREATE.{stream}.{consumer}",),
    "delete_consumer": ("CONSUMER.DELETE.{stream}.{consumer}",),
    "consumer_info": ("CONSUMER.INFO.{stream}.{consumer}",),
    "pull_subscribe_bind": ("CONSUMER.MSG.NEXT.{stream}.{consumer}",),
}
"""What JetStream is asked, by the method that asks it."""
_ACKNOWLEDGED = "$JS.ACK.{stream}.{consumer}.>"
_EVERY = "*"
_DISCOVERY = "kit.discovery"


@cache
def says(service: str) -> frozenset[str]:
    """Return the patterns of all that a service publishes and that is no request."""
    own = of_service(service)
    found = {pattern for tree in own for pattern in _managed([tree], _stream(tree), _EVERY)}
    found |= {pattern for tree in own for pattern in _named(tree, "publish")}
    for kind in kinds(service):
        found |= set(_managed([module("kit.work")], WORK, kind))
    if publishes(service):
        found |= tells(service) | set(_managed(part("kit.events", "publish"), EVENTS, _EVERY))
    for reader in _readers(own):
        found |= set(_managed(part("kit.events", "Reader"), EVENTS, reader))
    return frozenset(found)


@cache
def hears(service: str) -> frozenset[str]:
    """Return the patterns of all that a service listens to."""
    own = of_service(service)
    found = {f"_INBOX.{service}.>"}
    if uses(own, "kit.endpoints", ("answers",)):
        found |= {f"{service}.>", *_discovered(service)}
    named = {pattern for tree in own for pattern in _named(tree, "subscribe")}
    # its own are among what it answers
    return frozenset(found | {each for each in named if not each.startswith(f"{service}.")})


@cache
def kinds(service: str) -> frozenset[str]:
    """Return the kinds of items that a service registers for.

    They are the constants KIND and ..._KIND of proto in a module that makes a RegisterKind.
    """
    return frozenset(
        value
        for tree in of_service(service)
        if any(called(call) == "RegisterKind" for call in calls([tree]))
        for name, value in imported(tree).items()
        if name == "KIND" or name.endswith("_KIND")
    )


def publishes(service: str) -> bool:
    """Whether a service publishes events."""
    own = of_service(service)
    return uses(own, "kit.events", ("publish",)) or uses(own, "kit", ("events",))


@cache
def tells(service: str) -> frozenset[str]:
    """Return the subjects of the events that the code of a service publishes.

    Those that it knows, if it publishes any: which one is made is sometimes decided as it runs.
    """
    return frozenset(
        value.subject()
        for tree in (of_service(service) if publishes(service) else ())
        for value in imported(tree).values()
        if isinstance(value, type) and issubclass(value, Event) and hasattr(value, "type")
    )


def _managed(trees: Iterable[ast.AST], stream: str, consumer: str) -> Iterator[str]:
    """Yield what is asked of JetStream about one stream and one consumer, or every one."""
    asked = {asked_for(call) for call in calls(trees)} & _OF_STREAMS.keys()
    for pattern in {pattern for method in asked for pattern in _OF_STREAMS[method]}:
        yield f"{_API}.{pattern.format(stream=stream, consumer=consumer)}"
    if "pull_subscribe_bind" in asked:
        yield _ACKNOWLEDGED.format(stream=stream, consumer=consumer)


def _stream(tree: ast.AST) -> str:
    """Return the stream that a module is about: the one that it knows from proto."""
    return str(imported(tree).get("STREAM", _EVERY))


def _named(tree: ast.AST, method: str) -> Iterator[str]:
    """Yield what is published or subscribed to, by a subject of proto or what makes one."""
    known = imported(tree)
    for call in calls([tree]):
        if asked_for(call) != method or not call.args:
            continue
        subject: Any = None
        match call.args[0]:
            case ast.Call() as made:
                subject = known.get(called(made))
            case ast.Name(id=name):
                subject = known.get(name)
        if isinstance(subject, FunctionType):
            yield subject(_EVERY)
        elif isinstance(subject, str):
            yield subject


def _readers(trees: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names under which places in the stream of events are kept."""
    for call in calls(tree for tree in trees if uses([tree], "kit.events", ("Reader",))):
        if called(call) == "Reader":
            name = call.args[1] if len(call.args) > 1 else None
            yield str(name.value) if isinstance(name, ast.Constant) else _EVERY


def _discovered(service: str) -> Iterator[str]:
    """Yield where it is asked who is there, as the kit writes it."""
    for node in ast.walk(module(_DISCOVERY)):
        if isinstance(node, ast.JoinedStr):
            pattern = "".join(_filled(value, service) for value in node.values)
            if pattern.startswith("$SRV."):
                yield pattern


def _filled(value: ast.expr, service: str) -> str:
    match value:
        case ast.Constant():
            return str(value.value)
        case ast.FormattedValue(value=ast.Name(id="service")):
            return service
        case _:
            return _EVERY
