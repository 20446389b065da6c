"""What a service needs around it, read off its settings and off what it may say on the bus.

A new service is deployed by standing in `cli.services.NAMES` and `cli.nats.MAY_SAY`. It gets an
entry here only where the usual resources are not right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cli import services
from cli.nats import MAY_SAY
from proto.jobs import STREAM

NAMESPACE = "darkroom"
"""Where all of it runs; whoever changes that in an overlay changes names of hosts with it."""

OPERATOR_PORT = 9000
HTTP_PORT = 8080

_PULLS = re.compile(rf"\$JS\.API\.CONSUMER\.MSG\.NEXT\.{STREAM}\.(\w+)")


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica is given."""

    cpu: str
    """Guaranteed, in Kubernetes' notation."""
    most_cores: int
    memory: str
    most_memory: str


_SMALL = Resources("100m", 1, "128Mi", "512Mi")
_ENGINE = Resources("1", 2, "1Gi", "3Gi")
"""Four photographs of 100 megapixels under way at once: 300 MB each when decoded."""

_RESOURCES: Mapping[str, Resources] = {
    "gateway": Resources("250m", 1, "256Mi", "1Gi"),
    "wallet": Resources("250m", 1, "128Mi", "512Mi"),
    # draws in processes of its own, two for each core
    "qr": Resources("500m", 2, "512Mi", "2Gi"),
    # keeps references of agencies in memory, 512 MB of them unless told otherwise
    "matching": Resources("500m", 2, "1Gi", "3Gi"),
}


_DRAWS_ALONE = ("qr",)
"""Whose items keep a whole core busy for long."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one service needs."""

    service: str
    settings: frozenset[str]
    """Names of all that it reads."""
    kinds: tuple[str, ...]
    """Of the items that its workers take from the queue."""

    @property
    def database(self) -> bool:
        """Whether it owns tables."""
        return "DATABASE_URL" in self.settings

    @property
    def storage(self) -> bool:
        """Whether it reads or writes pictures."""
        return "STORAGE_URL" in self.settings

    @property
    def models(self) -> bool:
        """Whether it asks models."""
        return "TRITON_URL" in self.settings

    @property
    def internet(self) -> bool:
        """Whether it goes to URLs that strangers give it."""
        return "FETCH_ALLOW" in self.settings

    @property
    def traces(self) -> bool:
        """Whether it sends spans, where there is somebody to send them to."""
        return "OTEL_EXPORTER_OTLP_ENDPOINT" in self.settings

    @property
    def public(self) -> bool:
        """Whether clients reach it."""
        return {"HOST", "PORT"} <= self.settings

    @property
    def resources(self) -> Resources:
        """What a replica is given."""
        return _RESOURCES.get(self.service, _ENGINE if self.models else _SMALL)

    @property
    def reaches(self) -> tuple[str, ...]:
        """What it talks to, in the words of the labels that network policies go by."""
        asked = {
            "bus": True,
            "database": self.database,
            "internet": self.internet,
            "models": self.models,
            "storage": self.storage,
        }
        return tuple(place for place, wanted in asked.items() if wanted)

    @property
    def slots(self) -> int:
        """Items that one replica works on at once, when it is not told otherwise."""
        cores = self.resources.most_cores
        return 2 * cores if self.service not in _DRAWS_ALONE else max(1, cores // 2)


def of(service: str) -> Needs:
    """Return what a service needs."""
    pulled = (_PULLS.fullmatch(subject) for subject in MAY_SAY[service])
    return Needs(
        service=service,
        settings=frozenset(setting.name for setting in services.settings_of(service)),
        kinds=tuple(found.group(1) for found in pulled if found),
    )


def of_all() -> list[Needs]:
    """Return what every service needs, in the order in which they are always named."""
    return [of(service) for service in services.NAMES]
