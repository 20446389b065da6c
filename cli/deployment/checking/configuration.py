"""Whether every service is told what it reads, and nothing else."""

from collections.abc import Iterator, Sequence
from importlib import import_module

from cli import secrets, services
from cli.deployment.checking.workloads import Environment, Workload, environment, workloads
from cli.deployment.longest import longest_seconds
from cli.deployment.pods import Object
from kit import settings
from kit.lifecycle import Listen

_PLACEHOLDER = "x" * 48
"""For what is secret: long enough for any."""

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared with
"""Where something listens that is to be reached from outside its pod."""

_NOT_SETTINGS = ("NATS_PASSWORD",)
"""Variables that others are made of."""


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield settings that are unknown, missing or wrong, and services that do not run."""
    running = {workload.service: workload for workload in workloads(objects) if workload.service}
    for name in services.NAMES:
        if name not in running:
            yield f"{name} does not run"
            continue
        for fault in _of_service(name, running[name], objects):
            yield f"{name}: {fault}"
    yield from (f"{name} is no service" for name in set(running) - set(services.NAMES))
    yield from _of_others(objects)


def _of_service(name: str, workload: Workload, objects: Sequence[Object]) -> Iterator[str]:
    (container,) = workload.pod["containers"]
    told = environment(container, objects)
    yield from told.problems
    known = {setting.name for setting in services.settings_of(name)}
    for variable in told.values:
        if variable not in known and variable not in _NOT_SETTINGS:
            yield f"is told {variable}, which it does not read"
    given = {
        variable: _PLACEHOLDER if variable in told.secrets else value
        for variable, value in told.values.items()
        if not (variable in told.secrets and told.secrets[variable][2])
    }
    if "DATABASE_URL" in given:
        given["DATABASE_URL"] = "postgresql://somebody@somewhere/darkroom"
    try:
        settings.load(import_module(f"services.{name}.settings").Settings, given)
        listens = settings.load(Listen, given)
    except settings.BadSetting as error:
        yield str(error)
        return
    yield from _agrees(container, given, listens)
    yield from _stops(name, workload, container, given)
    yield from _whose(name, told)


def _agrees(container: Object, given: dict[str, str], listens: Listen) -> Iterator[str]:
    """Yield where a service listens elsewhere than its pod says."""
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    if (ports.get("operator"), _EVERYWHERE) != (listens.operator_port, listens.operator_host):
        yield f"its operator's side is not at port {ports.get('operator')} of its pod"
    if "http" in ports and (str(ports["http"]), _EVERYWHERE) != (
        given.get("PORT"),
        given.get("HOST"),
    ):
        yield f"its clients' side is not at port {ports['http']} of its pod"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container.get(probe, {}).get("httpGet", {})
        path = "/readyz" if probe == "readinessProbe" else "/healthz"
        if (asked.get("path"), asked.get("port")) != (path, "operator"):
            yield f"its {probe} does not ask {path}"
    mounted = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
    authority = given.get("NATS_CA", "").rpartition("/")[0]
    if given["NATS_URL"].startswith("tls://") and authority not in mounted:
        yield "the authority of the bus is not mounted where NATS_CA says"
    if (place := given.get("STORAGE_URL", "")).startswith("file://") and not any(
        place.removeprefix("file://").startswith(mount) for mount in mounted
    ):
        yield f"there is no volume at {place}"


def _stops(
    name: str, workload: Workload, container: Object, given: dict[str, str]
) -> Iterator[str]:
    """Yield a service that would be killed while it is at its longest work."""
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    allowed = workload.pod["terminationGracePeriodSeconds"]
    longest = longest_seconds(name, given)
    if allowed < longest + before:
        yield f"is killed after {allowed} s, and may be at one thing for {longest:.0f} s"


def _whose(name: str, told: Environment) -> Iterator[str]:
    """Yield a secret that belongs to another service."""
    if told.secrets.get("NATS_PASSWORD", ("", "", False))[:2] != ("nats-users", name):
        yield "does not come to the bus as itself"
    if not told.values["NATS_URL"].startswith((f"tls://{name}:", f"nats://{name}:")):
        yield "NATS_URL names another user"
    for variable, (secret, _, _) in told.secrets.items():
        if variable != "NATS_PASSWORD" and secret != secrets.holding(name, variable):
            yield f"{variable} comes from {secret}"


def _of_others(objects: Sequence[Object]) -> Iterator[str]:
    """Yield what is referred to and not there, in pods that are no service."""
    for workload in workloads(objects):
        for container in workload.containers if workload.service is None else ():
            for problem in environment(container, objects).problems:
                yield f"{workload.title}, {container['name']}: {problem}"
