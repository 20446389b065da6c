"""Keys between services: shown once, replaced when issued again, sealed when they are ours."""

import pytest

from kit.database import Pool
from proto.accounts.services import CheckServiceKey, GetOutbound, IssueServiceKey, SetOutbound
from proto.errors import InvalidRequest, NotAuthenticated, NotFound
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import replica


async def test_an_issued_key_names_its_caller_until_another_is_issued(
    accounts: Accounts, other: Accounts
) -> None:
    first = await accounts.callers.issue_service_key(IssueServiceKey(name="printcart"))
    found = await other.callers.check_service_key(CheckServiceKey(key=first.key))
    assert found.name == "printcart"
    second = await accounts.callers.issue_service_key(IssueServiceKey(name="printcart"))
    with pytest.raises(NotAuthenticated):
        await other.callers.check_service_key(CheckServiceKey(key=first.key))
    await other.callers.check_service_key(CheckServiceKey(key=second.key))


@pytest.mark.parametrize("key", ["x", "dsk_", "dsk_.", "' OR true --"])
async def test_a_made_up_key_is_refused(accounts: Accounts, key: str) -> None:
    with pytest.raises(NotAuthenticated):
        await accounts.callers.check_service_key(CheckServiceKey(key=key))


async def test_a_key_is_kept_as_a_hash(accounts: Accounts, pool: Pool) -> None:
    issued = await accounts.callers.issue_service_key(IssueServiceKey(name="hashed"))
    rows = await pool.fetch("SELECT t::text FROM accounts.service_keys AS t")
    assert not any(issued.key.partition(".")[2] in row[0] for row in rows)


async def test_our_key_for_an_engine_comes_back_and_lies_sealed(
    accounts: Accounts, other: Accounts, pool: Pool
) -> None:
    with pytest.raises(NotFound):
        await accounts.callers.outbound(GetOutbound(service="facecrop"))
    for key in ("first key", "second key"):
        await accounts.callers.set_outbound(
            SetOutbound(service="facecrop", base_url="nats://headshot", key=key)
        )
        found = await other.callers.outbound(GetOutbound(service="facecrop"))
        assert (found.key, found.base_url) == (key, "nats://headshot")
    kept = await pool.fetchval("SELECT key FROM accounts.outbound")
    assert b"second key" not in kept


async def test_without_a_secret_nothing_is_stored(database_url: str, pool: Pool) -> None:
    async with replica(database_url, secret_key=[]) as keyless:
        with pytest.raises(InvalidRequest, match="SECRET_KEY"):
            await keyless.callers.set_outbound(
                SetOutbound(service="qr", base_url="nats://qr", key="k")
            )
        with pytest.raises(NotFound):
            await keyless.callers.outbound(GetOutbound(service="qr"))
