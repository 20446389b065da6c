"""Photographs of subjects: added once, how they stand, and gone when they are erased."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.agencies import MOST_REFERENCES, Reference, ReferenceId
from proto.errors import InvalidRequest, NotFound
from proto.matching.subjects import AddReferences, EraseReference, GetReferences
from services.matching import references as module
from services.matching.discarding import Discarding
from services.matching.forgetting import Forget
from services.matching.references import References
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio, remote, stored

URL = "https://example.com/a.jpg"


async def test_photographs_of_a_subject_are_added_in_their_order(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    photo = await studio.photo()
    first = await studio.references(agency, subject, remote(URL), photo)
    assert [(each.subject, each.state, each.key, each.url) for each in first] == [
        (subject.id, "waiting", "", URL),
        (subject.id, "waiting", photo.key, ""),
    ]
    assert {(each.code, each.message, each.from_file) for each in first} == {("", "", None)}
    both = await studio.references(agency, subject, await studio.photo())
    assert both[:2] == first
    assert await studio.references(agency, subject) == both
    assert (await studio.now(agency)).references == 3


async def test_one_that_is_there_stays_as_it_is(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    subject = await studio.subject(agency)
    photo = await studio.photo(b"a face")
    (made,) = await studio.references(agency, subject, photo)
    await found.embed(pool, studio.account, made.id)
    again, twin, other = [await studio.photo(content) for content in (b"a face", b"b", b"b")]
    after = await studio.references(agency, subject, again, twin, other, photo)
    assert [(each.id == made.id, each.state) for each in after] == [
        (True, "embedded"),
        (False, "waiting"),
    ]
    kept = await studio.stored([each.key for each in (photo, again, twin, other)])
    assert kept == [True, False, True, False]


async def test_two_subjects_may_have_the_same_photograph(studio: Studio) -> None:
    agency = await studio.agency()
    photo = await studio.photo()
    subjects = [await studio.subject(agency, number) for number in range(2)]
    made = [(await studio.references(agency, subject, photo))[0] for subject in subjects]
    await studio.ask(EraseReference, agency.id, subject_id=subjects[0].id, reference=made[0].id)
    assert await studio.is_stored(photo.key)
    await studio.ask(EraseReference, agency.id, subject_id=subjects[1].id, reference=made[1].id)
    assert not await studio.is_stored(photo.key)


async def test_how_a_reference_stands_depends_on_the_present_embedder(
    studio: Studio, pool: Pool, discarding: Discarding, forget: Forget
) -> None:
    agency = await studio.with_consent()
    subject = await studio.subject(agency)
    first, second = await studio.references(agency, subject, remote(URL), remote(URL + "?2"))
    await found.embed(pool, studio.account, first.id)
    asked = GetReferences(account=studio.account, by=BY, agency=agency.id, subject_id=subject.id)
    store = References(pool, discarding, forget)
    for version, state in ((None, "embedded"), (found.VERSION, "embedded"), ("v2", "stale")):
        shown = (await store.all(asked, version)).references
        assert [each.state for each in shown] == [state, "waiting"]
        assert shown[1] == second


async def test_an_erased_reference_is_gone_with_its_object(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    subject = await studio.subject(agency)
    waiting, embedded = await studio.references(
        agency, subject, await studio.photo(), await studio.photo()
    )
    await found.embed(pool, studio.account, embedded.id)
    gallery = await found.gallery(pool, agency)
    await studio.ask(EraseReference, agency.id, subject_id=subject.id, reference=waiting.id)
    assert await found.gallery(pool, agency) == gallery
    await studio.ask(EraseReference, agency.id, subject_id=subject.id, reference=embedded.id)
    assert await found.gallery(pool, agency) > gallery
    assert await studio.references(agency, subject) == []
    assert await studio.stored([waiting.key, embedded.key]) == [False, False]
    assert (await studio.actions(agency))[:2] == [("reference_erased", subject.id)] * 2
    with pytest.raises(NotFound):
        await studio.ask(EraseReference, agency.id, subject_id=subject.id, reference=embedded.id)


async def test_the_object_of_a_confirmed_photograph_stays_with_it(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.agency()
    shoot, subject = await studio.shoot(agency), await studio.subject(agency)
    (file,) = await studio.files(shoot, await studio.photo())
    reference = await pool.fetchval(
        "INSERT INTO matching.reference_photos (account_id, agency_id, subject_id, key, url, "
        "sha256, file_id) VALUES ($1, $2, $3, $4, '', $5, $6) RETURNING id",
        studio.account,
        agency.id,
        subject.id,
        file.key,
        uuid4().bytes,
        file.id,
    )
    (shown,) = await studio.references(agency, subject)
    assert (shown.from_file, shown.key) == (file.id, file.key)
    await studio.ask(EraseReference, agency.id, subject_id=subject.id, reference=reference)
    assert await studio.files_of(agency, shoot.id) == [file]
    assert await studio.is_stored(file.key)


async def test_what_may_not_be_added_is_refused_with_everything_beside_it(
    studio: Studio,
) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    good = await studio.photo()
    for bad in (
        stored(f"photos/{uuid4()}/1/a"),
        stored(f"photos/{studio.account}/../{uuid4()}/a"),
        stored(f"uploads/{studio.account}/a"),
        remote("ftp://example.com/a.jpg"),
        remote(URL + "\0"),
        remote(""),
    ):
        with pytest.raises(InvalidRequest):
            await studio.references(agency, subject, good, bad)
    with pytest.raises(InvalidRequest):
        await studio.ask(AddReferences, agency.id, subject_id=subject.id, photos=[])
    assert await studio.references(agency, subject) == []
    assert await studio.is_stored(good.key)


async def test_both_sides_of_the_limit(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    sent = [remote(f"{URL}?{number}") for number in range(MOST_REFERENCES + 1)]
    with pytest.raises(InvalidRequest):
        await studio.references(agency, subject, *sent)
    made = await studio.references(agency, subject, *sent[:-1])
    assert len(made) == MOST_REFERENCES
    # what is there already needs no room
    assert await studio.references(agency, subject, *sent[:-1]) == made
    with pytest.raises(InvalidRequest, match=subject.student_id):
        await studio.references(agency, subject, sent[-1])
    assert await studio.references(agency, subject) == made


async def test_a_subject_has_so_many_and_no_more_whoever_adds_at_once(
    studio: Studio,
    pool: Pool,
    discarding: Discarding,
    forget: Forget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_REFERENCES", 5)
    agency = await studio.agency()
    subject = await studio.subject(agency)

    async def add(number: int) -> None:
        sent = [remote(f"{URL}?{number}-{at}") for at in range(2)]
        asked = AddReferences(
            account=studio.account, by=BY, agency=agency.id, subject_id=subject.id, photos=sent
        )
        await References(pool, discarding, forget).add(asked, None)

    outcomes = await asyncio.gather(*map(add, range(8)), return_exceptions=True)
    assert sum(each is None for each in outcomes) == 2
    assert {type(each) for each in outcomes if each is not None} == {InvalidRequest}
    assert len(await studio.references(agency, subject)) == 4


async def test_the_longest_urls_fit_into_a_message(studio: Studio) -> None:
    agency = await studio.agency()
    subject = await studio.subject(agency)
    wide = "https://example.com/" + "\N{GRINNING FACE}" * (4096 - 20 - 2)
    sent = [remote(f"{wide}{number:02}") for number in range(MOST_REFERENCES)]
    for each in sent:
        made = await studio.references(agency, subject, each)
    assert len(made) == MOST_REFERENCES


async def test_neither_another_account_nor_another_subject_finds_them(studio: Studio) -> None:
    agency = await studio.agency()
    subject, beside = await studio.subject(agency, 1), await studio.subject(agency, 2)
    (made,) = await studio.references(agency, subject, await studio.photo())
    other = studio.other()
    theirs = await other.agency()
    whose = await other.subject(theirs)
    asked: list[tuple[Any, dict[str, Any]]] = [
        (AddReferences, {"photos": [remote(URL)]}),
        (GetReferences, {}),
        (EraseReference, {"reference": made.id}),
    ]
    for kind, fields in asked:
        for where in (agency, theirs):
            with pytest.raises(NotFound):
                await other.ask(kind, where.id, subject_id=subject.id, **fields)
    for who, where, whom, which in (
        (other, theirs, whose, made.id),
        (studio, agency, beside, made.id),
        (studio, agency, subject, ReferenceId(2**63 - 1)),
    ):
        with pytest.raises(NotFound):
            await who.ask(EraseReference, where.id, subject_id=whom.id, reference=which)
    shown: list[Reference] = await studio.references(agency, subject)
    assert shown == [made]
    assert await studio.is_stored(made.key)
