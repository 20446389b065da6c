"""Charging requests that may be sent again: same key and same request, same answer, one charge.

The rules are Stripe's: an answer is kept for a day once work was done for it; a request that was
refused before any work, or failed on our side with everything given back, may be sent again under
its key at once.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from aiohttp import web

from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.errors import IdempotencyConflict, Refusal
from proto.wallet import (
    MOST_ANSWER_BYTES,
    AbandonCall,
    AnswerCall,
    BeginCall,
    CallAnswer,
)
from services.gateway.identity import CALLER
from services.gateway.problems import Problem
from services.gateway.resources import BUS, SETTINGS

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
QUOTE_HEADER = "Quote-Id"
REPLAYED_HEADER = "Idempotent-Replayed"

_LONGEST_KEY = 255
_MARGIN_SECONDS = 10.0

Work = Callable[[UUID | None], Awaitable[web.Response]]
"""Does the work; takes the call that it is paid for under, None for one without a key."""


async def once(request: web.Request, sent: bytes, seconds: float, work: Work) -> web.Response:
    """Answer the request by doing the work, or as it was answered before.

    `sent` is a digest of everything in the body; the work takes `seconds` at most.
    Raises Problem: 422 for a key that is none or was used for another request, 409 while the first
    request with it is under way.
    """
    key = _key(request)
    if not key:
        return await work(None)
    caller: Caller = request[CALLER]
    begin = BeginCall(
        account=caller.account,
        key=key,
        fingerprint=_fingerprint(request, sent),
        # whoever takes over must find the hold of this attempt ended
        lease_seconds=seconds + request.app[SETTINGS].lease_margin_seconds + _MARGIN_SECONDS,
    )
    try:
        call = await request.app[BUS].request(begin)
    except IdempotencyConflict as error:
        raise Problem(422, "IDEMPOTENCY_KEY_REUSED", error.message) from error
    if call.answer is not None:
        return _replayed(call.answer)
    if call.id is None or call.attempt is None:
        raise Problem(
            409,
            "IDEMPOTENCY_KEY_IN_USE",
            "the first request with this key is still being worked on",
        )
    return await _carry_out(request, begin, call.id, call.attempt, work)


async def _carry_out(
    request: web.Request, begin: BeginCall, call: UUID, attempt: UUID, work: Work
) -> web.Response:
    bus = request.app[BUS]
    try:
        response = await work(call)
    except BaseException:
        abandon = AbandonCall(account=begin.account, key=begin.key, attempt=attempt)
        await _tell(bus, abandon)
        raise
    body = bytes(response.body) if isinstance(response.body, bytes | bytearray) else b""
    if len(body) <= MOST_ANSWER_BYTES:
        said = CallAnswer(status=response.status, content_type=response.content_type, body=body)
        answer = AnswerCall(account=begin.account, key=begin.key, attempt=attempt, answer=said)
        await _tell(bus, answer)
    return response


async def _tell(bus: Bus, end: AbandonCall | AnswerCall) -> None:
    """Tell the wallet; if it does not hear, the lease of the call ends it."""
    try:
        await asyncio.shield(bus.request(end))
    except Refusal as error:
        log.warning("call not ended", subject=end.subject, error=str(error))


def _replayed(said: CallAnswer) -> web.Response:
    return web.Response(
        status=said.status,
        body=said.body,
        content_type=said.content_type,
        headers={REPLAYED_HEADER: "true"},
    )


def _key(request: web.Request) -> str:
    key = request.headers.get(HEADER, "")
    if len(key) > _LONGEST_KEY or not (key.isascii() and (key.isprintable() or not key)):
        sentence = f"{HEADER} must be at most {_LONGEST_KEY} printable ASCII characters"
        raise Problem(422, "INVALID_REQUEST", sentence)
    return key


def _fingerprint(request: web.Request, sent: bytes) -> bytes:
    quote = request.headers.get(QUOTE_HEADER, "")
    facts = (request.method, request.path_qs, request.content_type, quote)
    return hashlib.sha256("\n".join(facts).encode("utf-8", "replace") + b"\n" + sent).digest()
