"""Which secrets a deployment has, derived from what its services read, and fresh values for them.

Nothing secret stands in a manifest: a pod names a secret and its key. Here is the one list of them,
from which the manifests, the example for External Secrets and `darkroom secrets` are made.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping

from cli import certificates, nats, services

NATS_USERS = "nats-users"
"""One password for each user of the bus, under the user's name."""

POSTGRESQL = "postgresql"
"""Password of a PostgreSQL that is run beside the services."""

STORAGE = "storage"
"""Credentials of object storage; none where pods have an identity of their own, or a folder."""

BACKUP = "backup"
"""The database to back up, as somebody who may read all of it."""

TELEMETRY = "telemetry"
"""What the collector of spans wants to see, from every service alike."""

NATS_TLS = "nats-tls"
GATEWAY_TLS = "gateway-tls"
"""Certificates; cert-manager makes them where it is there."""

TRIAL_HOST = "darkroom.localhost"
"""Where clients find a deployment that is only tried out."""

_DATABASE = "darkroom"
_ENDINGS = ("_KEY", "_KEYS", "_SECRET", "_SECRETS", "_PASSWORD", "_HEADERS")
_SHARED = {"OTEL_EXPORTER_OTLP_HEADERS": TELEMETRY}
"""Settings that are the same for every service, and the secret that holds each."""
_NO_SECRETS = ("REQUIRE_",)
_OF_ACCOUNT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def of_service(service: str) -> str:
    """Return the name of the secret that holds what one service reads."""
    return f"{service}-secrets"


def holding(service: str, setting: str) -> str:
    """Return the name of the secret in which a service finds a setting."""
    return _SHARED.get(setting, of_service(service))


def is_secret(setting: str) -> bool:
    """Whether a setting is nobody's business: a key, a secret, headers, a URL with a password."""
    if setting.startswith(_NO_SECRETS):
        return False
    return setting == "DATABASE_URL" or setting.endswith(_ENDINGS)


def read_by(service: str) -> dict[str, bool]:
    """Return the secret settings of a service, and whether it can do without each."""
    return {
        setting.name: setting.default is not None and setting.name != "SECRET_KEY"
        for setting in services.settings_of(service)
        if is_secret(setting.name)
    }


def users() -> list[str]:
    """Return everybody who may connect to the bus."""
    return [nats.OPERATOR, *nats.MAY_SAY]


def variable(user: str) -> str:
    """Return the variable that holds a user's password, where variables are what there is."""
    return f"NATS_PASSWORD_{user.upper()}"


def needed() -> dict[str, list[str]]:
    """Return every secret that must be there, with its keys. Those of storage may be left out."""
    listed = {NATS_USERS: users()}
    for service in services.NAMES:
        if keys := [name for name, optional in read_by(service).items() if not optional]:
            listed[of_service(service)] = keys
    return {**listed, STORAGE: list(_OF_ACCOUNT), BACKUP: ["DATABASE_URL"]}


def optional() -> dict[str, list[str]]:
    """Return the secrets that may be there besides, with the keys that may be in each."""
    listed: dict[str, list[str]] = {}
    for service in services.NAMES:
        for name, may_miss in read_by(service).items():
            keys = listed.setdefault(holding(service, name), []) if may_miss else []
            if may_miss and name not in keys:
                keys.append(name)
    return listed


def as_environment() -> str:
    """Return fresh values for a file of variables, as containers on one machine read it."""
    lines = [f"POSTGRES_PASSWORD={_drawn()}"]
    lines += [f"{variable(user)}={_drawn()}" for user in users()]
    names = sorted({name for service in services.NAMES for name in _drawn_by(service)})
    return "\n".join([*lines, *(f"{name}={_drawn()}" for name in names)])


def as_manifests(namespace: str, database_host: str) -> str:
    """Return fresh values as objects for `kubectl apply`, with a PostgreSQL of their own.

    For trying things out: whoever runs this twice gets other values, and locks himself out.
    """
    password = _drawn()
    url = f"postgresql://{_DATABASE}:{password}@{database_host}:5432/{_DATABASE}"
    values: dict[str, Mapping[str, str]] = {
        POSTGRESQL: {"password": password},
        NATS_USERS: {user: _drawn() for user in users()},
        BACKUP: {"DATABASE_URL": url},
    }
    for service in services.NAMES:
        own = {name: _drawn() for name in _drawn_by(service)}
        if "DATABASE_URL" in read_by(service):
            own["DATABASE_URL"] = url
        if own:
            values[of_service(service)] = own
    tls = "kubernetes.io/tls"
    objects = [_object(name, namespace, content) for name, content in values.items()]
    objects += [
        _object(name, namespace, certificates.made_for(hosts).as_secret(), tls)
        for name, hosts in {NATS_TLS: bus_names(namespace), GATEWAY_TLS: [TRIAL_HOST]}.items()
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2)


def _drawn_by(service: str) -> Iterator[str]:
    """Yield the secrets of a service that may be any text; others come from elsewhere."""
    for name, optional in read_by(service).items():
        if name != "DATABASE_URL" and not optional:
            yield name


def _drawn() -> str:
    """Return 256 random bits, safe in URLs; begins with a letter, as nats-server wants it.

    Its configuration reads a variable as if it stood there, and would take digits for a number.
    """
    return "s" + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def bus_names(namespace: str) -> list[str]:
    """Return what the servers of the bus are called by clients and by each other."""
    each = "*.nats-headless"
    return ["nats", f"nats.{namespace}.svc", "nats-headless", each, f"{each}.{namespace}.svc"]


def _object(
    name: str, namespace: str, values: Mapping[str, str], kind: str = "Opaque"
) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "stringData": dict(values),
    }
