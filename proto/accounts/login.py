"""Logging in, and the keys that access tokens are signed with."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from proto.accounts.words import Done, Email, Password, Secret, TypedEmail
from proto.ids import AccountId, UserId
from proto.message import Message, Request


class Session(Message):
    """What a person holds who has logged in."""

    account: AccountId
    access_token: str
    """A signed JWT."""
    expires_in: int
    """Seconds that the access token is good for."""
    refresh_token: str
    """Buys the next session, once."""
    refresh_expires_in: int


class Register(Request[Session], subject="accounts.register"):
    """Open an account and log in. Raises EmailTaken, InvalidRequest for a weak password."""

    email: Email
    password: Password
    name: Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""
    address: str = ""
    """Where the request came from, for throttling."""


class Login(Request[Session], subject="accounts.login"):
    """Exchange e-mail and password for a session. Raises NotAuthenticated, RateLimited."""

    email: TypedEmail
    password: Password
    account: AccountId | None = None
    """As a member of which account; the one that the person opened, or joined first."""
    address: str = ""
    """Where the request came from, for throttling."""


class Refresh(Request[Session], subject="accounts.refresh"):
    """Exchange a refresh token for the next session. Raises NotAuthenticated.

    A token that was exchanged before ends every session that came of the same login.
    """

    refresh_token: Secret


class Logout(Request[Done], subject="accounts.logout"):
    """End a login: its refresh token and its access tokens are good for nothing from now on."""

    session: UUID
    user: UserId


class ChangePassword(Request[Session], subject="accounts.change-password"):
    """Give a person another password; ends all their logins and begins one.

    Raises NotAuthenticated when the old password is wrong, InvalidRequest, RateLimited.
    """

    account: AccountId
    user: UserId
    old_password: Password
    new_password: Password
    address: str = ""


class SigningKey(Message):
    """The public half of a key that signs access tokens (an Ed25519 JWK, RFC 8037)."""

    kid: str
    x: str
    """The public key, base64url without padding."""


class SigningKeys(Message):
    """Every key whose tokens are still accepted, newest first."""

    keys: list[SigningKey]


class GetSigningKeys(Request[SigningKeys], subject="accounts.signing-keys"):
    """Ask for the public keys, so that others can verify our tokens."""


class RotateSigningKey(Request[SigningKeys], subject="accounts.rotate-signing-key"):
    """Sign with a new key from now on; the old ones verify until their tokens have expired."""
