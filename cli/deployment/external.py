"""Secrets by External Secrets: one object for each secret that `cli.secrets` knows to be needed."""

from cli import secrets
from cli.deployment.pods import Object

STORE = "darkroom"


def external_secrets() -> list[Object]:
    """Return the objects; each takes the entry darkroom/<secret> of the store, key by key."""
    return [_external(name, keys) for name, keys in secrets.needed().items()]


def _external(name: str, keys: list[str]) -> Object:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": {"name": name, "creationPolicy": "Owner"},
            "data": [
                {"secretKey": key, "remoteRef": {"key": f"darkroom/{name}", "property": key}}
                for key in keys
            ],
        },
    }
