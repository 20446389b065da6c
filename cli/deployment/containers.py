"""Darkroom's services for `docker compose`, which deploy/docker/compose.yaml includes."""

import math

from cli import secrets
from cli.deployment.longest import SPARE_SECONDS, longest_seconds
from cli.deployment.needs import HTTP_PORT, OPERATOR_PORT, Needs
from cli.deployment.objects import SETTINGS
from cli.deployment.pods import IMAGE, Object

_READY = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{OPERATOR_PORT}/readyz')"
_DONE, _HEALTHY = "service_completed_successfully", "service_healthy"
_MEGABYTES = {"Mi": "m", "Gi": "g"}

CREDENTIALS = "storage.env"
"""Variables of a cloud's storage, as its own tools name them; beside compose.yaml if at all."""

_CHOSEN = {
    "LOG_LEVEL": "INFO",
    "PROXIES": "0",
    "PUBLIC_URL": f"http://127.0.0.1:{HTTP_PORT}",
    "STORAGE_URL": "file:///data/storage",
}
"""What whoever runs it may say in his environment, and what holds if he does not."""


def service(needs: Needs) -> Object:
    """Return one service."""
    seconds = longest_seconds(needs.service, {}) + SPARE_SECONDS
    conditions = {"nats": _HEALTHY, "prepare": _DONE}
    conditions |= {"migrate": _DONE} if needs.database else {}
    conditions |= {"triton": _HEALTHY} if needs.models else {}
    # whoever says what became of items stops before the job book that hears it
    conditions |= {"jobs": _HEALTHY} if needs.kinds else {}
    made: Object = {
        "image": IMAGE,
        "command": ["python", "-m", f"services.{needs.service}"],
        "restart": "unless-stopped",
        "environment": environment(needs),
        "depends_on": {name: {"condition": state} for name, state in conditions.items()},
        "networks": ["inside", *_further(needs)],
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp:size=2g,mode=1777"],  # noqa: S108 - in a container
        "stop_grace_period": f"{math.ceil(seconds)}s",
        "healthcheck": {
            "test": ["CMD", "python", "-c", _READY],
            "interval": "15s",
            "timeout": "5s",
            "start_period": "60s",
            "start_interval": "2s",
        },
        "deploy": {"resources": {"limits": {"memory": _memory(needs)}}},
    }
    if needs.storage:
        made["volumes"] = ["pictures:/data"]
        made["env_file"] = [{"path": CREDENTIALS, "required": False}]
    if needs.public:
        made["ports"] = [f"127.0.0.1:${{PORT:-{HTTP_PORT}}}:{HTTP_PORT}"]
    return made


def environment(needs: Needs) -> dict[str, str]:
    """Return what a service is told; what is secret comes from the file of variables."""
    password = f"${{{secrets.variable(needs.service)}:?}}"
    told = {
        "NATS_URL": f"nats://{needs.service}:{password}@nats:4222",
        "OPERATOR_HOST": "0.0.0.0",  # noqa: S104 - in a container
        "OPERATOR_PORT": str(OPERATOR_PORT),
        **SETTINGS.get(needs.service, {}),
    }
    if needs.models:
        told["TRITON_URL"] = "triton:8001"
    for name, optional in secrets.read_by(needs.service).items():
        told[name] = f"${{{name}:-}}" if optional else f"${{{name}:?}}"
    if needs.database:
        told["DATABASE_URL"] = database_url()
    chosen = {name: value for name, value in _CHOSEN.items() if name in needs.settings}
    return told | {name: f"${{{name}:-{value}}}" for name, value in chosen.items()}


def database_url() -> str:
    """Return where the PostgreSQL beside the services is."""
    return "postgresql://darkroom:${POSTGRES_PASSWORD:?}@postgresql:5432/darkroom"


def users() -> Object:
    """Return what the bus is told: the password of each of its users."""
    names = [secrets.variable(user) for user in secrets.users()]
    return {"environment": {name: f"${{{name}:?}}" for name in names}}


def _further(needs: Needs) -> list[str]:
    """Return the networks besides that of the servers."""
    # outside is where strangers' URLs lead, and where clients come from
    if needs.internet or needs.public:
        return ["outside"]
    return ["storage"] if needs.storage else []


def _memory(needs: Needs) -> str:
    given = needs.resources.most_memory
    return given[:-2] + _MEGABYTES[given[-2:]]
