"""The people of an account: invitations, roles, and that an owner is always left."""

import hashlib
import secrets
from datetime import timedelta
from uuid import uuid4

from kit.database import Connection, Pool
from proto.accounts.login import Session
from proto.accounts.people import (
    AcceptInvitation,
    ChangeRole,
    Invitation,
    Invite,
    Member,
    Members,
    RemoveMember,
)
from proto.errors import InvalidRequest, LastOwner, NotAuthenticated, NotFound, PlanForbids
from proto.ids import AccountId, UserId
from services.accounts import passwords
from services.accounts.people import ADD_USER, USER
from services.accounts.plans import Plans
from services.accounts.sessions import Sessions
from services.accounts.throttling import Throttle

INVITATION_PREFIX = "dri_"
INVITATION_DAYS = 7

MEMBERS = """
SELECT user_id, email, role, since FROM accounts.members
JOIN accounts.users ON users.id = user_id
WHERE account_id = $1 ORDER BY since, email
"""

# whoever changes who is in an account holds its row, so that two cannot count the same owners
LOCK = """
SELECT plan FROM accounts.accounts WHERE id = $1 FOR UPDATE
"""

TAKEN_SEATS = """
SELECT (SELECT count(*) FROM accounts.members WHERE account_id = $1)
     + (SELECT count(*) FROM accounts.invitations
        WHERE account_id = $1 AND accepted_at IS NULL AND expires_at > now())
"""

IS_MEMBER = """
SELECT EXISTS (SELECT FROM accounts.members JOIN accounts.users ON users.id = user_id
               WHERE account_id = $1 AND email = $2)
"""

WITHDRAW = """
DELETE FROM accounts.invitations WHERE account_id = $1 AND email = $2 AND accepted_at IS NULL
"""

INVITE = """
INSERT INTO accounts.invitations (hash, account_id, email, role, expires_at)
VALUES ($1, $2, $3, $4, now() + $5) RETURNING expires_at
"""

INVITATION = """
SELECT account_id, email, role FROM accounts.invitations
WHERE hash = $1 AND accepted_at IS NULL AND expires_at > now()
"""

ACCEPT = """
UPDATE accounts.invitations SET accepted_at = now()
WHERE hash = $1 AND accepted_at IS NULL AND expires_at > now() RETURNING true
"""

JOIN = """
INSERT INTO accounts.members (account_id, user_id, role) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
"""

CHANGE_ROLE = """
UPDATE accounts.members SET role = $3 WHERE account_id = $1 AND user_id = $2 RETURNING true
"""

REMOVE = """
DELETE FROM accounts.members WHERE account_id = $1 AND user_id = $2 RETURNING true
"""

OWNERS = """
SELECT count(*) FROM accounts.members WHERE account_id = $1 AND role = 'owner'
"""

FORGET_OLD = """
DELETE FROM accounts.invitations WHERE expires_at < now() - interval '30 days'
"""


class Membership:
    """Who is in which account, as what."""

    def __init__(self, pool: Pool, sessions: Sessions, throttle: Throttle, plans: Plans) -> None:
        self._pool = pool
        self._sessions = sessions
        self._throttle = throttle
        self._plans = plans

    async def members(self, account: AccountId) -> Members:
        """List the people of an account."""
        async with self._pool.acquire() as connection:
            return await _members(connection, account)

    async def invite(self, request: Invite) -> Invitation:
        """Invite a person; an earlier invitation of theirs is void. Raises PlanForbids."""
        email = request.email.lower()
        token = INVITATION_PREFIX + secrets.token_urlsafe(32)
        async with self._pool.acquire() as connection, connection.transaction():
            plan = self._plans[await _lock(connection, request.account)]
            if await connection.fetchval(IS_MEMBER, request.account, email):
                raise InvalidRequest(f"{email} is a member already")
            await connection.execute(WITHDRAW, request.account, email)
            if await connection.fetchval(TAKEN_SEATS, request.account) >= plan.members:
                raise PlanForbids(
                    f"the {plan.title} plan has room for {plan.members} members,"
                    " invitations included"
                )
            expires_at = await connection.fetchval(
                INVITE,
                _digest(token),
                request.account,
                email,
                request.role,
                timedelta(days=INVITATION_DAYS),
            )
        return Invitation(token=token, email=email, role=request.role, expires_at=expires_at)

    async def accept(self, request: AcceptInvitation) -> Session:
        """Let a person join. Raises NotAuthenticated, InvalidRequest, RateLimited."""
        refused = NotAuthenticated("this invitation is not valid any more")
        digest = _digest(request.token)
        invitation = await self._pool.fetchrow(INVITATION, digest)
        if invitation is None:
            raise refused
        email, account = invitation["email"], invitation["account_id"]
        user, new_hash = await self._person(request, email)
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, account)
            if not await connection.fetchval(ACCEPT, digest):
                raise refused
            if new_hash is not None:
                user = await connection.fetchval(ADD_USER, uuid4(), email, new_hash)
            if user is None:
                raise NotAuthenticated("there is a person of this address by now, try again")
            await connection.execute(JOIN, account, user, invitation["role"])
            return await self._sessions.begin(connection, user, account)

    async def change_role(self, request: ChangeRole) -> Members:
        """Give a member another role. Raises NotFound, LastOwner."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, request.account)
            changed = await connection.fetchval(
                CHANGE_ROLE, request.account, request.user, request.role
            )
            return await _left(connection, request.account, changed)

    async def remove(self, request: RemoveMember) -> Members:
        """Take a member out, their logins with them. Raises NotFound, LastOwner."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, request.account)
            removed = await connection.fetchval(REMOVE, request.account, request.user)
            return await _left(connection, request.account, removed)

    async def forget_old(self) -> None:
        """Remove invitations that lapsed long ago."""
        await self._pool.execute(FORGET_OLD)

    async def _person(
        self, request: AcceptInvitation, email: str
    ) -> tuple[UserId | None, str | None]:
        """Return the person whose password it is, or the hash for one who is new here."""
        async with self._throttle.guess(email, request.address):
            known = await self._pool.fetchrow(USER, email)
            if known is None:
                passwords.check(request.password, email)
                return None, await passwords.hashed(request.password)
            if not await passwords.matches(request.password, known["password_hash"]):
                raise NotAuthenticated(f"{email} is known here, with another password")
            return UserId(known["id"]), None


async def _lock(connection: Connection, account: AccountId) -> str:
    plan = await connection.fetchval(LOCK, account)
    if plan is None:
        raise NotFound("there is no such account")
    return str(plan)


async def _left(connection: Connection, account: AccountId, changed: bool | None) -> Members:
    """Return who is in the account now; raising undoes what was done."""
    if not changed:
        raise NotFound("there is no such member in this account")
    if not await connection.fetchval(OWNERS, account):
        raise LastOwner("an account needs an owner; make somebody else one first")
    return await _members(connection, account)


async def _members(connection: Connection, account: AccountId) -> Members:
    rows = await connection.fetch(MEMBERS, account)
    return Members(
        members=[
            Member(user=row["user_id"], email=row["email"], role=row["role"], since=row["since"])
            for row in rows
        ]
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
