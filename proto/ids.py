"""Names for the plain values that identify things."""

from datetime import datetime
from typing import Annotated, NewType
from uuid import UUID

from msgspec import Meta

AccountId = NewType("AccountId", UUID)
"""Who pays: a wallet, a plan, members and API keys hang on it."""

UserId = NewType("UserId", UUID)
"""A person, who logs in and is a member of accounts."""

ApiKeyId = NewType("ApiKeyId", UUID)
"""An API key of an account, whatever its secret is at the moment."""

JobId = NewType("JobId", UUID)
"""A batch of work that outlives the request that began it."""

StorageKey = NewType("StorageKey", str)
"""Where an object lies in storage, as `uploads/…/0`; never starts with a slash."""

IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
"""Chosen by the caller: the same key never does the same thing twice."""

TokenCount = Annotated[int, Meta(ge=1, le=1_000_000_000)]
"""An amount to move, at least one token; the ceiling keeps every sum inside 64 bits."""

Moment = Annotated[datetime, Meta(tz=True)]
"""A point in time, with its zone: without one it could mean several."""
