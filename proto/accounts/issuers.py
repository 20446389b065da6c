"""Other issuers whose tokens are believed."""

from typing import Annotated

from msgspec import Meta

from proto.accounts.words import Done
from proto.ids import AccountId
from proto.message import Message, Request


class Issuer(Message):
    """Somebody else who signs tokens that are taken here, all for one account."""

    issuer: str
    """As in the claim `iss`."""
    jwks_url: str
    audience: str
    """As in the claim `aud`."""
    account: AccountId


class AddIssuer(Request[Issuer], subject="accounts.add-issuer"):
    """Take the tokens of an issuer, or change how, for the operator. Raises NotFound."""

    issuer: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x20]*$")]
    jwks_url: Annotated[
        str, Meta(min_length=1, max_length=4096, pattern=r"^https?://[^\x00-\x20]*$")
    ]
    audience: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x20]*$")]
    account: AccountId


class Issuers(Message):
    """Every other issuer whose tokens are taken."""

    issuers: list[Issuer]


class GetIssuers(Request[Issuers], subject="accounts.issuers"):
    """Ask whose tokens are taken, for the operator."""


class RemoveIssuer(Request[Done], subject="accounts.remove-issuer"):
    """Take no more tokens of an issuer. Raises NotFound."""

    issuer: str
