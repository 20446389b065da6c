"""`darkroom doctor`: look at everything that an installation needs, and say what to mend."""

import os
from collections.abc import Iterable, Mapping, Sequence

from cli import services
from cli.doctoring import bus, databases, machine, models, patient, settings, storing
from cli.doctoring.findings import Finding, Report, report
from cli.doctoring.patient import Patient
from cli.errors import CommandFailed, NotRunning
from cli.home import Home

_ORDER = ("settings", "connections", "versions", "migrations", "models", "clock", "disk", "machine")


async def examine(
    home: Home, as_services: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Report:
    """Look at what the environment names, or else at the stack that runs in the home.

    Args:
        home: Where `up` keeps its stack.
        as_services: Take the environment for that of these services.
        environment: Our own.

    Raises CommandFailed for a service that there is not.
    """
    if unknown := sorted(set(as_services) - set(services.NAMES)):
        known = ", ".join(services.NAMES)
        raise CommandFailed(f"There is no service {', '.join(unknown)}; there are {known}.")
    looked_at, found = _found(home, tuple(as_services), environment)
    found += [*settings.of_services(looked_at.environments), *settings.misspelt(environment)]
    for look in (bus.look, databases.look, storing.look, models.look):
        found += [finding async for finding in look(looked_at)]
    found += machine.look(looked_at)
    return report(looked_at.name, _sorted(found))


def _found(
    home: Home, as_services: tuple[str, ...], environment: Mapping[str, str]
) -> tuple[Patient, list[Finding]]:
    if as_services or patient.is_named(environment):
        return patient.in_environment(environment, as_services), []
    try:
        found = patient.in_home(home)
    except (NotRunning, FileNotFoundError):
        said = f"nothing runs in {home.folder}"
        start = "Start it with ./just up; or set NATS_URL and the others for one elsewhere."
        nothing = Finding("connections", "stack", "warning", said, start)
        return patient.only_this_machine(), [nothing]
    missing = [name for name in services.NAMES if name not in found.environments]
    return found, [
        Finding("settings", name, "skipped", "what it was told cannot be read here")
        for name in missing
    ]


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by area; within one as they were found."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.area))
