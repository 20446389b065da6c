"""Refresh tokens are good once, and a stolen one ends the login; logging out ends it at once."""

import asyncio

import jwt
import pytest

from kit.database import Pool
from proto.accounts.calling import Authenticate, Caller
from proto.accounts.login import GetSigningKeys, Logout, Refresh, RotateSigningKey, Session
from proto.accounts.opening import Account
from proto.errors import NotAuthenticated
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import logged_in, replica


async def authenticated(accounts: Accounts, session: Session) -> Caller:
    return await accounts.callers.authenticate(Authenticate(credential=session.access_token))


async def refreshed(accounts: Accounts, session: Session) -> Session:
    return await accounts.people.refresh(Refresh(refresh_token=session.refresh_token))


async def test_a_login_carries_on_with_each_refresh(accounts: Accounts, session: Session) -> None:
    first = await authenticated(accounts, session)
    for _ in range(3):
        session = await refreshed(accounts, session)
        assert (await authenticated(accounts, session)).session == first.session


async def test_a_refresh_token_used_twice_ends_the_login(
    accounts: Accounts, session: Session
) -> None:
    following = await refreshed(accounts, session)
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, session)
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, following)
    for each in (session, following):
        with pytest.raises(NotAuthenticated):
            await authenticated(accounts, each)


async def test_of_many_that_refresh_at_once_one_wins_and_the_login_ends(
    accounts: Accounts, other: Accounts, session: Session
) -> None:
    outcomes = await asyncio.gather(
        *(refreshed(each, session) for each in (accounts, other) * 10), return_exceptions=True
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, Session)]
    assert len(won) == 1
    with pytest.raises(NotAuthenticated):
        await authenticated(accounts, won[0])
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, won[0])


async def test_other_logins_of_the_person_live_on(
    accounts: Accounts, account: Account, session: Session
) -> None:
    elsewhere = await logged_in(accounts, account)
    await refreshed(accounts, session)
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, session)
    await authenticated(accounts, elsewhere)


async def test_a_refresh_token_expires(accounts: Accounts, session: Session, pool: Pool) -> None:
    caller = await authenticated(accounts, session)
    await pool.execute(
        "UPDATE accounts.refresh_tokens SET expires_at = now() WHERE session_id = $1",
        caller.session,
    )
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, session)


@pytest.mark.parametrize("token", ["x", "drt_", "drt_" + "A" * 43, "' OR 1=1 --"])
async def test_a_made_up_refresh_token_is_refused(accounts: Accounts, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        await accounts.people.refresh(Refresh(refresh_token=token))


async def test_logging_out_ends_the_login_at_once(
    accounts: Accounts, other: Accounts, session: Session
) -> None:
    caller = await authenticated(accounts, session)
    assert caller.session is not None
    assert caller.user is not None
    await accounts.people.logout(Logout(session=caller.session, user=caller.user))
    with pytest.raises(NotAuthenticated):
        await authenticated(other, session)
    with pytest.raises(NotAuthenticated):
        await refreshed(accounts, session)


async def test_nobody_logs_another_out(
    accounts: Accounts, account: Account, session: Session
) -> None:
    from tests.integration.accounts.conftest import opened

    stranger = await logged_in(accounts, await opened(accounts))
    victim = await authenticated(accounts, session)
    attacker = await authenticated(accounts, stranger)
    assert victim.session is not None
    assert attacker.user is not None
    await accounts.people.logout(Logout(session=victim.session, user=attacker.user))
    await authenticated(accounts, session)


async def test_no_token_lies_in_the_database(session: Session, pool: Pool) -> None:
    tables = await pool.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'accounts'"
    )
    for table in tables:
        rows = await pool.fetch(f"SELECT t::text FROM accounts.{table[0]} AS t")  # noqa: S608
        assert not any(session.refresh_token[4:] in row[0] for row in rows)


async def test_another_key_signs_and_the_one_before_still_verifies(
    accounts: Accounts, account: Account, session: Session, pool: Pool
) -> None:
    (before, *_) = (await accounts.people.signing_keys(GetSigningKeys())).keys
    (after, *others) = (await accounts.people.rotate_signing_key(RotateSigningKey())).keys
    assert after.kid != before.kid
    assert before in others
    await authenticated(accounts, session)
    following = await logged_in(accounts, account)
    assert jwt.get_unverified_header(following.access_token)["kid"] == after.kid
    # when every token of the key before must have expired
    await pool.execute(
        "UPDATE accounts.signing_keys SET replaced_at = now() - interval '2 hours' WHERE kid = $1",
        before.kid,
    )
    await accounts.signer.rotate(older_than_seconds=float("inf"))
    with pytest.raises(NotAuthenticated):
        await authenticated(accounts, session)
    await authenticated(accounts, following)


async def test_a_replica_takes_a_token_of_a_key_that_another_has_just_made(
    accounts: Accounts, other: Accounts, account: Account, session: Session
) -> None:
    await authenticated(other, session)
    await accounts.people.rotate_signing_key(RotateSigningKey())
    fresh = await logged_in(accounts, account)
    # unknown names are asked for at most every two seconds
    other.signer._read_at -= 3
    await authenticated(other, fresh)


async def test_replicas_change_an_old_key_once(
    accounts: Accounts, other: Accounts, pool: Pool
) -> None:
    await pool.execute("UPDATE accounts.signing_keys SET created_at = now() - interval '31 days'")
    month = 30 * 86_400.0
    outcomes = await asyncio.gather(
        *(each.signer.rotate(older_than_seconds=month) for each in (accounts, other) * 3)
    )
    assert sum(outcomes) == 1


async def test_keys_are_sealed_and_those_of_before_sealing_still_sign(
    database_url: str, pool: Pool
) -> None:
    async with replica(database_url) as sealed:
        await sealed.signer.rotate()
        kept = await pool.fetchval(
            "SELECT private_key FROM accounts.signing_keys WHERE replaced_at IS NULL"
        )
        assert len(kept) > 32 + 12
        raw = await sealed.signer._fresh(0)
        await pool.execute(
            "UPDATE accounts.signing_keys SET private_key = $1 WHERE replaced_at IS NULL",
            raw[0].private.private_bytes_raw(),
        )
    async with replica(database_url) as again:
        assert (await again.signer.public_keys()).keys[0].kid == raw[0].kid


async def test_with_another_secret_a_service_makes_itself_a_key(
    database_url: str, pool: Pool
) -> None:
    from kit import database
    from kit.sealing import Vault
    from services.accounts.signing import Signer

    async with database.connect(database_url) as own:
        signer = Signer(own, Vault(["another" * 5], "signing keys"), "i", "a", 60)
        await signer.make_first_key()
        assert (await signer.public_keys()).keys
