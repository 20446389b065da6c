"""Keys of internal callers, and ours for engines elsewhere."""

from typing import Annotated

from msgspec import Meta

from proto.accounts.words import Done, Secret
from proto.message import Message, Request

ServiceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,49}$")]


class ServiceKey(Message):
    """The X-API-Key of an internal caller, shown this once."""

    name: str
    key: str


class IssueServiceKey(Request[ServiceKey], subject="accounts.issue-service-key"):
    """Make an internal caller's key, for the operator; the ones it had stop working."""

    name: ServiceName


class ServiceCaller(Message):
    """The internal caller whose key it is."""

    name: str


class CheckServiceKey(Request[ServiceCaller], subject="accounts.check-service-key"):
    """Ask whose X-API-Key this is. Raises NotAuthenticated."""

    key: Secret


class Outbound(Message):
    """Where a service of ours is reached from outside its own bus, and with which X-API-Key."""

    service: str
    base_url: str
    key: str


class SetOutbound(Request[Done], subject="accounts.set-outbound"):
    """Store where an engine is and the key to use, for the operator."""

    service: ServiceName
    base_url: Annotated[
        str, Meta(min_length=1, max_length=500, pattern=r"^(https?|nats|tls)://[^\x00-\x20]*$")
    ]
    key: Secret


class GetOutbound(Request[Outbound], subject="accounts.outbound"):
    """Ask where an engine is and which key to use. Raises NotFound when nothing was stored."""

    service: ServiceName
