"""Money first: hold the tokens, do the work, settle what it used or give everything back.

A settlement that the wallet does not answer is repeated in the background for as long as the hold
lives; if the wallet stays away, or this process dies, the hold lapses and nothing was charged.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

import structlog

from kit.bus import Bus
from proto.accounts.calling import Caller
from proto.errors import (
    IdempotencyConflict,
    Internal,
    NotFound,
    Refusal,
    ReservationEnded,
    Unavailable,
)
from proto.ids import AccountId, JobId
from proto.jobs import CancelJob
from proto.message import Request
from proto.wallet import Refund, Release, Reservation, Reserve, Settle

log = structlog.get_logger(__name__)

_FIRST_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 2.0
_MOST_ATTEMPTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be paid for."""

    operation: str
    """As the price book names it."""
    units: int
    unit_price: int
    work_seconds: float
    """How long the work may take."""
    call: UUID | None = None
    """The call with an idempotency key that it is for: a call is paid for once."""

    @property
    def tokens(self) -> int:
        """What is held for it; 0 for what is free."""
        return self.units * self.unit_price


class Charge:
    """A hold on tokens while work is under way; say what was consumed before leaving."""

    def __init__(self, hold: Reservation) -> None:
        self.hold = hold
        self.consumed = hold.consumed

    @property
    def paid_before(self) -> bool:
        """Whether an earlier attempt of the same call paid, and its answer was lost."""
        return self.hold.state == "settled"

    @property
    def refunded(self) -> int:
        """Tokens that go back."""
        return self.hold.reserved - self.consumed


class Billing:
    """Charges accounts through the wallet."""

    def __init__(self, bus: Bus, lease_margin_seconds: float) -> None:
        self._bus = bus
        self._lease_margin = lease_margin_seconds
        self._unsettled: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def charge(self, caller: Caller, order: Order) -> AsyncIterator[Charge]:
        """Hold the price of an order while the body runs.

        Leaving normally settles `charge.consumed`; leaving by an exception refunds everything.
        What was paid for before is worked on again and costs nothing more.
        Raises InsufficientTokens, SpendCapReached, IdempotencyConflict, Unavailable.
        """
        lease = order.work_seconds + self._lease_margin
        charge = Charge(await self._hold(caller, order, lease))
        if charge.paid_before:
            paid = charge.consumed
            yield charge
            charge.consumed = paid
            return
        account, number = caller.account, charge.hold.number
        try:
            yield charge
        except BaseException:
            await self._conclude(self._repeat(Refund(account=account, number=number), lease))
            raise
        if charge.consumed:
            settle = Settle(account=account, number=number, consumed=charge.consumed)
            await self._conclude(self._repeat(settle, lease))
        else:
            await self._conclude(self._repeat(Refund(account=account, number=number), lease))

    async def hold(self, caller: Caller, order: Order) -> Reservation:
        """Hold the price of an order for a job that is about to be started under it.

        The hold waits for the start for as long as the order says; then the job has it.
        Raises InsufficientTokens, SpendCapReached, IdempotencyConflict, Unavailable.
        """
        return await self._hold(caller, order, order.work_seconds + self._lease_margin)

    async def give_up(self, hold: Reservation | None, account: AccountId, job: JobId) -> None:
        """Undo what this attempt has begun of a job, and give the tokens back if any are held.

        Another attempt of the same call may use the same hold for a job of its own meanwhile; then
        the hold is left to that one.
        """
        await self._conclude(self._undo(hold, account, job))

    async def close(self) -> None:
        """Wait for settlements that are still being repeated."""
        await asyncio.gather(*self._unsettled)

    async def _hold(self, caller: Caller, order: Order, lease: float) -> Reservation:
        """Return a hold that is open, or one that was settled for the same call."""
        call = order.call or uuid4()
        for attempt in range(_MOST_ATTEMPTS):
            hold = await self._bus.request(
                Reserve(
                    account=caller.account,
                    tokens=order.tokens,
                    key=f"call:{call}:{attempt}",
                    operation=order.operation,
                    units=order.units,
                    expires_in=lease,
                    api_key=caller.api_key,
                    credit_cap=caller.credit_cap,
                )
            )
            # a hold of an attempt that failed was given back, and cannot be used again
            if hold.state in ("held", "settled"):
                return hold
        raise IdempotencyConflict(
            "this idempotency key was tried too often without success; use another"
        )

    async def _undo(self, hold: Reservation | None, account: AccountId, job: JobId) -> None:
        cancelled = await self._repeat(CancelJob(account=account, job=job), self._lease_margin)
        # a job that was there ends its hold itself; with one that cannot be asked, the hold lapses
        if cancelled == "missing" and hold is not None:
            release = Release(account=account, number=hold.number)
            await self._repeat(release, self._lease_margin)

    async def _conclude(self, conclusion: Coroutine[Any, Any, object]) -> None:
        # shielded and kept, so that a request that is cancelled here still gives its hold an end
        task = asyncio.create_task(conclusion)
        self._unsettled.add(task)
        task.add_done_callback(self._unsettled.discard)
        await asyncio.wait({task}, timeout=_FIRST_ANSWER_SECONDS)

    async def _repeat(
        self, end: Request[Any], lease: float
    ) -> Literal["done", "missing", "given up"]:
        """Ask until there is an answer, for as long as a hold lives."""
        give_up = asyncio.get_running_loop().time() + lease
        while True:
            try:
                await self._bus.request(end, _FIRST_ANSWER_SECONDS)
            except (Unavailable, Internal):
                if asyncio.get_running_loop().time() > give_up:
                    log.exception("hold left to lapse", subject=end.subject)
                    return "given up"
                await asyncio.sleep(_PAUSE_SECONDS)
            except NotFound:
                return "missing"
            except (IdempotencyConflict, ReservationEnded) as error:
                # another attempt has it, or has ended it
                log.info("hold left as it is", subject=end.subject, reason=str(error))
                return "done"
            except Refusal:
                log.exception("hold not concluded", subject=end.subject)
                return "given up"
            else:
                return "done"
