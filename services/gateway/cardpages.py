"""Cards on a screen: a link that names one card, sealed, and the page that it shows."""

import html
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from kit.sealing import CannotOpen, Vault
from proto.errors import NotFound
from proto.ids import AccountId
from proto.qr import Card

HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

_LONGEST = 2_000
_SHARED = UUID(int=0)
"""Links are opened before it is known whose they are."""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Card</title>
<style>
body {{ margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  align-items: center; justify-content: center; background: #fff; color: #111;
  font: 1.4rem/1.4 system-ui, sans-serif; text-align: center }}
svg {{ width: min(88vw, 66vh); height: auto }}
h1 {{ font-size: 2.2rem; margin: .6rem 1rem .2rem; overflow-wrap: anywhere }}
p {{ margin: 0 1rem; overflow-wrap: anywhere }}
</style>
{svg}
<h1 dir="auto">{name}</h1>
<p dir="auto">{class_name}</p>
<p dir="auto">{student_id}</p>
<p dir="auto">{school_name}</p>
</html>
"""


class Named(msgspec.Struct, frozen=True, array_like=True):
    """Which card a link shows."""

    account: AccountId
    job_id: str
    student_id: str
    expires_at: float
    """Seconds since 1970."""


class CardPages:
    """Makes links to cards and reads them back."""

    def __init__(self, secrets: Sequence[str], public_url: str, seconds: int) -> None:
        self._vault = Vault(secrets, "card pages")
        self._public_url = public_url.rstrip("/")
        self._seconds = seconds

    def link(self, account: AccountId, job_id: str, student_id: str) -> str:
        """Return the address of a card's page, good for as long as links to files are."""
        named = Named(account, job_id, student_id, float(int(time.time()) + self._seconds))
        token = self._vault.seal_text(msgspec.msgpack.encode(named), _SHARED)
        return f"{self._public_url}/cards/{token}"

    def read(self, token: str) -> Named:
        """Return what a link names. Raises NotFound for one that is none, or has expired."""
        missing = NotFound("there is no such card, or the link has expired")
        if len(token) > _LONGEST:
            raise missing
        try:
            named = msgspec.msgpack.decode(self._vault.open_text(token, _SHARED), type=Named)
        except (CannotOpen, msgspec.DecodeError) as error:
            raise missing from error
        if named.expires_at <= time.time():
            raise missing
        return named


def page(card: Card) -> str:
    """Return the page of a card; the SVG is of our own drawing, all else is a stranger's text."""
    return _PAGE.format(
        svg=card.svg,
        name=html.escape(card.name),
        class_name=html.escape(card.class_name),
        student_id=html.escape(card.student_id),
        school_name=html.escape(card.school_name),
    )
