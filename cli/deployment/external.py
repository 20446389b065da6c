"""Secrets by External Secrets: one object for each secret that `cli.secrets` knows to be needed.

A key that the store does not have fails the whole object, so those that a deployment can do without
are components of their own, for whoever has put them into the store.
"""

import json

from cli import secrets
from cli.deployment.pods import Object

STORE = "darkroom"
OPTIONAL = "optional-secrets"
"""The folder of components with keys that may be left out."""


def external_secrets() -> list[Object]:
    """Return the objects; each takes the entry darkroom/<secret> of the store, key by key."""
    return [_external(name, keys) for name, keys in secrets.needed().items()]


def components() -> dict[str, list[Object]]:
    """Return what is in the components of keys that may be left out, by their paths in OPTIONAL."""
    needed, made = secrets.needed(), {}
    for secret, keys in secrets.optional().items():
        for key in keys:
            folder = key.lower().replace("_", "-")
            if secret in needed:
                made[f"{folder}/kustomization.yaml"] = [_component(patches=[_added(secret, key)])]
                continue
            made[f"{folder}/kustomization.yaml"] = [_component(resources=["secret.yaml"])]
            made[f"{folder}/secret.yaml"] = [_external(secret, [key])]
    return made


def _external(name: str, keys: list[str]) -> Object:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": {"name": name, "creationPolicy": "Owner"},
            "data": [_entry(name, key) for key in keys],
        },
    }


def _entry(secret: str, key: str) -> Object:
    return {"secretKey": key, "remoteRef": {"key": f"darkroom/{secret}", "property": key}}


def _added(secret: str, key: str) -> Object:
    """Return the patch that adds a key to a secret that is there anyway."""
    add = [{"op": "add", "path": "/spec/data/-", "value": _entry(secret, key)}]
    return {
        "target": {"kind": "ExternalSecret", "name": secret},
        "patch": json.dumps(add),
    }


def _component(**content: list[Object] | list[str]) -> Object:
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", **content}
