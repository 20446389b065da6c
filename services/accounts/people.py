"""People and their accounts: opening one, logging in, changing the password."""

from uuid import uuid4

import asyncpg

from kit.database import Connection, Pool
from proto.accounts.login import ChangePassword, Login, Register, Session
from proto.accounts.opening import Account, CreateAccount
from proto.errors import EmailTaken, NotAuthenticated, NotFound
from proto.ids import AccountId, UserId
from proto.plans import PlanName
from services.accounts import passwords
from services.accounts.sessions import Sessions
from services.accounts.throttling import Throttle

ADD_USER = """
INSERT INTO accounts.users (id, email, password_hash) VALUES ($1, $2, $3)
ON CONFLICT (email) DO NOTHING RETURNING id
"""

ADD_ACCOUNT = """
INSERT INTO accounts.accounts (id, email, name, plan) VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO NOTHING RETURNING id, email, name, plan
"""

ADD_OWNER = """
INSERT INTO accounts.members (account_id, user_id, role) VALUES ($1, $2, 'owner')
"""

BY_EMAIL = """
SELECT id, email, name, plan FROM accounts.accounts WHERE email = $1
"""

BY_ID = """
SELECT id, email, name, plan FROM accounts.accounts WHERE id = $1
"""

CHANGE_PLAN = """
UPDATE accounts.accounts SET plan = $2 WHERE id = $1 RETURNING id, email, name, plan
"""

USER = """
SELECT id, email, password_hash FROM accounts.users WHERE email = $1
"""

MEMBER = """
SELECT users.id, users.email, users.password_hash FROM accounts.users
JOIN accounts.members ON user_id = users.id
WHERE users.id = $1 AND account_id = $2
"""

# the account that the person opened before those they joined
MEMBERSHIP = """
SELECT account_id FROM accounts.members
JOIN accounts.accounts ON accounts.id = account_id
JOIN accounts.users ON users.id = user_id
WHERE user_id = $1 AND ($2::uuid IS NULL OR account_id = $2)
ORDER BY accounts.email = users.email DESC, since, account_id LIMIT 1
"""

REPLACE_HASH = """
UPDATE accounts.users SET password_hash = $2 WHERE id = $1 AND password_hash = $3 RETURNING true
"""

WRONG = "the e-mail address or the password is wrong"


class People:
    """Opens accounts and lets people in."""

    def __init__(
        self, pool: Pool, sessions: Sessions, throttle: Throttle, default_plan: PlanName
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._throttle = throttle
        self._default_plan = default_plan

    async def create(self, request: CreateAccount) -> Account:
        """Open an account for the operator. Raises EmailTaken, InvalidRequest."""
        passwords.check(request.password, request.email)
        stored = await passwords.hashed(request.password)
        async with self._pool.acquire() as connection, connection.transaction():
            plan = request.plan or self._default_plan
            account, _ = await _open(connection, request.email, stored, request.name, plan)
        return account

    async def register(self, request: Register) -> Session:
        """Open an account and log in. Raises EmailTaken, InvalidRequest, RateLimited."""
        passwords.check(request.password, request.email)
        async with self._throttle.guess(request.email, request.address):
            stored = await passwords.hashed(request.password)
            async with self._pool.acquire() as connection, connection.transaction():
                account, user = await _open(
                    connection, request.email, stored, request.name, self._default_plan
                )
                return await self._sessions.begin(connection, user, account.id)

    async def login(self, request: Login) -> Session:
        """Let a person in. Raises NotAuthenticated, RateLimited."""
        async with self._throttle.guess(request.email, request.address):
            user = await self._pool.fetchrow(USER, request.email.lower())
            matches = await passwords.matches(request.password, user and user["password_hash"])
            if user is None or not matches:
                raise NotAuthenticated(WRONG)
            account = await self._pool.fetchval(MEMBERSHIP, user["id"], request.account)
            if account is None:
                raise NotAuthenticated(WRONG)
        if passwords.outdated(user["password_hash"]):
            stronger = await passwords.hashed(request.password)
            await self._pool.execute(REPLACE_HASH, user["id"], stronger, user["password_hash"])
        async with self._pool.acquire() as connection, connection.transaction():
            return await self._sessions.begin(connection, user["id"], account)

    async def change_password(self, request: ChangePassword) -> Session:
        """Change a password. Raises NotAuthenticated, InvalidRequest, RateLimited."""
        user = await self._pool.fetchrow(MEMBER, request.user, request.account)
        if user is None:
            raise NotAuthenticated("this person is no member of the account any more")
        async with self._throttle.guess(user["email"], request.address):
            if not await passwords.matches(request.old_password, user["password_hash"]):
                raise NotAuthenticated("the old password is wrong")
            passwords.check(request.new_password, user["email"])
        stored = await passwords.hashed(request.new_password)
        async with self._pool.acquire() as connection, connection.transaction():
            changed = await connection.fetchval(
                REPLACE_HASH, user["id"], stored, user["password_hash"]
            )
            if not changed:
                raise NotAuthenticated("the password was changed by somebody else just now")
            await self._sessions.end_all(connection, user["id"])
            return await self._sessions.begin(connection, user["id"], request.account)

    async def find(self, email: str) -> Account:
        """Return the account that was opened with an address. Raises NotFound."""
        return _account(await self._pool.fetchrow(BY_EMAIL, email.lower()), email)

    async def get(self, account: AccountId) -> Account:
        """Return an account. Raises NotFound."""
        return _account(await self._pool.fetchrow(BY_ID, account), str(account))

    async def change_plan(self, account: AccountId, plan: PlanName) -> Account:
        """Put an account on another plan. Raises NotFound."""
        return _account(await self._pool.fetchrow(CHANGE_PLAN, account, plan), str(account))


async def _open(
    connection: Connection, email: str, stored: str, name: str, plan: PlanName
) -> tuple[Account, UserId]:
    """Make an account with its first owner. Raises EmailTaken."""
    taken = EmailTaken(f"there is an account for {email} already")
    address = email.lower()
    user = await connection.fetchval(ADD_USER, uuid4(), address, stored)
    if user is None:
        raise taken
    row = await connection.fetchrow(ADD_ACCOUNT, uuid4(), address, name, plan)
    if row is None:
        raise taken
    await connection.execute(ADD_OWNER, row["id"], user)
    return _account(row, email), UserId(user)


def _account(row: asyncpg.Record | None, what: str) -> Account:
    if row is None:
        raise NotFound(f"there is no account for {what}")
    return Account(id=row["id"], email=row["email"], name=row["name"], plan=row["plan"])
