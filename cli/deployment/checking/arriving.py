"""Whether what clients send comes through: sizes and times of the way in."""

import re
from collections.abc import Iterator, Mapping, Sequence

from cli import services
from cli.deployment.checking.workloads import environment, named, workloads
from cli.deployment.pods import Object

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_FAMILIES = ("nginx.org", "nginx.ingress.kubernetes.io")
_SIZES = {"nginx.org": "client-max-body-size", "nginx.ingress.kubernetes.io": "proxy-body-size"}
_QUIET_SECONDS = 600
"""For which a stream of events may say nothing, and an archive be read slowly."""


def check(objects: Sequence[Object]) -> Iterator[str]:
    """Yield limits in front of the gateway that are narrower than its own."""
    told = _told_to_the_gateway(objects)
    for name, ingress in named(objects, "Ingress").items():
        annotations = ingress["metadata"].get("annotations", {})
        for family in _FAMILIES:
            for fault in _of_family(family, annotations, told):
                yield f"Ingress {name}: {fault}"
        hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
        if told.get("PUBLIC_URL", "") not in {f"https://{host}" for host in hosts}:
            yield f"Ingress {name}: PUBLIC_URL is {told.get('PUBLIC_URL')}, which it does not serve"
    if told.get("PROXIES") == "0":
        yield "the gateway takes the controller's address for its clients'"


def _of_family(
    family: str, annotations: Mapping[str, str], told: Mapping[str, str]
) -> Iterator[str]:
    size = annotations.get(f"{family}/{_SIZES[family]}", "1m")
    if _bytes(size) < int(told["MAX_UPLOAD_BYTES"]):
        yield f"{family} lets {size} through, the gateway {told['MAX_UPLOAD_BYTES']} bytes"
    for what in ("proxy-read-timeout", "proxy-send-timeout"):
        seconds = annotations.get(f"{family}/{what}", "60").removesuffix("s")
        if int(seconds) < _QUIET_SECONDS:
            yield f"{family} ends what is quiet for {seconds} s ({what})"
    if annotations.get(f"{family}/proxy-buffering", "on").lower() not in ("off", "false"):
        yield f"{family} holds back events until there are many"


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kmg]?)", text.lower())
    return int(match.group(1)) * _UNITS[match.group(2)] if match else 0


def _told_to_the_gateway(objects: Sequence[Object]) -> dict[str, str]:
    told = {setting.name: setting.default or "" for setting in services.settings_of("gateway")}
    for workload in workloads(objects):
        if workload.service == "gateway":
            told |= environment(workload.pod["containers"][0], objects).values
    return told
