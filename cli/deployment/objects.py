"""The objects of one service: identity, process, address, budget of disruption, migration."""

from cli import secrets
from cli.deployment import pods
from cli.deployment.longest import SPARE_SECONDS, longest_seconds
from cli.deployment.needs import HTTP_PORT, OPERATOR_PORT, Needs
from cli.deployment.pods import Object

SETTINGS: dict[str, dict[str, str]] = {
    "gateway": {"HOST": "0.0.0.0", "PORT": str(HTTP_PORT), "PROXIES": "1"},  # noqa: S104 - in a pod
}
"""What differs from the defaults wherever Darkroom runs in a cluster."""

COMMON = {
    "OPERATOR_HOST": "0.0.0.0",  # noqa: S104 - in a pod, behind a network policy
    "OPERATOR_PORT": str(OPERATOR_PORT),
    "NATS_CA": pods.AUTHORITY_FILE,
    "LOG_LEVEL": "INFO",
}
"""What every service is told."""

_LEAVE_SECONDS = 5
"""For the proxies in front to learn that a replica goes, before it stops listening."""


def of_service(needs: Needs) -> list[Object]:
    """Return everything that runs one service."""
    made = [_account(needs), _deployment(needs), _service(needs), _budget(needs)]
    return [*made, _migration(needs)] if needs.database else made


def configuration(needs: Needs) -> list[str]:
    """Return the ConfigMaps that a service is told by; what comes later counts."""
    shared = {"storage-place": needs.storage, "models-place": needs.models}
    wanted = [name for name, reads in shared.items() if reads]
    return ["all-services", *wanted, f"{needs.service}-settings"]


def _account(needs: Needs) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": needs.service, "labels": pods.labels(needs.service)},
        "automountServiceAccountToken": False,
    }


def _deployment(needs: Needs) -> Object:
    name, selector = needs.service, {"app.kubernetes.io/name": needs.service}
    seconds = longest_seconds(name, SETTINGS.get(name, {})) + SPARE_SECONDS
    spec = pods.pod(_container(needs), seconds=seconds)
    spec["serviceAccountName"] = name
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    labels = {**pods.labels(name), **pods.reaching(needs)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "revisionHistoryLimit": 5,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _container(needs: Needs) -> Object:
    given = needs.resources
    mounts: list[Object] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir
        {"name": "nats-ca", "mountPath": "/run/nats-ca", "readOnly": True},
    ]
    ports = [pods.operator_port()]
    container: Object = {
        "name": pods.CONTAINER,
        "image": pods.IMAGE,
        "command": ["python", "-m", f"services.{needs.service}"],
        "env": [*pods.bus_variables(needs.service), *_secrets(needs.service)],
        "envFrom": [{"configMapRef": {"name": name}} for name in configuration(needs)],
        "ports": ports,
        **pods.probes(),
        "resources": pods.resources(
            {"cpu": given.cpu, "memory": given.memory},
            {"cpu": str(given.most_cores), "memory": given.most_memory},
        ),
        "securityContext": pods.confined(),
        "volumeMounts": mounts,
    }
    if needs.storage:
        optional = {"name": secrets.STORAGE, "optional": True}
        container["envFrom"].append({"secretRef": optional})
    if needs.public:
        ports.insert(0, {"name": "http", "containerPort": HTTP_PORT})
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": _LEAVE_SECONDS}}}
    return container


def _secrets(service: str) -> list[Object]:
    return [
        pods.from_secret(name, secrets.holding(service, name), name, optional=optional)
        for name, optional in secrets.read_by(service).items()
    ]


def _service(needs: Needs) -> Object:
    ports = [{"name": "operator", "port": OPERATOR_PORT, "targetPort": "operator"}]
    if needs.public:
        ports.insert(0, {"name": "http", "port": 80, "targetPort": "http"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": needs.service, "labels": pods.labels(needs.service)},
        "spec": {"selector": {"app.kubernetes.io/name": needs.service}, "ports": ports},
    }


def _budget(needs: Needs) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": needs.service, "labels": pods.labels(needs.service)},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": needs.service}},
        },
    }


def _migration(needs: Needs) -> Object:
    """Return the job that brings a service's tables to this version, before its pods do."""
    name = f"migrate-{needs.service}"
    spec = pods.pod(
        {
            "name": "migrate",
            "image": pods.IMAGE,
            "command": ["python", "-m", "cli", "migrate", needs.service],
            "env": [
                pods.from_secret("DATABASE_URL", secrets.of_service(needs.service), "DATABASE_URL")
            ],
            "resources": pods.resources(
                {"cpu": "100m", "memory": "128Mi"}, {"cpu": "1", "memory": "512Mi"}
            ),
            "securityContext": pods.confined(),
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
        },
        seconds=SPARE_SECONDS,
        database_only=True,
    )
    spec["restartPolicy"] = "OnFailure"
    labels = {**pods.labels(name), "reaches/database": "true"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {**labels, "darkroom/step": "migrate"},
        },
        "spec": {
            "backoffLimit": 6,
            "activeDeadlineSeconds": 1800,
            "ttlSecondsAfterFinished": 3600,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
