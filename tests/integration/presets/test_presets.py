"""Presets over a real PostgreSQL and the bus: who has which, and what is refused."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from kit.bus import Bus
from kit.database import Pool
from kit.lifecycle import CHECKS
from proto.errors import InvalidRequest, NameTaken, NotFound, Unavailable
from proto.ids import AccountId
from proto.presets import (
    CreatePreset,
    DeletePreset,
    GetPreset,
    GetPresets,
    Preset,
    PresetDraft,
    ReplacePreset,
)
from services.presets.endpoints import Endpoints
from services.presets.store import Store

ICPS = ["school", "corporate", "sports", "childcare"]

PASSPORT = PresetDraft(
    name="passport",
    aspect=(7, 9),
    head=0.7,
    eye_line=0.45,
    full=(1400, 1800),
    medium=(700, 900),
    sizes={"wallet": (350, 450), "badge": (210, 270)},
    background="#D3e0F2",
    format="webp",
    dpi=600,
)


@pytest.fixture
def presets(pool: Pool) -> Endpoints:
    return Endpoints(Store(pool))


def creating(account: AccountId, **changed: object) -> CreatePreset:
    return CreatePreset(account=account, **_fields(changed))


def replacing(account: AccountId, **changed: object) -> ReplacePreset:
    return ReplacePreset(account=account, **_fields(changed))


def _fields(changed: dict[str, object]) -> dict[str, Any]:
    return msgspec.structs.asdict(PASSPORT) | changed


async def listed(presets: Endpoints, account: AccountId) -> list[Preset]:
    return (await presets.presets(GetPresets(account=account))).presets


async def own(presets: Endpoints, account: AccountId) -> list[Preset]:
    return [preset for preset in await listed(presets, account) if preset.own]


@pytest.mark.usefixtures("service")
async def test_what_is_made_is_found_again_with_every_value(bus: Bus, account: AccountId) -> None:
    made = await bus.request(creating(account))
    assert msgspec.structs.asdict(made) == msgspec.structs.asdict(PASSPORT) | {"own": True}
    found = await bus.request(GetPreset(account=account, name="passport"))
    assert found == made
    assert list(found.sizes) == ["wallet", "badge"]
    assert (await bus.request(GetPresets(account=account))).presets[-1] == made


@pytest.mark.usefixtures("service")
async def test_a_preset_is_replaced_whole_and_deleted(bus: Bus, account: AccountId) -> None:
    await bus.request(creating(account))
    plain = ReplacePreset(account=account, name="passport", aspect=(1, 1), head=0.5, eye_line=0.4)
    replaced = await bus.request(plain)
    assert replaced == Preset(
        name="passport",
        aspect=(1, 1),
        head=0.5,
        eye_line=0.4,
        full=(2400, 2400),
        medium=(1000, 1000),
        own=True,
    )
    asking = GetPreset(account=account, name="passport")
    assert await bus.request(asking) == replaced
    await bus.request(DeletePreset(account=account, name="passport"))
    for gone in (asking, plain, DeletePreset(account=account, name="passport")):
        with pytest.raises(NotFound):
            await bus.request(gone)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "Passport"},
        {"name": "-passport"},
        {"name": "pass port"},
        {"name": "passport\n"},
        {"name": "passport\0"},
        {"name": "p" * 41},
        {"aspect": (0, 9)},
        {"aspect": (7, 101)},
        {"head": 0.09},
        {"head": 0.91},
        {"head": float("nan")},
        {"eye_line": 0.0},
        {"full": (63, 81)},
        {"full": (14_000, 18_000)},
        {"sizes": {"Badge": (700, 900)}},
        {"sizes": {"badge\n": (700, 900)}},
        {"sizes": {"b" * 21: (700, 900)}},
        {"sizes": {"../badge": (700, 900)}},
        {"background": "#12345"},
        {"background": "#12345g"},
        {"background": "red"},
        {"background": "#123456\n"},
        {"format": "gif"},
        {"dpi": 71},
        {"dpi": 1201},
        # what does not fit together
        {"medium": (700, 902)},
        {"eye_line": 0.34},
        {"background": "transparent", "format": "jpeg"},
        {"sizes": {"orig": (700, 900)}},
        {"sizes": {f"size{number}": (700, 900) for number in range(9)}},
    ],
    ids=str,
)
async def test_what_makes_no_preset_is_refused_and_changes_nothing(
    bus: Bus, account: AccountId, changed: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequest):
        await bus.request(creating(account, **changed))
    made = await bus.request(creating(account))
    if "name" not in changed:
        with pytest.raises(InvalidRequest):
            await bus.request(replacing(account, **changed))
    found = (await bus.request(GetPresets(account=account))).presets
    assert found[len(ICPS) :] == [made]


async def test_ours_come_first_and_an_accounts_own_by_name(
    presets: Endpoints, account: AccountId
) -> None:
    for name in ("zebra", "a_b", "a-b", "0", "ab"):
        await presets.create(creating(account, name=name))
    found = await listed(presets, account)
    assert [preset.name for preset in found] == [*ICPS, "0", "a-b", "a_b", "ab", "zebra"]
    assert [preset.own for preset in found] == [False] * 4 + [True] * 5


@pytest.mark.parametrize("name", ICPS)
async def test_ours_are_there_for_everybody_and_stay_as_they_are(
    presets: Endpoints, account: AccountId, name: str
) -> None:
    found = await presets.preset(GetPreset(account=account, name=name))
    assert (found.name, found.own) == (name, False)
    with pytest.raises(NameTaken, match="four ICPs"):
        await presets.create(creating(account, name=name))
    with pytest.raises(InvalidRequest, match="make one of your own"):
        await presets.replace(replacing(account, name=name))
    with pytest.raises(InvalidRequest, match="make one of your own"):
        await presets.delete(DeletePreset(account=account, name=name))
    assert await presets.preset(GetPreset(account=account, name=name)) == found


async def test_a_name_is_an_accounts_own(presets: Endpoints, account: AccountId) -> None:
    stranger = AccountId(uuid4())
    made = await presets.create(creating(account))
    for asking in (
        presets.preset(GetPreset(account=stranger, name="passport")),
        presets.replace(replacing(stranger)),
        presets.delete(DeletePreset(account=stranger, name="passport")),
    ):
        with pytest.raises(NotFound):
            await asking
    assert await own(presets, stranger) == []
    theirs = await presets.create(creating(stranger, dpi=72))
    await presets.replace(replacing(stranger, dpi=96))
    assert await own(presets, account) == [made]
    await presets.delete(DeletePreset(account=stranger, name="passport"))
    assert theirs.dpi == 72
    assert await own(presets, account) == [made]


async def test_of_many_that_are_made_under_one_name_at_once_one_is(
    presets: Endpoints, account: AccountId
) -> None:
    outcomes = await asyncio.gather(
        *(presets.create(creating(account, dpi=72 + number)) for number in range(20)),
        return_exceptions=True,
    )
    (made,) = [outcome for outcome in outcomes if isinstance(outcome, Preset)]
    assert sum(isinstance(outcome, NameTaken) for outcome in outcomes) == 19
    assert await own(presets, account) == [made]


async def test_of_many_that_are_made_at_once_a_hundred_are(
    presets: Endpoints, account: AccountId
) -> None:
    outcomes = await asyncio.gather(
        *(presets.create(creating(account, name=f"p{number}")) for number in range(115)),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, Preset)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, InvalidRequest)]
    assert (len(made), len(refused)) == (100, 15)
    assert "at most 100" in str(refused[0])
    assert len(await own(presets, account)) == 100
    # a name that is taken is told as such, another account has its own hundred, and one that is
    # deleted makes room
    with pytest.raises(NameTaken):
        await presets.create(creating(account, name=made[0].name))
    await presets.create(creating(AccountId(uuid4())))
    await presets.delete(DeletePreset(account=account, name=made[0].name))
    await presets.create(creating(account))


async def test_ours_are_shown_while_the_database_is_away(
    bus: Bus, account: AccountId, pool: Pool, service: web.Application
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE presets.presets")
        found = await bus.request(GetPreset(account=account, name="school"), 5)
        assert found.aspect == (4, 5)
        with pytest.raises(Unavailable):
            await bus.request(GetPreset(account=account, name="passport"), 0.3)
    checks = service[CHECKS]
    assert set(checks) == {"nats", "postgresql"}
    assert all(await asyncio.gather(*(check() for check in checks.values())))
