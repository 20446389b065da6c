"""The steps of the Dockerfile in a clean folder, where there is no Docker to carry them out.

The packages go into an environment of their own, from the lock with its checksums; what COPY names
is copied; then every service starts as a user who may write nowhere, until it asks for settings.
Not rehearsed: the base image, its fonts, and what only the kernel of a container does.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cli import services
from cli.deployment import dockerfile
from cli.deployment.checking.images import FOLDER
from cli.errors import CommandFailed
from cli.home import PROJECT

_NOBODY = 65532
_BAD_SETTING = 2
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "model.onnx", "published")


def rehearse() -> Iterator[str]:
    """Carry the steps out; yield a line for each. Raises CommandFailed at the first that fails."""
    packages, image = dockerfile.stages(FOLDER / "Dockerfile")
    folder = Path(tempfile.mkdtemp(prefix="darkroom-image-"))
    folder.chmod(0o755)
    try:
        python, app = _install(packages, folder), folder / "app"
        yield "packages installed from the lock, by their checksums"
        for copy in dockerfile.copies(image):
            _copy(copy, app)
        _run([str(python), "-m", "compileall", "-q", str(app)], folder)
        _close(folder)
        yield f"{sum(1 for _ in app.rglob('*'))} files copied, none of them writable"
        _can_run(python, app)
        _cannot_write(python, app)
        for service in services.NAMES:
            yield f"{service}: {_ask(python, app, f'services.{service}')}"
        for words in (["--help"], ["config"], ["secrets", "environment"], ["migrate", "--help"]):
            _run([str(python), "-m", "cli", *words], app, unprivileged=True)
            yield f"python -m cli {' '.join(words)}: ok"
        yield f"doctor: {_examine(python, app)}"
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
        shutil.rmtree(folder)


def _install(stage: list[dockerfile.Instruction], folder: Path) -> Path:
    """Carry out what makes the packages. Returns the interpreter that has them."""
    for copy in dockerfile.copies(stage):
        _copy(copy, folder)
    for command in dockerfile.runs(stage):
        here = command.replace("/opt/darkroom", str(folder / "venv"))
        here = here.replace("python -m venv", f"{sys.executable} -m venv --copies", 1)
        _run(["sh", "-ec", here], folder)
    return folder / "venv" / "bin" / "python"


def _copy(copy: dockerfile.Copy, into: Path) -> None:
    for source in copy.sources:
        target = into / copy.target
        if copy.target.endswith("/"):
            target /= Path(source).name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / source).is_dir():
            shutil.copytree(PROJECT / source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        else:
            shutil.copy(PROJECT / source, target)


def _close(folder: Path) -> None:
    """Let everybody read, and nobody write."""
    subprocess.run(["chmod", "-R", "a+rX,a-w", str(folder)], check=True)


def _can_run(python: Path, app: Path) -> None:
    """Make sure that what fails later does not fail for want of an interpreter."""
    result = _result([str(python), "-c", "import ctypes, ssl, encodings"], app, unprivileged=True)
    if result.returncode:
        raise CommandFailed(
            f"Another user than root cannot run the Python of {sys.base_prefix}; run this as"
            " somebody else, or install python3 for everybody."
        )


def _cannot_write(python: Path, app: Path) -> None:
    attempt = f"open({str(app / 'attempt')!r}, 'w')"
    if _result([str(python), "-c", attempt], app, unprivileged=True).returncode == 0:
        raise CommandFailed("The user of the image may write beside its programs.")


def _ask(python: Path, app: Path, module: str) -> str:
    """Start a service that is told nothing; it must say what it lacks, and nothing else."""
    result = _result([str(python), "-m", module], app, unprivileged=True)
    said = result.stderr.strip()
    if result.returncode != _BAD_SETTING or "is not set" not in said:
        raise CommandFailed(f"{module} ended with {result.returncode}: {said[-2000:]}")
    return said


def _examine(python: Path, app: Path) -> str:
    """Let the doctor look at the image itself; everything else it must find to be missing."""
    command = [str(python), "-m", "cli", "doctor", "--json", "--service=presets"]
    result = _result(command, app, unprivileged=True)
    try:
        found = json.loads(result.stdout)["findings"]
    except ValueError:
        raise CommandFailed(f"doctor ended with {result.stderr.strip()[-2000:]}") from None
    (packages,) = (each for each in found if each["what"] == "packages")
    if packages["verdict"] != "ok":
        raise CommandFailed(f"doctor: {packages['said']}")
    return f"packages: {packages['said']}"


def _run(command: list[str], folder: Path, *, unprivileged: bool = False) -> None:
    result = _result(command, folder, unprivileged=unprivileged)
    if result.returncode:
        raise CommandFailed(
            f"{' '.join(command)} failed: {(result.stderr or result.stdout)[-2000:]}"
        )


def _result(
    command: list[str], folder: Path, *, unprivileged: bool
) -> "subprocess.CompletedProcess[str]":
    user = _NOBODY if unprivileged and os.geteuid() == 0 else None
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": tempfile.gettempdir(), "PYTHONDONTWRITEBYTECODE": "1"}
        | ({} if unprivileged else kept),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
