"""What is looked at: the stack that runs in a home, or what the environment names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from cli import reach, secrets, services, triton
from cli.home import Home, Target

_ASKED_OF = ("NATS_URL", "DATABASE_URL", "STORAGE_URL", "TRITON_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """An installation, as far as it can be told from here."""

    name: str
    """What it is called in the report."""
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The environment of each service by its name; of those that can be told."""
    running: Mapping[str, int] = field(default_factory=dict)
    """Processes by part, where it runs on this machine."""
    operator_ports: Mapping[str, int] = field(default_factory=dict)
    url: str = ""
    """Where clients reach it."""
    nats_url: str = ""
    """The bus, for the operator."""
    nats_ca: str = ""
    users: Mapping[str, str] = field(default_factory=dict)
    """The bus, for each service of which the password is known."""
    databases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Which services use it, by URL; empty for all that have tables."""
    storage_urls: tuple[str, ...] = ()
    storage_environment: Mapping[str, str] = field(default_factory=dict)
    """With the credentials of clouds."""
    triton_urls: tuple[str, ...] = ()
    asks_models: bool = True
    """Whether any of what is looked at asks models."""
    models_here: bool = True
    """Whether the model repository should lie on this machine."""
    repository: Path = triton.REPOSITORY
    upscaler: str = "upscaler_fast"
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Where it keeps things on this machine, by what."""
    ours: bool = False
    """Whether servers are our own, on this machine, for nobody else."""


def in_home(home: Home) -> Patient:
    """Return the stack that runs in a home. Raises NotRunning."""
    card, links = home.card(), home.links()
    targets = msgspec.json.decode(home.targets.read_bytes(), type=list[Target])
    environments = {
        name: told
        for name in services.NAMES
        if name in card.pids and (told := _environment_of(card.pids[name]))
    }
    folders = {"data": home.folder}
    for folder in reach.data_folders(home):
        if (folder / "data").exists():
            folders["database"] = folder
    local = (_local(told.get("STORAGE_URL", "")) for told in environments.values())
    if storage := next(filter(None, local), None):
        folders["storage"] = storage
    return Patient(
        name=f"the stack in {home.folder} at {card.url}",
        environments=environments,
        running=card.pids,
        operator_ports={
            target.labels["service"]: int(target.targets[0].rpartition(":")[2])
            for target in targets
        },
        url=card.url,
        nats_url=links.nats_url,
        users={name: told["NATS_URL"] for name, told in environments.items() if "NATS_URL" in told},
        databases=_databases(environments) or {links.database_url: ()},
        storage_urls=_distinct(environments, "STORAGE_URL"),
        storage_environment=next(
            (told for told in environments.values() if "STORAGE_URL" in told), {}
        ),
        triton_urls=_distinct(environments, "TRITON_URL"),
        repository=_repository(environments),
        upscaler=next(iter(_distinct(environments, "UPSCALER")), "upscaler_fast"),
        folders=folders,
        ours=True,
    )


def in_environment(environment: Mapping[str, str], as_services: tuple[str, ...]) -> Patient:
    """Return what an environment names; it is that of the services named, if any are."""
    told = {name: value for name, value in environment.items() if value}
    nats_url = told.get("NATS_URL", "")
    users = {
        service: _as_user(nats_url, service, told[secrets.variable(service)])
        for service in services.NAMES
        if nats_url and secrets.variable(service) in told
    }
    named = told.get("MODEL_REPOSITORY")
    folders = {}
    if storage := _local(told.get("STORAGE_URL", "")):
        folders["storage"] = storage
    return Patient(
        name="what the environment names"
        + (f", for {', '.join(as_services)}" if as_services else ""),
        environments=dict.fromkeys(as_services, told),
        url=told.get("PUBLIC_URL", ""),
        nats_url=nats_url,
        nats_ca=told.get("NATS_CA", ""),
        users=users,
        databases={url: as_services for name, url in told.items() if name == "DATABASE_URL"},
        storage_urls=tuple(value for name, value in told.items() if name == "STORAGE_URL"),
        storage_environment=told,
        triton_urls=tuple(value for name, value in told.items() if name == "TRITON_URL"),
        asks_models=not as_services or any(map(_asks_models, as_services)),
        models_here=bool(named) or "TRITON_URL" not in told,
        repository=Path(named) if named else triton.REPOSITORY,
        upscaler=told.get("UPSCALER", "upscaler_fast"),
        folders=folders,
    )


def is_named(environment: Mapping[str, str]) -> bool:
    """Whether an environment names any part of an installation."""
    return any(environment.get(name) for name in _ASKED_OF)


def only_this_machine() -> Patient:
    """Return what can be looked at where nothing runs."""
    return Patient(name="this machine; nothing runs here", ours=True)


def _environment_of(pid: int) -> dict[str, str]:
    """Return what a process was told when it was started; nothing where that cannot be read."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(part).partition("=") for part in content.split(b"\0") if part)
    return {name: value for name, _, value in pairs}


def _databases(environments: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    users: dict[str, tuple[str, ...]] = {}
    for service, told in environments.items():
        if url := told.get("DATABASE_URL"):
            users[url] = (*users.get(url, ()), service)
    return users


def _distinct(environments: Mapping[str, Mapping[str, str]], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told[name] for told in environments.values() if told.get(name)))


def _repository(environments: Mapping[str, Mapping[str, str]]) -> Path:
    named = _distinct(environments, "MODEL_REPOSITORY")
    return Path(named[0]) if named else triton.REPOSITORY


def _asks_models(service: str) -> bool:
    return "TRITON_URL" in {setting.name for setting in services.settings_of(service)}


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if url and parts.scheme in ("", "file") else None


def _as_user(url: str, user: str, password: str) -> str:
    """Return the URL of a server for another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))
