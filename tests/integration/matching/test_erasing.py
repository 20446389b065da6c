"""Erased people, shoots and agencies leave nothing behind but the note that they were erased."""

import asyncio
from typing import Any

import msgspec
import pytest

from kit.database import Pool
from proto.agencies import Agency, Subject, SubjectId
from proto.errors import NotFound, Refusal
from proto.ids import AccountId, StorageKey
from proto.matching.agencies import EraseAgency, GetAgency, NoteAccess
from proto.matching.shoots import EraseFiles, EraseShoot, GetShoots
from proto.matching.subjects import EraseSubject, ExportSubject, GetSubject
from services.matching import agencies
from tests.integration.jobs.book import until
from tests.integration.matching import found
from tests.integration.matching.studio import Studio, new_subject, remote

OF_AN_AGENCY = ("shoots", "files", "subjects", "reference_photos", "matches")
OF_A_MATCH = ("results", "faces", "decisions")


async def count(pool: Pool, table: str, account: AccountId) -> int:
    query = f"SELECT count(*) FROM matching.{table} WHERE account_id = $1"  # noqa: S608 - ours
    counted: int = await pool.fetchval(query, account)
    return counted


async def everything(pool: Pool, account: AccountId) -> dict[str, int]:
    tables = ("agencies", *OF_AN_AGENCY, *OF_A_MATCH)
    return {table: await count(pool, table, account) for table in tables}


async def people(studio: Studio, pool: Pool, agency: Agency, number: int) -> list[Subject]:
    """So many, each with a photograph that is compared with."""
    made = await studio.subjects(agency, *map(new_subject, range(number)))
    for each in made:
        (reference,) = await studio.references(agency, each, await studio.photo())
        await found.embed(pool, studio.account, reference.id)
    return made


async def test_an_erased_subject_is_gone_with_photographs_and_embeddings(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.with_consent()
    gone, kept = await people(studio, pool, agency, 2)
    keys = [(await studio.references(agency, each))[0].key for each in (gone, kept)]
    gallery = await found.gallery(pool, agency)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    assert await found.gallery(pool, agency) > gallery
    assert [each.id for each in await studio.everybody(agency)] == [kept.id]
    assert await studio.stored(keys) == [False, True]
    after = await studio.now(agency)
    assert (after.subjects, after.references, after.embeddings) == (1, 1, 1)
    entry = (await studio.log(agency))[0]
    told = ("subject_erased", gone.id, {"references": "1"})
    assert (entry.action, entry.subject, entry.details) == told
    for kind in (GetSubject, EraseSubject):
        with pytest.raises(NotFound):
            await studio.ask(kind, agency.id, subject_id=gone.id)


async def test_no_result_mentions_an_erased_subject(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    gone, second, third = [each.id for each in await people(studio, pool, agency, 3)]
    files = await studio.files(shoot, *(remote(f"https://example.com/{at}") for at in range(6)))
    three = [(gone, 0.97, 0.05), (second, 0.9, -0.05), (third, 0.8, -0.1)]
    results: list[tuple[str, list[dict[str, Any]], list[int]]] = [
        ("matched", [found.face(0, "matched", gone, *three)], [gone]),
        ("needs_review", [found.face(0, "needs_review", None, *three)], [gone, second]),
        (
            "matched",
            [found.face(0, "matched", gone, *three), found.face(1, "matched", second)],
            [],
        ),
        ("needs_review", [found.face(-1, "needs_review", None, (gone, 0.0, 0.0))], [gone]),
        ("matched", [found.face(0, "matched", second, (second, 0.9, 0.1), (gone, 0.7, -0.1))], []),
        ("failed", [], [gone]),
    ]
    match = await found.match(pool, studio.account, agency)
    for file, (state, faces, card) in zip(files, results, strict=True):
        await found.result(pool, studio.account, match, file.id, state, faces, card)
    await studio.ask(EraseSubject, agency.id, subject_id=gone)
    after = [await found.shown(pool, match, file.id) for file in files]
    assert [(each["state"], each["reasons"]) for each in after] == [
        ("unmatched", ["subject_erased"]),
        ("needs_review", ["subject_erased"]),
        ("matched", ["subject_erased"]),
        ("unmatched", ["subject_erased"]),
        ("matched", []),
        ("failed", []),
    ]
    assert [each["from_card"] for each in after] == [[], [second], [], [], [], []]
    faces = [face for each in after for face in each["faces"]]
    assert [face["subject_id"] for face in faces] == [None, None, None, second, None, second]
    compared = {each["subject"] for face in faces for each in face["candidates"]}
    assert compared == {second, third}


async def test_no_decision_mentions_an_erased_subject(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    gone, kept = [each.id for each in await people(studio, pool, agency, 2)]
    (file,) = await studio.files(shoot, remote("https://example.com/a.jpg"))
    match = await found.match(pool, studio.account, agency)
    await found.result(pool, studio.account, match, file.id, "unmatched")
    images = [
        {"state": "matched", "reasons": [], "reviewed": True, "faces": [face]}
        for face in (
            found.face(0, "matched", gone, (gone, 0.97, 0.2), (kept, 0.5, -0.2)),
            found.face(0, "matched", kept, (kept, 0.9, 0.3)),
        )
    ]
    decided = [
        await found.decide(pool, studio.account, match, file.id, whom, image)
        for whom, image in zip((kept, gone), images, strict=True)
    ]
    await studio.ask(EraseSubject, agency.id, subject_id=gone)
    rows = await pool.fetch(
        "SELECT subject_id, before FROM matching.decisions WHERE id = ANY ($1) ORDER BY id",
        decided,
    )
    assert [row["subject_id"] for row in rows] == [kept, None]
    first, second = [msgspec.json.decode(row["before"]) for row in rows]
    (face,) = first["faces"]
    assert (first["state"], face["state"], face["subject_id"]) == ("unmatched", "unmatched", None)
    assert [each["subject"] for each in face["candidates"]] == [kept]
    assert second == images[1]


async def test_results_of_other_people_and_agencies_stay(studio: Studio, pool: Pool) -> None:
    agency, elsewhere = await studio.agency(), await studio.agency()
    (gone,) = await people(studio, pool, agency, 1)
    (kept,) = await people(studio, pool, elsewhere, 1)
    shoot = await studio.shoot(elsewhere)
    (file,) = await studio.files(shoot, remote("https://example.com/a.jpg"))
    match = await found.match(pool, studio.account, elsewhere)
    faces = [found.face(0, "matched", kept.id, (kept.id, 0.97, 0.2))]
    await found.result(pool, studio.account, match, file.id, "matched", faces, [kept.id])
    before = await found.shown(pool, match, file.id)
    gallery = await found.gallery(pool, elsewhere)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    assert await found.shown(pool, match, file.id) == before
    assert await found.gallery(pool, elsewhere) == gallery


async def test_a_subject_in_very_many_results_is_taken_out_of_all(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    (gone,) = await people(studio, pool, agency, 1)
    sent = [remote(f"https://example.com/{number}") for number in range(500)]
    files = await studio.files(shoot, *sent)
    match = await found.match(pool, studio.account, agency)
    for file in files:
        faces = [found.face(0, "matched", gone.id, (gone.id, 0.97, 0.2))]
        await found.result(pool, studio.account, match, file.id, "matched", faces)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    left = await pool.fetch(
        "SELECT DISTINCT faces.state, subject_id, candidates, results.state AS of_file "
        "FROM matching.faces JOIN matching.results USING (match_id, file_id) WHERE match_id = $1",
        match,
    )
    assert [tuple(row) for row in left] == [("unmatched", None, "[]", "unmatched")]


async def test_whoever_writes_results_meanwhile_is_waited_for(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    (gone,) = await people(studio, pool, agency, 1)
    (file,) = await studio.files(shoot, remote("https://example.com/a.jpg"))
    match = await found.match(pool, studio.account, agency, "open")
    await found.result(pool, studio.account, match, file.id, "pending")
    async with pool.acquire() as connection, connection.transaction():
        before = await agencies.held(connection, studio.account, agency.id)
        erasing = asyncio.create_task(studio.ask(EraseSubject, agency.id, subject_id=gone.id))

        async def waits() -> bool:
            waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            return bool(await pool.fetchval(waiting))

        await until(waits)
        await connection.execute(
            "INSERT INTO matching.faces (account_id, match_id, file_id, number, state, "
            "subject_id, candidates) VALUES ($1, $2, $3, 0, 'matched', $4, '[]')",
            studio.account,
            match,
            file.id,
            gone.id,
        )
        await connection.execute(
            "UPDATE matching.results SET state = 'matched' WHERE match_id = $1", match
        )
    await erasing
    after = await found.shown(pool, match, file.id)
    assert (after["state"], after["faces"][0]["subject_id"]) == ("unmatched", None)
    # and whoever writes afterwards sees that there is something else to compare with
    assert await found.gallery(pool, agency) > before.gallery


async def test_who_erases_at_once_erases_once(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    (gone,) = await people(studio, pool, agency, 1)
    outcomes = await asyncio.gather(
        *(studio.ask(EraseSubject, agency.id, subject_id=gone.id) for _ in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, NotFound) for each in outcomes) == 5
    erased = [action for action, _ in await studio.actions(agency) if action == "subject_erased"]
    assert len(erased) == 1


async def test_nothing_that_is_added_meanwhile_outlasts_the_erasure(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    photos = [await studio.photo() for _ in range(8)]
    asked = [studio.references(agency, subject, each) for each in photos]
    asked.insert(4, studio.ask(EraseSubject, agency.id, subject_id=subject.id))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in outcomes if isinstance(each, Exception)} <= {NotFound}
    del outcomes[4]
    assert await count(pool, "reference_photos", studio.account) == 0
    # what was refused is still whoever's uploaded it
    refused = [isinstance(each, Refusal) for each in outcomes]
    assert await studio.stored([each.key for each in photos]) == refused


async def test_exports_do_not_outlast_whom_they_tell_of(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    gone, kept = await people(studio, pool, agency, 2)
    keys = [f"outputs/{studio.account}/{number}/export.json" for number in range(3)]
    for key, subject in zip(keys, (gone, gone, kept), strict=True):
        await studio.ask(ExportSubject, agency.id, subject_id=subject.id, key=key)
    await studio.ask(EraseSubject, agency.id, subject_id=gone.id)
    assert await studio.stored(keys) == [False, False, True]
    await studio.ask(EraseAgency, agency.id)
    assert await studio.stored(keys) == [False, False, False]


async def test_what_others_note_as_an_export_is_not_removed_for_it(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    mine, other = f"outputs/{studio.account}", f"outputs/{studio.other().account}"
    await studio.storage.put(StorageKey(f"{other}/a.json"), b"{}", "application/json")
    for details in (
        {"key": f"{other}/a.json"},
        {"key": f"{mine}/../../{other}/a.json"},
        {"key": ""},
        {},
    ):
        about = {"subject_id": subject.id, "action": "subject_exported", "details": details}
        await studio.ask(NoteAccess, agency.id, **about)
    await studio.ask(EraseSubject, agency.id, subject_id=subject.id)
    assert await studio.is_stored(f"{other}/a.json")


async def furnished(studio: Studio, pool: Pool) -> tuple[Agency, list[str]]:
    """An agency with one of everything, and where its objects lie."""
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    (subject,) = await people(studio, pool, agency, 1)
    (file,) = await studio.files(shoot, await studio.photo())
    match = await found.match(pool, studio.account, agency)
    faces = [found.face(0, "matched", subject.id, (subject.id, 0.97, 0.2))]
    await found.result(pool, studio.account, match, file.id, "matched", faces, [subject.id])
    await found.decide(pool, studio.account, match, file.id, subject.id, {"faces": faces})
    (reference,) = await studio.references(agency, subject)
    return await studio.now(agency), [file.key, reference.key]


async def test_an_erased_agency_leaves_nothing_but_its_log(studio: Studio, pool: Pool) -> None:
    gone, lost = await furnished(studio, pool)
    one_of_everything = await everything(pool, studio.account)
    assert set(one_of_everything.values()) == {1}
    kept, stays = await furnished(studio, pool)
    other = studio.other()
    theirs, their_keys = await furnished(other, pool)
    unnamed = [
        StorageKey(f"photos/{studio.account}/{agency.id}/an-upload/0") for agency in (gone, kept)
    ]
    for key in unnamed:
        await studio.storage.put(key, b"a picture", "image/jpeg")
    await studio.ask(EraseAgency, gone.id)
    assert await everything(pool, studio.account) == one_of_everything
    assert await everything(pool, other.account) == one_of_everything
    assert await studio.stored([*lost, *stays, *their_keys]) == [False] * 2 + [True] * 4
    assert await studio.stored(unnamed) == [False, True]
    assert await pool.fetchval("SELECT count(*) FROM matching.discarded_objects") == 0
    assert (await studio.actions(gone))[0] == ("agency_erased", None)
    with pytest.raises(NotFound):
        await other.log(gone)
    for kind in (GetAgency, GetShoots, EraseAgency):
        with pytest.raises(NotFound):
            await studio.ask(kind, gone.id)
    assert await other.now(theirs) == theirs


async def test_an_erased_shoot_takes_its_photographs_and_matches_along(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.with_consent()
    shoots = [await studio.shoot(agency) for _ in range(2)]
    (gone,), (kept,) = [await studio.files(shoot, await studio.photo()) for shoot in shoots]
    match = await found.match(pool, studio.account, agency)
    of_shoot = await found.match(pool, studio.account, agency)
    await pool.execute(
        "UPDATE matching.matches SET shoot_id = $2 WHERE id = $1", of_shoot, shoots[0].id
    )
    for file in (gone, kept):
        await found.result(pool, studio.account, match, file.id, "unmatched")
    await found.result(pool, studio.account, of_shoot, gone.id, "unmatched")
    (subject,) = await people(studio, pool, agency, 1)
    reference = await pool.fetchval(
        "INSERT INTO matching.reference_photos (account_id, agency_id, subject_id, key, url, "
        "sha256, file_id) VALUES ($1, $2, $3, $4, '', '\\x00', $5) RETURNING id",
        studio.account,
        agency.id,
        subject.id,
        gone.key,
        gone.id,
    )
    await found.embed(pool, studio.account, reference)
    gallery = await found.gallery(pool, agency)
    await studio.ask(EraseShoot, agency.id, shoot=shoots[0].id)
    assert await found.gallery(pool, agency) > gallery
    assert await studio.stored([gone.key, kept.key]) == [False, True]
    assert len(await studio.references(agency, subject)) == 1
    rows = await pool.fetch("SELECT match_id, file_id FROM matching.results")
    mine = [tuple(row) for row in rows if row["match_id"] in (match, of_shoot)]
    assert mine == [(match, kept.id)]
    entry = (await studio.log(agency))[0]
    assert (entry.action, entry.details) == (
        "shoot_erased",
        {"shoot": str(shoots[0].id), "files": "1"},
    )
    gallery = await found.gallery(pool, agency)
    await studio.ask(EraseShoot, agency.id, shoot=shoots[1].id)
    assert await found.gallery(pool, agency) == gallery
    assert (await studio.ask(GetShoots, agency.id)).shoots == []


async def test_everything_erased_at_once_is_erased(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    shoot = await studio.shoot(agency)
    subjects = await people(studio, pool, agency, 3)
    files = await studio.files(shoot, *[await studio.photo() for _ in range(6)])
    match = await found.match(pool, studio.account, agency)
    for file in files:
        faces = [found.face(at, "matched", each.id) for at, each in enumerate(subjects)]
        await found.result(pool, studio.account, match, file.id, "matched", faces)
    asked = [
        *(studio.ask(EraseSubject, agency.id, subject_id=each.id) for each in subjects),
        *(studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[file.id]) for file in files),
        studio.ask(EraseShoot, agency.id, shoot=shoot.id),
        studio.ask(EraseAgency, agency.id),
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in outcomes if isinstance(each, Exception)} <= {NotFound}
    assert set((await everything(pool, studio.account)).values()) == {0}
    assert await studio.stored([file.key for file in files]) == [False] * 6


async def test_somebody_elses_subject_is_not_scrubbed(studio: Studio, pool: Pool) -> None:
    agency = await studio.agency()
    (mine,) = await people(studio, pool, agency, 1)
    other = studio.other()
    theirs = await other.agency()
    with pytest.raises(NotFound):
        await other.ask(EraseSubject, theirs.id, subject_id=mine.id)
    with pytest.raises(NotFound):
        await studio.ask(EraseSubject, agency.id, subject_id=SubjectId(2**63 - 1))
    assert [each.id for each in await studio.everybody(agency)] == [mine.id]
    assert await other.actions(theirs) == []
