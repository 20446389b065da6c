"""Whether each object is one that the cluster would take."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate

from cli.deployment.pods import Object
from cli.home import PROJECT

KUBERNETES = "1.37"
"""The version whose schemas count."""

FOLDER = PROJECT / "deploy" / "k8s" / "schemas"

_CUSTOM = (
    "cert-manager.io/",
    "external-secrets.io/",
    "keda.sh/",
    "monitoring.coreos.com/",
)
"""Groups of resources that are installed into a cluster."""


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield what does not fit its schema; a field that no schema knows does not fit."""
    seen = set()
    for each in objects:
        title = f"{each['kind']} {each['metadata']['name']}"
        if (key := (each["apiVersion"], title)) in seen:
            yield f"{title} is there twice"
        seen.add(key)
        custom = each["apiVersion"].startswith(_CUSTOM)
        yield from (f"{title}: {fault}" for fault in (_custom if custom else _own)(each))


def _own(each: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        yield f"Kubernetes {KUBERNETES} knows no {each['apiVersion']} {each['kind']}"
    except kubernetes_validate.ValidationError as error:
        yield _said(error)


def _custom(each: Object) -> Iterator[str]:
    file = FOLDER / f"{each['kind'].lower()}.json"
    if not file.exists():
        yield f"there is no schema for it in {FOLDER.relative_to(PROJECT)}"
        return
    for error in _validator(file).iter_errors(each):
        yield _said(error)


@cache
def _validator(file: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(file.read_text()))


def _said(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(step) for step in error.absolute_path)
    return f"{place or 'the object'}: {error.message[:300]}"
