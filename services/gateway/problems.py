"""Errors as HTTP answers: {"error": CODE, "message": one sentence, "request_id"}.

The only place that knows which refusal is which status.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from aiohttp import web

from proto import errors
from services.gateway import ratelimits

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5

CUT_OFF = web.RequestKey("CUT_OFF", bool)
"""Set on a request whose answer had begun and did not come to its end."""

_STATUS: dict[type[errors.Refusal], int] = {
    errors.InvalidRequest: 422,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.PlanForbids: 403,
    errors.RateLimited: 429,
    errors.QueueFull: 429,
    errors.NotFound: 404,
    errors.SpendCapReached: 402,
    errors.LastOwner: 409,
    errors.InsufficientTokens: 402,
    errors.IdempotencyConflict: 409,
    errors.ReservationEnded: 409,
    errors.EmailTaken: 409,
    errors.NameTaken: 409,
    errors.ConsentMissing: 409,
    errors.NoReferences: 400,
    errors.ReferencesStale: 409,
    errors.MatchRunning: 409,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 503,
    errors.Broken: 503,
    errors.Internal: 500,
}


class Problem(Exception):
    """An error that only HTTP knows; ends the request with this status and code."""

    def __init__(self, status: int, code: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.facts = facts


def answer(
    request: web.Request,
    status: int,
    code: str,
    message: str,
    facts: Mapping[str, object] | None = None,
) -> web.Response:
    """Return an error in the shape that every error has."""
    body = {"error": code, "message": message, "request_id": request["request_id"], **(facts or {})}
    response = json_response(body, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503 or code == errors.QueueFull.code:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def translate(request: web.Request, error: Exception, top_up_url: str) -> web.Response:
    """Return the answer that an error stands for; what is not expected is logged, and a 500."""
    match error:
        case Problem():
            return answer(request, error.status, error.code, error.message, error.facts)
        case errors.InsufficientTokens():
            # exactly these four fields: the contract's shape, which has no message
            body = {
                "error": error.code,
                "balance": error.balance,
                "shortfall": error.shortfall,
                "top_up_url": top_up_url,
            }
            return json_response(body, 402)
        case errors.SpendCapReached():
            facts = {"cap": error.cap, "spent": error.spent, "held": error.held}
            return answer(request, 402, error.code, error.message, facts)
        case errors.RateLimited():
            response = answer(request, 429, error.code, error.message)
            response.headers["Retry-After"] = str(error.retry_after)
            ratelimits.tell(response, error.limits)
            return response
        case errors.Unavailable():
            log.warning("unavailable", error=str(error))
            sentence = "the service is not available right now, please try again in a moment"
            # what is broken inside is no matter of clients
            broken = isinstance(error, errors.Broken)
            return answer(request, 503, errors.Unavailable.code if broken else error.code, sentence)
        case errors.Refusal():
            return answer(request, _STATUS.get(type(error), 500), error.code, error.message)
        case web.HTTPException():
            return _of_aiohttp(request, error)
        case _:
            log.error("unhandled error", exc_info=error)
            return answer(request, 500, "INTERNAL", "something went wrong on our side")


@asynccontextmanager
async def broken_off(request: web.Request) -> AsyncIterator[None]:
    """Break the connection off when what has begun to be answered cannot go on.

    Once a part of an answer is sent, no error can be told in another way; an end without the last
    piece tells the client that something is missing. That a client has left is no error of ours.
    """
    try:
        yield
    except ConnectionError:
        log.info("client left")
    except Exception as error:
        expected = isinstance(error, errors.Refusal)
        log.warning("answer broken off", error=str(error), exc_info=None if expected else error)
        request[CUT_OFF] = True
        if request.transport is not None:
            request.transport.abort()


def json_response(body: Any, status: int = 200) -> web.Response:  # noqa: ANN401 - any encodable value
    """Return `body` as JSON."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    if error.status < 400:
        return web.Response(status=error.status, headers={"Location": error.headers["Location"]})
    if error.status == 413:
        return answer(request, 413, "BODY_TOO_LARGE", "the body is larger than this endpoint takes")
    code = error.reason.upper().replace(" ", "_")
    response = answer(request, error.status, code, f"{request.path}: {error.reason.lower()}")
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
