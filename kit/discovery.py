"""Being found: the PING, INFO and STATS answers of the NATS service API ($SRV.…).

`nats micro list` and every other tool that knows the service API see our services by these.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.micro.service import (
    EndpointInfo,
    EndpointStats,
    ServiceInfo,
    ServicePing,
    ServiceStats,
)

VERSION = "0.1.0"


@dataclass(slots=True)
class Endpoint:
    """A subject that is answered, and what it has done since the start."""

    subject: str
    requests: int = 0
    errors: int = 0
    nanoseconds: int = 0
    last_error: str = ""

    @property
    def name(self) -> str:
        """The subject in the alphabet that the service API allows for names."""
        return self.subject.replace(".", "-")

    def count(self, nanoseconds: int, error: str = "") -> None:
        """Add one answered request."""
        self.requests += 1
        self.nanoseconds += nanoseconds
        if error:
            self.errors += 1
            self.last_error = error


async def announce(
    client: Client, service: str, endpoints: Sequence[Endpoint]
) -> list[Subscription]:
    """Answer $SRV.PING, INFO and STATS: for all services, by name, and by name and instance."""
    instance = client.new_inbox().rpartition(".")[2]
    started = datetime.now(UTC)

    def ping() -> ServicePing:
        return ServicePing(id=instance, name=service, version=VERSION)

    def info() -> ServiceInfo:
        known = [
            EndpointInfo(name=e.name, subject=e.subject, queue_group=service) for e in endpoints
        ]
        return ServiceInfo(
            id=instance, name=service, version=VERSION, description="", endpoints=known
        )

    def stats() -> ServiceStats:
        counted = [_stats(endpoint, service) for endpoint in endpoints]
        return ServiceStats(
            id=instance, name=service, version=VERSION, started=started, endpoints=counted
        )

    subscriptions: list[Subscription] = []
    for verb, answer in (("PING", ping), ("INFO", info), ("STATS", stats)):

        async def respond(message: Msg, answer: object = answer) -> None:
            await message.respond(json.dumps(answer().to_dict()).encode())  # type: ignore[operator] # one of the three above

        subjects = [
            f"$SRV.{verb}",
            f"$SRV.{verb}.{service}",
            f"$SRV.{verb}.{service}.{instance}",
        ]
        subscriptions += [await client.subscribe(subject, cb=respond) for subject in subjects]
    return subscriptions


def _stats(endpoint: Endpoint, queue_group: str) -> EndpointStats:
    return EndpointStats(
        name=endpoint.name,
        subject=endpoint.subject,
        queue_group=queue_group,
        num_requests=endpoint.requests,
        num_errors=endpoint.errors,
        processing_time=endpoint.nanoseconds,
        average_processing_time=endpoint.nanoseconds // max(1, endpoint.requests),
        last_error=endpoint.last_error,
    )
