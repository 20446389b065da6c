"""Logins: a session, its access tokens, and the refresh tokens that carry it on, each once."""

import hashlib
import secrets
from uuid import UUID, uuid4

import asyncpg

from kit.database import Connection, Pool
from proto.accounts.login import Session
from proto.errors import NotAuthenticated
from proto.ids import AccountId, UserId
from services.accounts.signing import Signer

REFRESH_PREFIX = "drt_"

BEGIN = """
INSERT INTO accounts.sessions (id, user_id, account_id) VALUES ($1, $2, $3)
"""

ADD_REFRESH = """
INSERT INTO accounts.refresh_tokens (hash, session_id, expires_at)
VALUES ($1, $2, now() + make_interval(secs => $3))
"""

# both rows locked: of two that bring the same token, the second sees that it was used
PRESENTED = """
SELECT token.used_at, token.expires_at <= clock_timestamp() AS expired,
       session.id, session.user_id, session.account_id, session.ended_at
FROM accounts.refresh_tokens AS token
JOIN accounts.sessions AS session ON session.id = token.session_id
WHERE token.hash = $1 FOR UPDATE
"""

USE = """
UPDATE accounts.refresh_tokens SET used_at = clock_timestamp() WHERE hash = $1
"""

END = """
UPDATE accounts.sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL
"""

END_OWN = """
UPDATE accounts.sessions SET ended_at = now()
WHERE id = $1 AND user_id = $2 AND ended_at IS NULL
"""

END_ALL = """
UPDATE accounts.sessions SET ended_at = now() WHERE user_id = $1 AND ended_at IS NULL
"""

# what is over stays a day, so that a stolen token that comes late is still recognised as used
FORGET_OLD = """
DELETE FROM accounts.sessions AS session
WHERE ended_at < now() - interval '1 day' OR NOT EXISTS (
    SELECT FROM accounts.refresh_tokens AS token
    WHERE token.session_id = session.id AND token.expires_at > now() - interval '1 day')
"""


class Sessions:
    """Begins, carries on and ends logins."""

    def __init__(self, pool: Pool, signer: Signer, refresh_seconds: int) -> None:
        self._pool = pool
        self._signer = signer
        self._refresh_seconds = refresh_seconds

    async def begin(self, connection: Connection, user: UserId, account: AccountId) -> Session:
        """Log a member in, within the caller's transaction."""
        session = uuid4()
        try:
            await connection.execute(BEGIN, session, user, account)
        except asyncpg.ForeignKeyViolationError:
            # taken out of the account at this very moment
            raise NotAuthenticated("the e-mail address or the password is wrong") from None
        return await self._tokens(connection, user, account, session)

    async def refresh(self, token: str) -> Session:
        """Exchange a refresh token. Raises NotAuthenticated; a used one ends its whole session."""
        refused = NotAuthenticated("the refresh token is not valid, log in again")
        digest = _digest(token)
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(PRESENTED, digest)
            if row is not None and row["used_at"] is not None:
                await connection.execute(END, row["id"])
            elif row is not None and row["ended_at"] is None and not row["expired"]:
                await connection.execute(USE, digest)
                return await self._tokens(connection, row["user_id"], row["account_id"], row["id"])
        # raised out here, so that the end of the session is committed
        raise refused

    async def end(self, session: UUID, user: UserId) -> None:
        """Log out."""
        await self._pool.execute(END_OWN, session, user)

    async def end_all(self, connection: Connection, user: UserId) -> None:
        """Log a person out everywhere, within the caller's transaction."""
        await connection.execute(END_ALL, user)

    async def forget_old(self) -> None:
        """Remove sessions that are over."""
        await self._pool.execute(FORGET_OLD)

    async def _tokens(
        self, connection: Connection, user: UserId, account: AccountId, session: UUID
    ) -> Session:
        refresh = REFRESH_PREFIX + secrets.token_urlsafe(32)
        await connection.execute(ADD_REFRESH, _digest(refresh), session, self._refresh_seconds)
        access, seconds = await self._signer.sign(user, account, session)
        return Session(
            account=account,
            access_token=access,
            expires_in=seconds,
            refresh_token=refresh,
            refresh_expires_in=self._refresh_seconds,
        )


def _digest(token: str) -> bytes:
    # 32 random bytes need no slow hash
    return hashlib.sha256(token.encode()).digest()
