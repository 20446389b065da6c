"""What is told to webhooks, described: made from the events themselves, as webhooks writes them."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from proto.events import Event, LowBalance
from proto.ids import Moment
from proto.jobs import JobCompleted, JobFailed
from proto.webhooks import WebhookTest

_TOLD: tuple[type[Event], ...] = (JobCompleted, JobFailed, LowBalance, WebhookTest)

_HEADERS = {
    "webhook-id": "The event; the same at every attempt, so that what came twice counts once",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970",
    "webhook-signature": "v1, and base64 of the HMAC-SHA256 of webhook-id.webhook-timestamp.body, "
    "for each secret that is valid, with spaces between them",
}

_ANSWERS = {
    "2XX": {"description": "Taken: it is not told again."},
    "410": {"description": "Gone: the webhook is disabled."},
    "default": {"description": "Not taken, redirects included: it is told again, for 24 hours."},
}


def _body(event: type[Event]) -> type[msgspec.Struct]:
    """Return the type of what is posted; the event's id travels in a header alone."""
    told = [
        (field.name, Moment if field.type is datetime else field.type)
        for field in msgspec.structs.fields(event)
        if field.name != "id"
    ]
    name = event.__name__
    data = msgspec.defstruct(f"{name}Data", told, kw_only=True)
    data.__doc__ = event.__doc__
    fields = [("type", Literal[event.type]), ("timestamp", Moment), ("data", data)]
    body = msgspec.defstruct(f"{name}Told", fields, kw_only=True)
    body.__doc__ = f"The body of a {event.type}."
    return body


BODIES: dict[str, type[msgspec.Struct]] = {event.type: _body(event) for event in _TOLD}
"""What is posted, by the type of the event."""


def described(event_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the item of OpenAPI's `webhooks` for one type of event.

    Args:
        event_type: One of BODIES.
        schema: Refers to its body.
    """
    event = next(each for each in _TOLD if each.type == event_type)
    return {
        "post": {
            "tags": ["Webhooks"],
            "operationId": "told_" + event_type.replace(".", "_"),
            "summary": (event.__doc__ or "").partition("\n")[0],
            "parameters": [
                {
                    "name": name,
                    "in": "header",
                    "required": True,
                    "description": description,
                    "schema": {"type": "string"},
                }
                for name, description in _HEADERS.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": _ANSWERS,
        }
    }
