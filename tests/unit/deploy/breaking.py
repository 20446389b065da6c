"""Finding things in what is rendered, to break them, and seeing that it is found."""

from collections.abc import Callable
from typing import Any

from cli.deployment import check
from cli.deployment.pods import Object

Break = Callable[[list[Object]], Any]


def pod(objects: list[Object], name: str, kind: str = "Deployment") -> Any:
    return the(objects, kind, name)["spec"]["template"]["spec"]


def rules(objects: list[Object], name: str, way: str = "egress") -> Any:
    return the(objects, "NetworkPolicy", name)["spec"][way]


def told(objects: list[Object], name: str) -> Any:
    found = the(objects, "ConfigMap", name)
    return found.setdefault("data", {})


def without(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(the(objects, kind, name))


def assert_found(objects: list[Object], finding: str) -> None:
    """Assert that the check that a finding begins with makes it; the others take their time."""
    name, _, sentence = finding.partition(": ")
    found = list(check.CHECKS[name](objects))
    assert any(sentence in each for each in found), found


def the(objects: list[Object], kind: str, name: str) -> Any:
    """Return one object; a ConfigMap by its name without the hash that kustomize adds."""
    (found,) = (
        each
        for each in objects
        if each["kind"] == kind
        and (
            each["metadata"]["name"] == name
            or (kind == "ConfigMap" and each["metadata"]["name"].rpartition("-")[0] == name)
        )
    )
    return found


def container(objects: list[Object], name: str, kind: str = "Deployment") -> Any:
    """Return the container of a workload."""
    return the(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]
