"""The messages that the wallet answers."""

from kit.database import Pool
from kit.endpoints import answers
from proto.wallet import (
    AbandonCall,
    AnswerCall,
    Attach,
    Balance,
    BeginCall,
    Call,
    Ended,
    GetBalance,
    GetStatement,
    GetThreshold,
    GetUsage,
    Grant,
    Reconcile,
    Reconciliation,
    Refund,
    Release,
    Reservation,
    Reserve,
    SetThreshold,
    Settle,
    Statement,
    Threshold,
    TopUp,
    Usage,
)
from services.wallet import calls, statement, thresholds
from services.wallet.ledger import Ledger


class Endpoints:
    """Answers over the books in one database."""

    def __init__(self, pool: Pool, ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger

    @answers
    async def reserve(self, request: Reserve) -> Reservation:
        """Hold tokens."""
        return await self._ledger.reserve(request)

    @answers
    async def settle(self, request: Settle) -> Reservation:
        """Capture what was used, give back the rest."""
        return await self._ledger.settle(request)

    @answers
    async def refund(self, request: Refund) -> Reservation:
        """Give a hold back."""
        return await self._ledger.refund(request)

    @answers
    async def release(self, request: Release) -> Reservation:
        """Give a hold back unless another job has it."""
        return await self._ledger.release(request)

    @answers
    async def attach(self, request: Attach) -> Reservation:
        """Let a hold wait for its job."""
        return await self._ledger.attach(request)

    @answers
    async def grant(self, request: Grant) -> Balance:
        """Give tokens that lapse."""
        return await self._ledger.grant(request)

    @answers
    async def top_up(self, request: TopUp) -> Balance:
        """Add tokens."""
        return await self._ledger.top_up(request)

    @answers
    async def balance(self, request: GetBalance) -> Balance:
        """Tell what an account owns."""
        return await self._ledger.balance(request.account)

    @answers
    async def statement(self, request: GetStatement) -> Statement:
        """Show a page of transactions."""
        return await statement.statement(self._pool, request)

    @answers
    async def usage(self, request: GetUsage) -> Usage:
        """Sum up what was used."""
        return await statement.usage(self._pool, request)

    @answers
    async def threshold(self, request: GetThreshold) -> Threshold:
        """Tell below what an account wants to be told."""
        return await thresholds.get(self._pool, request.account)

    @answers
    async def set_threshold(self, request: SetThreshold) -> Threshold:
        """Remember below what an account wants to be told."""
        return await thresholds.put(self._pool, request.account, request.tokens)

    @answers
    async def reconcile(self, _: Reconcile) -> Reconciliation:
        """Check the books."""
        return await statement.reconcile(self._pool)

    @answers
    async def begin_call(self, request: BeginCall) -> Call:
        """Begin a call that may be sent again."""
        return await calls.begin(self._pool, request)

    @answers
    async def answer_call(self, request: AnswerCall) -> Ended:
        """Remember a call's answer."""
        return Ended(counted=await calls.answer(self._pool, request))

    @answers
    async def abandon_call(self, request: AbandonCall) -> Ended:
        """Give up an attempt that came to nothing."""
        return Ended(counted=await calls.abandon(self._pool, request))
