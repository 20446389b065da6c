"""Tables are brought to this version by a command, as a Job runs it before services start."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from cli import migrating, postgres
from cli.home import PROJECT


@pytest.fixture
async def empty(postgres_server: postgres.Postgres) -> AsyncIterator[str]:
    name = f"migrating_{secrets.token_hex(6)}"
    await postgres_server.create(name)
    yield postgres_server.url(name)
    await postgres_server.drop(name)


async def migrate(url: str, *services: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "migrate", *services),
        cwd=PROJECT,
        env={"PATH": os.defpath, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_every_service_gets_its_tables_once(empty: str) -> None:
    code, said = await migrate(empty)
    assert code == 0
    for service in migrating.with_schema():
        assert f"{service}: 0001_" in said
    code, said = await migrate(empty)
    assert code == 0
    assert said.count("nothing to do") == len(migrating.with_schema())


async def test_jobs_at_the_same_time_do_not_meet(empty: str) -> None:
    outcomes = await asyncio.gather(*(migrate(empty, name) for name in migrating.with_schema()))
    assert all(code == 0 for code, _ in outcomes), outcomes
    connection = await asyncpg.connect(empty)
    found = await connection.fetch("SELECT DISTINCT service FROM public.migrations")
    await connection.close()
    assert {row["service"] for row in found} == set(migrating.with_schema())


async def test_a_schema_that_does_not_fit_stops_the_upgrade(empty: str) -> None:
    await migrate(empty, "presets")
    connection = await asyncpg.connect(empty)
    await connection.execute("UPDATE public.migrations SET checksum = 'another'")
    await connection.close()
    code, said = await migrate(empty, "presets")
    assert code == 1
    assert "was edited after it was applied" in said


async def test_a_database_that_is_away_is_a_sentence() -> None:
    code, said = await migrate("postgresql://nobody@127.0.0.1:1/nothing", "presets")
    assert code == 1
    assert said.startswith("presets: the database says:")


def test_services_with_tables_are_found() -> None:
    assert {"wallet", "jobs", "accounts"} <= set(migrating.with_schema())
    assert "facecrop" not in migrating.with_schema()
