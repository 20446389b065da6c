"""Names for the plain values that identify things."""

from typing import Annotated, NewType
from uuid import UUID

from msgspec import Meta

AccountId = NewType("AccountId", UUID)

StorageKey = NewType("StorageKey", str)
"""Where an object lies in storage, as `uploads/…/0`; never starts with a slash."""

IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=255)]
"""Chosen by the caller: the same key never does the same thing twice."""

TokenCount = Annotated[int, Meta(ge=1, le=1_000_000_000)]
"""An amount to move, at least one token; the ceiling keeps every sum inside 64 bits."""
