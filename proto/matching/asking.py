"""What requests to matching have in common: who asks about what, and how far a list goes."""

from typing import Annotated

from msgspec import Meta

from proto.agencies import MOST_IN_MESSAGE, Actor, AgencyId, MatchId
from proto.ids import AccountId
from proto.message import Message

Days = Annotated[int, Meta(ge=1, le=3650)]
Limit = Annotated[int, Meta(ge=1, le=MOST_IN_MESSAGE)]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""An id behind which, or before which, a list goes on."""
After = Annotated[str, Meta(max_length=1000, pattern=r"^[^\x00]*$")]


class Done(Message):
    """It is done."""


class AboutAgency(Message):
    """Names an agency, and who asks."""

    account: AccountId
    by: Actor
    agency: AgencyId


class AboutMatch(Message):
    """Names a match, and who asks."""

    account: AccountId
    by: Actor
    match: MatchId
