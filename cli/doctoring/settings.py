"""Settings: what each service is told, compared with what it reads. No value is ever shown."""

import difflib
import importlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from cli import secrets, services
from cli.doctoring.findings import Finding
from kit import settings
from kit.lifecycle import Listen, Trust
from kit.tracing import Telemetry

_SHORTEST_SECRET = 32
_FEWEST_CHARACTERS = 10
"""Different ones in a secret of 32: random text of 62 characters has fewer once in a million."""
_GUESSABLE = ("changeme", "change-me", "example", "password", "secret", "darkroom", "12345678")
_DRAWN_ELSEWHERE = "whsec_"
"""How secrets begin that are not ours to draw."""
_ALIKE = 0.85
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "NATS_URL": ("nats", "tls"),
    "DATABASE_URL": ("postgresql", "postgres"),
    "STORAGE_URL": ("file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"),
    "PUBLIC_URL": ("http", "https"),
}
_SEALING = {"accounts": "private keys", "webhooks": "the endpoints' secrets"}
"""What lies in the database in clear where SECRET_KEY is empty."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_AREA = "settings"


def of_services(environments: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Look at what each service is told."""
    for service, told in environments.items():
        wrong = list(_wrong(service, told))
        yield from wrong
        if not any(finding.verdict == "fix" for finding in wrong):
            given = sum(1 for setting in services.settings_of(service) if told.get(setting.name))
            yield Finding(_AREA, service, "ok", f"{given} set, all understood")
    yield from _secrets_of(environments)
    yield from _told_differently(environments)


def misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look for variables that no service reads, and that look like one that is read."""
    known = {
        setting.name for service in services.NAMES for setting in services.settings_of(service)
    }
    for name in environment:
        alike = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if name not in known and alike:
            yield Finding(
                _AREA,
                name,
                "warning",
                f"no service reads {name}",
                f"Did you mean {alike[0]}?",
            )


def _wrong(service: str, told: Mapping[str, str]) -> Iterator[Finding]:
    for kind in _read_by(service):
        for name, why in settings.problems(kind, told).items():
            yield Finding(_AREA, service, "fix", f"{name} {why}", f"Set {name} for {service}.")
    known = {setting.name for setting in services.settings_of(service)}
    for name, schemes in _SCHEMES.items():
        value = told.get(name, "")
        if name in known and value and not _begins(value, schemes):
            begin = " or ".join(f"{scheme}://" for scheme in schemes[:4])
            yield Finding(
                _AREA,
                service,
                "fix",
                f"{name} is no URL that is understood",
                f"Let it begin with {begin}.",
            )
    if service in _SEALING and not told.get("SECRET_KEY"):
        yield Finding(
            _AREA,
            service,
            "warning",
            f"without SECRET_KEY {_SEALING[service]} lie in the database in clear",
            "Set SECRET_KEY to 32 random characters or more.",
        )
    if {"HOST", "PUBLIC_URL"} <= known:
        yield from _address(service, told)


def _read_by(service: str) -> list[type[msgspec.Struct]]:
    own: type[msgspec.Struct] = importlib.import_module(f"services.{service}.settings").Settings
    return [own, Listen, Trust, Telemetry]


def _begins(value: str, schemes: tuple[str, ...]) -> bool:
    parts = urlsplit(value)
    return parts.scheme in schemes and (parts.scheme == "file" or bool(parts.hostname))


def _address(service: str, told: Mapping[str, str]) -> Iterator[Finding]:
    """Links to files lead to PUBLIC_URL: clients elsewhere must be able to follow them."""
    host = told.get("HOST", _LOOPBACK[0])
    public = urlsplit(told.get("PUBLIC_URL", "http://127.0.0.1:8080")).hostname
    if host not in _LOOPBACK and public in _LOOPBACK:
        yield Finding(
            _AREA,
            service,
            "warning",
            "clients elsewhere reach it, but PUBLIC_URL leads links to files to this machine",
            "Set PUBLIC_URL to the address that clients write.",
        )


def _secrets_of(environments: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Look whether secrets can be guessed, and whether one opens two doors."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    owners: defaultdict[str, set[str]] = defaultdict(set)
    weak: list[Finding] = []
    for service, told in environments.items():
        for name, value in _secrets(service, told):
            places[value].add(name)
            owners[value].add(service)
            if why := _weakness(name, value):
                weak.append(
                    Finding(
                        _AREA,
                        service,
                        "fix",
                        f"{name} {why}",
                        "Draw another: `darkroom secrets environment` prints fresh ones.",
                    )
                )
    yield from weak
    for value, names in places.items():
        if len(names) > 1:
            yield Finding(
                _AREA,
                ", ".join(sorted(owners[value])),
                "fix",
                f"{' and '.join(sorted(names))} are the same secret: who knows one has both",
                "Give each a value of its own.",
            )
    if places and not weak and all(len(names) == 1 for names in places.values()):
        yield Finding(_AREA, "secrets", "ok", f"{len(places)} of them, long and each for one thing")


def _secrets(service: str, told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield every secret of ours that a service knows, with what it is called."""
    for name in secrets.read_by(service):
        if name != "DATABASE_URL" and secrets.holding(service, name) != secrets.TELEMETRY:
            values = (value.strip() for value in told.get(name, "").split(","))
            yield from ((name, value) for value in values if value)
    for name in ("NATS_URL", "DATABASE_URL"):
        parts = urlsplit(told.get(name, ""))
        if parts.password:
            whose = f" of {parts.username}" if name == "NATS_URL" else ""
            yield f"the password{whose} in {name}", parts.password


def _weakness(name: str, value: str) -> str:
    """Return why a secret can be guessed; nothing if it cannot."""
    if value.startswith(_DRAWN_ELSEWHERE):
        return ""
    if any(word in value.lower() for word in _GUESSABLE):
        return "contains a word that everybody tries first"
    if name.startswith("the password"):
        return "" if len(value) >= _SHORTEST_SECRET // 2 else "has fewer than 16 characters"
    if len(value) < _SHORTEST_SECRET:
        return f"has fewer than {_SHORTEST_SECRET} characters"
    if len(set(value)) < _FEWEST_CHARACTERS:
        return "is made of a few characters only"
    return ""


def _told_differently(environments: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Pictures travel as keys: whoever writes and whoever reads must mean the same place."""
    places = {told["STORAGE_URL"] for told in environments.values() if told.get("STORAGE_URL")}
    if len(places) > 1:
        yield Finding(
            _AREA,
            "STORAGE_URL",
            "fix",
            f"services are told {len(places)} different places, and do not find each other's files",
            "Give all of them the same STORAGE_URL.",
        )
