"""Internal callers: an X-API-Key that the operator issued, or any where none is asked for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from kit import database
from kit.bus import Bus
from kit.endpoints import Answering, answers
from kit.guarding import key_required
from proto.accounts.apikeys import CreateApiKey
from proto.accounts.opening import Account
from proto.accounts.services import IssueServiceKey
from proto.errors import NotAllowed, NotAuthenticated
from proto.facecrop import CropFace, Portrait
from proto.ids import StorageKey
from proto.photos import Rejected, RemotePhoto
from services.accounts.app import SCHEMA, Accounts
from services.gateway.app import operations
from services.gateway.identity import Identity
from services.gateway.permissions import check
from services.presets.icps import icps
from tests.integration.accounts.conftest import opened, replica


@pytest.fixture
async def accounts(database_url: str) -> AsyncIterator[Accounts]:
    await database.migrate(database_url, "accounts", SCHEMA)
    async with replica(database_url) as accounts:
        yield accounts


@pytest.fixture
async def bus(nats_url: str, accounts: Accounts) -> AsyncIterator[Bus]:
    bus = await Bus.connect(nats_url, "internal keys")
    answering = Answering(bus, 4)
    for endpoints in (accounts.people, accounts.callers):
        await answering.listen("accounts", endpoints)
    yield bus
    await answering.stop()
    await bus.close()


@pytest.fixture
async def house(accounts: Accounts) -> Account:
    return await opened(accounts, "premium")


def request(**headers: str) -> Any:
    return make_mocked_request(
        "GET", "/", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


async def test_an_issued_key_runs_under_the_accounts_name(
    bus: Bus, accounts: Accounts, house: Account
) -> None:
    identity = Identity(bus, default_user_id=str(house.id), require_api_key=True)
    key = (await accounts.callers.issue_service_key(IssueServiceKey(name="printcart"))).key
    caller = await identity.caller(request(X_Api_Key=key))
    assert (caller.account, caller.plan.name) == (house.id, "premium")
    with pytest.raises(NotAuthenticated):
        await identity.caller(request(X_Api_Key="dsk_made.up"))


async def test_where_no_key_is_required_any_value_works(bus: Bus, house: Account) -> None:
    identity = Identity(bus, default_user_id=str(house.id), require_api_key=False)
    assert (await identity.caller(request(X_Api_Key="whatever"))).account == house.id
    with pytest.raises(NotAuthenticated):
        await identity.caller(request())


async def test_without_an_account_for_them_there_are_no_internal_callers(
    bus: Bus, accounts: Accounts
) -> None:
    key = (await accounts.callers.issue_service_key(IssueServiceKey(name="printcart"))).key
    for required in (True, False):
        identity = Identity(bus, default_user_id="", require_api_key=required)
        with pytest.raises(NotAuthenticated):
            await identity.caller(request(X_Api_Key=key))


async def test_public_keys_are_never_taken_for_internal_ones(
    bus: Bus, accounts: Accounts, house: Account
) -> None:
    other = await opened(accounts)
    identity = Identity(bus, default_user_id=str(house.id), require_api_key=False)
    made = await accounts.callers.create_api_key(
        CreateApiKey(account=other.id, kind="mk_live", name="x")
    )
    assert (await identity.caller(request(X_Api_Key=made.key))).account == other.id
    with pytest.raises(NotAuthenticated):
        await identity.caller(request(X_Api_Key="mk_live_made.up"))


async def test_an_internal_caller_works_engines_and_administers_nothing(
    bus: Bus, house: Account
) -> None:
    identity = Identity(bus, default_user_id=str(house.id), require_api_key=False)
    caller = await identity.caller(request(X_Api_Key="whatever"))
    secured = [operation for operation in operations() if operation.secured]
    for operation in secured:
        if {"facecrop", "qr", "matching"} & set(operation.scopes):
            check(caller, operation)
        else:
            with pytest.raises(NotAllowed):
                check(caller, operation)


class Engine:
    """Answers crops without looking at any picture."""

    @answers
    async def crop_face(self, _: CropFace) -> Portrait | Rejected:
        """Turn it down."""
        return Rejected(code="NO_FACE", message="there is no face")


async def test_an_engine_that_wants_a_key_answers_nobody_without(
    bus: Bus, accounts: Accounts, house: Account
) -> None:
    key = (await accounts.callers.issue_service_key(IssueServiceKey(name="gateway"))).key
    engine = Answering(bus, 4, key_required(bus))
    await engine.listen("facecrop", Engine())
    crop = CropFace(
        account=house.id,
        photo=RemotePhoto(url="https://example.com/a.jpg"),
        preset=icps()["school"],
        outputs=StorageKey("outputs/x"),
        stem="a",
    )
    for wrong in ("", "dsk_made.up", key + "x"):
        with pytest.raises(NotAuthenticated):
            await bus.request(crop, 5.0, wrong)
    for _ in range(2):
        assert isinstance(await bus.request(crop, 5.0, key), Rejected)
    await engine.stop()
