"""Darkroom's own services as programs: what each is told, and when it is ready."""

import importlib
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import aiohttp
import msgspec

from cli.home import PROJECT, Home
from cli.processes import Program
from kit import settings
from kit.lifecycle import Listen, Trust
from kit.settings import Setting
from kit.tracing import Telemetry

ASKED = ("accounts", "wallet", "webhooks", "presets", "jobs")
"""Those that the others ask, and that keep books for them."""

NAMES = (
    *ASKED,
    "qr",
    "facecrop",
    "cardreader",
    "facereader",
    "matching",
    "gateway",
)

_OF_THE_MACHINE = ("PATH", "HOME", "LANG", "TZ")
"""What a service inherits besides its settings."""

_OF_CLOUDS = ("AWS_", "GOOGLE_", "AZURE_")
"""How credentials of clouds begin; inherited where the caller names another storage than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a service finds around it."""

    fixed: Mapping[str, str]
    """Settings that make the services one stack; the caller's environment does not change them."""
    default: Mapping[str, str]
    """Settings that hold unless the caller's environment says otherwise."""
    caller: Mapping[str, str]
    """The environment of whoever starts the stack."""


def settings_of(service: str) -> list[Setting]:
    """List the settings that a service reads, its own before those that every service has."""
    kind: type[msgspec.Struct] = importlib.import_module(f"services.{service}.settings").Settings
    common = [*settings.describe(Listen), *settings.describe(Trust)]
    return [*settings.describe(kind), *common, *_LOG_LEVEL, *settings.describe(Telemetry)]


_LOG_LEVEL = [Setting(name="LOG_LEVEL", meaning="Least severe log line to write", default="INFO")]


def environment(service: str, around: Surroundings) -> dict[str, str]:
    """Return the whole environment of a service: settings that it knows, and little else."""
    known = {setting.name for setting in settings_of(service)}
    prefixes = _OF_CLOUDS if known & {"STORAGE_URL"} & set(around.caller) else ()
    kept = {
        name: value
        for name, value in around.caller.items()
        if name in known or name in _OF_THE_MACHINE or name.startswith(prefixes)
    }
    ours = {**around.default, **kept, **around.fixed}
    return {name: value for name, value in ours.items() if name in known or name in kept}


def program(
    service: str, home: Home, nats_url: str, operator_port: int, around: Surroundings
) -> Program:
    """Return how a service is run; `nats_url` carries its own name and password."""
    own = {"NATS_URL": nats_url, "OPERATOR_PORT": str(operator_port)}
    told = environment(service, around) | own
    return Program(
        name=service,
        command=(sys.executable, "-m", f"services.{service}"),
        environment=told,
        folder=PROJECT,
        log=home.logs / f"{service}.log",
        ready=partial(answers, f"http://127.0.0.1:{operator_port}/readyz"),
        # nobody to hand over to; a service that is replaced gets SIGTERM
        stop_signal=signal.SIGINT,
        stop_within_seconds=30.0,
        sockets=(int(told["LISTEN_FD"]),) if "LISTEN_FD" in told else (),
    )


async def answers(url: str) -> bool:
    """Whether a GET of the URL is answered with 200."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
