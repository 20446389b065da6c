"""Issuers besides ourselves: a merchant's own tokens, over a real key set that is fetched."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from kit.database import Pool
from proto.accounts.issuers import AddIssuer, GetIssuers, RemoveIssuer
from proto.accounts.login import Session
from proto.accounts.opening import Account
from proto.errors import InvalidRequest, NotAuthenticated, NotFound, Unavailable
from proto.ids import AccountId
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import replica
from tests.integration.accounts.test_tokens import admitted, opened, part

ISSUER = "https://merchant.example"


@dataclass
class Merchant:
    """An issuer with a key set behind a real server."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    private: dict[str, Any] = field(default_factory=dict)
    fetched: int = 0
    status: int = 200
    body: bytes | None = None

    def add(self, kid: str, private: Any, **facts: Any) -> None:
        algorithm: Any
        if isinstance(private, rsa.RSAPrivateKey):
            algorithm = RSAAlgorithm
        elif isinstance(private, ec.EllipticCurvePrivateKey):
            algorithm = ECAlgorithm
        else:
            algorithm = OKPAlgorithm
        jwk = json.loads(algorithm.to_jwk(private.public_key()))
        self.keys.append(jwk | {"kid": kid, "use": "sig"} | facts)
        self.private[kid] = private

    def token(self, kid: str, algorithm: str, **claims: Any) -> str:
        said = {"iss": ISSUER, "aud": "darkroom", "exp": int(time.time()) + 60, "sub": "user-7"}
        said |= claims
        said = {name: value for name, value in said.items() if value is not None}
        headers = {"kid": kid} if kid else {}
        return jwt.encode(said, self.private[kid or "only"], algorithm, headers=headers)


@asynccontextmanager
async def serving(merchant: Merchant) -> AsyncIterator[Merchant]:
    async def jwks(_: web.Request) -> web.Response:
        merchant.fetched += 1
        await asyncio.sleep(0.05)
        body = json.dumps({"keys": merchant.keys}).encode()
        return web.Response(
            body=body if merchant.body is None else merchant.body,
            status=merchant.status,
            content_type="application/json",
        )

    app = web.Application()
    app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    merchant.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield merchant
    await runner.cleanup()


@pytest.fixture
async def merchant() -> AsyncIterator[Merchant]:
    async with serving(Merchant()) as merchant:
        yield merchant


@pytest.fixture
async def trusting(
    pool: Pool, database_url: str, merchant: Merchant, account: Account
) -> AsyncIterator[Accounts]:
    """A replica that may fetch from the merchant, and takes its tokens for the account."""
    host = merchant.url.removeprefix("http://").removesuffix("/jwks")
    async with replica(database_url, host) as accounts:
        await accounts.callers.add_issuer(
            AddIssuer(issuer=ISSUER, jwks_url=merchant.url, audience="darkroom", account=account.id)
        )
        yield accounts
        await pool.execute("DELETE FROM accounts.issuers")


KINDS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", KINDS)
async def test_a_merchants_own_tokens_work(
    trusting: Accounts, merchant: Merchant, account: Account, algorithm: str
) -> None:
    merchant.add("k1", KINDS[algorithm]())
    caller = await admitted(trusting, merchant.token("k1", algorithm))
    assert (caller.account, caller.user, caller.role) == (account.id, None, "member")


async def test_keys_are_fetched_once_for_many_and_again_for_a_new_one(
    trusting: Accounts, merchant: Merchant
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    await asyncio.gather(*(admitted(trusting, merchant.token("k1", "ES256")) for _ in range(20)))
    assert merchant.fetched == 1
    merchant.add("k2", KINDS["ES256"]())
    known = trusting.issuers._sets[ISSUER]
    known.fetched_at -= 11
    known.tried_at -= 11
    await admitted(trusting, merchant.token("k2", "ES256"))
    assert merchant.fetched == 2


async def test_made_up_key_names_do_not_flood_the_issuer(
    trusting: Accounts, merchant: Merchant
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    for number in range(20):
        merchant.private[f"no{number}"] = KINDS["ES256"]()
        with pytest.raises(NotAuthenticated):
            await admitted(trusting, merchant.token(f"no{number}", "ES256"))
    assert merchant.fetched <= 2


async def test_when_the_issuer_is_away_known_keys_go_on_working(
    trusting: Accounts, merchant: Merchant
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    await admitted(trusting, merchant.token("k1", "ES256"))
    merchant.status = 500
    known = trusting.issuers._sets[ISSUER]
    known.fetched_at -= 601
    known.tried_at -= 601
    await admitted(trusting, merchant.token("k1", "ES256"))


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"x" * 200_000])
async def test_an_issuer_that_never_had_keys_is_unavailable(
    trusting: Accounts, merchant: Merchant, body: bytes
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    merchant.body = body
    with pytest.raises((Unavailable, NotAuthenticated)):
        await admitted(trusting, merchant.token("k1", "ES256"))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"nbf": int(time.time()) + 3600},
        {"iss": "https://other.example"},
    ],
)
async def test_a_merchants_token_for_others_or_another_time_is_refused(
    trusting: Accounts, merchant: Merchant, claims: dict[str, Any]
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, merchant.token("k1", "ES256", **claims))


async def test_a_merchants_key_verifies_its_own_algorithm_only(
    trusting: Accounts, merchant: Merchant
) -> None:
    private = KINDS["RS256"]()
    merchant.add("k1", private, alg="RS256")
    await admitted(trusting, merchant.token("k1", "RS256"))
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, merchant.token("k1", "PS256"))
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, merchant.token("k1", "RS512"))
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body = part({"alg": "HS256", "kid": "k1"}), part(opened(merchant.token("k1", "RS256"))[1])
    signature = hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest()
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode()}")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_shared_secrets_short_keys_and_keys_for_encryption_verify_nothing(
    trusting: Accounts, merchant: Merchant
) -> None:
    merchant.add("enc", KINDS["RS256"](), use="enc")
    merchant.add("short", rsa.generate_private_key(65537, 1024))  # noqa: S505 - that is the point
    secret = base64.urlsafe_b64encode(b"s" * 32).decode()
    merchant.keys.append({"kty": "oct", "kid": "oct", "k": secret, "use": "sig"})
    merchant.private["oct"] = b"s" * 32
    for kid, algorithm in (("enc", "RS256"), ("short", "RS256"), ("oct", "HS256")):
        with pytest.raises(NotAuthenticated):
            await admitted(trusting, merchant.token(kid, algorithm))


async def test_a_merchant_cannot_speak_for_darkroom_or_another_issuer(
    trusting: Accounts, merchant: Merchant, session: Session
) -> None:
    merchant.add("k1", Ed25519PrivateKey.generate())
    _, claims = opened(session.access_token)
    forged = merchant.token("k1", "EdDSA", **claims)
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, forged)


async def test_an_issuer_that_was_removed_is_not_believed_any_more(
    trusting: Accounts, merchant: Merchant
) -> None:
    merchant.add("k1", KINDS["ES256"]())
    token = merchant.token("k1", "ES256")
    await admitted(trusting, token)
    assert len((await trusting.callers.issuers(GetIssuers())).issuers) == 1
    await trusting.callers.remove_issuer(RemoveIssuer(issuer=ISSUER))
    with pytest.raises(NotAuthenticated):
        await admitted(trusting, token)
    with pytest.raises(NotFound):
        await trusting.callers.remove_issuer(RemoveIssuer(issuer=ISSUER))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/jwks", "http://169.254.169.254/latest", "http://[::1]/jwks"]
)
async def test_a_key_set_inside_our_own_network_is_refused(
    accounts: Accounts, account: Account, url: str
) -> None:
    with pytest.raises(InvalidRequest):
        await accounts.callers.add_issuer(
            AddIssuer(issuer=ISSUER, jwks_url=url, audience="a", account=account.id)
        )


async def test_an_issuer_needs_an_account_and_must_not_be_ourselves(
    accounts: Accounts, account: Account
) -> None:
    url = "https://keys.example/jwks"
    with pytest.raises(NotFound):
        await accounts.callers.add_issuer(
            AddIssuer(issuer=ISSUER, jwks_url=url, audience="a", account=AccountId(uuid4()))
        )
    with pytest.raises(InvalidRequest):
        await accounts.callers.add_issuer(
            AddIssuer(issuer="darkroom", jwks_url=url, audience="a", account=account.id)
        )
