"""Galleries: loaded once, renewed as far as they have changed, dropped when there is no room."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from kit.bus import Bus
from kit.database import Pool
from kit.sealing import CannotOpen, Vault
from proto.agencies import Agency, AgencyId
from proto.errors import NotFound
from proto.matching.agencies import ChangeAgency, EraseAgency, WithdrawConsent
from proto.matching.results import Decide
from proto.matching.shoots import EraseFiles, EraseShoot
from proto.matching.subjects import EraseReference, EraseSubject
from services.matching import gallery as galleries
from services.matching.forgetting import Forgetting
from services.matching.gallery import Galleries, Gallery, Whose
from services.matching.sealed import of_reference
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, portrait
from tests.integration.matching.reader import EMBEDDER, base

_ROOM = 1 << 20


@pytest.fixture
async def kept(pool: Pool, vault: Vault) -> AsyncIterator[Galleries]:
    kept = Galleries(pool, vault, _ROOM)
    yield kept
    await kept.close()


def whose(day: Day, agency: Agency, version: str = EMBEDDER.version) -> Whose:
    return Whose(day.studio.account, agency.id, version, EMBEDDER.dimensions)


def people(gallery: Gallery) -> list[int]:
    return [int(each) for each in gallery.references.subjects]


async def test_it_is_what_was_embedded(day: Day, kept: Galleries, pool: Pool) -> None:
    agency, subjects = await day.agency(3)
    await day.studio.references(agency, subjects[1], await day.photo(portrait(2, 0.95)))
    await day.build(agency)
    gallery = await kept.get(whose(day, agency))
    assert people(gallery) == [each.id for each in subjects]
    assert list(np.diff(gallery.references.starts)) == [1, 2, 1]
    assert np.allclose(gallery.references.matrix[0], base(1), atol=1e-6)
    assert np.allclose(gallery.references.matrix[3], base(3), atol=1e-6)
    # what lies in the database says nothing without the key
    rows = await pool.fetch(
        "SELECT embedding FROM matching.reference_photos WHERE agency_id = $1", agency.id
    )
    plain = base(1).astype("<f4").tobytes()
    assert len(rows) == 4
    assert all(plain not in row["embedding"] for row in rows)
    assert await kept.get(whose(day, agency)) is gallery


async def test_it_is_loaded_once_however_many_ask(
    day: Day, kept: Galleries, counted: list[int]
) -> None:
    agency, _ = await day.agency(3)
    found = await asyncio.gather(*(kept.get(whose(day, agency)) for _ in range(20)))
    assert len({id(each) for each in found}) == 1
    assert counted == [3]


async def test_only_what_is_new_is_unsealed(day: Day, kept: Galleries, counted: list[int]) -> None:
    agency, subjects = await day.agency(3)
    before = await kept.get(whose(day, agency))
    await day.studio.references(agency, subjects[0], await day.photo(portrait(1, 0.96)))
    await day.build(agency)
    after = await kept.get(whose(day, agency))
    assert counted == [3, 1]
    assert people(after) == people(before)
    assert (after.references.matrix[[0, 2, 3]] == before.references.matrix).all()
    assert after.version > before.version
    # and what is gone is gone, without anything being read
    await day.studio.ask(EraseSubject, agency.id, subject_id=subjects[1].id)
    left = await kept.get(whose(day, agency))
    assert people(left) == [subjects[0].id, subjects[2].id]
    assert counted == [3, 1]


async def test_a_reference_embedded_anew_is_read_anew(
    day: Day, kept: Galleries, counted: list[int], pool: Pool, vault: Vault
) -> None:
    agency, (ann, _) = await day.agency(2)
    await kept.get(whose(day, agency))
    (reference,) = await day.studio.references(agency, ann)
    of = of_reference(day.studio.account, reference.id, EMBEDDER.version)
    other = vault.seal(base(7).astype("<f4").tobytes(), of)
    await pool.execute(
        "UPDATE matching.reference_photos SET embedding = $2, embedded_at = clock_timestamp() "
        "WHERE id = $1",
        reference.id,
        other,
    )
    await pool.execute(
        "UPDATE matching.agencies SET gallery = gallery + 1 WHERE id = $1", agency.id
    )
    gallery = await kept.get(whose(day, agency))
    assert counted == [2, 1]
    assert np.allclose(gallery.references.matrix[0], base(7), atol=1e-6)
    assert np.allclose(gallery.references.matrix[1], base(2), atol=1e-6)


async def test_embeddings_that_were_swapped_stay_shut(
    day: Day, kept: Galleries, pool: Pool
) -> None:
    agency, _ = await day.agency(2)
    await pool.execute(
        "UPDATE matching.reference_photos AS photo SET embedding = other.embedding "
        "FROM matching.reference_photos AS other "
        "WHERE photo.agency_id = $1 AND other.agency_id = $1 AND other.id <> photo.id",
        agency.id,
    )
    with pytest.raises(CannotOpen):
        await kept.get(whose(day, agency))


async def test_embeddings_of_one_embedder_are_not_taken_for_anothers(
    day: Day, kept: Galleries, pool: Pool
) -> None:
    agency, _ = await day.agency(1)
    await pool.execute(
        "UPDATE matching.reference_photos SET embedder = 'v9' WHERE agency_id = $1", agency.id
    )
    with pytest.raises(CannotOpen):
        await kept.get(whose(day, agency, "v9"))


async def test_whatever_is_taken_away_is_gone_at_the_next_question(
    day: Day, kept: Galleries
) -> None:
    agency, subjects = await day.agency(3)
    await kept.get(whose(day, agency))
    (reference,) = await day.studio.references(agency, subjects[0])
    await day.studio.ask(
        EraseReference, agency.id, subject_id=subjects[0].id, reference=reference.id
    )
    assert people(await kept.get(whose(day, agency))) == [each.id for each in subjects[1:]]
    await day.studio.ask(WithdrawConsent, agency.id)
    assert people(await kept.get(whose(day, agency))) == []


async def test_embedders_are_kept_apart(day: Day, kept: Galleries) -> None:
    agency, subjects = await day.agency(2)
    assert people(await kept.get(whose(day, agency, "another"))) == []
    assert people(await kept.get(whose(day, agency))) == [each.id for each in subjects]


async def test_another_account_has_no_gallery_of_it(day: Day, kept: Galleries) -> None:
    agency, _ = await day.agency(1)
    other = Day(day.studio.other(), day.reader)
    with pytest.raises(NotFound):
        await kept.get(whose(other, agency))
    nobody = Whose(day.studio.account, AgencyId(2**62), EMBEDDER.version, EMBEDDER.dimensions)
    with pytest.raises(NotFound):
        await kept.get(nobody)


async def test_what_was_longest_unused_makes_room(
    day: Day, pool: Pool, vault: Vault, counted: list[int]
) -> None:
    agencies = [(await day.agency(people))[0] for people in (1, 2, 3)]
    small, middle, large = (whose(day, agency) for agency in agencies)
    sizes = Galleries(pool, vault, _ROOM)
    for each in (small, middle, large):
        await sizes.get(each)
    room = sizes.kept_bytes - 1
    await sizes.close()
    assert sizes.kept_bytes == 0
    counted.clear()

    kept = Galleries(pool, vault, room)
    for each in (small, middle, small, large, small):
        await kept.get(each)
    assert kept.kept_bytes <= room
    assert counted == [1, 2, 3]
    await kept.get(middle)
    assert counted == [1, 2, 3, 2]
    # one that is larger than the room is kept as long as it is asked for
    tiny = Galleries(pool, vault, 1)
    assert await tiny.get(large) is await tiny.get(large)
    await tiny.get(small)
    assert counted == [1, 2, 3, 2, 3, 1]
    await asyncio.gather(kept.close(), tiny.close())


async def test_what_nobody_asks_for_is_dropped(day: Day, pool: Pool, vault: Vault) -> None:
    agency, _ = await day.agency(1)
    kept = Galleries(pool, vault, _ROOM, idle_seconds=0.05)
    await kept.get(whose(day, agency))

    async def is_empty() -> bool:
        return kept.kept_bytes == 0

    await until(is_empty)
    await kept.get(whose(day, agency))
    assert kept.kept_bytes > 0
    await kept.close()


async def test_what_was_loaded_for_who_does_not_wait_any_more_is_dropped(
    day: Day, pool: Pool, vault: Vault, counted: list[int]
) -> None:
    agency, _ = await day.agency(1)
    kept = Galleries(pool, vault, _ROOM, idle_seconds=0.05)

    async def waits() -> bool:
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(await pool.fetchval(waiting))

    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE matching.reference_photos")
        asking = asyncio.create_task(kept.get(whose(day, agency)))
        await until(waits)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async def is_empty() -> bool:
        return counted == [1] and not kept._loading and kept.kept_bytes == 0

    await until(is_empty)
    await kept.close()


async def test_what_was_erased_leaves_the_memory_of_all_replicas(
    day: Day, kept: Galleries, bus: Bus
) -> None:
    replica = Forgetting(bus, kept)
    await replica.listen()
    agency, subjects = await day.agency(3)
    other, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, 1, 2, 3)
    match = await day.run(agency, shoot)
    for file in files:
        await day.decide(match, file, "confirm", as_reference=True)
    assert (await day.build(agency)).created == 3
    (reference, _) = await day.studio.references(agency, subjects[1])
    erasures: list[tuple[Any, dict[str, Any]]] = [
        (Decide, {"match": match.id, "file": files[0].id, "action": "unmatch"}),
        (EraseFiles, {"shoot": shoot.id, "files": [files[1].id]}),
        (EraseShoot, {"shoot": shoot.id}),
        (EraseSubject, {"subject_id": subjects[0].id}),
        (EraseReference, {"subject_id": subjects[1].id, "reference": reference.id}),
        (ChangeAgency, {"mode": "cards"}),
        (WithdrawConsent, {}),
        (EraseAgency, {}),
    ]
    await kept.get(whose(day, other))
    others_bytes = kept.kept_bytes

    async def is_forgotten() -> bool:
        return kept.kept_bytes == others_bytes

    for kind, fields in erasures:
        await kept.get(whose(day, agency))
        assert kept.kept_bytes > others_bytes
        about = None if kind is Decide else agency.id
        await day.studio.ask(kind, about, **fields)
        await until(is_forgotten)
    await replica.stop()


async def test_what_is_being_loaded_while_somebody_is_erased_is_not_kept(
    day: Day, kept: Galleries, pool: Pool
) -> None:
    agency, _ = await day.agency(2)

    async def waits() -> bool:
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(await pool.fetchval(waiting))

    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE matching.reference_photos")
        loading = asyncio.create_task(kept.get(whose(day, agency)))
        await until(waits)
        kept.forget(day.studio.account, agency.id)
    assert people(await loading)
    assert kept.kept_bytes == 0


async def test_who_stops_waiting_does_not_stop_the_others(
    day: Day, kept: Galleries, counted: list[int]
) -> None:
    agency, _ = await day.agency(2)
    waiting = [asyncio.create_task(kept.get(whose(day, agency))) for _ in range(3)]
    while not counted:
        await asyncio.sleep(0)
        waiting[0].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(each, Gallery) for each in done[1:])


async def test_with_another_key_nothing_is_compared(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(1)
    other = Galleries(
        pool, Vault(["another secret of 32 characters, or more"], "embeddings"), _ROOM
    )
    with pytest.raises(CannotOpen):
        await other.get(whose(day, agency))
    await other.close()


async def test_an_embedding_moved_to_another_account_cannot_be_opened(
    day: Day, kept: Galleries, pool: Pool
) -> None:
    agency, _ = await day.agency(1)
    other = Day(day.studio.other(), day.reader)
    theirs, _ = await other.agency(1)
    await pool.execute(
        "UPDATE matching.reference_photos SET embedding = (SELECT embedding "
        "FROM matching.reference_photos WHERE agency_id = $1) WHERE agency_id = $2",
        agency.id,
        theirs.id,
    )
    with pytest.raises(CannotOpen):
        await kept.get(whose(other, theirs))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many embeddings were unsealed at a time."""
    found: list[int] = []
    unsealed = Galleries._unsealed

    def count(self: Galleries, whose: Whose, rows: Any, ids: Any, *more: Any) -> None:
        found.append(len(ids))
        unsealed(self, whose, rows, ids, *more)

    monkeypatch.setattr(Galleries, "_unsealed", count)
    return found


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_the_size_of_steps_changes_nothing(
    day: Day, kept: Galleries, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    agency, subjects = await day.agency(5)
    monkeypatch.setattr(galleries, "_AT_ONCE", at_once)
    gallery = await kept.get(whose(day, agency))
    assert people(gallery) == [each.id for each in subjects]
    for number, row in enumerate(gallery.references.matrix, 1):
        assert np.allclose(row, base(number), atol=1e-6)
