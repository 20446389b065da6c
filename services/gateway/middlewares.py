"""Every request gets an id, is counted, has its errors translated and its caller named."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from kit import context
from proto.accounts.calling import Caller
from services.gateway import ratelimits
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.measuring import counted
from services.gateway.permissions import check
from services.gateway.problems import translate
from services.gateway.resources import BY_HANDLER, IDENTITY, SETTINGS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@web.middleware
async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, its own if it brought a sane one, and answer with it."""
    brought = request.headers.get("X-Request-Id", "")
    request_id = brought if _ID.fullmatch(brought) else context.new_correlation_id()
    request["request_id"] = request_id
    context.correlation_id.set(request_id)
    trace = request.headers.get(context.TRACE_HEADER, "")
    context.traceparent.set(trace if _TRACEPARENT.fullmatch(trace) else "")
    response = await handler(request)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response


@web.middleware
async def translated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in the shape of the dialect, and say how the caller's rate limits stand."""
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - the one place where errors become answers
        response = translate(request, error, request.app[SETTINGS].top_up_url)
    caller: Caller | None = request.get(CALLER)
    if caller is not None and not response.prepared:
        ratelimits.tell(response, caller.limits)
    return response


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who is calling and whether they may, before anything of the body is read."""
    matched = request.match_info
    operation = request.app[BY_HANDLER].get(matched.handler)
    if matched.http_exception is not None or operation is None or not operation.secured:
        return await handler(request)
    caller = request[CALLER] = await request.app[IDENTITY].caller(request)
    request[ACCOUNT] = caller.account
    check(caller, operation)
    return await handler(request)


ALL = [named, counted, translated, authenticated]
"""Outermost first."""
