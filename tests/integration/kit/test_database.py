import asyncio
from pathlib import Path

import asyncpg
import pytest

from kit.database import SchemaConflict, connect, migrate


async def test_migrations_are_applied_once_and_in_order(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_make.sql").write_text("CREATE TABLE t (a int);")
    (tmp_path / "0002_fill.sql").write_text("INSERT INTO t VALUES (1);")
    replicas = await asyncio.gather(*(migrate(database_url, "x", tmp_path) for _ in range(4)))
    assert sorted(replicas, key=len)[-1] == ["0001_make.sql", "0002_fill.sql"]
    assert sum(map(len, replicas)) == 2
    async with connect(database_url) as pool:
        assert await pool.fetchval("SELECT count(*) FROM t") == 1


async def test_a_migration_that_fails_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_bad.sql").write_text("CREATE TABLE half (a int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database_url, "y", tmp_path)
    async with connect(database_url) as pool:
        assert await pool.fetchval("SELECT to_regclass('half')") is None
        assert await pool.fetchval("SELECT count(*) FROM migrations WHERE service = 'y'") == 0


async def test_an_edited_migration_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_make.sql"
    file.write_text("SELECT 1;")
    await migrate(database_url, "z", tmp_path)
    file.write_text("SELECT 2;")
    with pytest.raises(SchemaConflict, match="0001_make"):
        await migrate(database_url, "z", tmp_path)
