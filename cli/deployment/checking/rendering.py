"""Overlays as kubectl would apply them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from cli.deployment.pods import Object
from cli.errors import CommandFailed, ProgramMissing
from cli.home import PROJECT

OVERLAYS = PROJECT / "deploy" / "k8s" / "overlays"


def overlays() -> list[str]:
    """Return the names of the overlays."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def rendered(overlay: str, folder: Path = OVERLAYS) -> list[Object]:
    """Return the objects of an overlay. Raises CommandFailed with what kustomize says."""
    command = [program("kubectl"), "kustomize", str(folder / overlay)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise CommandFailed(f"{overlay} cannot be rendered: {result.stderr.strip()}")
    if result.stderr:  # a deprecation today is an error tomorrow
        raise CommandFailed(f"{overlay}: {result.stderr.strip()}")
    # the C loader reads the same, in a tenth of the time
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    objects: list[Any] = list(yaml.load_all(result.stdout, Loader=loader))
    return objects


def program(name: str) -> str:
    """Return where a program of the development environment is. Raises ProgramMissing."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ProgramMissing(f"{name} is not installed; run ./just setup.")
    return str(path)
