"""Whether images are what they should be, and what runs from them on one machine is told enough."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from cli import nats, secrets, services
from cli.deployment import dockerfile, needs
from cli.deployment.checking.rendering import program
from cli.deployment.containers import CREDENTIALS
from cli.deployment.longest import longest_seconds
from cli.home import PROJECT
from kit import settings
from services.qr.drawing.fonts import FAMILIES
from triton_models.serve import DEFAULT_MODELS

FOLDER = PROJECT / "deploy" / "docker"
FILES = ("Dockerfile", "models.Dockerfile")

_PINNED = re.compile(r"[^:@]+:[^:@]*\d[^:@]*(@sha256:[0-9a-f]{64})?")
_COMPILERS = re.compile(r"\b(gcc|g\+\+|clang|make|cmake|build-essential|[a-z0-9-]+-dev)\b")
_NOT_ROOT = re.compile(r"[1-9]\d*:[1-9]\d*")


def check_files(folder: Path = FOLDER) -> Iterator[str]:
    """Yield what is wrong with the Dockerfiles."""
    for name in FILES:
        path = folder / name
        command = [program("hadolint"), "--config", str(FOLDER / "hadolint.yaml"), str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        yield from (line.removeprefix(f"{folder}/") for line in result.stdout.splitlines())
        for fault in _of_file(path):
            yield f"{name}: {fault}"
    first = {
        package
        for run in dockerfile.runs(dockerfile.stages(folder / "Dockerfile")[-1])
        for package in re.findall(r"fonts-[a-z0-9-]+", run)
    }
    if first != {family.package for family in FAMILIES}:
        yield f"Dockerfile: installs the fonts {sorted(first)}, and cards are set in others"


def _of_file(path: Path) -> Iterator[str]:
    stages = dockerfile.stages(path)
    for stage in stages:
        base = stage[0].rest.split()[0]
        if not _PINNED.fullmatch(base):
            yield f"{base} is not pinned"
        for run in dockerfile.runs(stage):
            if "pip install" in run and "--require-hashes" not in run:
                yield f"installs without checksums: {run}"
            if found := _COMPILERS.search(run):
                yield f"installs {found.group()}"
        for copy in dockerfile.copies(stage):
            for source in copy.sources:
                if not (PROJECT / source).exists():
                    yield f"copies {source}, which is not there"
    users = [each.rest for each in stages[-1] if each.word == "USER"]
    if not users or not _NOT_ROOT.fullmatch(users[-1]):
        yield "runs as root, or as a name, which Kubernetes cannot tell from root"


def composed(environment: Mapping[str, str], folder: Path = FOLDER) -> dict[str, Any]:
    """Return the services that `docker compose` makes of the file. Raises ValueError."""
    made: dict[str, Any] = read(environment, folder)["services"]
    return made


def read(environment: Mapping[str, str], folder: Path = FOLDER) -> dict[str, Any]:
    """Return all that `docker compose` makes of the file. Raises ValueError with what it says."""
    command = [program("docker-compose"), "--file", str(folder / "compose.yaml")]
    result = subprocess.run(
        [*command, "--profile", "*", "config", "--format", "json"],
        env={"PATH": os.defpath, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ValueError(result.stderr.strip())
    made: dict[str, Any] = json.loads(result.stdout)
    return made


def fresh() -> dict[str, str]:
    """Return what the file of variables would hold."""
    lines = secrets.as_environment().splitlines()
    return dict(line.split("=", 1) for line in lines)


def check_composed(made: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with what would run on one machine."""
    for name in services.NAMES:
        if name not in made:
            yield f"{name} does not run"
            continue
        yield from (f"{name}: {fault}" for fault in _of_service(name, made[name]))
    told = made["nats"]["environment"]
    for user in (nats.OPERATOR, *nats.MAY_SAY):
        if not told.get(secrets.variable(user)):
            yield f"nats: is not told the password of {user}"
    loaded = {word.removeprefix("--load-model=") for word in made["triton"]["command"]}
    yield from (f"triton: does not load {each}" for each in DEFAULT_MODELS if each not in loaded)
    for name, each in made.items():
        yield from (f"{name}: {fault}" for fault in _of_container(each))


def _of_service(name: str, made: Mapping[str, Any]) -> Iterator[str]:
    needed, told = needs.of(name), {key: str(value) for key, value in made["environment"].items()}
    known = {setting.name for setting in services.settings_of(name)}
    known |= _credentials() if needed.storage else set()
    yield from (f"is told {key}, which it does not read" for key in told if key not in known)
    try:
        settings.load(import_module(f"services.{name}.settings").Settings, told)
    except settings.BadSetting as error:
        yield str(error)
    if not told.get("NATS_URL", "").startswith(f"nats://{name}:"):
        yield "does not come to the bus as itself"
    if needed.storage and not {"storage", "outside"} & set(made["networks"]):
        yield "has no way to pictures that lie elsewhere"
    if "storage" in made["networks"] and not needed.storage:
        yield "has a way to pictures, and no business there"
    if "outside" in made["networks"] and not (needed.internet or needed.public):
        yield "has a way out, and no business there"
    if needed.internet and "outside" not in made["networks"]:
        yield "has no way out to what it fetches"
    if needed.storage and "/data" not in {each["target"] for each in made.get("volumes", [])}:
        yield "has no pictures"
    if _seconds(made["stop_grace_period"]) < longest_seconds(name, told):
        yield f"is killed after {made['stop_grace_period']}"


def _credentials() -> set[str]:
    """Return the variables of the file of credentials, as far as there is one."""
    file = FOLDER / CREDENTIALS
    lines = file.read_text().splitlines() if file.exists() else []
    return {line.partition("=")[0] for line in lines}


def _of_container(made: Mapping[str, Any]) -> Iterator[str]:
    if not _PINNED.fullmatch(made["image"]):
        yield f"its image is not pinned: {made['image']}"
    if "no-new-privileges:true" not in made.get("security_opt", []):
        yield "may gain rights"
    if made.get("privileged"):
        yield "is not contained"
    for port in made.get("ports", []):
        if port.get("host_ip") != "127.0.0.1":
            yield f"can be reached from other machines at port {port['published']}"


def _seconds(text: str) -> float:
    """Return the length of a time as compose writes it: 3m50s."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))
