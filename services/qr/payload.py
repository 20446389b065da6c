"""What the symbol on a card says, and how it is known to be ours.

A card says `DR1:` and base32 (RFC 4648, without padding) of these bytes:

    1       kind: 0 subject, 1 group, 2 extra; 128 more if a name follows
    4       the account, a hash of its id
    4       the job, a hash of the account's id and the job's
    1       only with a name: bytes of the id, less one
    1-256   the id, UTF-8
    0-256   only with a name: the name, UTF-8
    8       HMAC-SHA256 of everything before, the prefix included, cut to its first 8 bytes

All characters are in the alphanumeric set of QR (5.5 bits each) and none means anything in a link
or a file name. An id of 10 characters makes 48: QR version 3 at level M, which holds 61. The text
depends on nothing but its content, so a card that is printed again is the same card.

The signature is made with the server's secret and covers the account, so that a card of another
account is known as a good card of somebody else, and not taken for a damaged one. What makes a card
one of a job are two hashes of 32 bits each, both signed, and ids of accounts are not chosen by
those who have them.
"""

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proto.errors import InvalidRequest
from proto.ids import AccountId

MOST_ID_CHARACTERS = 64
MOST_NAME_CHARACTERS = 64

_PREFIX = "DR1:"
_SHORTEST_SECRET = 32
_TAG_BYTES = 4
_SIGNATURE_BYTES = 8
_HEADER_BYTES = 1 + 2 * _TAG_BYTES
_NAMED = 0x80
_LONGEST = 852
"""What a card with the longest id and name has."""
_NEVER_IN_A_NAME = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Controls, halves of pairs, private, unassigned, and breaks of lines; joiners are wanted."""


class Kind(IntEnum):
    """Whom a card stands for."""

    SUBJECT = 0
    GROUP = 1
    """A class, a team, the staff."""
    EXTRA = 2
    """Somebody who is not on the list."""


@dataclass(frozen=True, slots=True)
class CardContent:
    """What a card says."""

    kind: Kind
    job: bytes
    """As `job_tag` makes it, 4 bytes."""
    student_id: str
    """Of the subject; of a group or an extra card, what it is called. 1 to 64 characters."""
    name: str = ""
    """Up to 64 characters; empty unless it was asked for."""


class Flaw(StrEnum):
    """Why a symbol is no card of the account."""

    NOT_OURS = "not_ours"
    """The text is something else: a link, a parcel label."""
    FORGED = "forged"
    """It claims to be a card, but its signature is wrong: made up, altered or damaged."""
    OTHER_ACCOUNT = "other_account"
    """A good card that another account had printed."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A symbol that is no card of the account."""

    flaw: Flaw


def job_tag(account: AccountId, job_id: str) -> bytes:
    """Return the 4 bytes by which cards know their job: of any text, by content alone."""
    # a path in a request need not be Unicode
    return _tag(b"job", account.bytes + job_id.encode("utf-8", "surrogatepass"))


class Cards:
    """Writes and reads what cards say: the first secret signs, all verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Derive the keys. Raises ValueError for no secret, or one that could be guessed."""
        if not secrets or any(len(secret) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"cards need secrets of at least {_SHORTEST_SECRET} characters")
        self._keys = [_key(secret) for secret in secrets]

    def write(self, content: CardContent, account: AccountId) -> str:
        """Return the text for a card.

        Raises InvalidRequest for an id or a name that is empty, too long or cannot be printed.
        """
        signed = _packed(content, account)
        text = base64.b32encode(signed + _signature(self._keys[0], signed)).rstrip(b"=")
        return _PREFIX + text.decode()

    def read(self, text: str, account: AccountId) -> CardContent | Unreadable:
        """Return what a card of the account says, or why there is none.

        Whether it is a card of the job at hand is for the caller to see in `CardContent.job`.
        """
        if not text.startswith(_PREFIX):
            return Unreadable(Flaw.NOT_OURS)
        body = _unwritten(text)
        if body is None or not self._is_signed(body):
            return Unreadable(Flaw.FORGED)
        if body[1 : 1 + _TAG_BYTES] != _account_tag(account):
            return Unreadable(Flaw.OTHER_ACCOUNT)
        return _unpacked(body[:-_SIGNATURE_BYTES])

    def _is_signed(self, body: bytes) -> bool:
        signed, given = body[:-_SIGNATURE_BYTES], body[-_SIGNATURE_BYTES:]
        # every key is tried, so that the time taken tells nothing
        good = [hmac.compare_digest(given, _signature(key, signed)) for key in self._keys]
        return any(good)


def _packed(content: CardContent, account: AccountId) -> bytes:
    """Return everything of a card but its signature."""
    named = b""
    head = int(content.kind)
    student_id = _checked_id(content.student_id)
    if content.name:
        head |= _NAMED
        named = _checked_name(content.name)
        student_id = bytes((len(student_id) - 1,)) + student_id
    if len(content.job) != _TAG_BYTES:
        raise ValueError("a card's job is what job_tag returns")
    return bytes((head,)) + _account_tag(account) + content.job + student_id + named


def _unpacked(signed: bytes) -> CardContent:
    """Take apart what was signed, and therefore written here."""
    head, job, rest = signed[0], signed[1 + _TAG_BYTES : _HEADER_BYTES], signed[_HEADER_BYTES:]
    name = b""
    if head & _NAMED:
        end = rest[0] + 2
        rest, name = rest[1:end], rest[end:]
    return CardContent(Kind(head & ~_NAMED), job, rest.decode(), name.decode())


def _unwritten(text: str) -> bytes | None:
    """Return the bytes of a card's text, None unless it is written the one way there is."""
    written = text.removeprefix(_PREFIX)
    if len(text) > _LONGEST:
        return None
    try:
        body = base64.b32decode(written + "=" * (-len(written) % 8))
    except (binascii.Error, ValueError):
        return None
    # the last character has bits to spare, which must not make a second text of one card
    one_way = base64.b32encode(body).rstrip(b"=").decode() == written
    return body if one_way and len(body) > _HEADER_BYTES + _SIGNATURE_BYTES else None


def can_be_in_an_id(text: str) -> bool:
    """Whether an id may have these characters: those that can be seen, and the plain space."""
    return text.isprintable()


def can_be_in_a_name(text: str) -> bool:
    """Whether a name in a code may have these characters."""
    return all(unicodedata.category(character) not in _NEVER_IN_A_NAME for character in text)


def _checked_id(student_id: str) -> bytes:
    if not 1 <= len(student_id) <= MOST_ID_CHARACTERS:
        raise InvalidRequest(f"an id on a card has 1 to {MOST_ID_CHARACTERS} characters")
    if not can_be_in_an_id(student_id):
        raise InvalidRequest("an id on a card has only characters that can be printed")
    return student_id.encode()


def _checked_name(name: str) -> bytes:
    if len(name) > MOST_NAME_CHARACTERS:
        raise InvalidRequest(f"a name in a symbol has at most {MOST_NAME_CHARACTERS} characters")
    if not can_be_in_a_name(name):
        raise InvalidRequest("a name in a symbol has only characters that can be printed")
    return name.encode()


def _account_tag(account: AccountId) -> bytes:
    return _tag(b"account", account.bytes)


def _tag(of: bytes, content: bytes) -> bytes:
    return hashlib.sha256(b"darkroom qr " + of + b"\0" + content).digest()[:_TAG_BYTES]


def _signature(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, _PREFIX.encode() + signed, hashlib.sha256)[:_SIGNATURE_BYTES]


def _key(secret: str) -> bytes:
    """Derive a key that is used for nothing but cards."""
    return HKDF(SHA256(), 32, salt=None, info=b"darkroom qr cards").derive(secret.encode())
