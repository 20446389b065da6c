"""Accounts over a real PostgreSQL, and the tokens it signs as the gateway verifies them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from aiohttp.test_utils import make_mocked_request
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kit import database
from kit.bus import Bus
from kit.database import Pool
from kit.endpoints import Answering
from proto.accounts import Account, CreateAccount, FindAccount, Login
from proto.errors import EmailTaken, NotAuthenticated, NotFound
from services.accounts.app import SCHEMA
from services.accounts.endpoints import Endpoints
from services.accounts.signing import Signer
from services.gateway.identity import Identity

PASSWORD = "correct horse battery"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "accounts", SCHEMA)
    async with database.connect(database_url) as pool:
        yield pool


@pytest.fixture
async def signer(pool: Pool) -> Signer:
    signer = Signer(pool, "darkroom", "darkroom", 3600)
    await signer.make_first_key()
    return signer


@pytest.fixture
def accounts(pool: Pool, signer: Signer) -> Endpoints:
    return Endpoints(pool, signer)


@pytest.fixture
async def account(accounts: Endpoints) -> Account:
    return await accounts.create(CreateAccount(email=_email(), password=PASSWORD))


@pytest.fixture
async def identity(nats_url: str, accounts: Endpoints) -> AsyncIterator[Identity]:
    bus = await Bus.connect(nats_url, "identity test")
    answering = Answering(bus, 4)
    await answering.listen("accounts", accounts)
    yield Identity(bus, "darkroom", "darkroom")
    await answering.stop()
    await bus.close()


def _email() -> str:
    return f"{uuid4().hex}@example.com"


def _request(token: str) -> Any:
    return make_mocked_request("GET", "/", headers={"Authorization": f"Bearer {token}"})


async def test_a_login_gives_a_token_that_names_the_account(
    accounts: Endpoints, account: Account, identity: Identity
) -> None:
    access = await accounts.login(Login(email=account.email, password=PASSWORD))
    assert await identity.account(_request(access.token)) == account.id
    assert access.expires_in == 3600


async def test_an_address_is_one_account_however_it_is_typed(
    accounts: Endpoints, account: Account
) -> None:
    with pytest.raises(EmailTaken):
        await accounts.create(CreateAccount(email=account.email.upper(), password=PASSWORD))
    found = await accounts.find(FindAccount(email=account.email.upper()))
    assert found == account


@pytest.mark.parametrize("password", ["wrong password", "", PASSWORD.upper(), PASSWORD + " "])
async def test_a_wrong_password_and_an_unknown_address_are_told_alike(
    accounts: Endpoints, account: Account, password: str
) -> None:
    told = []
    for email in (account.email, _email()):
        with pytest.raises(NotAuthenticated) as caught:
            await accounts.login(Login(email=email, password=password))
        told.append(str(caught.value))
    assert told[0] == told[1]


async def test_an_unknown_account_is_not_found(accounts: Endpoints) -> None:
    with pytest.raises(NotFound):
        await accounts.find(FindAccount(email=_email()))


async def test_passwords_are_stored_as_argon2id(pool: Pool, account: Account) -> None:
    stored = await pool.fetchval(
        "SELECT password_hash FROM accounts.accounts WHERE id = $1", account.id
    )
    assert stored.startswith("$argon2id$")


async def test_replicas_that_start_together_agree_on_one_key(pool: Pool, signer: Signer) -> None:
    await signer.make_first_key()
    assert await pool.fetchval("SELECT count(*) FROM accounts.signing_keys") == 1


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def _forgeries(pool: Pool, signer: Signer, account: Account) -> dict[str, str]:
    row = await pool.fetchrow("SELECT kid, private_key FROM accounts.signing_keys")
    assert row is not None
    key, kid = Ed25519PrivateKey.from_private_bytes(row["private_key"]), row["kid"]
    public = key.public_key().public_bytes_raw()
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": "darkroom",
        "aud": "darkroom",
        "sub": str(account.id),
        "iat": now,
        "nbf": now,
        "exp": now + 60,
    }

    def signed(changes: dict[str, Any], *without: str, **headers: Any) -> str:
        claims = {k: v for k, v in (good | changes).items() if k not in without}
        head = {"kid": kid, "typ": "at+jwt"} | headers
        return jwt.encode(claims, key, algorithm="EdDSA", headers=head)

    def by_hand(head: dict[str, Any], signature: bytes) -> str:
        end = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
        return f"{_part(head)}.{_part(good)}.{end}"

    confused_head = {"alg": "HS256", "typ": "at+jwt", "kid": kid}
    confused = hmac.new(public, f"{_part(confused_head)}.{_part(good)}".encode(), hashlib.sha256)
    token = (await signer.sign(account.id)).token
    return {
        "expired": signed({"exp": now - 61}),
        "not yet": signed({"nbf": now + 120}),
        "issued in the future": signed({"iat": now + 120}),
        "other audience": signed({"aud": "somebody"}),
        "other issuer": signed({"iss": "somebody"}),
        "no expiry": signed({}, "exp"),
        "no subject": signed({}, "sub"),
        "subject is no account": signed({"sub": "root"}),
        "other type": signed({}, typ="JWT"),
        "unknown key": signed({}, kid="f" * 16),
        "key id as a path": signed({}, kid="../../dev/null"),
        "own key in the header": jwt.encode(
            good,
            Ed25519PrivateKey.generate(),
            algorithm="EdDSA",
            headers={"kid": kid, "typ": "at+jwt", "jku": "http://127.0.0.1/jwks.json"},
        ),
        "no algorithm": by_hand({"alg": "none", "typ": "at+jwt", "kid": kid}, b""),
        "public key as a secret": by_hand(confused_head, confused.digest()),
        "changed": token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB"),
        "cut": token.rpartition(".")[0] + ".",
        "nothing": "",
        "not a token": "x.y.z",
        "very long": "a" * 100_000,
    }


async def test_forged_tokens_are_refused(
    pool: Pool, signer: Signer, account: Account, identity: Identity
) -> None:
    forgeries = await _forgeries(pool, signer, account)
    accepted = []
    for name, token in forgeries.items():
        try:
            await identity.account(_request(token))
            accepted.append(name)
        except NotAuthenticated:
            pass
    assert accepted == []
    assert len(forgeries) == 19


@pytest.mark.parametrize("header", ["", "Bearer", "Basic dXNlcjpwdw==", "Bearer  "])
async def test_without_a_bearer_token_nobody_is_known(identity: Identity, header: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": header})
    with pytest.raises(NotAuthenticated):
        await identity.account(request)


async def test_a_token_of_a_new_key_is_accepted_once_the_keys_were_asked_for_again(
    pool: Pool, signer: Signer, account: Account, identity: Identity
) -> None:
    await identity.account(_request((await signer.sign(account.id)).token))
    identity._refreshed = float("-inf")  # as if the last refresh were long ago
    await pool.execute(
        "INSERT INTO accounts.signing_keys (kid, private_key, created_at) "
        "VALUES ('newer', $1, now() + interval '1 second')",
        Ed25519PrivateKey.generate().private_bytes_raw(),
    )
    access = await signer.sign(account.id)
    assert jwt.get_unverified_header(access.token)["kid"] == "newer"
    assert await identity.account(_request(access.token)) == account.id
    await pool.execute("DELETE FROM accounts.signing_keys WHERE kid = 'newer'")
