"""Portraits of a yearbook go with whom they show, and with the photograph they were cut out of."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from kit.database import Pool
from kit.storage import Storage
from proto.agencies import Agency, File, MatchId, Shoot, Subject
from proto.errors import InvalidRequest, NotFound
from proto.ids import JobId
from proto.matching.agencies import EraseAgency
from proto.matching.portraits import NewPortrait, NotePortraits, key_of
from proto.matching.shoots import EraseFiles, EraseShoot
from proto.matching.subjects import EraseSubject
from services.matching.discarding import Discarding
from services.matching.portraits import CUT_WITHIN_SECONDS
from services.matching.retention import Retention
from tests.integration.matching import found
from tests.integration.matching.studio import Studio, new_subject

ENDINGS = ["orig.jpg", "md.jpg", "thumb.jpg"]
DAYS = 30

Cut = tuple[Agency, list[Subject], Shoot, list[File], list[list[str]]]
"""The last are the keys of each person's portrait."""


@pytest.fixture
def retention(pool: Pool, storage: Storage, discarding: Discarding) -> Retention:
    return Retention(pool, storage, discarding)


async def note(
    studio: Studio, match: MatchId, subjects: Sequence[Subject], files: Sequence[File], **more: Any
) -> Any:
    portraits = [
        NewPortrait(subject=subject.id, file=file.id)
        for subject, file in zip(subjects, files, strict=True)
    ]
    told = {"outputs": f"outputs/{studio.account}/{uuid4()}", "endings": ENDINGS} | more
    asked = {"match": match, "job": JobId(uuid4()), "portraits": portraits} | told
    await studio.ask(NotePortraits, **asked)
    return asked


async def write(studio: Studio, keys: Sequence[str]) -> None:
    for key in keys:
        await studio.storage.put(key_of(*_parts(key)), b"a portrait", "image/jpeg")


def _parts(key: str) -> tuple[str, Any, str]:
    outputs, _, name = key.rpartition("/")
    stem, _, ending = name.partition("_")
    return outputs, int(stem.removeprefix("s")), ending


async def cut(studio: Studio, pool: Pool, *, written: bool = True) -> Cut:
    """An agency of two people, with a portrait of each, or about to have it."""
    agency = await studio.with_consent(retention_days=DAYS)
    subjects = await studio.subjects(agency, new_subject(1), new_subject(2))
    shoot = await studio.shoot(agency)
    files = await studio.files(shoot, await studio.photo(), await studio.photo())
    match = await found.match(pool, studio.account, agency)
    noted = await note(studio, match, subjects, files)
    keys = [
        [str(key_of(noted["outputs"], each.id, ending)) for ending in ENDINGS] for each in subjects
    ]
    if written:
        await write(studio, [*keys[0], *keys[1]])
    return agency, subjects, shoot, files, keys


async def are_stored(studio: Studio, keys: Sequence[Sequence[str]]) -> list[set[bool]]:
    return [set(await studio.stored(each)) for each in keys]


async def rows(studio: Studio, pool: Pool) -> int:
    counted: int = await pool.fetchval(
        "SELECT count(*) FROM matching.portraits WHERE account_id = $1", studio.account
    )
    return counted


async def test_who_begins_a_yearbook_stands_in_the_log(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    (file,) = await studio.files(await studio.shoot(agency), await studio.photo())
    match = await found.match(pool, studio.account, agency)
    asked = await note(studio, match, [subject], [file])
    entry = (await studio.log(agency))[0]
    assert (entry.action, entry.by, entry.subject) == ("yearbook_begun", studio.by, None)
    told = {"match": str(match), "task": str(asked["job"]), "portraits": "1"}
    assert entry.details == told


async def test_portraits_are_noted_only_where_they_may_lie(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    (file,) = await studio.files(await studio.shoot(agency), await studio.photo())
    match = await found.match(pool, studio.account, agency)
    other = studio.other()
    for outputs in (
        f"outputs/{other.account}/x",
        f"photos/{studio.account}/x",
        f"outputs/{studio.account}/../x",
        f"outputs/{studio.account}",
        "",
    ):
        with pytest.raises(InvalidRequest):
            await note(studio, match, [subject], [file], outputs=outputs)
    for ending in ("", "../a.jpg", "a/b.jpg", "md", "md.jpg\n"):
        with pytest.raises(InvalidRequest):
            await note(studio, match, [subject], [file], endings=[ending])
    with pytest.raises(NotFound):
        await note(other, match, [subject], [file])
    assert await rows(studio, pool) == await rows(other, pool) == 0
    assert await studio.actions(agency) == []


async def test_who_is_erased_has_no_portrait_any_more(studio: Studio, pool: Pool) -> None:
    agency, (gone, _), _, _, keys = await cut(studio, pool)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    assert await are_stored(studio, keys) == [{False}, {True}]


async def test_a_photograph_that_is_erased_takes_its_portraits_along(
    studio: Studio, pool: Pool
) -> None:
    agency, _, shoot, files, keys = await cut(studio, pool)
    await studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[files[1].id])
    assert await are_stored(studio, keys) == [{True}, {False}]
    await studio.ask(EraseShoot, agency.id, shoot=shoot.id)
    assert await are_stored(studio, keys) == [{False}, {False}]


async def test_an_agency_that_is_erased_takes_its_portraits_along(
    studio: Studio, pool: Pool
) -> None:
    agency, *_, keys = await cut(studio, pool)
    *_, others = await cut(studio, pool)
    await studio.ask(EraseAgency, agency.id)
    assert await are_stored(studio, [*keys, *others]) == [{False}, {False}, {True}, {True}]


async def test_portraits_are_not_kept_longer_than_their_photographs(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    _, _, _, files, keys = await cut(studio, pool)
    await retention.sweep()
    assert await are_stored(studio, keys) == [{True}, {True}]
    await pool.execute(
        "UPDATE matching.files SET created_at = now() - make_interval(days => $2) WHERE id = $1",
        files[0].id,
        DAYS + 1,
    )
    await retention.sweep()
    assert await are_stored(studio, keys) == [{False}, {True}]


async def test_what_is_cut_after_the_erasure_is_removed_by_the_sweep(
    studio: Studio, pool: Pool, retention: Retention
) -> None:
    agency, (gone, _), _, _, keys = await cut(studio, pool, written=False)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    # the job has gone on meanwhile, and does so once more
    for _ in range(2):
        await write(studio, [*keys[0], *keys[1]])
        await retention.sweep()
        assert await are_stored(studio, keys) == [{False}, {True}]
    assert await rows(studio, pool) == 2
    await pool.execute(
        "UPDATE matching.portraits SET created_at = now() - make_interval(secs => $2) "
        "WHERE account_id = $1",
        studio.account,
        CUT_WITHIN_SECONDS + 1,
    )
    await retention.sweep()
    # of who is still there it is kept in mind
    assert await rows(studio, pool) == 1
    assert await are_stored(studio, keys) == [{False}, {True}]
