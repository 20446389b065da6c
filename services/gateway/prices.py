"""The price book: what each operation costs."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

OWN_BOOK = Path(__file__).parent / "prices.toml"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of an operation costs."""

    tokens: Annotated[int, Meta(ge=1, le=1_000_000)]
    unit: str
    """What is counted: image, subject, file."""
    description: str = ""


class BadPriceBook(Exception):
    """The price book cannot be read, or an operation that is sold has no price in it."""


def read(path: str) -> dict[str, Price]:
    """Read a price book; an empty path means the one that comes with Darkroom.

    Raises BadPriceBook.
    """
    try:
        standard = msgspec.toml.decode(OWN_BOOK.read_bytes(), type=dict[str, Price])
        own = msgspec.toml.decode(Path(path).read_bytes(), type=dict[str, Price]) if path else {}
    except (OSError, msgspec.MsgspecError) as error:
        raise BadPriceBook(f"{path or OWN_BOOK}: {error}") from error
    if unknown := own.keys() - standard.keys():
        raise BadPriceBook(f"{path}: there is no operation called {', '.join(sorted(unknown))}")
    return standard | own
