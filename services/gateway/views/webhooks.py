"""Webhooks over HTTP: endpoints, their secrets, and what was told to them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from proto.webhooks import (
    Attempt,
    CreateEndpoint,
    DeleteEndpoint,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointId,
    Events,
    EventType,
    GetDeliveries,
    GetEndpoint,
    GetEndpoints,
    NewEndpoint,
    Resend,
    RotateSecret,
    SendTest,
    UpdateEndpoint,
    Url,
)
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import json_response
from services.gateway.queries import HIGHEST_NUMBER, identifier, whole_number
from services.gateway.resources import BUS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("Webhooks")

_MOST_DELIVERIES = 200
_SECONDS_WITH_LOOKUP = 20.0
"""A URL is checked by looking its name up, at whatever name server it has."""
_ID = Parameter("id", "path", "The webhook's id")
_EVENT = Parameter("event_id", "path", "The webhook-id of what was told")
_ANSWERS = {404: ErrorBody, **ASKING}
_BODY_ANSWERS = {**ERROR_ANSWERS, 404: ErrorBody}


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """Where the account is told of events."""

    id: UUID
    url: str
    events: list[EventType] | None
    """null for all there are, and will be."""
    enabled: bool
    gone_at: datetime | None
    """When the receiver answered 410 Gone, which disabled it."""
    created_at: datetime


class WebhooksBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every webhook of the account, newest first."""

    webhooks: list[WebhookBody]


class NewWebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose secret was just made."""

    webhook: WebhookBody
    secret: str
    """Verifies what is told, as Standard Webhooks 1.0 has it. Shown this once."""


class CreateWebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """Where to tell events, and which."""

    url: Url
    """http or https on a public address."""
    events: Events | None = None
    """Left out for all there are, and will be."""


class UpdateWebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType | None = UNSET
    """null for all there are, and will be."""
    enabled: bool | UnsetType = UNSET
    """false also gives up on all that waits to be told."""


class RotateWebhookSecretBody(msgspec.Struct, frozen=True, kw_only=True):
    """How to change over."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400
    """How long the secret before this one signs as well."""


class WebhookAttemptBody(msgspec.Struct, frozen=True, kw_only=True):
    """One try to tell an event."""

    number: int
    """From 1; a number that is left out was broken off by us."""
    began_at: datetime
    milliseconds: int
    """That it took."""
    status: int | None
    """HTTP status; null when no answer came."""
    error: str | None
    """Why it failed; null when the receiver took it."""


class WebhookDeliveryBody(msgspec.Struct, frozen=True, kw_only=True):
    """One event, told to one webhook."""

    event_id: UUID
    """The webhook-id of every attempt."""
    type: EventType
    state: DeliveryState
    attempts: int
    last_status: int | None
    """HTTP status of the last attempt; null when no answer came."""
    last_error: str | None
    """Why the last attempt failed."""
    next_attempt_at: datetime | None
    """null once it has ended."""
    created_at: datetime
    last_attempt_at: datetime | None
    ended_at: datetime | None
    attempts_log: list[WebhookAttemptBody]
    """The last 50 attempts, oldest first."""


class WebhookDeliveriesBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of deliveries, newest first; they are kept for 30 days."""

    deliveries: list[WebhookDeliveryBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


@operations.add("GET", "/v1/webhooks", {200: WebhooksBody, **ASKING})
async def webhooks(request: web.Request) -> web.Response:
    """List the account's webhooks."""
    found = await request.app[BUS].request(GetEndpoints(account=request[ACCOUNT]))
    return json_response(WebhooksBody(webhooks=[_webhook(each) for each in found.endpoints]))


@operations.add("GET", "/v1/webhooks/{id}", {200: WebhookBody, **_ANSWERS}, parameters=(_ID,))
async def webhook(request: web.Request) -> web.Response:
    """Show one webhook."""
    ask = GetEndpoint(account=request[ACCOUNT], endpoint=_id(request))
    return json_response(_webhook(await request.app[BUS].request(ask)))


@operations.add(
    "POST",
    "/v1/webhooks",
    {201: NewWebhookBody, **ERROR_ANSWERS},
    body=CreateWebhookBody,
    role="owner",
)
async def create(request: web.Request) -> web.Response:
    """Tell events to a URL from now on."""
    body = await read_json(request, CreateWebhookBody)
    made = await request.app[BUS].request(
        CreateEndpoint(account=request[ACCOUNT], url=body.url, events=body.events),
        _SECONDS_WITH_LOOKUP,
    )
    return _with_secret(made, 201)


@operations.add(
    "PATCH",
    "/v1/webhooks/{id}",
    {200: WebhookBody, **_BODY_ANSWERS},
    body=UpdateWebhookBody,
    parameters=(_ID,),
    role="owner",
)
async def update(request: web.Request) -> web.Response:
    """Change a webhook's URL or events, disable it, or enable it again."""
    endpoint = _id(request)
    body = await read_json(request, UpdateWebhookBody)
    changed = await request.app[BUS].request(
        UpdateEndpoint(
            account=request[ACCOUNT],
            endpoint=endpoint,
            url=body.url,
            events=body.events,
            enabled=body.enabled,
        ),
        _SECONDS_WITH_LOOKUP,
    )
    return json_response(_webhook(changed))


@operations.add(
    "DELETE", "/v1/webhooks/{id}", {204: None, **_ANSWERS}, parameters=(_ID,), role="owner"
)
async def delete(request: web.Request) -> web.Response:
    """Remove a webhook with everything that was or would be told to it."""
    await request.app[BUS].request(DeleteEndpoint(account=request[ACCOUNT], endpoint=_id(request)))
    return web.Response(status=204)


@operations.add(
    "POST",
    "/v1/webhooks/{id}/rotate-secret",
    {200: NewWebhookBody, **_BODY_ANSWERS},
    body=RotateWebhookSecretBody,
    parameters=(_ID,),
    role="owner",
)
async def rotate_secret(request: web.Request) -> web.Response:
    """Sign with a new secret, and with the one before it for a while."""
    endpoint = _id(request)
    body = RotateWebhookSecretBody()
    if request.can_read_body:
        body = await read_json(request, RotateWebhookSecretBody)
    made = await request.app[BUS].request(
        RotateSecret(
            account=request[ACCOUNT], endpoint=endpoint, overlap_seconds=body.overlap_seconds
        )
    )
    return _with_secret(made, 200)


@operations.add(
    "POST",
    "/v1/webhooks/{id}/test",
    {202: WebhookDeliveryBody, 422: ErrorBody, **_ANSWERS},
    parameters=(_ID,),
    role="owner",
)
async def test(request: web.Request) -> web.Response:
    """Tell a webhook.test event to a webhook, whatever events it asks for."""
    sent = await request.app[BUS].request(SendTest(account=request[ACCOUNT], endpoint=_id(request)))
    return json_response(_delivery(sent), 202)


@operations.add(
    "GET",
    "/v1/webhooks/{id}/deliveries",
    {200: WebhookDeliveriesBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        _ID,
        Parameter(
            "limit", "query", f"Lines on a page, 1 to {_MOST_DELIVERIES}; 50 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
)
async def deliveries(request: web.Request) -> web.Response:
    """List what was told to a webhook, newest first."""
    page = await request.app[BUS].request(
        GetDeliveries(
            account=request[ACCOUNT],
            endpoint=_id(request),
            limit=whole_number(request, "limit", _MOST_DELIVERIES) or 50,
            before=whole_number(request, "cursor", HIGHEST_NUMBER),
        )
    )
    cursor = None if page.next_before is None else str(page.next_before)
    lines = [_delivery(each) for each in page.deliveries]
    return json_response(WebhookDeliveriesBody(deliveries=lines, next_cursor=cursor))


@operations.add(
    "POST",
    "/v1/webhooks/{id}/deliveries/{event_id}/resend",
    {202: WebhookDeliveryBody, 422: ErrorBody, **_ANSWERS},
    parameters=(_ID, _EVENT),
    role="owner",
)
async def resend(request: web.Request) -> web.Response:
    """Tell an event to a webhook once more, now, however it went before."""
    ask = Resend(
        account=request[ACCOUNT],
        endpoint=_id(request),
        event=identifier(request, "event_id", "delivery"),
    )
    return json_response(_delivery(await request.app[BUS].request(ask)), 202)


def _id(request: web.Request) -> EndpointId:
    return EndpointId(identifier(request, "id", "webhook"))


def _with_secret(made: NewEndpoint, status: int) -> web.Response:
    body = NewWebhookBody(webhook=_webhook(made.endpoint), secret=made.secret)
    response = json_response(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _webhook(endpoint: Endpoint) -> WebhookBody:
    return WebhookBody(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        enabled=endpoint.enabled,
        gone_at=endpoint.gone_at,
        created_at=endpoint.created_at,
    )


def _delivery(delivery: Delivery) -> WebhookDeliveryBody:
    return WebhookDeliveryBody(
        event_id=delivery.event,
        type=delivery.type,
        state=delivery.state,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        next_attempt_at=delivery.next_attempt,
        created_at=delivery.created_at,
        last_attempt_at=delivery.last_attempt_at,
        ended_at=delivery.ended_at,
        attempts_log=[_attempt(each) for each in delivery.attempts_log],
    )


def _attempt(attempt: Attempt) -> WebhookAttemptBody:
    return WebhookAttemptBody(
        number=attempt.number,
        began_at=attempt.began_at,
        milliseconds=attempt.milliseconds,
        status=attempt.status,
        error=attempt.error,
    )
