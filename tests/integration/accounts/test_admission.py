"""Who may call, and how often: API keys, and rate limits over two replicas."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.accounts.apikeys import (
    CreateApiKey,
    GetApiKeys,
    NewApiKey,
    RevokeApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from proto.accounts.calling import Authenticate, Caller
from proto.accounts.login import Session
from proto.accounts.opening import Account, ChangePlan, LiftLimit
from proto.errors import InvalidRequest, NotAuthenticated, NotFound, PlanForbids, RateLimited
from proto.ids import AccountId, ApiKeyId
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import logged_in, opened


async def made(
    accounts: Accounts, account: Account, kind: str = "stu", **rest: object
) -> NewApiKey:
    return await accounts.callers.create_api_key(
        CreateApiKey(account=account.id, kind=kind, name="press", **rest)  # type: ignore[arg-type]
    )


async def admitted(accounts: Accounts, credential: str) -> Caller:
    return await accounts.callers.authenticate(Authenticate(credential=credential))


async def many(
    replicas: tuple[Accounts, ...], credential: str, times: int
) -> tuple[int, list[RateLimited]]:
    """Return how many of so many requests at once were let in, and the refusals of the rest."""
    outcomes = await asyncio.gather(
        *(admitted(replicas[n % len(replicas)], credential) for n in range(times)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    let_in = sum(isinstance(outcome, Caller) for outcome in outcomes)
    assert let_in + len(refused) == times
    return let_in, refused


@pytest.mark.parametrize(("kind", "start"), [("stu", "stu_"), ("mk_live", "mk_live_")])
async def test_a_key_names_its_account(
    accounts: Accounts, account: Account, kind: str, start: str
) -> None:
    new = await made(accounts, account, kind, scopes=["facecrop"], credit_cap=50)
    assert new.key.startswith(start)
    assert new.key.startswith(new.api_key.start)
    caller = await admitted(accounts, new.key)
    assert (caller.account, caller.api_key) == (account.id, new.api_key.id)
    assert (caller.scopes, caller.credit_cap, caller.user) == (["facecrop"], 50, None)


async def test_the_formats_are_those_of_the_dialects(accounts: Accounts, account: Account) -> None:
    merchant = (await made(accounts, account, "mk_live")).key.removeprefix("mk_live_")
    public, dot, secret = merchant.partition(".")
    assert dot
    assert public.isalnum()
    assert secret.isalnum()
    assert len(secret) >= 43
    assert (await made(accounts, account)).key.removeprefix("stu_").isalnum()


async def test_a_key_is_kept_as_a_hash_and_listed_without_its_secret(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    for kind in ("stu", "mk_live"):
        new = await made(accounts, account, kind)
        secret = new.key[len(new.api_key.start) :]
        for table in ("api_keys", "api_key_secrets"):
            rows = await pool.fetch(f"SELECT t::text FROM accounts.{table} AS t")  # noqa: S608
            assert not any(secret in row[0] for row in rows)
    listed = (await accounts.callers.api_keys(GetApiKeys(account=account.id))).api_keys
    assert [key.kind for key in listed] == ["mk_live", "stu"]


@pytest.mark.parametrize(
    "forge",
    [
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key + "x",
        lambda key: key[:-1],
        lambda key: key.split("_")[0] + "_",
        lambda key: key.swapcase(),
        lambda _: "stu_' OR true --",
        lambda _: "mk_live_.",
        lambda _: "mk_live_" + "a" * 10_000 + ".b",
    ],
)
async def test_a_key_that_is_not_quite_one_is_refused(
    accounts: Accounts, account: Account, forge: object
) -> None:
    for kind in ("stu", "mk_live"):
        new = await made(accounts, account, kind)
        with pytest.raises(NotAuthenticated):
            await admitted(accounts, forge(new.key))  # type: ignore[operator]


async def test_a_revoked_key_is_refused_at_once_everywhere(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    new = await made(accounts, account)
    await admitted(other, new.key)
    await accounts.callers.revoke_api_key(RevokeApiKey(account=account.id, api_key=new.api_key.id))
    with pytest.raises(NotAuthenticated):
        await admitted(other, new.key)
    assert (await accounts.callers.api_keys(GetApiKeys(account=account.id))).api_keys == []


async def test_after_a_rotation_both_secrets_work_until_the_overlap_ends(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    old = await made(accounts, account, "mk_live")
    rotation = RotateApiKey(account=account.id, api_key=old.api_key.id, overlap_seconds=60)
    new = await accounts.callers.rotate_api_key(rotation)
    assert new.api_key.id == old.api_key.id
    for key in (old.key, new.key):
        assert (await admitted(accounts, key)).api_key == old.api_key.id
    await pool.execute(
        "UPDATE accounts.api_key_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    with pytest.raises(NotAuthenticated):
        await admitted(accounts, old.key)
    await admitted(accounts, new.key)


async def test_without_an_overlap_the_old_secret_ends_at_once(
    accounts: Accounts, account: Account
) -> None:
    old = await made(accounts, account)
    rotation = RotateApiKey(account=account.id, api_key=old.api_key.id, overlap_seconds=0)
    new = await accounts.callers.rotate_api_key(rotation)
    with pytest.raises(NotAuthenticated):
        await admitted(accounts, old.key)
    await admitted(accounts, new.key)


async def test_a_second_rotation_does_not_give_the_first_secret_more_time(
    accounts: Accounts, account: Account
) -> None:
    first = await made(accounts, account)
    key = first.api_key.id
    await accounts.callers.rotate_api_key(
        RotateApiKey(account=account.id, api_key=key, overlap_seconds=0)
    )
    await accounts.callers.rotate_api_key(
        RotateApiKey(account=account.id, api_key=key, overlap_seconds=3600)
    )
    with pytest.raises(NotAuthenticated):
        await admitted(accounts, first.key)


async def test_name_and_cap_can_be_changed(accounts: Accounts, account: Account) -> None:
    new = await made(accounts, account)
    update = UpdateApiKey(account=account.id, api_key=new.api_key.id, name="lab", credit_cap=7)
    assert (await accounts.callers.update_api_key(update)).name == "lab"
    assert (await admitted(accounts, new.key)).credit_cap == 7


async def test_when_a_key_was_last_used_is_written_once_a_minute(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    new = await made(accounts, account)
    used = "SELECT last_used_at FROM accounts.api_keys WHERE id = $1"
    assert await pool.fetchval(used, new.api_key.id) is None
    await admitted(accounts, new.key)
    first = await pool.fetchval(used, new.api_key.id)
    await admitted(accounts, new.key)
    assert await pool.fetchval(used, new.api_key.id) == first
    await pool.execute(
        "UPDATE accounts.api_keys SET last_used_at = now() - interval '2 minutes' WHERE id = $1",
        new.api_key.id,
    )
    await admitted(accounts, new.key)
    assert await pool.fetchval(used, new.api_key.id) >= first


@pytest.mark.parametrize("plan", ["basic", "premium"])
async def test_a_plan_without_the_api_has_no_stu_keys(accounts: Accounts, plan: str) -> None:
    account = await opened(accounts, plan)  # type: ignore[arg-type]
    with pytest.raises(PlanForbids):
        await made(accounts, account)
    merchant = await made(accounts, account, "mk_live")
    await admitted(accounts, merchant.key)


async def test_a_lower_plan_stops_the_stu_keys_of_before(
    accounts: Accounts, account: Account
) -> None:
    new = await made(accounts, account)
    await accounts.people.change_plan(ChangePlan(account=account.id, plan="premium"))
    with pytest.raises(PlanForbids):
        await admitted(accounts, new.key)
    await accounts.people.change_plan(ChangePlan(account=account.id, plan="pro"))
    await admitted(accounts, new.key)


async def test_the_keys_of_another_account_are_not_found(
    accounts: Accounts, account: Account
) -> None:
    key = (await made(accounts, account)).api_key.id
    stranger = (await opened(accounts)).id
    for request in (
        accounts.callers.revoke_api_key(RevokeApiKey(account=stranger, api_key=key)),
        accounts.callers.rotate_api_key(RotateApiKey(account=stranger, api_key=key)),
        accounts.callers.update_api_key(
            UpdateApiKey(account=stranger, api_key=key, name="x", credit_cap=None)
        ),
        accounts.callers.lift_limit(LiftLimit(account=stranger, api_key=key, per_minute=0)),
    ):
        with pytest.raises(NotFound):
            await request
    assert (await accounts.callers.api_keys(GetApiKeys(account=stranger))).api_keys == []


async def test_an_account_has_a_hundred_keys_at_most_also_when_they_are_made_at_once(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    outcomes = await asyncio.gather(
        *(made((accounts, other)[n % 2], account) for n in range(105)), return_exceptions=True
    )
    assert sum(isinstance(outcome, NewApiKey) for outcome in outcomes) == 100
    assert sum(isinstance(outcome, InvalidRequest) for outcome in outcomes) == 5


# Rate limits. A quota of 60 lets one more in each second, so quotas are chosen that give none back
# while a test runs.


async def quota(
    accounts: Accounts, account: Account, per_minute: int | None, key: ApiKeyId | None = None
) -> None:
    await accounts.callers.lift_limit(
        LiftLimit(account=account.id, api_key=key, per_minute=per_minute)
    )


async def test_the_first_minute_holds_as_many_as_the_plan_says_and_tells_what_is_left(
    accounts: Accounts, account: Account
) -> None:
    key = (await made(accounts, account)).key
    caller = await admitted(accounts, key)
    assert [(limit.name, limit.quota, limit.window) for limit in caller.limits] == [
        ("key", 60, 60),
        ("account", 600, 60),
    ]
    assert [limit.remaining for limit in caller.limits] == [59, 599]
    assert [limit.reset for limit in caller.limits] == [1, 1]


@pytest.mark.parametrize("most", [1, 4, 5])
async def test_of_fifty_at_once_over_two_replicas_never_one_too_many(
    accounts: Accounts, other: Accounts, account: Account, most: int
) -> None:
    new = await made(accounts, account)
    await quota(accounts, account, most, new.api_key.id)
    let_in, refused = await many((accounts, other), new.key, 50)
    assert let_in == most
    for refusal in refused:
        assert 1 <= refusal.retry_after <= 60 / most
        assert refusal.limits[0].remaining == 0
        assert refusal.limits[0].reset == refusal.retry_after


async def test_fifty_at_the_limit_of_the_account_with_two_keys_and_a_login(
    accounts: Accounts, other: Accounts, account: Account, session: Session
) -> None:
    await quota(accounts, account, 5)
    keys = [(await made(accounts, account)).key for _ in range(2)]
    outcomes = await asyncio.gather(
        *(many((accounts, other), who, 17) for who in (*keys, session.access_token))
    )
    assert sum(let_in for let_in, _ in outcomes) == 5


async def test_people_share_one_limit_however_many_logins_they_have(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    await quota(accounts, account, 4)
    logins = [(await logged_in(accounts, account)).access_token for _ in range(3)]
    outcomes = await asyncio.gather(*(many((accounts, other), who, 10) for who in logins))
    assert sum(let_in for let_in, _ in outcomes) == 4


async def test_a_refused_request_counts_against_nothing(
    accounts: Accounts, account: Account
) -> None:
    slow, fast = await made(accounts, account), await made(accounts, account)
    await quota(accounts, account, 4)
    await quota(accounts, account, 1, slow.api_key.id)
    assert (await many((accounts,), slow.key, 20))[0] == 1
    assert (await many((accounts,), fast.key, 20))[0] == 3


async def test_after_the_time_that_was_told_one_more_is_let_in(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    new = await made(accounts, account)
    await quota(accounts, account, 4, new.api_key.id)
    _, (refusal, *_) = await many((accounts,), new.key, 5)
    assert refusal.retry_after == 15
    earlier = (
        "UPDATE accounts.rate_limits SET empty_at = empty_at - make_interval(secs => $2)"
        " WHERE bucket = $1"
    )
    await pool.execute(earlier, new.api_key.id, 15.0)
    assert (await many((accounts,), new.key, 3))[0] == 1
    await pool.execute(earlier, new.api_key.id, 3600.0)
    assert (await many((accounts,), new.key, 6))[0] == 4


async def test_a_limit_can_be_lifted_and_put_back(accounts: Accounts, account: Account) -> None:
    new = await made(accounts, account)
    await quota(accounts, account, 1, new.api_key.id)
    await quota(accounts, account, 0, new.api_key.id)
    let_in, _ = await many((accounts,), new.key, 700)
    assert let_in == 700
    assert (await admitted(accounts, new.key)).limits == []
    await quota(accounts, account, None, new.api_key.id)
    assert (await admitted(accounts, new.key)).limits[0].quota == 60


async def test_a_lifted_account_has_no_limits_for_its_people(
    accounts: Accounts, account: Account, session: Session
) -> None:
    await quota(accounts, account, 0)
    assert (await admitted(accounts, session.access_token)).limits == []


async def test_what_is_not_authenticated_counts_against_nobody(
    accounts: Accounts, account: Account
) -> None:
    new = await made(accounts, account)
    await quota(accounts, account, 2, new.api_key.id)
    for _ in range(10):
        with pytest.raises(NotAuthenticated):
            await admitted(accounts, new.key[:-1] + "!")
    assert (await many((accounts,), new.key, 5))[0] == 2


async def test_accounts_do_not_share_limits(accounts: Accounts) -> None:
    first, second = await opened(accounts), await opened(accounts)
    keys = [await made(accounts, each) for each in (first, second)]
    for each, key in zip((first, second), keys, strict=True):
        await quota(accounts, each, 2, key.api_key.id)
    assert [(await many((accounts,), key.key, 5))[0] for key in keys] == [2, 2]


async def test_limits_are_for_accounts_that_there_are(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await accounts.callers.lift_limit(LiftLimit(account=AccountId(uuid4()), per_minute=1))
