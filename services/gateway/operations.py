"""Routes that describe themselves: what a handler takes and answers, for OpenAPI and for people."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from proto.accounts.words import Role, Scope
from services.gateway.problems import Problem
from services.gateway.receiving import receiving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TEXT_SHOWN = re.compile(r"matching regex '\^\(\?=\.\*\[\^.*'(?= |$)")
"""How msgspec tells of text that shows nothing: the pattern begins with `proto.qr.SHOWN`."""

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is not JSON, as its type has it: `application/zip`."""

    type: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something in the query string or the path."""

    name: str
    place: str
    """`query`, `path` or `header`."""
    description: str
    kind: type[Any] = str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path; the handler's docstring is its description."""

    method: str
    path: str
    handler: Handler
    tag: str
    answers: dict[int, Any]
    """Type of the body by status, a tuple of several; Media for a body that is not JSON, None where
    there is none or it is of any kind."""
    body: type[Any] | None = None
    form: type[Any] | None = None
    """Type of the fields of a multipart form."""
    parameters: tuple[Parameter, ...] = ()
    secured: bool = True
    """Whether callers must say who they are."""
    role: Role = "read_only"
    """What a person must be at least."""
    scopes: tuple[Scope, ...] = ()
    """Of which an API key must have one; without any, only people may do this."""
    charges: bool = False
    """Whether it costs tokens, and so takes Idempotency-Key and Quote-Id."""
    listed: bool = True
    """Whether it is part of the API; pages for people are not."""


@dataclass(frozen=True, slots=True)
class Operations:
    """A collection of operations, filled by decorating handlers."""

    tag: str
    all: list[Operation] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        answers: dict[int, Any],
        *,
        body: type[Any] | None = None,
        form: type[Any] | None = None,
        parameters: tuple[Parameter, ...] = (),
        secured: bool = True,
        role: Role | None = None,
        scope: Scope | tuple[Scope, ...] = (),
        charges: bool = False,
        listed: bool = True,
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler.

        Whoever may look may GET; everything else takes a member, unless `role` says otherwise.
        """
        scopes = scope if isinstance(scope, tuple) else (scope,)
        least: Role = role or ("read_only" if method == "GET" else "member")

        def register(handler: Handler) -> Handler:
            self.all.append(
                Operation(
                    method,
                    path,
                    handler,
                    self.tag,
                    answers,
                    body=body,
                    form=form,
                    parameters=parameters,
                    secured=secured,
                    role=least,
                    scopes=scopes,
                    charges=charges,
                    listed=listed,
                )
            )
            return handler

        return register


async def read_long_json(
    request: web.Request,
    kind: type[Body],
    at_most: int,
    check_names: Callable[[Iterable[str]], None] | None = None,
) -> tuple[Body, bytes]:
    """Return a JSON body of up to so many bytes, and its SHA-256.

    Thousands of subjects, or of signed URLs, are longer than what other endpoints take.
    Raises as `read_json`.
    """
    long = request.clone(client_max_size=at_most)
    with receiving(request):  # the clone keeps its own account of it
        body = await read_json(long, kind, check_names)
    return body, hashlib.sha256(await long.read()).digest()


async def read_json(
    request: web.Request,
    kind: type[Body],
    check_names: Callable[[Iterable[str]], None] | None = None,
) -> Body:
    """Return the request's JSON body as `kind`; `check_names` may refuse names of its fields.

    Raises Problem: 415 when it is not said to be JSON, 400 when it is not JSON, 422 when a field
    is missing or wrong; aiohttp raises 413 when it is too large.
    """
    if request.content_type != "application/json":
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "send JSON with Content-Type application/json")
    try:
        with receiving(request):
            body = await request.read()
        asked = msgspec.json.decode(body, type=kind)
        if check_names is not None:
            check_names(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    except msgspec.ValidationError as error:
        raise Problem(422, "INVALID_REQUEST", _readable(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "MALFORMED_JSON", "the body is not valid JSON") from error
    return asked


def _readable(error: msgspec.ValidationError) -> str:
    """Return what is wrong as somebody can read it who does not read patterns."""
    return _TEXT_SHOWN.sub("with a visible character and without control characters", str(error))
