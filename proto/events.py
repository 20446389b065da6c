"""What services tell everybody once it has happened, through the stream EVENTS.

An event is published on `events.<type>` after it is certain, and at least once: whoever acts on
one goes by its id.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from proto.ids import AccountId
from proto.message import Message

STREAM = "EVENTS"
SUBJECTS = "events.>"


class Event(Message):
    """Something that happened to an account."""

    type: ClassVar[str]
    """As subscribers and webhooks know it: `wallet.low_balance`."""

    id: UUID
    account: AccountId
    happened_at: datetime

    @classmethod
    def subject(cls) -> str:
        """Where it is published."""
        return f"events.{cls.type}"


class LowBalance(Event):
    """The tokens that can be spent fell below the account's threshold."""

    type: ClassVar[str] = "wallet.low_balance"

    balance: int
    """Tokens that could be spent right after."""
    threshold: int
