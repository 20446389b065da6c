"""Tokens that somebody made up, changed, or had from elsewhere."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from proto.accounts.calling import Authenticate, Caller
from proto.accounts.login import GetSigningKeys, Session
from proto.errors import NotAuthenticated
from proto.ids import AccountId
from services.accounts.app import Accounts


async def admitted(accounts: Accounts, token: str) -> Caller:
    return await accounts.callers.authenticate(Authenticate(credential=token))


def part(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(each + "==")) for each in (header, claims)]
    return decoded[0], decoded[1]


@dataclass
class Forge:
    """Has the real private key, and signs whatever it is told."""

    private: Ed25519PrivateKey
    public_x: str
    header: dict[str, Any]
    claims: dict[str, Any]

    def signed(self, header: object = None, claims: object = None) -> str:
        head = part(self.header if header is None else header)
        body = part(self.claims if claims is None else claims)
        signature = self.private.sign(f"{head}.{body}".encode())
        return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture
async def forge(accounts: Accounts, session: Session) -> Forge:
    pair = (await accounts.signer._fresh(0))[0]
    header, claims = opened(session.access_token)
    key = (await accounts.people.signing_keys(GetSigningKeys())).keys[0]
    return Forge(pair.private, key.x, header, claims)


async def test_the_forge_can_make_a_good_token(accounts: Accounts, forge: Forge) -> None:
    assert (await admitted(accounts, forge.signed())).account == AccountId(
        type(uuid4())(forge.claims["account"])
    )


def _hs256(forge: Forge, secret: bytes) -> str:
    head, body = part(forge.header | {"alg": "HS256"}), part(forge.claims)
    signature = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _pem(forge: Forge) -> bytes:
    return forge.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _own_key(forge: Forge) -> str:
    mine = Ed25519PrivateKey.generate()
    jwk = json.loads(OKPAlgorithm.to_jwk(mine.public_key()))
    other = Forge(mine, "", forge.header | {"jwk": jwk}, forge.claims)
    return other.signed()


def _stranger(forge: Forge) -> str:
    return Forge(Ed25519PrivateKey.generate(), "", forge.header, forge.claims).signed()


def _twice(forge: Forge) -> str:
    claims = json.dumps(forge.claims)
    return forge.signed(claims=claims[:-1] + f', "account": "{uuid4()}"}}')


def _twice_in_header(forge: Forge) -> str:
    return forge.signed(header=json.dumps(forge.header)[:-1] + ', "alg": "none"}')


ATTACKS: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda f: f"{part(f.header | {'alg': 'none'})}.{part(f.claims)}.",
    "alg None": lambda f: f"{part(f.header | {'alg': 'None'})}.{part(f.claims)}.AA",
    "no signature": lambda f: f.signed().rpartition(".")[0] + ".",
    "no alg": lambda f: f.signed({k: v for k, v in f.header.items() if k != "alg"}),
    "alg a list": lambda f: f.signed(f.header | {"alg": ["EdDSA"]}),
    "HS256 with the public key": lambda f: _hs256(f, base64.urlsafe_b64decode(f.public_x + "=")),
    "HS256 with the public key as text": lambda f: _hs256(f, f.public_x.encode()),
    "HS256 with the public key as PEM": lambda f: _hs256(f, _pem(f)),
    "another key": _stranger,
    "a key of its own": _own_key,
    "jku": lambda f: f.signed(f.header | {"jku": "http://127.0.0.1/jwks"}),
    "x5u": lambda f: f.signed(f.header | {"x5u": "http://127.0.0.1/cert"}),
    "crit": lambda f: f.signed(f.header | {"crit": ["exp"]}),
    "kid a path": lambda f: f.signed(f.header | {"kid": "../../../../dev/null"}),
    "kid SQL": lambda f: f.signed(f.header | {"kid": "' UNION SELECT 'a', '\\x00' --"}),
    "kid NUL": lambda f: f.signed(f.header | {"kid": "\x00"}),
    "kid a number": lambda f: f.signed(f.header | {"kid": 7}),
    "kid long": lambda f: f.signed(f.header | {"kid": "k" * 300}),
    "no kid": lambda f: f.signed({k: v for k, v in f.header.items() if k != "kid"}),
    "typ JWT": lambda f: f.signed(f.header | {"typ": "JWT"}),
    "no typ": lambda f: f.signed({k: v for k, v in f.header.items() if k != "typ"}),
    "expired": lambda f: f.signed(claims=f.claims | {"exp": int(time.time()) - 31}),
    "nbf in the future": lambda f: f.signed(claims=f.claims | {"nbf": int(time.time()) + 60}),
    "iat in the future": lambda f: f.signed(claims=f.claims | {"iat": int(time.time()) + 60}),
    "exp text": lambda f: f.signed(claims=f.claims | {"exp": "never"}),
    "wrong aud": lambda f: f.signed(claims=f.claims | {"aud": "somebody"}),
    "wrong iss": lambda f: f.signed(claims=f.claims | {"iss": "https://somebody"}),
    "iss a list": lambda f: f.signed(claims=f.claims | {"iss": ["darkroom"]}),
    "sub no uuid": lambda f: f.signed(claims=f.claims | {"sub": "admin"}),
    "another account": lambda f: f.signed(claims=f.claims | {"account": str(uuid4())}),
    "another person": lambda f: f.signed(claims=f.claims | {"sub": str(uuid4())}),
    "another session": lambda f: f.signed(claims=f.claims | {"sid": str(uuid4())}),
    "account twice": _twice,
    "alg twice": _twice_in_header,
    "claims a list": lambda f: f.signed(claims=[1]),
    "header a text": lambda f: f.signed(header='"x"'),
    "not base64": lambda f: "a.b!.c",
    "deep": lambda f: f.signed(claims='{"a":' + "[" * 5000 + "]" * 5000 + "}"),
    "too large": lambda f: f.signed(claims=f.claims | {"pad": "x" * 17_000}),
    "changed": lambda f: f.signed()[:-3] + "AAA",
    "two parts": lambda f: "a.b",
    "four parts": lambda f: f.signed() + ".x",
    "JSON form": lambda f: json.dumps({"payload": part(f.claims), "signature": "x"}),
    "empty": lambda f: ".",
} | {
    f"no {claim}": lambda f, claim=claim: f.signed(  # type: ignore[misc]
        claims={k: v for k, v in f.claims.items() if k != claim}
    )
    for claim in ("exp", "iat", "nbf", "iss", "aud", "sub", "account", "sid")
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_forged_token_is_refused(
    accounts: Accounts, forge: Forge, attack: Callable[[Forge], str]
) -> None:
    with pytest.raises(NotAuthenticated):
        await accounts.callers._admission.admit(attack(forge))


async def test_a_little_difference_between_clocks_is_forgiven(
    accounts: Accounts, forge: Forge
) -> None:
    now = int(time.time())
    await admitted(accounts, forge.signed(claims=forge.claims | {"exp": now - 20}))
    await admitted(accounts, forge.signed(claims=forge.claims | {"nbf": now + 20, "iat": now + 20}))
