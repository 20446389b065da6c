"""Access tokens: JWTs signed with Ed25519 (EdDSA, RFC 8037), by keys kept in the database."""

import base64
import secrets
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kit.database import Pool
from proto.accounts import AccessToken, SigningKey, SigningKeys
from proto.ids import AccountId

KEYS = """
SELECT kid, private_key FROM accounts.signing_keys ORDER BY created_at DESC, kid
"""

FIRST_KEY = """
INSERT INTO accounts.signing_keys (kid, private_key)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM accounts.signing_keys)
"""


class Signer:
    """Signs with the newest key in the database."""

    def __init__(self, pool: Pool, issuer: str, audience: str, lifetime_seconds: int) -> None:
        self._pool = pool
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime_seconds

    async def make_first_key(self) -> None:
        """Give a new installation its signing key; replicas that start together agree on one."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK accounts.signing_keys IN EXCLUSIVE MODE")
            private = Ed25519PrivateKey.generate().private_bytes_raw()
            await connection.execute(FIRST_KEY, secrets.token_hex(8), private)

    async def sign(self, account: AccountId) -> AccessToken:
        """Return a token that says who is calling, for as long as it lives."""
        newest = (await self._pool.fetch(KEYS))[0]
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(account),
            "iat": now,
            "nbf": now,
            "exp": now + self._lifetime,
            "jti": secrets.token_hex(8),
        }
        token = jwt.encode(
            claims,
            Ed25519PrivateKey.from_private_bytes(newest["private_key"]),
            algorithm="EdDSA",
            headers={"kid": newest["kid"], "typ": "at+jwt"},
        )
        return AccessToken(token=token, expires_in=self._lifetime)

    async def public_keys(self) -> SigningKeys:
        """Return what others need to verify tokens."""
        return SigningKeys(
            keys=[
                SigningKey(kid=row["kid"], x=_public(row["private_key"]))
                for row in await self._pool.fetch(KEYS)
            ]
        )


def _public(private_key: bytes) -> str:
    public = Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
    return base64.urlsafe_b64encode(public).rstrip(b"=").decode()
