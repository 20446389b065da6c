"""Payment providers tell that money has come; tokens are added for it, once."""

import time

import msgspec
import structlog
from aiohttp import web

from proto.accounts.opening import GetAccount
from proto.wallet import TopUp
from services.gateway import stripe
from services.gateway.operations import Operations
from services.gateway.problems import Problem, json_response
from services.gateway.receiving import receiving
from services.gateway.resources import BUS, SETTINGS
from services.gateway.views.shapes import ErrorBody

operations = Operations("Payments")

log = structlog.get_logger(__name__)


class ReceivedBody(msgspec.Struct, frozen=True, kw_only=True):
    """It was heard."""

    received: bool
    tokens_added: int
    """By this event, or one before it about the same checkout; 0 for events about other things."""


_ANSWERS = dict.fromkeys((400, 404, 409, 413, 422, 503), ErrorBody)


@operations.add("POST", "/v1/payments/stripe", {200: ReceivedBody, **_ANSWERS}, secured=False)
async def from_stripe(request: web.Request) -> web.Response:
    """Add tokens for a paid Stripe checkout: the webhook of events checkout.session.*.

    Counts once per event and once per checkout, however often Stripe tells of it.
    """
    secrets = request.app[SETTINGS].stripe_webhook_secrets
    if not secrets:
        raise Problem(404, "NOT_FOUND", "no payments are taken here")
    with receiving(request):
        body = await request.read()
    try:
        stripe.verify(request.headers.get("Stripe-Signature", ""), body, secrets, time.time())
    except stripe.NotSigned as error:
        raise Problem(400, "SIGNATURE_NOT_VALID", "this was not signed by Stripe") from error
    try:
        paid = stripe.payment(body)
    except stripe.NotUnderstood as error:
        log.warning("payment not booked", error=str(error))
        raise Problem(422, "INVALID_REQUEST", str(error)) from error
    if paid is not None:
        await _add(request, paid)
    return json_response(ReceivedBody(received=True, tokens_added=paid.tokens if paid else 0))


async def _add(request: web.Request, paid: stripe.Payment) -> None:
    bus = request.app[BUS]
    await bus.request(GetAccount(account=paid.account))
    await bus.request(
        TopUp(
            account=paid.account,
            tokens=paid.tokens,
            key=f"stripe:{paid.event}",
            reason=f"Stripe {paid.session}"[:200],
            reference=f"stripe:{paid.session}"[:255],
        )
    )
    log.info("payment booked", account=str(paid.account), tokens=paid.tokens, session=paid.session)
