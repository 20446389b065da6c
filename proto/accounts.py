"""What accounts answers: who may call."""

from typing import Annotated

from msgspec import Meta

from proto.ids import AccountId
from proto.message import Message, Request

Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")
]
Password = Annotated[str, Meta(min_length=10, max_length=200)]


class Account(Message):
    """Someone who may call and pays with a wallet."""

    id: AccountId
    email: str


class CreateAccount(Request[Account], subject="accounts.create"):
    """Open an account. Raises EmailTaken."""

    email: Email
    password: Password


class FindAccount(Request[Account], subject="accounts.find"):
    """Look an account up by its address, for the operator. Raises NotFound."""

    email: Email


class AccessToken(Message):
    """A signed JWT, and how long it is good."""

    token: str
    expires_in: int
    """Seconds."""


class Login(Request[AccessToken], subject="accounts.login"):
    """Exchange e-mail and password for an access token. Raises NotAuthenticated."""

    # what is no address at all need not be told apart from one that is unknown, but for what
    # PostgreSQL cannot hold
    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Meta(max_length=200)]


class SigningKey(Message):
    """The public half of a key that signs access tokens (an Ed25519 JWK, RFC 8037)."""

    kid: str
    x: str
    """The public key, base64url without padding."""


class SigningKeys(Message):
    """Every key whose tokens are still accepted, newest first."""

    keys: list[SigningKey]


class GetSigningKeys(Request[SigningKeys], subject="accounts.signing-keys"):
    """Ask for the public keys, so that tokens are verified without another hop."""
