"""Prometheus' rules as objects of its operator: the files of deploy/prometheus, as they are."""

import yaml

from cli.deployment.pods import Object
from cli.home import PROJECT

FOLDER = PROJECT / "deploy" / "prometheus"


def objects() -> list[Object]:
    """Return one PrometheusRule for each file of rules."""
    found = sorted((*FOLDER.glob("**/*.yaml"), *FOLDER.glob("**/*.yml")))
    read = {path: yaml.safe_load(path.read_text()) for path in found}
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"darkroom-{path.stem}".replace("_", "-").replace(".", "-")},
            "spec": {"groups": content["groups"]},
        }
        for path, content in read.items()
        # rule files have groups and nothing else; tests of rules have tests
        if isinstance(content, dict) and set(content) == {"groups"}
    ]
