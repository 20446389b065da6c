"""An engine's door: only internal callers with a key that the operator issued come in."""

import asyncio
import hashlib

from kit.bus import Bus
from kit.endpoints import Guard
from proto.accounts.services import CheckServiceKey
from proto.errors import NotAuthenticated

_FRESH_SECONDS = 30.0
_MOST_KNOWN = 100


def key_required(bus: Bus) -> Guard:
    """Return a guard that asks accounts whose key it is; a good one is believed for half a minute.

    So long can a key go on working after another was issued in its place.
    """
    known: dict[bytes, float] = {}

    async def guard(key: str) -> None:
        if not key:
            raise NotAuthenticated("this engine wants an X-API-Key")
        digest = hashlib.sha256(key.encode()).digest()
        now = asyncio.get_running_loop().time()
        if now - known.get(digest, float("-inf")) < _FRESH_SECONDS:
            return
        known.pop(digest, None)
        await bus.request(CheckServiceKey(key=key))
        if len(known) >= _MOST_KNOWN:
            known.clear()
        known[digest] = now

    return guard
