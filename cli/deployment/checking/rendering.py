"""Overlays as kubectl would apply them."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
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


def rendered_with(overlay: str, components: Iterable[Path]) -> list[Object]:
    """Return the objects of an overlay with further components. Raises CommandFailed."""
    with TemporaryDirectory() as folder:
        made = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # kustomize takes no absolute paths
            "resources": [os.path.relpath(OVERLAYS / overlay, os.path.realpath(folder))],
            "components": [os.path.relpath(each, os.path.realpath(folder)) for each in components],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(made))
        return rendered(".", Path(folder))


def program(name: str) -> str:
    """Return where a program of the development environment is. Raises ProgramMissing."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise ProgramMissing(f"{name} is not installed; run ./just setup.")
    return str(path)
