"""What runs: the pods of an overlay, whatever brings them about, and what they are told."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cli.deployment.pods import Object

_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_SERVING = ("Deployment", "StatefulSet", "DaemonSet")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_SERVICE_COMMAND = ["python", "-m"]


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one kind."""

    kind: str
    name: str
    labels: dict[str, str]
    """Of the pods."""
    pod: Object
    """Their spec."""

    @property
    def title(self) -> str:
        """How a finding names it."""
        return f"{self.kind} {self.name}"

    @property
    def serving(self) -> bool:
        """Whether it stays, and is asked things; others end by themselves."""
        return self.kind in _SERVING

    @property
    def containers(self) -> list[Object]:
        """Every container, those that run first included."""
        return [*self.pod.get("initContainers", []), *self.pod["containers"]]

    @property
    def service(self) -> str | None:
        """Which of Darkroom's services it runs, if it is one."""
        for container in self.pod["containers"]:
            command = container.get("command", [])
            if command[:2] == _SERVICE_COMMAND and command[2].startswith("services."):
                return str(command[2].removeprefix("services."))
        return None


@dataclass(frozen=True, slots=True)
class Environment:
    """What a container is told, and where secret parts of it come from."""

    values: dict[str, str] = field(default_factory=dict)
    """Plain text; of a secret the name of its variable in angle brackets."""
    secrets: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """Secret, key, and whether it may be missing, by variable."""
    problems: list[str] = field(default_factory=list)
    """What is referred to and not there."""


def workloads(objects: Sequence[Object]) -> list[Workload]:
    """Return everything that runs pods."""
    return list(_workloads(objects))


def named(objects: Sequence[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def environment(container: Object, objects: Sequence[Object]) -> Environment:
    """Return what a container is told: ConfigMaps in order, then its own variables."""
    found = Environment()
    maps = named(objects, "ConfigMap")
    for source in container.get("envFrom", []):
        if reference := source.get("configMapRef"):
            if reference["name"] in maps:
                found.values.update(maps[reference["name"]].get("data") or {})
            else:
                found.problems.append(f"there is no ConfigMap {reference['name']}")
    for variable in container.get("env", []):
        _take(variable, found)
    return found


def _take(variable: Object, found: Environment) -> None:
    name = variable["name"]
    if "value" in variable:
        for used in _REFERENCE.findall(variable["value"]):
            if used not in found.values:
                found.problems.append(f"{name} uses {used}, which is not set before it")
        found.values[name] = _REFERENCE.sub(
            lambda match: found.values.get(match.group(1), ""), variable["value"]
        )
        return
    source = variable.get("valueFrom", {})
    if reference := source.get("secretKeyRef"):
        optional = bool(reference.get("optional"))
        found.secrets[name] = (reference["name"], reference["key"], optional)
    found.values[name] = f"<{name}>"


def _workloads(objects: Sequence[Object]) -> Iterator[Workload]:
    for each in objects:
        if path := _TEMPLATES.get(each["kind"]):
            template = each
            for step in path:
                template = template[step]
            yield Workload(
                kind=each["kind"],
                name=each["metadata"]["name"],
                labels=template.get("metadata", {}).get("labels", {}),
                pod=template["spec"],
            )
