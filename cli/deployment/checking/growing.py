"""Whether what scales is there, is scaled by one thing, and by the right queue."""

from collections.abc import Iterator, Sequence

from cli.deployment import bus, needs
from cli.deployment.checking.workloads import named, workloads
from cli.deployment.pods import Object
from cli.nats import MAY_SAY
from proto.jobs import STREAM


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield autoscalers that scale nothing, or by nothing, or against each other."""
    scaled: dict[str, str] = {}
    deployments = named(objects, "Deployment")
    for each in objects:
        if each["kind"] not in ("HorizontalPodAutoscaler", "ScaledObject"):
            continue
        title = f"{each['kind']} {each['metadata']['name']}"
        target = each["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            yield f"{title} scales {target}, which is not there"
            continue
        if target in scaled:
            yield f"{title} and {scaled[target]} both scale {target}"
        scaled[target] = title
        if "replicas" in deployments[target]["spec"]:
            yield f"{target} has a number of replicas, and {title} another"
        yield from (f"{title}: {fault}" for fault in _range(each["spec"]))
        if each["kind"] == "ScaledObject":
            yield from (f"{title}: {fault}" for fault in _queues(target, each, objects))
    if any(each["kind"] == "ScaledObject" for each in objects):
        for workload in workloads(objects):
            if (
                workload.service
                and needs.of(workload.service).kinds
                and workload.name not in scaled
            ):
                yield f"nothing scales {workload.name}, which works through a queue"


def _range(spec: Object) -> Iterator[str]:
    least: int = spec.get("minReplicas") or spec.get("minReplicaCount") or 0
    most: int = spec.get("maxReplicas") or spec.get("maxReplicaCount") or 100
    if least < 1:
        yield "may leave nobody who answers"
    if most < least:
        yield f"wants at least {least} and at most {most}"


def _queues(target: str, each: Object, objects: Sequence[Object]) -> Iterator[str]:
    queues = [
        trigger["metadata"]
        for trigger in each["spec"]["triggers"]
        if trigger["type"] == "nats-jetstream"
    ]
    expected = set(needs.of(target).kinds) if target in MAY_SAY else set()
    if {queue["consumer"] for queue in queues} != expected:
        yield f"does not go by the queues that {target} works through"
    for queue in queues:
        if (queue["account"], queue["stream"]) != (bus.ACCOUNT, STREAM):
            yield f"looks for its queue in {queue['account']}, {queue['stream']}"
        if queue["natsServerMonitoringEndpoint"] not in set(_headless(objects)):
            yield f"asks {queue['natsServerMonitoringEndpoint']}, which is no headless Service"


def _headless(objects: Sequence[Object]) -> Iterator[str]:
    """Yield how another namespace says each port of each headless Service."""
    (namespace,) = named(objects, "Namespace")
    for name, service in named(objects, "Service").items():
        if service["spec"].get("clusterIP") == "None":
            for port in service["spec"]["ports"]:
                yield f"{name}.{namespace}.svc.cluster.local:{port['port']}"
