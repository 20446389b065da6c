"""Photographs and embeddings go when their time is over, and objects that nobody speaks of."""

import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from kit.database import Pool
from kit.storage import Storage
from proto.agencies import Agency, File, Reference, Shoot
from proto.ids import StorageKey
from proto.matching.agencies import ChangeAgency, EraseAgency
from proto.matching.shoots import GetShoot
from services.matching.access import SERVICE
from services.matching.discarding import Discarding
from services.matching.retention import Retention
from tests.integration.matching import found
from tests.integration.matching.studio import Studio

DAYS = 30
A_DAY = 86_400


@pytest.fixture
def retention(pool: Pool, storage: Storage, discarding: Discarding) -> Retention:
    return Retention(pool, storage, discarding)


async def set_age(pool: Pool, table: str, row: int, days: float) -> None:
    query = (
        f"UPDATE matching.{table} SET created_at = now() - make_interval(secs => $2) "  # noqa: S608
        "WHERE id = $1"
    )
    await pool.execute(query, row, days * A_DAY)


async def furnished(
    studio: Studio, pool: Pool
) -> tuple[Agency, Shoot, list[File], list[Reference]]:
    """An agency with two photographs and two embeddings."""
    agency = await studio.with_consent(retention_days=DAYS)
    shoot, subject = await studio.shoot(agency), await studio.subject(agency)
    files = await studio.files(shoot, await studio.photo(), await studio.photo())
    sent = [await studio.photo(), await studio.photo()]
    references = await studio.references(agency, subject, *sent)
    await found.embed(pool, studio.account, *(each.id for each in references))
    return agency, shoot, files, references


async def test_what_is_older_than_the_agency_keeps_it_is_removed(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, shoot, files, references = await furnished(studio, pool)
    match = await found.match(pool, studio.account, agency)
    for file in files:
        await found.result(pool, studio.account, match, file.id, "unmatched")
    for table, old, young in (
        ("files", files[0].id, files[1].id),
        ("reference_photos", references[0].id, references[1].id),
    ):
        await set_age(pool, table, old, DAYS + 0.01)
        await set_age(pool, table, young, DAYS - 0.01)
    gallery = await found.gallery(pool, agency)
    await retention.sweep()
    assert [each.id for each in await studio.files_of(agency, shoot.id)] == [files[1].id]
    after = await studio.now(agency)
    assert (after.subjects, after.references, after.embeddings) == (1, 1, 1)
    assert await found.gallery(pool, agency) > gallery
    keys = [*(each.key for each in files), *(each.key for each in references)]
    assert await studio.stored(keys) == [False, True, False, True]
    left = await pool.fetch("SELECT file_id FROM matching.results WHERE match_id = $1", match)
    assert [row["file_id"] for row in left] == [files[1].id]
    entry = (await studio.log(agency))[0]
    assert (entry.action, entry.by) == ("retention_swept", SERVICE)
    assert entry.details == {"files": "1", "references": "1"}


async def test_nothing_is_told_where_nothing_is_old(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, *_ = await furnished(studio, pool)
    before, gallery = await studio.now(agency), await found.gallery(pool, agency)
    await retention.sweep()
    assert await studio.now(agency) == before
    assert await found.gallery(pool, agency) == gallery
    assert "retention_swept" not in [action for action, _ in await studio.actions(agency)]


async def test_a_shorter_time_counts_from_the_next_sweep_on(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, shoot, files, _ = await furnished(studio, pool)
    await set_age(pool, "files", files[0].id, 10)
    await retention.sweep()
    assert len(await studio.files_of(agency, shoot.id)) == 2
    await studio.ask(ChangeAgency, agency.id, retention_days=9)
    await retention.sweep()
    assert await studio.files_of(agency, shoot.id) == [files[1]]


async def test_an_archived_agency_is_swept_too(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, shoot, files, _ = await furnished(studio, pool)
    await studio.ask(ChangeAgency, agency.id, archived=True)
    await set_age(pool, "files", files[0].id, DAYS + 1)
    await retention.sweep()
    assert await studio.files_of(agency, shoot.id) == [files[1]]


async def test_a_reference_goes_with_the_photograph_that_it_is(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, _, files, references = await furnished(studio, pool)
    await pool.execute(
        "UPDATE matching.reference_photos SET file_id = $2 WHERE id = $1",
        references[0].id,
        files[0].id,
    )
    await set_age(pool, "files", files[0].id, DAYS + 1)
    gallery = await found.gallery(pool, agency)
    await retention.sweep()
    assert (await studio.now(agency)).embeddings == 1
    assert await found.gallery(pool, agency) > gallery


async def test_all_replicas_may_sweep_at_once_however_much_there_is(
    studio: Studio, pool: Pool, storage: Storage, discarding: Discarding
) -> None:
    agency, shoot, *_ = await furnished(studio, pool)
    await pool.execute(
        "INSERT INTO matching.files (account_id, agency_id, shoot_id, filename, key, url, size, "
        "sha256, created_at) SELECT $1, $2, $3, 'a', '', 'https://a', 0, number::text::bytea, "
        "now() - interval '31 days' FROM generate_series(1, 1200) AS number",
        studio.account,
        agency.id,
        shoot.id,
    )
    replicas = [Retention(pool, storage, discarding) for _ in range(3)]
    await asyncio.gather(*(each.sweep() for each in replicas))
    assert (await studio.ask(GetShoot, agency.id, shoot=shoot.id)).files == 2
    entries = [each for each in await studio.log(agency) if each.action == "retention_swept"]
    assert sum(int(each.details["files"]) for each in entries) == 1200


async def test_an_agency_may_be_erased_while_it_is_swept(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    made = [await furnished(studio, pool) for _ in range(4)]
    for _, _, files, _ in made:
        await set_age(pool, "files", files[0].id, DAYS + 1)
    await asyncio.gather(
        retention.sweep(), *(studio.ask(EraseAgency, agency.id) for agency, *_ in made)
    )
    keys = [file.key for _, _, files, _ in made for file in files]
    assert await studio.stored(keys) == [False] * len(keys)


async def test_an_upload_that_nobody_speaks_of_is_removed_after_a_day(
    studio: Studio, retention: Retention, folder: Path
) -> None:
    shoot = await studio.shoot(await studio.agency())
    named, old, young = [await studio.photo() for _ in range(3)]
    await studio.files(shoot, named)
    output = StorageKey(f"outputs/{studio.account}/{uuid4()}/a.csv")
    await studio.storage.put(output, b"a table", "text/csv")
    unfinished = folder / f"photos/{studio.account}/1/killed#1"
    unfinished.write_bytes(b"half a picture")
    for key, days in ((named.key, 400), (old.key, 1.01), (young.key, 0.99), (output, 400)):
        long_ago = time.time() - days * A_DAY
        os.utime(folder / key, (long_ago, long_ago))
    long_ago = time.time() - 2 * A_DAY
    os.utime(unfinished, (long_ago, long_ago))
    await retention.sweep()
    stored = await studio.stored([named.key, old.key, young.key, output])
    assert stored == [True, False, True, True]
    assert not unfinished.exists()


async def test_very_many_uploads_that_nobody_speaks_of_are_removed(
    studio: Studio, retention: Retention, folder: Path
) -> None:
    shoot = await studio.shoot(await studio.agency())
    named = await studio.photo()
    await studio.files(shoot, named)
    place = folder / f"photos/{studio.account}/1/left"
    place.mkdir(parents=True)
    files = [place / str(number) for number in range(1201)]
    long_ago = time.time() - 2 * A_DAY
    for each in files:
        each.write_bytes(b"a picture")
        os.utime(each, (long_ago, long_ago))
    os.utime(folder / named.key, (long_ago, long_ago))
    await retention.sweep()
    assert not any(each.exists() for each in files)
    assert await studio.is_stored(named.key)
