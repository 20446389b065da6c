"""Photographs as engines are given them, and how one is turned down."""

from typing import Annotated

from msgspec import Meta

from proto.ids import StorageKey
from proto.message import Message


class StoredPhoto(Message, tag="stored"):
    """A photograph that lies in storage."""

    key: StorageKey


class RemotePhoto(Message, tag="remote"):
    """A photograph to be fetched from a caller's URL, through the guarded fetcher."""

    url: Annotated[str, Meta(max_length=4096)]


class Rejected(Message, tag="rejected"):
    """This photograph cannot be worked with, whoever asks and however often; it is not charged."""

    code: str
    """Stable, for programs: NO_FACE, PICTURE_TRUNCATED, URL_NOT_ALLOWED …"""
    message: str
    """One sentence for a person."""
