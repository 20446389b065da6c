"""Access tokens: JWTs signed with Ed25519 (EdDSA, RFC 8037), by keys kept in the database."""

import asyncio
import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kit.database import Connection, Pool
from kit.sealing import CannotOpen, Vault
from proto.accounts.login import SigningKey, SigningKeys
from proto.ids import AccountId, UserId

log = structlog.get_logger(__name__)

LEEWAY_SECONDS = 30
"""How far clocks may be apart."""

_FRESH_SECONDS = 10.0
_UNKNOWN_FRESH_SECONDS = 2.0
_RAW_BYTES = 32

KEYS = """
SELECT kid, private_key FROM accounts.signing_keys
WHERE replaced_at IS NULL OR replaced_at > now() - make_interval(secs => $1)
ORDER BY replaced_at DESC NULLS FIRST, created_at DESC, kid
"""

REPLACE = """
UPDATE accounts.signing_keys SET replaced_at = now() WHERE replaced_at IS NULL
"""

ADD = """
INSERT INTO accounts.signing_keys (kid, private_key) VALUES ($1, $2)
"""

DROP_OLD = """
DELETE FROM accounts.signing_keys WHERE replaced_at < now() - make_interval(secs => $1)
"""

YOUNGEST = """
SELECT extract(epoch FROM now() - max(created_at)) FROM accounts.signing_keys
WHERE replaced_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key that signs or has signed."""

    kid: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        """What verifies."""
        return self.private.public_key()


class Signer:
    """Signs with the newest key in the database, and knows all that still verify."""

    def __init__(
        self, pool: Pool, vault: Vault, issuer: str, audience: str, lifetime_seconds: int
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self._pool = pool
        self._vault = vault
        self._lifetime = lifetime_seconds
        # what another replica signed in the seconds before it heard of the new key counts too
        self._verifies_seconds = lifetime_seconds + LEEWAY_SECONDS + 2 * _FRESH_SECONDS
        self._pairs: list[Pair] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def sign(self, user: UserId, account: AccountId, session: UUID) -> tuple[str, int]:
        """Return a token that says who is calling, and for how many seconds it is good."""
        newest = (await self._fresh(_FRESH_SECONDS))[0]
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(user),
            "account": str(account),
            "sid": str(session),
            "iat": now,
            "nbf": now,
            "exp": now + self._lifetime,
            "jti": secrets.token_hex(8),
        }
        headers = {"kid": newest.kid, "typ": "at+jwt"}
        token = jwt.encode(claims, newest.private, algorithm="EdDSA", headers=headers)
        return token, self._lifetime

    async def key(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of this name if its tokens are still taken."""
        pairs = await self._fresh(_FRESH_SECONDS)
        if not any(pair.kid == kid for pair in pairs):
            # made-up names must not become a way to flood the database
            pairs = await self._fresh(_UNKNOWN_FRESH_SECONDS)
        return next((pair.public for pair in pairs if pair.kid == kid), None)

    async def public_keys(self) -> SigningKeys:
        """Return what others need to verify tokens, newest first."""
        pairs = await self._fresh(_UNKNOWN_FRESH_SECONDS)
        return SigningKeys(keys=[SigningKey(kid=pair.kid, x=_written(pair)) for pair in pairs])

    async def rotate(self, older_than_seconds: float = 0.0) -> bool:
        """Sign with another key from now on if the present one is so old; False if it is not.

        Replicas that do this together make one key between them.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK accounts.signing_keys IN EXCLUSIVE MODE")
            age = await connection.fetchval(YOUNGEST)
            rotated = age is None or float(age) >= older_than_seconds
            if rotated:
                await self._replace(connection)
            await connection.execute(DROP_OLD, self._verifies_seconds)
        self._read_at = float("-inf")
        return rotated

    async def make_first_key(self) -> None:
        """Give an installation a key if it has none that can be used."""
        if not await self._fresh(0.0):
            await self.rotate(older_than_seconds=0.0 if await self._unusable() else float("inf"))

    async def _unusable(self) -> bool:
        """Whether there are keys, none of which opens: SECRET_KEY was changed."""
        return await self._pool.fetchval(YOUNGEST) is not None

    async def _replace(self, connection: Connection) -> None:
        kid = secrets.token_hex(8)
        private = Ed25519PrivateKey.generate().private_bytes_raw()
        await connection.execute(REPLACE)
        await connection.execute(ADD, kid, self._vault.seal(private, _name(kid)))
        log.info("signing with another key", kid=kid)

    async def _fresh(self, seconds: float) -> list[Pair]:
        loop = asyncio.get_running_loop()
        if loop.time() - self._read_at < seconds:
            return self._pairs
        async with self._reading:
            if loop.time() - self._read_at >= seconds:
                rows = await self._pool.fetch(KEYS, self._verifies_seconds)
                pairs = (self._opened(row["kid"], row["private_key"]) for row in rows)
                self._pairs = [pair for pair in pairs if pair is not None]
                self._read_at = loop.time()
        return self._pairs

    def _opened(self, kid: str, kept: bytes) -> Pair | None:
        try:
            raw = kept if len(kept) == _RAW_BYTES else self._vault.open(kept, _name(kid))
        except CannotOpen:
            log.warning("signing key was sealed with another SECRET_KEY", kid=kid)
            return None
        return Pair(kid, Ed25519PrivateKey.from_private_bytes(raw))


def _name(kid: str) -> UUID:
    return UUID(bytes=hashlib.sha256(kid.encode()).digest()[:16])


def _written(pair: Pair) -> str:
    return base64.urlsafe_b64encode(pair.public.public_bytes_raw()).rstrip(b"=").decode()
