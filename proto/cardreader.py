"""What the card reader answers: which cards a photograph shows, and a logo made safe to print.

It reads strangers' pictures, so it knows neither the rosters nor the secret that cards are signed
with; what the symbols mean is for the service `qr` to say.
"""

from datetime import datetime
from typing import Literal

from proto.ids import AccountId, StorageKey
from proto.message import Message, Request
from proto.photos import Rejected, RemotePhoto, StoredPhoto

KIND = "card_read"
"""Of the items of jobs that it works on; their work is a ReadCards."""

CARD_MARK = "DR1:"
"""What every card of ours begins with. Other symbols may be on a shirt or a wall."""

MOST_SYMBOLS = 16


class Symbol(Message):
    """A symbol that was read."""

    text: str
    """What it says; at most 1,000 characters of it."""
    format: Literal["qr", "datamatrix"]
    corners: list[tuple[float, float]]
    """Four, clockwise, as parts of the picture's width and height."""


class CardsRead(Message, tag="cards"):
    """What a photograph shows and says of itself."""

    symbols: list[Symbol]
    """At most MOST_SYMBOLS, from the top down; empty for most photographs of a shoot."""
    has_face: bool | None
    """None where nobody looked, because a card was found."""
    captured_at: datetime | None
    """By the camera's clock."""
    camera_is_certain: bool = True
    """Whether `camera` is one, and not perhaps several of one model."""
    camera: str | None
    file_id: int | None = None
    """As it was asked."""


class ReadCards(Request[CardsRead | Rejected], subject="cardreader.read-cards"):
    """Find the cards in one photograph. Raises Unavailable when models are away."""

    account: AccountId
    photo: StoredPhoto | RemotePhoto
    file_id: int | None = None
    """Which file of a shoot it is, to be told again."""


class Logo(Message, tag="logo"):
    """A logo made safe: a PNG of our own writing."""

    key: StorageKey


class ReadLogo(Request[Logo | Rejected], subject="cardreader.read-logo"):
    """Fetch a logo, check that it is a picture, and write it anew, at most 1200 pixels wide."""

    account: AccountId
    url: str
    output: StorageKey
    """Where to write it, in the account's own folder."""
