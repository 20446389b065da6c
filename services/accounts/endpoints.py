"""The messages that accounts answers."""

from uuid import uuid4

from kit.database import Pool
from kit.endpoints import answers
from proto.accounts import (
    AccessToken,
    Account,
    CreateAccount,
    FindAccount,
    GetSigningKeys,
    Login,
    SigningKeys,
)
from proto.errors import EmailTaken, NotAuthenticated, NotFound
from services.accounts import passwords
from services.accounts.signing import Signer

CREATE = """
INSERT INTO accounts.accounts (id, email, password_hash) VALUES ($1, $2, $3)
ON CONFLICT (email) DO NOTHING RETURNING id, email
"""

BY_EMAIL = """
SELECT id, email, password_hash FROM accounts.accounts WHERE email = $1
"""


class Endpoints:
    """Answers over the accounts in one database."""

    def __init__(self, pool: Pool, signer: Signer) -> None:
        self._pool = pool
        self._signer = signer

    @answers
    async def create(self, request: CreateAccount) -> Account:
        """Open an account."""
        password_hash = await passwords.hashed(request.password)
        row = await self._pool.fetchrow(CREATE, uuid4(), request.email.lower(), password_hash)
        if row is None:
            raise EmailTaken(f"there is an account for {request.email} already")
        return Account(id=row["id"], email=row["email"])

    @answers
    async def find(self, request: FindAccount) -> Account:
        """Look an account up by its address, for the operator."""
        row = await self._pool.fetchrow(BY_EMAIL, request.email.lower())
        if row is None:
            raise NotFound(f"there is no account for {request.email}")
        return Account(id=row["id"], email=row["email"])

    @answers
    async def login(self, request: Login) -> AccessToken:
        """Exchange a password for an access token."""
        row = await self._pool.fetchrow(BY_EMAIL, request.email.lower())
        matches = await passwords.matches(request.password, row and row["password_hash"])
        if row is None or not matches:
            raise NotAuthenticated("the e-mail address or the password is wrong")
        return await self._signer.sign(row["id"])

    @answers
    async def signing_keys(self, _: GetSigningKeys) -> SigningKeys:
        """Hand out the public keys."""
        return await self._signer.public_keys()
