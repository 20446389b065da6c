"""Whether pods can do nothing but their work: Pod Security `restricted`, and somewhat more."""

import re
from collections.abc import Iterator, Sequence

from cli.deployment.checking.workloads import Workload, workloads
from cli.deployment.pods import Object

_PINNED = re.compile(r"[^@]+(:[^:/@]*\d[^:/@]*|@sha256:[0-9a-f]{64})")
"""A tag with a number in it, or a digest."""

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
_VOLUMES |= {"projected", "secret"}
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield what a pod may do too much of, or does not say."""
    for workload in workloads(objects):
        for fault in _of_pod(workload):
            yield f"{workload.title}: {fault}"
        for container in workload.containers:
            for fault in _of_container(workload, container):
                yield f"{workload.title}, {container['name']}: {fault}"
    yield from _of_namespaces(objects)


def _of_pod(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    context = pod.get("securityContext", {})
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster's API, which it does not need"
    if pod.get("enableServiceLinks") is not False:
        yield "is told the address of every service as variables, some of which are settings"
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "may make any system call"
    if any(pod.get(word) for word in _HOST):
        yield "shares a namespace with its node"
    if workload.serving and "terminationGracePeriodSeconds" not in pod:
        yield "does not say how long it takes to stop"
    for volume in pod.get("volumes", []):
        if wrong := set(volume) - {"name"} - _VOLUMES:
            yield f"has a volume of the kind {', '.join(sorted(wrong))}"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"may fill its node with what it writes to {volume['name']}"


def _of_container(workload: Workload, container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain rights"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may change its own programs"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "may run as root"
    if not _PINNED.fullmatch(container["image"]):
        yield f"its image is not pinned: {container['image']}"
    given = container.get("resources", {})
    for what in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            if resource not in given.get(what, {}):
                yield f"has no {what} of {resource}"
    runs_first = container in workload.pod.get("initContainers", [])
    if workload.serving and not runs_first:
        yield from (f"has no {probe}" for probe in _PROBES if probe not in container)


def _of_namespaces(objects: Sequence[Object]) -> Iterator[str]:
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    if len(namespaces) != 1:
        yield f"there are {len(namespaces)} namespaces, not one"
    for each in namespaces:
        labels = each["metadata"].get("labels", {})
        for mode in ("enforce", "audit", "warn"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"Namespace {each['metadata']['name']} does not {mode} restricted pods"
