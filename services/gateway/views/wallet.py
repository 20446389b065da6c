"""The wallet and the price book over HTTP."""

from datetime import datetime
from typing import Literal

import msgspec
from aiohttp import web

from proto.wallet import GetBalance, GetStatement, StatementLine
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter
from services.gateway.problems import Problem, json_response
from services.gateway.resources import BUS, PRICES
from services.gateway.views.shapes import ErrorBody

operations = Operations("Wallet")

_MOST_LINES = 200


class WalletBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the account owns, in tokens."""

    balance: int
    """Can be spent now."""
    held: int
    """Set aside by requests that are being worked on."""


class TransactionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A charge and how it ended, or a top-up."""

    id: str
    """As in wallet_transaction_id: TX-00021."""
    kind: Literal["charge", "top_up"]
    state: Literal["held", "settled", "refunded", "expired", "added"]
    operation: str
    """What was paid for, as in the price book; the reason of a top-up."""
    units: int
    tokens_reserved: int
    tokens_consumed: int
    tokens_refunded: int
    tokens_added: int
    created_at: datetime
    request_id: str
    """The X-Request-Id of the request that caused it."""


class TransactionsBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of transactions, newest first."""

    transactions: list[TransactionBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


class PriceBody(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of an operation costs."""

    operation: str
    tokens: int
    unit: str
    description: str


class PricesBody(msgspec.Struct, frozen=True, kw_only=True):
    """The price book."""

    prices: list[PriceBody]


@operations.add("GET", "/v1/wallet", {200: WalletBody, 401: ErrorBody, 503: ErrorBody})
async def wallet(request: web.Request) -> web.Response:
    """Tell how many tokens the account has."""
    balance = await request.app[BUS].request(GetBalance(account=request[ACCOUNT]))
    return json_response(WalletBody(balance=balance.available, held=balance.held))


@operations.add(
    "GET",
    "/v1/wallet/transactions",
    {200: TransactionsBody, 401: ErrorBody, 422: ErrorBody, 503: ErrorBody},
    parameters=(
        Parameter("limit", "query", f"Lines on a page, 1 to {_MOST_LINES}; 50 if left out", int),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
)
async def transactions(request: web.Request) -> web.Response:
    """List the account's transactions, newest first."""
    limit = _whole_number(request, "limit", 50, _MOST_LINES)
    before = _whole_number(request, "cursor", None, 2**62)
    page = await request.app[BUS].request(
        GetStatement(account=request[ACCOUNT], limit=limit or 50, before=before)
    )
    cursor = None if page.next_before is None else str(page.next_before)
    lines = [_transaction(line) for line in page.lines]
    return json_response(TransactionsBody(transactions=lines, next_cursor=cursor))


@operations.add("GET", "/v1/prices", {200: PricesBody}, secured=False)
async def prices(request: web.Request) -> web.Response:
    """Show what each operation costs."""
    listed = [
        PriceBody(
            operation=name, tokens=price.tokens, unit=price.unit, description=price.description
        )
        for name, price in request.app[PRICES].items()
    ]
    return json_response(PricesBody(prices=listed))


def _whole_number(request: web.Request, name: str, default: int | None, at_most: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not 1 <= int(text) <= at_most:
        raise Problem(422, "INVALID_REQUEST", f"{name} must be a whole number from 1 to {at_most}")
    return int(text)


def _transaction(line: StatementLine) -> TransactionBody:
    return TransactionBody(
        id=line.transaction_id,
        kind=line.kind,
        state=line.state,
        operation=line.operation,
        units=line.units,
        tokens_reserved=line.reserved,
        tokens_consumed=line.consumed,
        tokens_refunded=line.refunded,
        tokens_added=line.added,
        created_at=line.created_at,
        request_id=line.correlation_id,
    )
