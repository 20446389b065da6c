"""KEDA's view of the work queues: more workers while items of their kind wait."""

from cli.deployment import bus
from cli.deployment.needs import NAMESPACE, Needs
from cli.deployment.pods import Object
from proto.jobs import STREAM

MONITORING = f"nats-headless.{NAMESPACE}.svc.cluster.local:8222"
"""Where nats-server tells of its streams, for KEDA in its own namespace.

It puts the name of a server in front of it to ask that one.
"""

_BUSY_PERCENT = "70"


def scaled(needs: Needs) -> Object | None:
    """Return what scales a service; None for one that needs no more than it is given.

    The queue is kept short (QUEUE_DEPTH), so its length says that there is more, not how much.
    Items under way count as lag too: with as many replicas as they fill, lag over slots asks for
    those and some more as long as anything waits, and for those alone when nothing does.
    """
    if not needs.kinds and not needs.models:
        return None
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": needs.service},
        "spec": {
            "scaleTargetRef": {"name": needs.service},
            "pollingInterval": 10,
            "minReplicaCount": 1,
            "maxReplicaCount": 10,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        # whoever stops finishes what it has, and the next class comes soon
                        "scaleDown": {"stabilizationWindowSeconds": 300}
                    }
                }
            },
            "triggers": [*(_queue(kind, needs) for kind in needs.kinds), _busy()],
        },
    }


def _queue(kind: str, needs: Needs) -> Object:
    return {
        "type": "nats-jetstream",
        "name": kind.replace("_", "-"),
        "metadata": {
            "natsServerMonitoringEndpoint": MONITORING,
            "account": bus.ACCOUNT,
            "stream": STREAM,
            "consumer": kind,
            "lagThreshold": str(needs.slots),
        },
    }


def _busy() -> Object:
    """Return what counts for callers who wait, whose requests stand in no queue."""
    return {"type": "cpu", "metricType": "Utilization", "metadata": {"value": _BUSY_PERCENT}}
