"""The messages that the wallet answers."""

from kit.database import Pool
from kit.endpoints import answers
from proto.wallet import (
    Balance,
    GetBalance,
    GetStatement,
    Reconcile,
    Reconciliation,
    Refund,
    Reservation,
    Reserve,
    Settle,
    Statement,
    TopUp,
)
from services.wallet import statement
from services.wallet.ledger import Ledger


class Endpoints:
    """Answers over the books in one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ledger = Ledger(pool)

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
    async def reconcile(self, _: Reconcile) -> Reconciliation:
        """Check the books."""
        return await statement.reconcile(self._pool)
