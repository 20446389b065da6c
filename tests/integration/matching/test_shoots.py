"""Shoots: which an agency has, and where none may be added."""

import asyncio
from typing import Any

import pytest

from kit.database import Pool
from proto.agencies import Shoot, ShootId
from proto.errors import InvalidRequest, NotFound
from proto.matching.agencies import ChangeAgency
from proto.matching.shoots import (
    ChangeShoot,
    CreateShoot,
    EraseShoot,
    GetFiles,
    GetShoot,
    GetShoots,
)
from services.matching import shoots as module
from services.matching.shoots import Shoots
from tests.integration.matching.studio import BY, Studio

ABOUT_A_SHOOT: list[tuple[Any, dict[str, Any]]] = [
    (GetShoot, {}),
    (ChangeShoot, {"name": "Stolen"}),
    (EraseShoot, {}),
    (GetFiles, {}),
]


async def test_a_shoot_is_what_was_said_of_it(studio: Studio) -> None:
    agency = await studio.agency()
    made = await studio.shoot(agency, name="Spring", icp_type="my-preset", state="active")
    assert (made.agency, made.name, made.icp_type) == (agency.id, "Spring", "my-preset")
    assert (made.state, made.files) == ("active", 0)
    assert await studio.ask(GetShoot, agency.id, shoot=made.id) == made
    assert (await studio.ask(GetShoots, agency.id)).shoots == [made]


async def test_what_is_given_changes_and_nothing_else(studio: Studio) -> None:
    agency = await studio.agency()
    made = await studio.shoot(agency)
    changed = await studio.ask(ChangeShoot, agency.id, shoot=made.id, state="completed")
    assert (changed.state, changed.name, changed.icp_type) == ("completed", "Spring", "school")
    assert await studio.ask(ChangeShoot, agency.id, shoot=made.id) == changed


async def test_archived_shoots_are_listed_apart(studio: Studio) -> None:
    agency = await studio.agency()
    kept, put_away = await studio.shoot(agency), await studio.shoot(agency, state="archived")
    assert (await studio.ask(GetShoots, agency.id)).shoots == [kept]
    assert (await studio.ask(GetShoots, agency.id, archived=True)).shoots == [put_away]


async def test_an_agency_without_shoots_has_none_and_another_is_not_there(studio: Studio) -> None:
    agency = await studio.agency()
    assert (await studio.ask(GetShoots, agency.id)).shoots == []
    with pytest.raises(NotFound):
        await studio.other().ask(GetShoots, agency.id)


async def test_neither_another_account_nor_another_agency_finds_it(studio: Studio) -> None:
    agency, elsewhere = await studio.agency(), await studio.agency()
    made = await studio.shoot(agency)
    other = studio.other()
    theirs = await other.agency()
    for kind, fields in ABOUT_A_SHOOT:
        for who, where in ((other, agency), (other, theirs), (studio, elsewhere)):
            with pytest.raises(NotFound):
                await who.ask(kind, where.id, shoot=made.id, **fields)
        with pytest.raises(NotFound):
            await studio.ask(kind, agency.id, shoot=ShootId(2**63 - 1), **fields)
    with pytest.raises(NotFound):
        await other.shoot(agency)
    assert await studio.ask(GetShoot, agency.id, shoot=made.id) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a" * 201),
        ("name", "a\0"),
        ("icp_type", ""),
        ("icp_type", "School"),
        ("icp_type", "a" * 41),
        ("icp_type", "school\n"),
        ("icp_type", "../etc"),
        ("state", "gone"),
    ],
)
async def test_what_makes_no_sense_is_refused(studio: Studio, field: str, value: str) -> None:
    agency = await studio.agency()
    with pytest.raises(InvalidRequest):
        await studio.shoot(agency, **{field: value})
    assert (await studio.ask(GetShoots, agency.id)).shoots == []


async def test_an_archived_agency_gets_no_shoots(studio: Studio) -> None:
    agency = await studio.agency()
    await studio.ask(ChangeAgency, agency.id, archived=True)
    with pytest.raises(InvalidRequest, match="archived"):
        await studio.shoot(agency)
    await studio.ask(ChangeAgency, agency.id, archived=False)
    made = await studio.shoot(agency)
    assert (await studio.ask(GetShoots, agency.id)).shoots == [made]


async def test_an_agency_has_so_many_shoots_and_no_more(
    studio: Studio, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SHOOTS", 4)
    agency = await studio.agency()
    asked = CreateShoot(
        account=studio.account, by=BY, agency=agency.id, name="Spring", icp_type="school"
    )
    made = await asyncio.gather(
        *(Shoots(pool).create(asked) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(each, Shoot) for each in made) == 4
    assert {type(each) for each in made} == {Shoot, InvalidRequest}
    assert len((await studio.ask(GetShoots, agency.id)).shoots) == 4
