"""The parts of a pod that are the same for everything that runs here."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from cli import secrets
from cli.deployment.needs import OPERATOR_PORT, Needs
from kit.discovery import VERSION

Object: TypeAlias = dict[str, Any]
"""A manifest, or a part of one, as YAML has it."""

IMAGE = f"darkroom:{VERSION}"
"""Everything of ours runs from one image; overlays say in which registry it is."""

CONTAINER = "service"
"""One name for the container of every service, so that a patch can mean all of them."""

AUTHORITY_FILE = "/run/nats-ca/ca.crt"

_NOBODY = 65532
"""No user of the image has this number, and no file belongs to it."""


def labels(name: str) -> Object:
    """Return what is found by."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "darkroom"}


def reaching(needs: Needs) -> Object:
    """Return the labels that network policies go by."""
    told = {f"reaches/{place}": "true" for place in needs.reaches}
    return {**told, "traces": "true"} if needs.traces else told


def pod(container: Object, *, seconds: float, database_only: bool = False) -> Object:
    """Return the spec of a pod around one container; it may take so long to stop."""
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}]
    if not database_only:
        volumes.append(
            {
                "name": "nats-ca",
                # not its key, which lies in the same secret
                "secret": {
                    "secretName": "nats-tls",
                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                },
            }
        )
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": round(seconds),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "fsGroup": _NOBODY,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }


def confined() -> Object:
    """Return the security context of a container that may do nothing but compute."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> Object:
    """Return a variable whose value is in a secret."""
    reference: Object = {"name": secret, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def bus_variables(user: str) -> list[Object]:
    """Return where the bus is, for one of its users."""
    return [
        from_secret("NATS_PASSWORD", secrets.NATS_USERS, user),
        {"name": "NATS_URL", "value": f"tls://{user}:$(NATS_PASSWORD)@nats:4222"},
    ]


def probes() -> Object:
    """Return how it is known that a service has started, is ready, is alive."""
    alive = {"path": "/healthz", "port": "operator"}
    ready = {"path": "/readyz", "port": "operator"}
    return {
        # it answers once it has reached the bus and its database, for which it waits
        "startupProbe": {"httpGet": alive, "periodSeconds": 2, "failureThreshold": 150},
        "readinessProbe": {
            "httpGet": ready,
            "periodSeconds": 5,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "httpGet": alive,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def operator_port() -> Object:
    """Return the port of /healthz, /readyz and /metrics."""
    return {"name": "operator", "containerPort": OPERATOR_PORT}


def resources(requests: Mapping[str, str], limits: Mapping[str, str]) -> Object:
    """Return what is guaranteed and what is the most."""
    return {"requests": dict(requests), "limits": dict(limits)}
