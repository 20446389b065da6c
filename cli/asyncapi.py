"""The AsyncAPI 3.0 document of what services say to each other, made from their messages."""

import importlib
import inspect
import pkgutil
from typing import Any

import msgspec

import proto
from kit.discovery import VERSION
from proto import errors
from proto.message import Request

_REF = "#/components/schemas/{name}"

DESCRIPTION = """\
Request and reply over core NATS, encoded as MessagePack. A reply with the header
`Nats-Service-Error-Code` is a refusal of that kind. `Darkroom-Timeout-Ms` is the time the caller
has left, `Darkroom-Correlation-Id` the X-Request-Id of the call that started it all. Every service
answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` of the NATS service API.
"""


def requests() -> list[type[Request[Any]]]:
    """Return every request of every service, in the order of their subjects."""
    for module in pkgutil.walk_packages(proto.__path__, "proto."):
        importlib.import_module(module.name)
    return sorted(
        (kind for kind in Request.__subclasses__() if kind.__module__.startswith("proto.")),
        key=lambda kind: kind.subject,
    )


def document() -> dict[str, Any]:
    """Return the document as plain JSON values, in a stable order."""
    known = requests()
    refusals = list(errors.every_refusal().values())
    types = [*known, *(kind.reply for kind in known), *refusals]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Darkroom", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/msgpack",
        "channels": {kind.subject: _channel(kind) for kind in known},
        "operations": {kind.subject: _operation(kind) for kind in known},
        "components": {"schemas": schemas},
    }


def _channel(kind: type[Request[Any]]) -> dict[str, Any]:
    return {
        "address": kind.subject,
        "messages": {
            "request": {"payload": _schema(kind)},
            "reply": {"payload": _schema(kind.reply)},
        },
    }


def _operation(kind: type[Request[Any]]) -> dict[str, Any]:
    channel = f"#/channels/{kind.subject}"
    return {
        "action": "receive",
        "title": kind.__name__,
        "description": inspect.getdoc(kind) or "",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/request"}],
        "reply": {
            "channel": {"$ref": channel},
            "messages": [{"$ref": f"{channel}/messages/reply"}],
        },
    }


def _schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type or a union of types
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema
