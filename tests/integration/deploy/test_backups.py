"""Backups: taken of a PostgreSQL and a NATS that are in use, sent, fetched, restored on others."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from cli import migrating, nats, ports, postgres
from cli.backups import drill, keeping, manifest, snapshots, taking
from cli.backups.errors import BackupFailed, Damaged, DrillFailed, NotEmpty
from cli.backups.keeping import Keeping
from cli.home import PROJECT
from cli.streams import declare
from cli.supervisor import Supervisor
from kit.bus import Bus
from tests.integration.deploy.conftest import Reporter
from tests.running import temporary_home


@dataclass(frozen=True)
class Site:
    """Servers in use: tables of every service, a wallet with tokens, events and tickets."""

    database_url: str
    nats_url: str
    bus: Bus


@dataclass
class Makers:
    """Makes empty servers to restore on."""

    server: postgres.Postgres
    keeper: Supervisor
    made: list[str] = field(default_factory=list)

    async def database(self) -> str:
        name = f"drill_{secrets.token_hex(6)}"
        await self.server.create(name)
        self.made.append(name)
        return self.server.url(name)


@pytest.fixture(scope="module")
async def makers(postgres_server: postgres.Postgres) -> AsyncIterator[Makers]:
    keeper = Supervisor(Reporter(), on_change=lambda: None)
    makers = Makers(postgres_server, keeper)
    yield makers
    await keeper.stop()
    for name in makers.made:
        await postgres_server.drop(name)


@pytest.fixture(scope="module")
async def site(makers: Makers) -> AsyncIterator[Site]:
    database_url = await makers.database()
    for service in migrating.with_schema():
        await migrating._migrate(database_url, service)
    await _top_up(database_url)
    with temporary_home() as home:
        (port,) = ports.free(1)
        server = nats.Nats(home, port)
        await makers.keeper.start([server.program()])
        bus = await Bus.connect(server.url(), "site")
        await declare(bus, 1)
        jetstream = bus.client.jetstream()
        for number in range(250):
            await jetstream.publish("events.wallet.low_balance", secrets.token_bytes(2_000))
            if number % 10 == 0:
                await jetstream.publish("work.face_crop", b"ticket")
        yield Site(database_url, server.url(), bus)
        await bus.close()
        await makers.keeper.stop()


async def _top_up(database_url: str) -> None:
    """Put tokens into a wallet, as the wallet does it."""
    from kit import database
    from proto.ids import AccountId
    from proto.wallet import TopUp
    from services.wallet.batches import Batches
    from services.wallet.ledger import Ledger

    async with (
        database.connect(database_url) as pool,
        database.connect(database_url, at_most=1) as writer,
    ):
        ledger = Ledger(pool, Batches(writer))
        for tokens in (100, 250, 3):
            key = str(uuid4())
            await ledger.top_up(
                TopUp(account=AccountId(uuid4()), tokens=tokens, key=key, reason="")
            )


async def test_what_is_taken_can_be_restored(
    site: Site, makers: Makers, empty_bus: Bus, tmp_path: Path
) -> None:
    said = await taking.take(tmp_path / "backup", site.database_url, site.bus)
    assert "EVENTS: 250 messages" in said
    assert "WORK: 25 messages" in said
    found = await drill.drill(tmp_path / "backup", await makers.database(), empty_bus)
    assert "wallet: 3 accounts" in found
    assert "the books add up" in found
    assert "EVENTS: 250 messages" in found
    for service in migrating.with_schema():
        assert (
            f"{service}: {len(list(migrating.schema(service).glob('*.sql')))} migrations" in found
        )


async def test_what_is_restored_is_what_was_there(
    site: Site, empty_bus: Bus, tmp_path: Path
) -> None:
    await taking.take(tmp_path / "backup", None, site.bus)
    for name in snapshots.saved(tmp_path / "backup"):
        await snapshots.restore(empty_bus, name, tmp_path / "backup", 1)
    for number in (1, 100, 250):
        before = await site.bus.client.jetstream().get_msg("EVENTS", number)
        after = await empty_bus.client.jetstream().get_msg("EVENTS", number)
        assert (after.data, after.subject) == (before.data, before.subject)
    config = (await empty_bus.client.jetstream().stream_info("WORK")).config
    assert (
        config.retention == (await site.bus.client.jetstream().stream_info("WORK")).config.retention
    )


async def test_a_stream_that_is_not_made_yet_is_no_trouble(
    empty_bus: Bus, tmp_path: Path, site: Site
) -> None:
    said = await taking.take(tmp_path / "backup", site.database_url, empty_bus)
    assert "EVENTS: not made yet" in said
    assert snapshots.saved(tmp_path / "backup") == []


async def test_a_stream_that_is_there_is_not_overwritten(
    site: Site, makers: Makers, tmp_path: Path
) -> None:
    await taking.take(tmp_path / "backup", None, site.bus)
    with pytest.raises(BackupFailed, match="EVENTS"):
        await drill.drill(tmp_path / "backup", await makers.database(), site.bus)
    assert (await site.bus.client.jetstream().stream_info("EVENTS")).state.messages == 250


async def test_a_drill_wants_an_empty_database(site: Site, tmp_path: Path) -> None:
    await taking.take(tmp_path / "backup", site.database_url, None)
    with pytest.raises(NotEmpty):
        await drill.drill(tmp_path / "backup", site.database_url, None)


@pytest.mark.parametrize("name", [manifest.DATABASE, "EVENTS.stream.tar.s2", "WORK.stream.json"])
async def test_a_damaged_backup_is_noticed(
    site: Site, makers: Makers, tmp_path: Path, name: str
) -> None:
    await taking.take(tmp_path / "backup", site.database_url, site.bus)
    file = tmp_path / "backup" / name
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(Damaged, match=name):
        await drill.drill(tmp_path / "backup", await makers.database(), None)
    file.unlink()
    with pytest.raises(Damaged, match=name):
        await drill.drill(tmp_path / "backup", await makers.database(), None)


async def test_books_that_do_not_add_up_fail_the_drill(
    site: Site, makers: Makers, tmp_path: Path
) -> None:
    crooked = await makers.database()
    await taking.take(tmp_path / "straight", site.database_url, None)
    await drill.drill(tmp_path / "straight", crooked, None)
    connection = await asyncpg.connect(crooked)
    changed = await connection.execute("UPDATE wallet.accounts SET available = available + 1")
    await connection.close()
    assert changed == "UPDATE 3"
    await taking.take(tmp_path / "crooked", crooked, None)
    with pytest.raises(DrillFailed, match="its entries make"):
        await drill.drill(tmp_path / "crooked", await makers.database(), None)


async def test_a_backup_of_an_older_version_is_brought_up_to_date(
    site: Site, makers: Makers, tmp_path: Path
) -> None:
    older = await makers.database()
    await taking.take(tmp_path / "now", site.database_url, None)
    await drill.drill(tmp_path / "now", older, None)
    connection = await asyncpg.connect(older)
    await connection.execute("DROP SCHEMA presets CASCADE")
    await connection.execute("DELETE FROM public.migrations WHERE service = 'presets'")
    await connection.execute(
        "INSERT INTO public.migrations (service, name, checksum) VALUES ('presets', 'x', 'y')"
    )
    await connection.close()
    await taking.take(tmp_path / "older", older, None)
    with pytest.raises(DrillFailed, match="migrations that this version does not know"):
        await drill.drill(tmp_path / "older", await makers.database(), None)


async def test_a_backup_of_a_newer_version_fails_the_drill(
    site: Site, makers: Makers, tmp_path: Path
) -> None:
    newer = await makers.database()
    await taking.take(tmp_path / "now", site.database_url, None)
    await drill.drill(tmp_path / "now", newer, None)
    connection = await asyncpg.connect(newer)
    await connection.execute(
        "INSERT INTO public.migrations (service, name, checksum) VALUES ('hats', '0001', 'y')"
    )
    await connection.close()
    await taking.take(tmp_path / "newer", newer, None)
    with pytest.raises(DrillFailed, match="knows a service hats"):
        await drill.drill(tmp_path / "newer", await makers.database(), None)


async def test_backups_are_sent_and_the_newest_is_fetched(
    site: Site, makers: Makers, tmp_path: Path
) -> None:
    kept = Keeping(backup_url=(tmp_path / "store").as_uri())
    for number in (1, 2):
        await taking.take(tmp_path / f"{number}", site.database_url, None)
        await keeping.store(tmp_path / f"{number}", "postgresql", kept)
    said = await keeping.fetch(tmp_path / "fetched", "postgresql", kept)
    newest = manifest.read(tmp_path / "2")
    assert manifest.read(tmp_path / "fetched") == newest
    assert f"{newest.taken_at:%Y%m%dT%H%M%S}" in said
    await drill.drill(tmp_path / "fetched", await makers.database(), None)


async def test_old_backups_are_forgotten_but_never_the_last(tmp_path: Path) -> None:
    place = tmp_path / "store"
    short = Keeping(backup_url=place.as_uri(), backup_days=1e-9)
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "file").write_text(f"{number}")
        await keeping.store(folder, "jetstream", short)
    assert len(list((place / "jetstream").iterdir())) == 1
    await keeping.fetch(tmp_path / "fetched", "jetstream", short)
    assert (tmp_path / "fetched" / "file").read_text() == "2"


async def test_a_backup_that_was_not_finished_is_none(tmp_path: Path) -> None:
    kept = Keeping(backup_url=(tmp_path / "store").as_uri())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("whole")
    await keeping.store(tmp_path / "a", "postgresql", kept)
    unfinished = tmp_path / "store" / "postgresql" / "29990101T000000000000Z"
    unfinished.mkdir()
    (unfinished / "file").write_text("hal")
    await keeping.fetch(tmp_path / "fetched", "postgresql", kept)
    assert (tmp_path / "fetched" / "file").read_text() == "whole"


async def test_a_manifest_may_not_name_files_elsewhere(tmp_path: Path) -> None:
    made = manifest.Manifest(
        taken_at=manifest.datetime.now(manifest.UTC),
        version="0",
        files=[manifest.File(name="../../etc/passwd", bytes=1, sha256="0" * 64)],
    )
    with pytest.raises(Damaged, match="no file of a backup"):
        manifest.decode(msgspec.json.encode(made))


async def test_commands_do_the_same(site: Site, makers: Makers, tmp_path: Path) -> None:
    def run(*words: str, **told: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=PROJECT,
            env={"PATH": os.defpath, **told},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    store = {"BACKUP_URL": (tmp_path / "store").as_uri()}
    source = {"DATABASE_URL": site.database_url, "NATS_URL": site.nats_url}
    run("backup", "take", f"{tmp_path}/all", **source)
    run("backup", "store", f"{tmp_path}/all", "everything", **store)
    run("backup", "take", f"{tmp_path}/streams", "--only=streams", NATS_URL=site.nats_url)
    assert not (tmp_path / "streams" / manifest.DATABASE).exists()
    run("backup", "take", f"{tmp_path}/base", "--only=database", DATABASE_URL=site.database_url)
    assert snapshots.saved(tmp_path / "base") == []
    run("backup", "fetch", f"{tmp_path}/back", "everything", **store)
    said = run("backup", "drill", f"{tmp_path}/back", DATABASE_URL=await makers.database())
    assert "the books add up" in said


async def test_no_password_stands_on_a_command_line() -> None:
    from cli.backups import dumps

    url, environment = dumps._apart("postgresql://me:p%40ss@host:5432/db?sslmode=require")
    assert url == "postgresql://me@host:5432/db?sslmode=require"
    assert environment["PGPASSWORD"] == "p@ss"
