"""Guessing passwords is slow: five wrong ones for a person, fifty from an address, in 15 minutes.

A guess is counted before the password is looked at, so that many at once are no more than many one
after the other; a right one takes its count back. The window does not move: whoever is kept out by
a stranger's guesses is let in again when it ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from kit.database import Pool
from proto.errors import NotAuthenticated, RateLimited

WINDOW_SECONDS = 900
MOST_PER_EMAIL = 5
MOST_PER_ADDRESS = 50

COUNT = """
INSERT INTO accounts.failures AS known (about, count, window_ends)
VALUES ($1, 1, clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (about) DO UPDATE SET
    count = CASE WHEN known.window_ends <= clock_timestamp() THEN 1 ELSE known.count + 1 END,
    window_ends = CASE WHEN known.window_ends <= clock_timestamp() THEN excluded.window_ends
                       ELSE known.window_ends END
RETURNING count, ceil(extract(epoch FROM window_ends - clock_timestamp()))::integer AS seconds
"""

TAKE_BACK = """
UPDATE accounts.failures SET count = greatest(count - 1, 0) WHERE about = ANY ($1)
"""

FORGET = """
DELETE FROM accounts.failures WHERE about = $1
"""

FORGET_OLD = """
DELETE FROM accounts.failures WHERE window_ends < now()
"""


class Throttle:
    """Counts wrong guesses in the database, where all replicas see them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # one guess at a time for each person, so that right ones that come together are not
        # refused for each other's sake
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def guess(self, email: str, address: str) -> AsyncIterator[None]:
        """Let the body look at a password; it raises NotAuthenticated for a wrong one.

        Raises RateLimited when there were too many.
        """
        person = f"email:{email.lower()}"
        turn = self._turns.setdefault(person, asyncio.Lock())
        async with turn:
            counted = [f"address:{address}"] if address else []
            if counted:
                await self._count(counted[0], MOST_PER_ADDRESS)
            await self._count(person, MOST_PER_EMAIL)
            counted.append(person)
            try:
                yield
            except NotAuthenticated:
                raise
            except BaseException:
                await self._pool.execute(TAKE_BACK, counted)
                raise
            await self._pool.execute(FORGET, person)
            await self._pool.execute(TAKE_BACK, counted)

    async def forget_old(self) -> None:
        """Remove counts whose window has ended."""
        await self._pool.execute(FORGET_OLD)

    async def _count(self, about: str, at_most: int) -> None:
        row = await self._pool.fetchrow(COUNT, about, WINDOW_SECONDS)
        assert row is not None  # noqa: S101 - an upsert gives its row
        if row["count"] > at_most:
            raise RateLimited(
                "too many wrong passwords, try again later",
                retry_after=max(1, row["seconds"]),
                limits=[],
            )
