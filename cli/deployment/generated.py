"""The files of deploy/ that are made from the code, and checked against it."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from cli.deployment import bus, containers, external, internet, needs, objects, rules, scaling
from cli.deployment.pods import Object
from cli.home import PROJECT

DEPLOY = PROJECT / "deploy"
BASE = DEPLOY / "k8s" / "base"
COMPONENTS = DEPLOY / "k8s" / "components"
OPTIONAL = COMPONENTS / external.OPTIONAL

_HEAD = "# Made by `./just k8s` from {source}; change that, or patch this in an overlay.\n"


def documents() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    known = needs.of_all()
    services = {
        BASE / "services" / f"{each.service}.yaml": _text(
            objects.of_service(each), f"the settings of services/{each.service}"
        )
        for each in known
    }
    scaled = [made for each in known if (made := scaling.scaled(each)) is not None]
    return {
        **services,
        DEPLOY / "nats" / "users.conf": bus.users_file(),
        DEPLOY / "docker" / "services.yaml": _text(
            [{"services": {each.service: containers.service(each) for each in known}}],
            "the settings of services",
        ),
        DEPLOY / "docker" / "users.yaml": _text(
            [{"services": {"users": containers.users()}}], "cli/nats.py"
        ),
        BASE / "services" / "kustomization.yaml": _kustomization(known),
        BASE / "nats-users.yaml": _text([bus.passwords()], "cli/nats.py"),
        BASE / "internet.yaml": _text(internet.policies(), "kit/addresses.py"),
        COMPONENTS / "keda" / "queues.yaml": _text(scaled, "cli/nats.py"),
        COMPONENTS / "external-secrets" / "secrets.yaml": _text(
            external.external_secrets(), "cli/secrets.py"
        ),
        **{
            OPTIONAL / path: _text(objects, "cli/secrets.py")
            for path, objects in external.components().items()
        },
        COMPONENTS / "monitoring" / "rules.yaml": _text(rules.objects(), "deploy/prometheus"),
    }


def write() -> list[Path]:
    """Write the files and return those that changed; files of services that are gone go too."""
    changed = outdated()
    for path in changed:
        if (text := documents().get(path)) is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return changed


def outdated() -> list[Path]:
    """Return the files that no longer say what the code says, or should not be there."""
    wanted = documents()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    there = [*(BASE / "services").glob("*.yaml"), *OPTIONAL.glob("*/*.yaml")]
    return stale + [path for path in there if path not in wanted]


def _kustomization(known: Sequence[needs.Needs]) -> str:
    settings = {
        "all-services": objects.COMMON,
        "storage-place": {"STORAGE_URL": "file:///data/storage"},
        "models-place": {"TRITON_URL": "triton:8001"},
        **{f"{each.service}-settings": objects.SETTINGS.get(each.service, {}) for each in known},
    }
    made: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{each.service}.yaml" for each in known],
        "configMapGenerator": [
            {"name": name, "literals": [f"{key}={value}" for key, value in values.items()]}
            for name, values in settings.items()
        ],
    }
    return _text([made], "cli/services.py")


def _text(objects: Sequence[Object], source: str) -> str:
    written = yaml.safe_dump_all(
        # through JSON, so that what two objects share is written twice and not as a reference
        [json.loads(json.dumps(each)) for each in objects],
        sort_keys=False,
        width=100,
        allow_unicode=True,
    )
    return _HEAD.format(source=source) + (written if objects else "")
