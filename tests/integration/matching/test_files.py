"""Photographs of a shoot: each once, only the account's own, and gone when they are erased."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.agencies import MOST_IN_MESSAGE, FileId, NewFile
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import ChangeAgency
from proto.matching.shoots import AddFiles, ChangeShoot, EraseFiles, GetFiles, GetShoot
from services.matching import files as module
from services.matching.discarding import Discarding
from services.matching.files import Files
from services.matching.forgetting import Forget
from tests.integration.matching import found
from tests.integration.matching.studio import BY, Studio, remote, stored

URL = "https://example.com/a.jpg"


async def test_photographs_are_added_in_their_order(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    sent = [await studio.photo(filename=f"{name}.jpg") for name in "cab"] + [remote(URL, "u.jpg")]
    made = await studio.files(shoot, *sent)
    assert [(each.filename, each.key, each.url, each.size) for each in made] == [
        *((each.filename, each.key, "", 16) for each in sent[:3]),
        ("u.jpg", "", URL, 0),
    ]
    assert [each.id for each in made] == sorted(each.id for each in made)
    page = await studio.ask(GetFiles, shoot.agency, shoot=shoot.id)
    assert (page.files, page.next_after) == (made, None)
    assert (await studio.ask(GetShoot, shoot.agency, shoot=shoot.id)).files == 4


async def test_a_list_goes_on_behind_the_last_one(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    made = await studio.files(shoot, *(remote(f"{URL}?{number}") for number in range(3)))
    page = await studio.ask(GetFiles, shoot.agency, shoot=shoot.id, limit=2)
    assert (page.files, page.next_after) == (made[:2], made[1].id)
    page = await studio.ask(GetFiles, shoot.agency, shoot=shoot.id, limit=2, after=page.next_after)
    assert (page.files, page.next_after) == (made[2:], None)


async def test_a_photograph_that_is_there_is_not_kept_twice(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    first, again, twin = [await studio.photo(b"the same") for _ in range(3)]
    (made,) = await studio.files(shoot, first)
    other = await studio.photo()
    answered = await studio.files(shoot, again, other, twin)
    assert [each.id for each in answered] == [made.id, answered[1].id, made.id]
    assert answered[0] == made
    assert await studio.stored([first.key, again.key, twin.key, other.key]) == [
        True,
        False,
        False,
        True,
    ]


async def test_of_two_alike_in_one_message_the_first_is_kept(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    sent = [await studio.photo(b"alike", filename=f"{number}.jpg") for number in range(2)]
    made = await studio.files(shoot, *sent, remote(URL, "first.jpg"), remote(URL, "second.jpg"))
    assert [each.filename for each in made] == ["0.jpg", "0.jpg", "first.jpg", "first.jpg"]
    assert await studio.stored([each.key for each in sent]) == [True, False]


async def test_a_message_sent_again_keeps_what_it_added(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    sent = [await studio.photo(), remote(URL)]
    made = await studio.files(shoot, *sent)
    assert await studio.files(shoot, *sent) == made
    assert await studio.is_stored(sent[0].key)


async def test_another_shoot_may_have_the_same_photograph(studio: Studio) -> None:
    agency = await studio.agency()
    shoots = [await studio.shoot(agency) for _ in range(2)]
    photo = await studio.photo()
    (first,), (second,) = [await studio.files(shoot, photo) for shoot in shoots]
    assert first.id != second.id
    await studio.ask(EraseFiles, agency.id, shoot=shoots[0].id, files=[first.id])
    assert await studio.is_stored(photo.key)
    await studio.ask(EraseFiles, agency.id, shoot=shoots[1].id, files=[second.id])
    assert not await studio.is_stored(photo.key)


def bad_files(studio: Studio) -> list[NewFile]:
    mine, other = f"photos/{studio.account}", f"photos/{uuid4()}"
    return [
        NewFile(filename="neither.jpg"),
        NewFile(filename="both.jpg", key=f"{mine}/1/a", url=URL, sha256=bytes(32)),
        NewFile(filename="no-digest.jpg", key=f"{mine}/1/a"),
        NewFile(filename="short.jpg", key=f"{mine}/1/a", sha256=bytes(31)),
        *(
            stored(key)
            for key in (
                f"{other}/1/a",
                f"{mine}/../{uuid4()}/a",
                f"{mine}/./a",
                f"{mine}//a",
                f"{mine}/",
                f"{mine}",
                f"{mine}x/a",
                f"{mine}/a\0",
                f"{mine}/a\nb",
                f"{mine}/a\\b",
                f"uploads/{studio.account}/a",
                f"/{mine}/a",
                f"{mine}/{'a' * 241}",
            )
        ),
        *(
            remote(url)
            for url in (
                "ftp://example.com/a.jpg",
                "file:///etc/passwd",
                "//example.com/a.jpg",
                "https://",
                "https://example.com/a b",
                "https://example.com/a\0",
                "https://example.com/a\n",
                "https://example.com/\x85",
            )
        ),
    ]


async def test_what_may_not_be_added_is_refused_with_everything_beside_it(
    studio: Studio,
) -> None:
    shoot = await studio.shoot(await studio.agency())
    good = await studio.photo()
    for bad in bad_files(studio):
        with pytest.raises(InvalidRequest):
            await studio.files(shoot, good, bad)
    for filename, size in (("", 0), ("a" * 256, 0), ("a\0", 0), ("a", -1), ("a", 2**63)):
        with pytest.raises(InvalidRequest):
            await studio.files(shoot, NewFile(filename=filename, url=URL, size=size))
    assert await studio.ask(GetShoot, shoot.agency, shoot=shoot.id) == shoot
    assert await studio.is_stored(good.key)


async def test_names_are_kept_as_they_are(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    names = ["a" * 255, "../../etc/passwd", "a\nb.jpg", "\N{GRINNING FACE}" * 255, "'; DROP"]
    sent = [remote(f"{URL}?{at}", name) for at, name in enumerate(names)]
    assert [each.filename for each in await studio.files(shoot, *sent)] == names


async def test_so_many_at_once_and_no_more(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    sent = [remote(f"{URL}?{number}") for number in range(MOST_IN_MESSAGE + 1)]
    for wrong in (sent, []):
        with pytest.raises(InvalidRequest):
            await studio.files(shoot, *wrong)
    assert len(await studio.files(shoot, *sent[:-1])) == MOST_IN_MESSAGE


async def test_a_page_of_the_longest_urls_fits_into_a_message(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    longest = URL + "?" + "a" * (4096 - len(URL) - 1 - 3)
    for first in range(0, 300, 100):
        await studio.files(
            shoot, *(remote(f"{longest}{number:03}") for number in range(first, first + 100))
        )
    after, seen = 0, 0
    while after is not None:
        page = await studio.ask(GetFiles, shoot.agency, shoot=shoot.id, limit=500, after=after)
        seen, after = seen + len(page.files), page.next_after
    assert seen == 300


async def test_a_shoot_has_so_many_photographs_and_no_more(
    studio: Studio,
    pool: Pool,
    discarding: Discarding,
    forget: Forget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 10)
    shoot = await studio.shoot(await studio.agency())
    replicas = Files(pool, discarding, forget), Files(pool, discarding, forget)

    async def add(number: int) -> None:
        sent = [remote(f"{URL}?{number}-{at}") for at in range(3)]
        await replicas[number % 2].add(
            AddFiles(account=studio.account, by=BY, agency=shoot.agency, shoot=shoot.id, files=sent)
        )

    outcomes = await asyncio.gather(*map(add, range(8)), return_exceptions=True)
    assert sum(each is None for each in outcomes) == 3
    assert {type(each) for each in outcomes if each is not None} == {InvalidRequest}
    assert (await studio.ask(GetShoot, shoot.agency, shoot=shoot.id)).files == 9
    # what is there already needs no room, and one more fits
    await add(outcomes.index(None))
    await studio.files(shoot, remote(f"{URL}?last"))


async def test_the_same_photograph_sent_at_once_is_kept_once(studio: Studio) -> None:
    shoot = await studio.shoot(await studio.agency())
    sent = [await studio.photo(b"at once") for _ in range(8)]
    answered = await asyncio.gather(*(studio.files(shoot, each) for each in sent))
    assert len({each.id for (each,) in answered}) == 1
    kept = answered[0][0].key
    assert await studio.stored([each.key for each in sent]) == [each.key == kept for each in sent]


@pytest.mark.parametrize("what", ["agency", "shoot"])
async def test_nothing_is_added_to_what_is_archived(studio: Studio, what: str) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    if what == "agency":
        await studio.ask(ChangeAgency, agency.id, archived=True)
    else:
        await studio.ask(ChangeShoot, agency.id, shoot=shoot.id, state="archived")
    with pytest.raises(InvalidRequest, match="archived"):
        await studio.files(shoot, remote(URL))
    assert await studio.files_of(agency, shoot.id) == []


async def test_neither_another_account_nor_another_agency_adds_or_erases(studio: Studio) -> None:
    agency, elsewhere = await studio.agency(), await studio.agency()
    shoot, beside = await studio.shoot(agency), await studio.shoot(agency)
    (made,) = await studio.files(shoot, await studio.photo())
    other = studio.other()
    asked: list[tuple[Any, dict[str, Any]]] = [
        (AddFiles, {"files": [remote(URL)]}),
        (EraseFiles, {"files": [made.id]}),
        (GetFiles, {}),
    ]
    for kind, fields in asked:
        for who, where in ((other, agency), (other, await other.agency()), (studio, elsewhere)):
            with pytest.raises(NotFound):
                await who.ask(kind, where.id, shoot=shoot.id, **fields)
    with pytest.raises(NotFound):
        await studio.ask(EraseFiles, agency.id, shoot=beside.id, files=[made.id])
    assert await studio.files_of(agency, shoot.id) == [made]
    assert await studio.is_stored(made.key)


async def test_erased_photographs_take_their_results_and_objects_along(
    studio: Studio, pool: Pool
) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    kept, gone = await studio.files(shoot, await studio.photo(), await studio.photo())
    match = await found.match(pool, studio.account, agency)
    for file in (kept, gone):
        faces = [found.face(0, "unmatched", None)]
        await found.result(pool, studio.account, match, file.id, "unmatched", faces)
        await found.decide(pool, studio.account, match, file.id, None, {})
    await studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[gone.id, gone.id])
    assert await studio.files_of(agency, shoot.id) == [kept]
    assert await studio.stored([kept.key, gone.key]) == [True, False]
    for table in ("results", "faces", "decisions"):
        rows = await pool.fetch(
            f"SELECT file_id FROM matching.{table} WHERE match_id = $1",  # noqa: S608 - ours
            match,
        )
        assert [row["file_id"] for row in rows] == [kept.id]
    (entry,) = await studio.log(agency)
    told = {"shoot": str(shoot.id), "files": "1"}
    assert (entry.action, entry.by, entry.details) == ("files_erased", BY, told)


async def test_all_are_erased_or_none(studio: Studio) -> None:
    agency = await studio.agency()
    shoot = await studio.shoot(agency)
    made = await studio.files(shoot, await studio.photo(), remote(URL))
    for strange in (FileId(2**62), FileId(2**63 - 1)):
        with pytest.raises(NotFound):
            await studio.ask(
                EraseFiles, agency.id, shoot=shoot.id, files=[made[0].id, strange, made[1].id]
            )
    assert await studio.files_of(agency, shoot.id) == made
    assert await studio.is_stored(made[0].key)
    assert await studio.actions(agency) == []


async def test_a_reference_goes_with_the_photograph_that_it_is(studio: Studio, pool: Pool) -> None:
    agency = await studio.with_consent()
    shoot, subject = await studio.shoot(agency), await studio.subject(agency)
    plain, confirmed = await studio.files(shoot, await studio.photo(), await studio.photo())
    reference = await pool.fetchval(
        "INSERT INTO matching.reference_photos (account_id, agency_id, subject_id, key, url, "
        "sha256, file_id) VALUES ($1, $2, $3, $4, '', $5, $6) RETURNING id",
        studio.account,
        agency.id,
        subject.id,
        confirmed.key,
        uuid4().bytes,
        confirmed.id,
    )
    await found.embed(pool, studio.account, reference)
    gallery = await found.gallery(pool, agency)
    await studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[plain.id])
    assert await found.gallery(pool, agency) == gallery
    await studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[confirmed.id])
    assert await found.gallery(pool, agency) > gallery
    assert await studio.references(agency, subject) == []
    assert not await studio.is_stored(confirmed.key)
