"""Objects whose rows are gone go too, whoever waits for that, and nothing else."""

import asyncio

from kit.database import Pool
from kit.storage import Storage
from proto.ids import StorageKey
from services.matching.discarding import Discarding, discard
from tests.integration.jobs.book import until
from tests.integration.matching.studio import Studio


async def test_an_object_that_is_named_again_stays(
    studio: Studio, pool: Pool, discarding: Discarding
) -> None:
    shoot = await studio.shoot(await studio.agency())
    photo = await studio.photo()
    async with pool.acquire() as connection, connection.transaction():
        assert await discard(connection, studio.account, [photo.key, ""]) == [photo.key]
    await studio.files(shoot, photo)
    await discarding.sweep()
    assert await studio.is_stored(photo.key)


async def test_what_nobody_waits_for_any_more_is_removed_all_the_same(
    studio: Studio, pool: Pool, discarding: Discarding
) -> None:
    key = StorageKey((await studio.photo()).key)
    async with pool.acquire() as connection, connection.transaction():
        await discard(connection, studio.account, [key])
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM matching.discarded_objects WHERE key = $1 FOR UPDATE", key)
        removing = asyncio.create_task(discarding.remove([key]))

        async def removed() -> bool:
            return not await studio.is_stored(key)

        await until(removed)
        removing.cancel()
        await asyncio.gather(removing, return_exceptions=True)
        await transaction.rollback()

    async def forgotten() -> bool:
        there = "SELECT EXISTS (SELECT FROM matching.discarded_objects WHERE key = $1)"
        return not await pool.fetchval(there, key)

    await until(forgotten)


async def test_what_storage_did_not_remove_is_removed_by_the_sweep(
    studio: Studio, pool: Pool, storage: Storage, discarding: Discarding
) -> None:
    photos = [await studio.photo() for _ in range(3)]
    keys = [StorageKey(each.key) for each in photos]
    async with pool.acquire() as connection, connection.transaction():
        await discard(connection, studio.account, keys)
    await asyncio.gather(discarding.sweep(), Discarding(pool, storage).sweep())
    assert await studio.stored(keys) == [False] * 3
    assert await discarding.sweep() == 0
