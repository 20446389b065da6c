"""The OpenAPI 3.1 document, made from the operations themselves."""

import inspect
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from services.gateway import telling
from services.gateway.operations import Media, Operation, Parameter

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_TEXT = {"schema": {"type": "string"}}
_EXTRA_HEADERS = {429: ("Retry-After", "RateLimit", "RateLimit-Policy"), 503: ("Retry-After",)}
_CHARGING = (
    Parameter(
        "Idempotency-Key",
        "header",
        "Any text of yours; the same request under the same key is charged once, and answered the "
        "same for a day",
    ),
    Parameter("Quote-Id", "header", "From POST /v1/quotes: charged as quoted"),
)

DESCRIPTION = """\
A token-billed AI photo studio that you run yourself. Today it crops faces, billed from one wallet.

Send `Authorization: Bearer <access_token>` with every request; `POST /v1/account/login` gives one.
Programs send an API key instead, the same way or as `X-Api-Key`; operations that name an `x-scope`
take keys that have it.

Every answer carries `X-Request-Id`, and says with `RateLimit` how the caller's limits stand. An
error is `{"error": CODE, "message": sentence, "request_id"}`; too few tokens is 402 with `error`,
`balance`, `shortfall` and `top_up_url`.

Requests that charge take an `Idempotency-Key`: sent again with the same key and the same body they
are answered as before and charged once; with another body 422; while the first is under way 409.
"""


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the document as plain JSON values, in a stable order."""
    operations = [operation for operation in operations if operation.listed]
    types = [*_types(operations), *telling.BODIES.values()]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, Any] = {}
    for operation in operations:
        path = paths.setdefault(_openapi_path(operation.path), {})
        path[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "webhooks": {
            told: telling.described(told, _reference(body)) for told, body in telling.BODIES.items()
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "api_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _types(operations: Sequence[Operation]) -> list[Any]:
    found: list[Any] = []
    for operation in operations:
        found += [operation.body, operation.form]
        for kind in operation.answers.values():
            found += kind if isinstance(kind, tuple) else [kind]
    return [kind for kind in dict.fromkeys(found) if not isinstance(kind, Media | None)]


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.handler.__module__.rpartition(".")[2]
        + "_"
        + operation.handler.__name__,
        "summary": (inspect.getdoc(operation.handler) or "").partition("\n")[0],
        "responses": {
            str(status): _answer(status, kind) for status, kind in operation.answers.items()
        },
    }
    if operation.secured:
        described["security"] = [{"access_token": []}]
    if operation.scopes:
        described["security"].append({"api_key": []})
        described["x-scope"] = " or ".join(operation.scopes)
    parameters = [*operation.parameters, *(_CHARGING if operation.charges else ())]
    if parameters:
        described["parameters"] = [_parameter(parameter) for parameter in parameters]
    if operation.body is not None:
        described["requestBody"] = _body(_JSON, operation.body)
    if operation.form is not None:
        described["requestBody"] = _body("multipart/form-data", operation.form)
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": msgspec.json.schema(parameter.kind),
    }


def _body(media: str, kind: type[Any]) -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": _reference(kind)}}}


def _answer(status: int, kind: type[Any] | tuple[type[Any], ...] | Media | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "headers": dict.fromkeys(("X-Request-Id", *_EXTRA_HEADERS.get(status, ())), _TEXT),
    }
    if isinstance(kind, Media):
        # bytes have no schema
        text = {"schema": {"type": "string"}} if kind.type.startswith("text/") else {}
        described["content"] = {kind.type: text}
    elif isinstance(kind, tuple):
        either = {"anyOf": [_reference(one) for one in kind]}
        described["content"] = {_JSON: {"schema": either}}
    elif kind is not None:
        described["content"] = {_JSON: {"schema": _reference(kind)}}
    return described


def _reference(kind: type[Any]) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _openapi_path(path: str) -> str:
    """Turn aiohttp's `{key:.+}` into OpenAPI's `{key}`."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)
