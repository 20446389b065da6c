"""From a request to what is to be paid for it: as the price book says, or as was quoted."""

from uuid import UUID

from aiohttp import web

from proto.accounts.calling import Caller
from services.gateway.billing import Order
from services.gateway.idempotency import QUOTE_HEADER
from services.gateway.identity import CALLER
from services.gateway.resources import PRICES, QUOTES


def order(
    request: web.Request, operation: str, units: int, seconds: float, call: UUID | None
) -> Order:
    """Return the order that a request stands for. Raises Problem for a quote that does not fit.

    Args:
        request: Of a caller who is known, perhaps with a quote.
        operation: As the price book names it.
        units: How many of it.
        seconds: How long the work may take.
        call: The call with an idempotency key that it is for.
    """
    caller: Caller = request[CALLER]
    price = request.app[PRICES][operation].tokens
    quote = request.headers.get(QUOTE_HEADER, "")
    return Order(
        operation=operation,
        units=units,
        unit_price=request.app[QUOTES].price(caller.account, quote, operation, units, price),
        work_seconds=seconds,
        call=call,
    )
