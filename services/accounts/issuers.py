"""Other issuers: whose tokens are taken, for which account, and the keys that verify them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kit.database import Pool
from kit.fetching import Fetcher, FetchError, UrlNotAllowed
from proto.accounts.issuers import AddIssuer, Issuer
from proto.errors import InvalidRequest, NotFound, Unavailable

log = structlog.get_logger(__name__)

_MOST_BYTES = 100_000
_MOST_KEYS = 100
_FRESH_SECONDS = 600.0
_UNKNOWN_FRESH_SECONDS = 10.0
_REGISTRY_FRESH_SECONDS = 5.0
_SHORTEST_RSA_BITS = 2048

_ALGORITHMS = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What a kind of key may verify; secrets that are shared (oct) are no public keys."""

ADD = """
INSERT INTO accounts.issuers (issuer, jwks_url, audience, account_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (issuer) DO UPDATE SET
    jwks_url = excluded.jwks_url, audience = excluded.audience, account_id = excluded.account_id
"""

ACCOUNT_EXISTS = """
SELECT EXISTS (SELECT FROM accounts.accounts WHERE id = $1)
"""

ALL = """
SELECT issuer, jwks_url, audience, account_id AS account FROM accounts.issuers ORDER BY issuer
"""

REMOVE = """
DELETE FROM accounts.issuers WHERE issuer = $1 RETURNING true
"""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key, as far as it is looked at before it is used."""

    kty: str
    kid: str = ""
    use: str = "sig"
    alg: str = ""
    crv: str | None = None


@dataclass(slots=True)
class KeySet:
    """The keys of one issuer, as they were fetched."""

    url: str
    keys: list[tuple[Key, dict[str, Any]]] = field(default_factory=list)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """The registry in the database, and the key sets of the moment."""

    def __init__(self, pool: Pool, fetcher: Fetcher, own_issuer: str) -> None:
        self._pool = pool
        self._fetcher = fetcher
        self._own_issuer = own_issuer
        self._known: dict[str, Issuer] = {}
        self._read_at = float("-inf")
        self._sets: dict[str, KeySet] = {}

    async def add(self, request: AddIssuer) -> Issuer:
        """Take the tokens of an issuer. Raises NotFound, InvalidRequest."""
        if request.issuer == self._own_issuer:
            raise InvalidRequest("this issuer is Darkroom itself (JWT_ISSUER)")
        if not await self._pool.fetchval(ACCOUNT_EXISTS, request.account):
            raise NotFound(f"there is no account for {request.account}")
        try:
            await self._fetcher.check(request.jwks_url)
        except UrlNotAllowed as error:
            sentence = str(error).rstrip(".")
            raise InvalidRequest(f"the key set cannot be fetched: {sentence}") from error
        except FetchError as error:
            log.warning("key set out of reach", issuer=request.issuer, error=str(error))
        await self._pool.execute(
            ADD, request.issuer, request.jwks_url, request.audience, request.account
        )
        self._read_at = float("-inf")
        return Issuer(
            issuer=request.issuer,
            jwks_url=request.jwks_url,
            audience=request.audience,
            account=request.account,
        )

    async def all(self) -> list[Issuer]:
        """List whose tokens are taken."""
        return [Issuer(**row) for row in await self._pool.fetch(ALL)]

    async def remove(self, issuer: str) -> None:
        """Take no more tokens of an issuer. Raises NotFound."""
        if not await self._pool.fetchval(REMOVE, issuer):
            raise NotFound(f"there is no issuer {issuer}")
        self._read_at = float("-inf")
        self._sets.pop(issuer, None)

    async def named(self, issuer: str) -> Issuer | None:
        """Return a registered issuer; what other replicas change is seen within seconds."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at > _REGISTRY_FRESH_SECONDS:
            self._known = {each.issuer: each for each in await self.all()}
            self._read_at = now
        return self._known.get(issuer)

    async def key(self, issuer: Issuer, kid: str | None, algorithm: str) -> Any:  # noqa: ANN401 - as _usable
        """Return the issuer's public key for a token. Raises ValueError, Unavailable."""
        known = self._sets.get(issuer.issuer)
        if known is None or known.url != issuer.jwks_url:
            known = self._sets[issuer.issuer] = KeySet(issuer.jwks_url)
        await self._refresh(known, _FRESH_SECONDS)
        found = _chosen(known, kid, algorithm)
        if found is None:
            await self._refresh(known, _UNKNOWN_FRESH_SECONDS)
            found = _chosen(known, kid, algorithm)
        if found is None:
            raise ValueError("no such key")
        return _usable(found, algorithm)

    async def _refresh(self, known: KeySet, older_than: float) -> None:
        """Fetch a key set again; those who wait for the same one share the fetch."""
        loop = asyncio.get_running_loop()
        if loop.time() - known.fetched_at < older_than:
            return
        async with known.fetching:
            if loop.time() - known.tried_at < min(older_than, _UNKNOWN_FRESH_SECONDS):
                # a moment ago, and what came then is all there is
                if not known.keys:
                    raise Unavailable("the issuer's keys cannot be fetched")
                return
            known.tried_at = loop.time()
            try:
                known.keys = _read(await self._fetcher.fetch(known.url, _MOST_BYTES))
                known.fetched_at = loop.time()
            except (FetchError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                log.warning("key set not fetched", url=known.url, error=str(error))
                if not known.keys:
                    raise Unavailable("the issuer's keys cannot be fetched") from error


def _read(body: bytes) -> list[tuple[Key, dict[str, Any]]]:
    found = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    listed = found if isinstance(found, list) else []
    keys = []
    for raw in listed[:_MOST_KEYS]:
        try:
            keys.append((msgspec.convert(raw, Key), raw))
        except msgspec.ValidationError:
            continue  # of a kind that we do not know; others may follow
    return keys


def _chosen(known: KeySet, kid: str | None, algorithm: str) -> dict[str, Any] | None:
    """Return the key that a token names; without a name, the only one that fits."""
    fitting = [
        raw
        for key, raw in known.keys
        if key.use == "sig"
        and key.alg in ("", algorithm)
        and algorithm in _ALGORITHMS.get((key.kty, key.crv), ())
        and (kid is None or key.kid == kid)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _usable(raw: dict[str, Any], algorithm: str) -> Any:  # noqa: ANN401 - one of several classes
    key = jwt.PyJWK(raw, algorithm).key
    if isinstance(key, RSAPublicKey) and key.key_size < _SHORTEST_RSA_BITS:
        raise ValueError("the key is too short")
    if hasattr(key, "private_bytes"):
        raise ValueError("this is a private key")
    return key
