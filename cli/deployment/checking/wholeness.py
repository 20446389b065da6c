"""Whether everything that is referred to is there, and everything that must be there is."""

import json
from collections.abc import Iterator, Sequence

from cli import nats, secrets
from cli.deploying import DATABASE_HOST
from cli.deployment.checking.policies import selects
from cli.deployment.checking.workloads import Workload, environment, named, workloads
from cli.deployment.pods import Object
from cli.migrating import with_schema
from triton_models.serve import DEFAULT_MODELS


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield what points to nothing, and what is missing."""
    running = workloads(objects)
    for workload in running:
        yield from (f"{workload.title}: {fault}" for fault in _references(workload, objects))
    yield from _secrets(objects, running)
    yield from _budgets(objects, running)
    yield from _addresses(objects, running)
    yield from _steps(objects, running)
    yield from _models(objects, running)
    yield from _servers_of_the_bus(objects, running)


def _references(workload: Workload, objects: Sequence[Object]) -> Iterator[str]:
    pod = workload.pod
    account = pod.get("serviceAccountName")
    if account and account not in named(objects, "ServiceAccount"):
        yield f"there is no ServiceAccount {account}"
    for volume in pod.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in named(objects, "PersistentVolumeClaim"):
            yield f"there is no PersistentVolumeClaim {claim}"
        settings = volume.get("configMap", {}).get("name")
        if settings and settings not in named(objects, "ConfigMap"):
            yield f"there is no ConfigMap {settings}"
    for container in workload.containers:
        names = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port and port not in names:
                yield f"{probe} asks at {port}, which is no port of it"


def _secrets(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    """Yield secrets that nobody provides."""
    provided = _provided(objects)
    for workload in running:
        for container in workload.containers:
            for secret, key, optional in environment(container, objects).secrets.values():
                if not optional and key not in provided.get(secret, ()):
                    yield f"{workload.title} needs {key} of the secret {secret}: there is none"
        for volume in workload.pod.get("volumes", []):
            name = volume.get("secret", {}).get("secretName")
            if name and name not in provided:
                yield f"{workload.title} needs the secret {name}: there is none"


def _provided(objects: Sequence[Object]) -> dict[str, set[str]]:
    """Return the keys of each secret that an operator makes, or that is told to be made by hand."""
    found: dict[str, set[str]] = {}
    for each in objects:
        if each["kind"] == "ExternalSecret":
            keys = {entry["secretKey"] for entry in each["spec"].get("data", [])}
            found[each["spec"]["target"]["name"]] = keys
        if each["kind"] == "Certificate":
            found[each["spec"]["secretName"]] = {"ca.crt", "tls.crt", "tls.key"}
    if not named(objects, "ExternalSecret"):
        made = json.loads(secrets.as_manifests("darkroom", DATABASE_HOST))
        found |= {each["metadata"]["name"]: set(each["stringData"]) for each in made["items"]}
    return found


def _budgets(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    budgets = named(objects, "PodDisruptionBudget")
    for workload in running:
        if workload.serving and not any(
            selects(budget["spec"]["selector"], workload.labels) for budget in budgets.values()
        ):
            yield f"{workload.title} has no PodDisruptionBudget"
        if (
            workload.serving
            and workload.service
            and "topologySpreadConstraints" not in workload.pod
        ):
            yield f"{workload.title} may have all its pods on one node"
    for name, budget in budgets.items():
        if not any(selects(budget["spec"]["selector"], each.labels) for each in running):
            yield f"PodDisruptionBudget {name} means no pod"


def _addresses(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    """Yield ways in that end nowhere."""
    services = named(objects, "Service")
    for name, service in services.items():
        meant = {"matchLabels": service["spec"]["selector"]}
        for workload in (each for each in running if selects(meant, each.labels)):
            leads_to = {port["targetPort"] for port in service["spec"]["ports"]}
            for port in sorted(leads_to - _port_names(workload)):
                yield f"Service {name} leads to {port}, which is no port"
    for name, ingress in named(objects, "Ingress").items():
        if not ingress["spec"].get("tls"):
            yield f"Ingress {name} has no TLS"
        for backend in _backends(ingress):
            if backend["port"]["name"] not in _ports(services.get(backend["name"])):
                yield f"Ingress {name} leads to {backend['name']}, which has no such port"
    yield from _monitors(objects)


def _monitors(objects: Sequence[Object]) -> Iterator[str]:
    services = named(objects, "Service")
    for name, monitor in named(objects, "ServiceMonitor").items():
        for endpoint in monitor["spec"]["endpoints"]:
            if not any(
                selects(monitor["spec"]["selector"], service["metadata"].get("labels", {}))
                and endpoint["port"] in _ports(service)
                for service in services.values()
            ):
                yield f"ServiceMonitor {name} finds no port {endpoint['port']}"


def _backends(ingress: Object) -> Iterator[Object]:
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            yield path["backend"]["service"]


def _ports(service: Object | None) -> set[str]:
    """Return the names of a Service's ports; none if there is no Service."""
    return {port["name"] for port in service["spec"]["ports"]} if service else set()


def _port_names(workload: Workload) -> set[str]:
    return {
        port["name"]
        for container in workload.pod["containers"]
        for port in container.get("ports", [])
    }


def _steps(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    """Yield services whose tables nobody brings to this version."""
    migrated = {
        container["command"][-1]
        for workload in running
        if workload.kind == "Job"
        for container in workload.containers
        if container.get("command", [])[:4] == ["python", "-m", "cli", "migrate"]
    }
    served = {workload.service for workload in running}
    for service in with_schema():
        if service in served and service not in migrated:
            yield f"no Job migrates {service}"


def _models(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    """Yield models that services ask for and Triton does not load."""
    loaded = {
        word.removeprefix("--load-model=")
        for workload in running
        for container in workload.containers
        for word in container.get("command", [])
        if word.startswith("--load-model=")
    }
    wanted = set(DEFAULT_MODELS)
    for workload in running:
        if workload.service:
            told = environment(workload.pod["containers"][0], objects).values
            wanted |= {told["UPSCALER"]} if "UPSCALER" in told else set()
    yield from (f"Triton does not load {name}" for name in sorted(wanted - loaded))


def _servers_of_the_bus(objects: Sequence[Object], running: Sequence[Workload]) -> Iterator[str]:
    """Yield passwords that the bus is not told, and copies for which there are no servers."""
    (bus,) = (workload for workload in running if workload.name == "nats")
    told = environment(bus.pod["containers"][0], objects)
    for user in (nats.OPERATOR, *nats.MAY_SAY):
        where = told.secrets.get(secrets.variable(user))
        if where != (secrets.NATS_USERS, user, False):
            yield f"the bus is not told the password of {user}"
    for name, certificate in named(objects, "Certificate").items():
        if certificate["spec"]["secretName"] == secrets.NATS_TLS:
            (namespace,) = named(objects, "Namespace")
            for host in set(secrets.bus_names(namespace)) - set(certificate["spec"]["dnsNames"]):
                yield f"Certificate {name} is not for {host}, by which the bus is called"
    servers = named(objects, "StatefulSet")["nats"]["spec"]["replicas"]
    for workload in running:
        for container in workload.containers:
            for word in container.get("args", []):
                copies = word.removeprefix("--replicas=")
                if copies != word and int(copies) > servers:
                    yield f"{workload.title} wants {copies} copies on {servers} servers"
