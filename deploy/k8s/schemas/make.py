"""Write the schemas of the custom resources that are used here, strict and without their prose.

    python3 -m venv /tmp/schemas && /tmp/schemas/bin/pip install --require-hashes \
        -r requirements/schemas.lock && /tmp/schemas/bin/python deploy/k8s/schemas/make.py

They come out of packages that are made from the resource definitions of each project. What these
packages do not have (External Secrets) is written by hand: `externalsecret.json`,
`secretstore.json`.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator

FOLDER = Path(__file__).parent

KINDS = {
    "cert-manager": (cert_manager.Certificate, cert_manager.Issuer),
    "keda": (keda.ScaledObject,),
    "prometheus-operator": (
        prometheus_operator.PrometheusRule,
        prometheus_operator.ServiceMonitor,
    ),
}

_PROSE = ("title", "description", "default", "examples")


def main() -> None:
    """Write one file for each kind."""
    for project, kinds in KINDS.items():
        distribution = f"cloudcoil.models.{project}"
        source = f"{distribution} {version(distribution)}"
        for kind in kinds:
            schema = strict(kind.model_json_schema(by_alias=True))
            schema["$comment"] = f"made by make.py from {source}"
            file = FOLDER / f"{kind.__name__.lower()}.json"
            file.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


def strict(schema: Any, *, named: bool = False) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema in which a misspelt field is a mistake; `named` for a table of schemas."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if named:
        return {name: strict(part) for name, part in schema.items()}
    schema = _not_null(schema)
    kept = {
        word: strict(value, named=word in ("properties", "$defs"))
        for word, value in schema.items()
        if word not in _PROSE
    }
    if "properties" in kept:
        kept.setdefault("additionalProperties", False)
    return kept


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without the null that Python says for a field that is left out."""
    match schema:
        case {"anyOf": [some, {"type": "null"}]}:
            return dict(some)
        case _:
            return schema


if __name__ == "__main__":
    main()
