"""The wallet and the price book over HTTP."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.ids import ApiKeyId
from proto.wallet import (
    GetBalance,
    GetStatement,
    GetThreshold,
    GetUsage,
    SetThreshold,
    StatementKind,
    StatementLine,
)
from services.gateway import table
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Media, Operations, Parameter, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.queries import HIGHEST_NUMBER, moment, month, whole_number
from services.gateway.ratelimits import tell
from services.gateway.resources import BUS, PRICES
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("Wallet")

_MOST_LINES = 200
_LINES_AT_ONCE = 1000


class WalletBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the account owns, in tokens."""

    balance: int
    """Can be spent now."""
    promotional: int
    """Of those, tokens that were granted and will lapse; they are spent first."""
    held: int
    """Set aside by requests that are being worked on."""


class TransactionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A charge and how it ended, a top-up, or a grant."""

    id: str
    """As in wallet_transaction_id: TX-00021."""
    kind: StatementKind
    state: Literal["held", "settled", "refunded", "expired", "added"]
    operation: str
    """What was paid for, as in the price book; the reason of a top-up or grant."""
    units: int
    tokens_reserved: int
    tokens_consumed: int
    tokens_refunded: int
    tokens_added: int
    tokens_expired: int
    """Of a grant, what lapsed unspent."""
    expires_at: datetime | None
    """When a grant lapses, or a hold that has not ended."""
    api_key_id: UUID | None
    """The key that a charge was made with; null for people."""
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


class UsageLineBody(msgspec.Struct, frozen=True, kw_only=True):
    """What one key, or the people who log in, used of one operation."""

    api_key_id: UUID | None
    """null for people."""
    operation: str
    charges: int
    units: int
    tokens_consumed: int


class UsageBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the account used in a month, the most expensive first."""

    month: str
    lines: list[UsageLineBody]
    tokens_consumed: int


class ThresholdBody(msgspec.Struct, frozen=True, kw_only=True):
    """Below how many tokens the account wants to be told, by webhook."""

    tokens: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None
    """null for never."""


@operations.add("GET", "/v1/wallet", {200: WalletBody, **ASKING}, scope="wallet:read")
async def wallet(request: web.Request) -> web.Response:
    """Tell how many tokens the account has."""
    balance = await request.app[BUS].request(GetBalance(account=request[ACCOUNT]))
    return json_response(
        WalletBody(balance=balance.available, promotional=balance.promotional, held=balance.held)
    )


_FILTERS = (
    Parameter("since", "query", "Only from this day or moment on, ISO 8601"),
    Parameter("until", "query", "Only before this day or moment"),
    Parameter("kind", "query", "Only `charge`, `top_up` or `grant`"),
    Parameter("key", "query", "Only charges made with the API key of this id"),
)


@operations.add(
    "GET",
    "/v1/wallet/transactions",
    {200: TransactionsBody, 422: ErrorBody, **ASKING},
    parameters=(
        *_FILTERS,
        Parameter("limit", "query", f"Lines on a page, 1 to {_MOST_LINES}; 50 if left out", int),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="wallet:read",
)
async def transactions(request: web.Request) -> web.Response:
    """List the account's transactions, newest first."""
    page = await request.app[BUS].request(
        msgspec.structs.replace(
            _asked(request),
            limit=whole_number(request, "limit", _MOST_LINES) or 50,
            before=whole_number(request, "cursor", HIGHEST_NUMBER),
        )
    )
    cursor = None if page.next_before is None else str(page.next_before)
    lines = [_transaction(line) for line in page.lines]
    return json_response(TransactionsBody(transactions=lines, next_cursor=cursor))


@operations.add(
    "GET",
    "/v1/wallet/transactions.csv",
    {200: Media("text/csv"), 422: ErrorBody, **ASKING},
    parameters=_FILTERS,
    scope="wallet:read",
)
async def transactions_csv(request: web.Request) -> web.StreamResponse:
    """Give out all transactions as CSV (RFC 4180), newest first."""
    asked = msgspec.structs.replace(_asked(request), limit=_LINES_AT_ONCE)
    # the first page before the first byte, so that what goes wrong can still be said
    page = await request.app[BUS].request(asked)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="transactions.csv"',
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request["request_id"],
        }
    )
    tell(response, request[CALLER].limits)
    await response.prepare(request)
    if request.method != "HEAD":
        columns = [field.name for field in msgspec.structs.fields(TransactionBody)]
        await response.write(table.rows([columns]))
        while page.lines:
            lines = (msgspec.structs.astuple(_transaction(line)) for line in page.lines)
            await response.write(table.rows(lines))
            if page.next_before is None:
                break
            asked = msgspec.structs.replace(asked, before=page.next_before)
            page = await request.app[BUS].request(asked)
    await response.write_eof()
    return response


@operations.add(
    "GET",
    "/v1/wallet/usage",
    {200: UsageBody, 422: ErrorBody, **ASKING},
    parameters=(Parameter("month", "query", "As 2026-11, in UTC; this month if left out"),),
    scope="wallet:read",
)
async def usage(request: web.Request) -> web.Response:
    """Sum up a month by API key and operation."""
    since, until = month(request, "month")
    found = await request.app[BUS].request(
        GetUsage(account=request[ACCOUNT], since=since, until=until)
    )
    lines = [
        UsageLineBody(
            api_key_id=line.api_key,
            operation=line.operation,
            charges=line.charges,
            units=line.units,
            tokens_consumed=line.consumed,
        )
        for line in found.lines
    ]
    total = sum(line.tokens_consumed for line in lines)
    return json_response(
        UsageBody(month=since.strftime("%Y-%m"), lines=lines, tokens_consumed=total)
    )


@operations.add("GET", "/v1/wallet/threshold", {200: ThresholdBody, **ASKING}, scope="wallet:read")
async def threshold(request: web.Request) -> web.Response:
    """Tell below how many tokens the account wants to be told."""
    found = await request.app[BUS].request(GetThreshold(account=request[ACCOUNT]))
    return json_response(ThresholdBody(tokens=found.tokens))


@operations.add(
    "PUT",
    "/v1/wallet/threshold",
    {200: ThresholdBody, **ERROR_ANSWERS},
    body=ThresholdBody,
    role="owner",
)
async def set_threshold(request: web.Request) -> web.Response:
    """Be told, by the webhook event wallet.low_balance, when the balance falls below this."""
    body = await read_json(request, ThresholdBody)
    found = await request.app[BUS].request(
        SetThreshold(account=request[ACCOUNT], tokens=body.tokens)
    )
    return json_response(ThresholdBody(tokens=found.tokens))


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


def _asked(request: web.Request) -> GetStatement:
    """Return what the filters in the query ask for."""
    try:
        kind = msgspec.convert(request.query.get("kind"), StatementKind | None)
    except msgspec.ValidationError as error:
        sentence = "kind must be charge, top_up or grant"
        raise Problem(422, "INVALID_REQUEST", sentence) from error
    key = request.query.get("key")
    try:
        api_key = None if key is None else ApiKeyId(UUID(key))
    except ValueError as error:
        raise Problem(422, "INVALID_REQUEST", "key must be the id of an API key") from error
    return GetStatement(
        account=request[ACCOUNT],
        since=moment(request, "since"),
        until=moment(request, "until"),
        kind=kind,
        api_key=api_key,
    )


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
        tokens_expired=line.expired,
        expires_at=line.expires_at,
        api_key_id=line.api_key,
        created_at=line.created_at,
        request_id=line.correlation_id,
    )
