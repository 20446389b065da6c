"""What messages to accounts are made of: addresses, names, roles, scopes."""

from typing import Annotated, Literal

from msgspec import Meta

from proto.message import Message

Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")
]
Password = Annotated[str, Meta(max_length=200)]
"""Refused with a sentence when it is shorter than 10 characters or known from leaks."""
# what is no address at all need not be told apart from one that is unknown, but for what
# PostgreSQL cannot hold
TypedEmail = Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Secret = Annotated[str, Meta(min_length=1, max_length=16_384, pattern=r"^[\x20-\x7e]*$")]
Role = Literal["owner", "member", "read_only"]
"""An owner may do everything; a member everything but administer the account; read_only, look."""
Scope = Literal["facecrop", "qr", "matching", "images", "shoots", "jobs", "wallet:read"]
"""What an API key may be used for; to administer the account takes a person who logged in."""


class Done(Message):
    """It is as was asked."""
