"""Money first: hold the tokens, do the work, settle what it used or give everything back.

A settlement that the wallet does not answer is repeated in the background for as long as the hold
lives; if the wallet stays away, or this process dies, the hold lapses and nothing was charged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import structlog

from kit.bus import Bus
from proto.errors import Internal, Refusal, Unavailable
from proto.ids import AccountId
from proto.wallet import Refund, Reservation, Reserve, Settle

log = structlog.get_logger(__name__)

_FIRST_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 2.0


class Charge:
    """A hold on tokens while work is under way; say what was consumed before leaving."""

    def __init__(self, hold: Reservation) -> None:
        self.hold = hold
        self.consumed = 0

    @property
    def refunded(self) -> int:
        """Tokens that go back."""
        return self.hold.reserved - self.consumed


class Billing:
    """Charges accounts through the wallet."""

    def __init__(self, bus: Bus, lease_margin_seconds: float) -> None:
        self._bus = bus
        self._lease_margin = lease_margin_seconds
        self._unsettled: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def charge(
        self, account: AccountId, operation: str, units: int, unit_price: int, work_seconds: float
    ) -> AsyncIterator[Charge]:
        """Hold `units * unit_price` tokens while the body runs, at most `work_seconds`.

        Leaving normally settles `charge.consumed`; leaving by an exception refunds everything.
        Raises InsufficientTokens, Unavailable.
        """
        lease = work_seconds + self._lease_margin
        reserve = Reserve(
            account=account,
            tokens=units * unit_price,
            key=f"call:{uuid4()}",
            operation=operation,
            units=units,
            expires_in=lease,
        )
        charge = Charge(await self._bus.request(reserve))
        number = charge.hold.number
        try:
            yield charge
        except BaseException:
            await self._conclude(Refund(account=account, number=number), lease)
            raise
        if charge.consumed:
            settle = Settle(account=account, number=number, consumed=charge.consumed)
            await self._conclude(settle, lease)
        else:
            await self._conclude(Refund(account=account, number=number), lease)

    async def close(self) -> None:
        """Wait for settlements that are still being repeated."""
        await asyncio.gather(*self._unsettled)

    async def _conclude(self, end: Settle | Refund, lease: float) -> None:
        # shielded and kept, so that a request that is cancelled here still gives its hold an end
        task = asyncio.create_task(self._repeat(end, lease))
        self._unsettled.add(task)
        task.add_done_callback(self._unsettled.discard)
        await asyncio.wait({task}, timeout=_FIRST_ANSWER_SECONDS)

    async def _repeat(self, end: Settle | Refund, lease: float) -> None:
        give_up = asyncio.get_running_loop().time() + lease
        while True:
            try:
                await self._bus.request(end, _FIRST_ANSWER_SECONDS)
            except (Unavailable, Internal):
                if asyncio.get_running_loop().time() > give_up:
                    log.exception("hold left to lapse", number=end.number)
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
            except Refusal:
                log.exception("hold not concluded", number=end.number)
                return
            else:
                return
