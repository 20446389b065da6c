"""The X-API-Key with which the gateway reaches each engine, as the operator stored it."""

import asyncio

import structlog

from kit.bus import Bus
from proto.accounts.services import GetOutbound
from proto.errors import InvalidRequest, NotFound

log = structlog.get_logger(__name__)

_FRESH_SECONDS = 30.0


class Outbound:
    """Keys by engine, asked for again every half minute, or when one was not taken."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, tuple[float, str]] = {}

    async def key(self, service: str) -> str:
        """Return the key for an engine; empty if none was stored. Raises Unavailable."""
        now = asyncio.get_running_loop().time()
        asked, key = self._known.get(service, (float("-inf"), ""))
        if now - asked > _FRESH_SECONDS:
            try:
                key = (await self._bus.request(GetOutbound(service=service))).key
            except NotFound:
                key = ""
            except InvalidRequest as error:
                # it was sealed with another SECRET_KEY; the engine says whether it needs one
                log.warning("outbound key cannot be read", service=service, error=str(error))
                key = ""
            self._known[service] = now, key
        return key

    def forget(self, service: str) -> None:
        """Ask again the next time: the engine did not take the key."""
        self._known.pop(service, None)
