"""Opening accounts, logging in, changing passwords."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.accounts.calling import Authenticate
from proto.accounts.login import ChangePassword, Login, Register, Session
from proto.accounts.opening import (
    Account,
    ChangePlan,
    CreateAccount,
    FindAccount,
    GetAccount,
    GetPlans,
)
from proto.errors import EmailTaken, InvalidRequest, NotAuthenticated, NotFound, RateLimited
from proto.ids import AccountId, UserId
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import PASSWORD, logged_in, new_email

OTHER_PASSWORD = "another horse, another battery"


async def user_of(accounts: Accounts, session: Session) -> UserId:
    caller = await accounts.callers.authenticate(Authenticate(credential=session.access_token))
    assert caller.user is not None
    return caller.user


async def test_who_registers_is_logged_in_as_the_owner(accounts: Accounts) -> None:
    email = new_email()
    session = await accounts.people.register(Register(email=email, password=PASSWORD, name="Foto"))
    caller = await accounts.callers.authenticate(Authenticate(credential=session.access_token))
    account = await accounts.people.get(GetAccount(account=caller.account))
    assert (account.email, account.name, account.plan) == (email, "Foto", "basic")
    assert (caller.role, caller.plan.name) == ("owner", "basic")


async def test_an_address_is_one_account_however_it_is_typed(
    accounts: Accounts, account: Account
) -> None:
    with pytest.raises(EmailTaken):
        await accounts.people.create(CreateAccount(email=account.email.upper(), password=PASSWORD))
    with pytest.raises(EmailTaken):
        await accounts.people.register(Register(email=account.email.upper(), password=PASSWORD))
    assert await accounts.people.find(FindAccount(email=account.email.upper())) == account


async def test_of_ten_who_register_one_address_at_once_one_gets_it(
    accounts: Accounts, other: Accounts, pool: Pool
) -> None:
    email = new_email()
    outcomes = await asyncio.gather(
        *(
            each.people.create(CreateAccount(email=email, password=PASSWORD))
            for each in (accounts, other) * 5
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Account) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 9
    for table in ("users", "accounts"):
        query = f"SELECT count(*) FROM accounts.{table} WHERE email = $1"  # noqa: S608
        assert await pool.fetchval(query, email) == 1


async def test_an_account_that_is_not_there_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await accounts.people.find(FindAccount(email=new_email()))
    with pytest.raises(NotFound):
        await accounts.people.get(GetAccount(account=AccountId(uuid4())))
    with pytest.raises(NotFound):
        await accounts.people.change_plan(ChangePlan(account=AccountId(uuid4()), plan="team"))


async def test_another_plan_counts_from_the_next_request_on(
    accounts: Accounts, account: Account, session: Session
) -> None:
    await accounts.people.change_plan(ChangePlan(account=account.id, plan="team"))
    caller = await accounts.callers.authenticate(Authenticate(credential=session.access_token))
    assert (caller.plan.name, caller.plan.key_per_minute) == ("team", 300)


async def test_the_plans_are_those_of_the_book(accounts: Accounts) -> None:
    plans = {plan.name: plan for plan in (await accounts.people.plans(GetPlans())).plans}
    assert list(plans) == ["basic", "premium", "pro", "team", "business"]
    assert (plans["pro"].key_per_minute, plans["business"].key_per_minute) == (60, 300)
    assert "api" not in plans["premium"].features
    assert "api" in plans["pro"].features


@pytest.mark.parametrize("password", ["wrong password", "", PASSWORD.upper(), PASSWORD + " "])
async def test_a_wrong_password_and_an_unknown_address_are_told_alike(
    accounts: Accounts, account: Account, password: str
) -> None:
    told = []
    for email in (account.email, new_email()):
        with pytest.raises(NotAuthenticated) as caught:
            await accounts.people.login(Login(email=email, password=password))
        told.append(str(caught.value))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "password",
    ["short", "123456789", "1234567890", "Password123", "aaaaaaaaaaaa", "abcabcabcabc", "x" * 9],
)
async def test_a_password_that_others_would_guess_is_refused(
    accounts: Accounts, password: str
) -> None:
    email = new_email()
    with pytest.raises(InvalidRequest):
        await accounts.people.register(Register(email=email, password=password))
    with pytest.raises(NotFound):
        await accounts.people.find(FindAccount(email=email))


async def test_a_password_must_not_be_the_address(accounts: Accounts) -> None:
    with pytest.raises(InvalidRequest):
        await accounts.people.register(
            Register(email="miss.photographer@example.com", password="Miss.Photographer1")
        )


async def test_passwords_are_stored_as_argon2id(pool: Pool, account: Account) -> None:
    stored = await pool.fetchval(
        "SELECT password_hash FROM accounts.users WHERE email = $1", account.email
    )
    assert stored.startswith("$argon2id$")


async def test_a_hash_with_weaker_parameters_is_replaced_at_login(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    change = "UPDATE accounts.users SET password_hash = $2 WHERE email = $1"
    await pool.execute(change, account.email, weak)
    await logged_in(accounts, account)
    stored = await pool.fetchval(
        "SELECT password_hash FROM accounts.users WHERE email = $1", account.email
    )
    assert stored != weak
    await logged_in(accounts, account)


async def test_after_a_change_only_the_new_password_and_login_work(
    accounts: Accounts, account: Account, session: Session
) -> None:
    user = await user_of(accounts, session)
    changed = await accounts.people.change_password(
        ChangePassword(
            account=account.id, user=user, old_password=PASSWORD, new_password=OTHER_PASSWORD
        )
    )
    with pytest.raises(NotAuthenticated):
        await accounts.callers.authenticate(Authenticate(credential=session.access_token))
    await accounts.callers.authenticate(Authenticate(credential=changed.access_token))
    with pytest.raises(NotAuthenticated):
        await logged_in(accounts, account)
    await accounts.people.login(Login(email=account.email, password=OTHER_PASSWORD))


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("not it at all", OTHER_PASSWORD, NotAuthenticated),
        (PASSWORD, "short", InvalidRequest),
        (PASSWORD, "1234567890", InvalidRequest),
    ],
)
async def test_a_change_that_is_refused_changes_nothing(
    accounts: Accounts,
    account: Account,
    session: Session,
    old: str,
    new: str,
    refusal: type[Exception],
) -> None:
    user = await user_of(accounts, session)
    with pytest.raises(refusal):
        await accounts.people.change_password(
            ChangePassword(account=account.id, user=user, old_password=old, new_password=new)
        )
    await accounts.callers.authenticate(Authenticate(credential=session.access_token))
    await logged_in(accounts, account)


async def wrong(accounts: Accounts, email: str, address: str = "") -> Exception | Session:
    try:
        return await accounts.people.login(
            Login(email=email, password="a wrong password", address=address)
        )
    except (NotAuthenticated, RateLimited) as error:
        return error


async def test_after_five_wrong_passwords_the_right_one_has_to_wait(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    for _ in range(5):
        assert isinstance(await wrong(accounts, account.email), NotAuthenticated)
    with pytest.raises(RateLimited) as caught:
        await logged_in(accounts, account)
    assert 0 < caught.value.retry_after <= 900
    await pool.execute(
        "UPDATE accounts.failures SET window_ends = now() WHERE about = $1",
        f"email:{account.email}",
    )
    await logged_in(accounts, account)


async def test_a_right_password_clears_the_count(accounts: Accounts, account: Account) -> None:
    for _ in range(3):
        for _ in range(4):
            assert isinstance(await wrong(accounts, account.email), NotAuthenticated)
        await logged_in(accounts, account)


async def test_of_fifty_guesses_at_once_five_are_looked_at(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    guesses = [wrong(each, account.email) for each in (accounts, other) * 25]
    outcomes = await asyncio.gather(*guesses)
    assert sum(isinstance(outcome, NotAuthenticated) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 45


async def test_an_unknown_address_is_throttled_just_the_same(accounts: Accounts) -> None:
    email = new_email()
    outcomes = [await wrong(accounts, email) for _ in range(6)]
    assert [type(outcome) for outcome in outcomes] == [NotAuthenticated] * 5 + [RateLimited]


async def test_many_right_logins_at_once_are_all_let_in(
    accounts: Accounts, account: Account
) -> None:
    sessions = await asyncio.gather(*(logged_in(accounts, account) for _ in range(12)))
    assert len({session.refresh_token for session in sessions}) == 12


async def test_fifty_failures_from_one_place_close_it_for_all_but_not_for_other_places(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    place = f"2001:db8::{uuid4().hex[:4]}"
    await wrong(accounts, new_email(), place)
    await pool.execute(
        "UPDATE accounts.failures SET count = 49 WHERE about = $1", f"address:{place}"
    )
    assert isinstance(await wrong(accounts, new_email(), place), NotAuthenticated)
    login = Login(email=account.email, password=PASSWORD, address=place)
    with pytest.raises(RateLimited):
        await accounts.people.login(login)
    await logged_in(accounts, account)
