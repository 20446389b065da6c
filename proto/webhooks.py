"""What webhooks answers: where an account wants to be told of events, and how the telling goes."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, NewType, get_args
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType, field

from proto.events import Event
from proto.ids import AccountId
from proto.message import Message, Request

EndpointId = NewType("EndpointId", UUID)

EventType = Literal["wallet.low_balance", "job.completed", "job.failed", "webhook.test"]
"""The events that webhooks tell; all others stay between our services."""

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

MOST_ENDPOINTS = 10
"""That one account may have."""

MOST_DELIVERIES = 200
"""On a page: with the logs of all their attempts they must fit into one message of 1 MB."""

Url = Annotated[str, Meta(min_length=1, max_length=2048)]
"""http or https on a public address."""
Events = Annotated[list[EventType], Meta(min_length=1, max_length=len(EVENT_TYPES))]


class WebhookTest(Event):
    """Somebody wants to see whether their endpoint hears us; told to that endpoint alone."""

    type: ClassVar[str] = "webhook.test"

    endpoint: EndpointId


class Endpoint(Message):
    """Where an account is told of events."""

    id: EndpointId
    url: str
    events: list[EventType] | None
    """None: all there are, and will be."""
    enabled: bool
    gone_at: datetime | None
    """When the receiver answered 410 Gone, which disabled it; enabling it again clears this."""
    created_at: datetime


class NewEndpoint(Message):
    """An endpoint whose secret was just made; the secret cannot be shown again."""

    endpoint: Endpoint
    secret: str
    """Verifies what is told, as Standard Webhooks 1.0 has it: whsec_ and base64."""


class CreateEndpoint(Request[NewEndpoint], subject="webhooks.create-endpoint"):
    """Tell events to a URL from now on. Raises InvalidRequest: not public, or one too many."""

    account: AccountId
    url: Url
    events: Events | None = None
    """None: all there are, and will be."""


class EndpointList(Message):
    """Every endpoint of an account, newest first."""

    endpoints: list[Endpoint]


class GetEndpoints(Request[EndpointList], subject="webhooks.endpoints"):
    """Ask where an account is told of events."""

    account: AccountId


class GetEndpoint(Request[Endpoint], subject="webhooks.endpoint"):
    """Ask for one endpoint. Raises NotFound."""

    account: AccountId
    endpoint: EndpointId


class UpdateEndpoint(Request[Endpoint], subject="webhooks.update-endpoint"):
    """Change what is given of an endpoint. Raises NotFound, InvalidRequest for the URL.

    What waits to be told goes to the new URL. Disabling gives up on all that waits.
    """

    account: AccountId
    endpoint: EndpointId
    url: Url | UnsetType = UNSET
    events: Events | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Deleted(Message):
    """It is not there any more."""


class DeleteEndpoint(Request[Deleted], subject="webhooks.delete-endpoint"):
    """Remove an endpoint with everything that was or would be told to it. Raises NotFound."""

    account: AccountId
    endpoint: EndpointId


class RotateSecret(Request[NewEndpoint], subject="webhooks.rotate-secret"):
    """Sign with a new secret, and with those before it for a while. Raises NotFound."""

    account: AccountId
    endpoint: EndpointId
    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400
    """How long what verifies now goes on to verify, if it has as long."""


DeliveryState = Literal["pending", "delivered", "failed"]


class Attempt(Message):
    """One try to tell an event, which came to an end; one whose sender died leaves a gap."""

    number: int
    """From 1, as the delivery counts them."""
    began_at: datetime
    milliseconds: int
    """That it took."""
    status: int | None
    """HTTP status; None when no answer came."""
    error: str | None
    """As `Delivery.last_error`; None when the receiver took it."""


class Delivery(Message):
    """One event, told to one endpoint."""

    event: UUID
    """The `webhook-id` of every attempt."""
    type: EventType
    state: DeliveryState
    attempts: int
    last_status: int | None
    """HTTP status of the last attempt; None when no answer came."""
    last_error: str | None
    """Why the last attempt failed: BAD_STATUS, REDIRECTED, GONE, URL_NOT_ALLOWED,
    URL_UNREACHABLE, URL_TOO_SLOW, SECRET_UNREADABLE; or why there is none: ENDPOINT_DISABLED."""
    next_attempt: datetime | None
    """None once it has ended."""
    created_at: datetime
    last_attempt_at: datetime | None
    ended_at: datetime | None
    attempts_log: list[Attempt] = field(default_factory=list)
    """The last 50 attempts, oldest first."""


class Deliveries(Message):
    """A page of deliveries, newest first."""

    deliveries: list[Delivery]
    next_before: int | None = None
    """Ask again with this as `before` for the next page; None on the last."""


class GetDeliveries(Request[Deliveries], subject="webhooks.deliveries"):
    """Ask what was told to an endpoint in the last 30 days. Raises NotFound."""

    account: AccountId
    endpoint: EndpointId
    limit: Annotated[int, Meta(ge=1, le=MOST_DELIVERIES)] = 50
    before: Annotated[int, Meta(ge=1, le=2**62)] | None = None


class Resend(Request[Delivery], subject="webhooks.resend"):
    """Tell an event to an endpoint once more, now, however it went before.

    Raises NotFound, also when the event was never told to this endpoint or is older than 30 days;
    InvalidRequest when the endpoint is disabled.
    """

    account: AccountId
    endpoint: EndpointId
    event: UUID


class SendTest(Request[Delivery], subject="webhooks.send-test"):
    """Tell a WebhookTest to an endpoint. Raises NotFound, InvalidRequest when it is disabled."""

    account: AccountId
    endpoint: EndpointId
