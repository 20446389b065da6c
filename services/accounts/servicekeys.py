"""Keys between services: those that internal callers show us, and those that we show to engines."""

import hashlib
import hmac
import secrets
from uuid import uuid4

from kit.database import Pool
from kit.sealing import CannotOpen, Vault
from proto.accounts.services import Outbound, ServiceCaller, ServiceKey, SetOutbound
from proto.errors import InvalidRequest, NotAuthenticated, NotFound

_PREFIX = "dsk_"
_NOBODYS_HASH = bytes(32)

ISSUE = """
INSERT INTO accounts.service_keys (name, lookup, hash) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET
    lookup = excluded.lookup, hash = excluded.hash, created_at = now()
"""

FIND = """
SELECT name, hash FROM accounts.service_keys WHERE lookup = $1
"""

SET = """
INSERT INTO accounts.outbound (service, id, base_url, key) VALUES ($1, $2, $3, $4)
ON CONFLICT (service) DO UPDATE SET
    id = excluded.id, base_url = excluded.base_url, key = excluded.key
"""

GET = """
SELECT id, base_url, key FROM accounts.outbound WHERE service = $1
"""


class ServiceKeys:
    """Who may call inside the house, and with what we call."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def issue(self, name: str) -> ServiceKey:
        """Make a caller's key; the one it had is void."""
        looked_up = _PREFIX + secrets.token_hex(6)
        key = f"{looked_up}.{secrets.token_urlsafe(32)}"
        await self._pool.execute(ISSUE, name, looked_up, _digest(key))
        return ServiceKey(name=name, key=key)

    async def check(self, key: str) -> ServiceCaller:
        """Return whose key it is. Raises NotAuthenticated."""
        row = await self._pool.fetchrow(FIND, key.partition(".")[0])
        matches = hmac.compare_digest(_NOBODYS_HASH if row is None else row["hash"], _digest(key))
        if row is None or not matches:
            raise NotAuthenticated("the X-API-Key is not valid")
        return ServiceCaller(name=row["name"])

    async def set_outbound(self, request: SetOutbound) -> None:
        """Store where an engine is and our key for it. Raises InvalidRequest."""
        if not self._vault.seals:
            raise InvalidRequest("set SECRET_KEY first: the key is stored sealed with it")
        name = uuid4()
        sealed = self._vault.seal(request.key.encode(), name)
        await self._pool.execute(SET, request.service, name, request.base_url, sealed)

    async def outbound(self, service: str) -> Outbound:
        """Return where an engine is and our key for it. Raises NotFound, InvalidRequest."""
        row = await self._pool.fetchrow(GET, service)
        if row is None:
            raise NotFound(f"nothing is stored for {service}")
        try:
            key = self._vault.open(row["key"], row["id"]).decode()
        except CannotOpen as error:
            raise InvalidRequest(f"the key for {service} cannot be read: {error}") from error
        return Outbound(service=service, base_url=row["base_url"], key=key)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
