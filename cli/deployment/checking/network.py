"""Whether every pod reaches what it talks to, and nothing else.

What a pod talks to is read from what it is told: NATS_URL, DATABASE_URL, TRITON_URL, storage that
is no folder, and URLs of strangers for a service that fetches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from cli import services
from cli.deployment.checking.policies import Place, Policies, selects
from cli.deployment.checking.workloads import Workload, environment, workloads
from cli.deployment.needs import HTTP_PORT, OPERATOR_PORT
from cli.deployment.pods import Object

_PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
_PRIVATE = ("169.254.169.254", "10.0.0.1", "192.168.1.1", "127.0.0.1", "fd00::1")
_ODD_PORT = 8443
_POSTGRESQL = 5432
_INGRESS, _MONITORING, _OTHER = "ingress", "monitoring", "somebody-else"
_NAMES_OF_STORAGE = ("STORAGE_URL", "MODELS_URL", "BACKUP_URL")


@dataclass(frozen=True, slots=True)
class Target:
    """Somewhere that a pod may want to reach."""

    title: str
    place: Place
    port: int


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield connections that are needed and refused, and those that are let through for nothing."""
    policies, running = Policies(objects), workloads(objects)
    targets = list(_targets(objects, running, policies))
    titles = {target.title for target in targets}
    for missing in {"the bus", "the models", "the database"} - titles:
        yield f"{missing} cannot be found"
    for workload in running:
        wanted = set(_wanted(workload, objects))
        source = Place(labels=workload.labels)
        for target in targets:
            if target.place.labels == workload.labels:
                continue
            reached = policies.connects(source, target.place, target.port)
            if reached and target.title not in wanted:
                yield f"{workload.title} reaches {target.title}, and has no business there"
            if not reached and target.title in wanted:
                yield f"{workload.title} does not reach {target.title}"
    yield from _doors(objects, policies, running)


def _wanted(workload: Workload, objects: Sequence[Object]) -> Iterator[str]:
    for container in workload.containers:
        told = environment(container, objects).values
        if "NATS_URL" in told:
            yield "the bus"
        if "DATABASE_URL" in told:
            yield "the database"
        if told.get("TRITON_URL"):
            yield "the models"
        if told.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            yield "the collector of spans"
        if any(_is_remote(told.get(name, "")) for name in _NAMES_OF_STORAGE):
            yield "object storage"
    if workload.service and "FETCH_ALLOW" in {
        setting.name for setting in services.settings_of(workload.service)
    }:
        yield from ("object storage", "the internet")


def _is_remote(url: str) -> bool:
    return urlsplit(url).scheme not in ("", "file")


def _targets(
    objects: Sequence[Object], running: Sequence[Workload], policies: Policies
) -> Iterator[Target]:
    by_port = {4222: "the bus", 8001: "the models", _POSTGRESQL: "the database"}
    for workload in running:
        for container in workload.pod["containers"]:
            for port in container.get("ports", []):
                if title := by_port.get(port["containerPort"]):
                    yield Target(title, Place(labels=workload.labels), port["containerPort"])
    for block in _blocks_of_port(objects, _POSTGRESQL):
        yield Target("the database", Place(address=str(ip_network(block)[1])), _POSTGRESQL)
    collector = {"app.kubernetes.io/name": "opentelemetry-collector"}
    yield Target("the collector of spans", Place(collector, _MONITORING), 4318)
    for address in _PUBLIC:
        # whoever may go to the internet comes to its storage, too
        yield Target("object storage", Place(address=address), 443)
        yield Target("the internet", Place(address=address), _ODD_PORT)
    for address in _PRIVATE:
        yield Target(f"the private address {address}", Place(address=address), 443)


def _blocks_of_port(objects: Sequence[Object], wanted: int) -> Iterator[str]:
    """Yield networks outside that some policy names for exactly this port."""
    for each in objects:
        if each["kind"] == "NetworkPolicy":
            for rule in each["spec"].get("egress") or []:
                if [port.get("port") for port in rule.get("ports", [])] == [wanted]:
                    yield from (
                        str(peer["ipBlock"]["cidr"]) for peer in rule["to"] if "ipBlock" in peer
                    )


def _doors(
    objects: Sequence[Object], policies: Policies, running: Sequence[Workload]
) -> Iterator[str]:
    """Yield what lets in from other namespaces whom it should not, or not whom it should."""
    monitored = any(each["kind"] == "ServiceMonitor" for each in objects)
    for workload in running:
        target, public = Place(labels=workload.labels), workload.service == "gateway"
        for port in _ports(workload):
            let_in = {
                namespace
                for namespace in (_INGRESS, _MONITORING, _OTHER)
                if policies.connects(Place(namespace=namespace), target, port)
            }
            wanted = {_INGRESS} if public and port == HTTP_PORT else set()
            if monitored and port in (OPERATOR_PORT, 8002):
                wanted.add(_MONITORING)
            for namespace in sorted(let_in - wanted):
                yield f"{workload.title} lets in the namespace {namespace} at port {port}"
            for namespace in sorted(wanted - let_in):
                yield f"{workload.title} does not let in the namespace {namespace} at port {port}"
    for each in objects:
        if each["kind"] == "Service" and not any(
            selects({"matchLabels": each["spec"]["selector"]}, workload.labels)
            for workload in running
        ):
            yield f"Service {each['metadata']['name']} leads to no pod"


def _ports(workload: Workload) -> list[int]:
    return [
        port["containerPort"]
        for container in workload.pod["containers"]
        for port in container.get("ports", [])
    ]
