"""What photographs must be that are handed over: objects of the account's own, or URLs."""

import hashlib
import re
from dataclasses import dataclass

from kit.storage import is_key
from proto.agencies import NewFile
from proto.errors import InvalidRequest
from proto.ids import AccountId

_URL = re.compile(r"https?://[^\x00-\x20\x7f-\x9f]+", re.IGNORECASE)
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Photograph:
    """One to be added."""

    filename: str
    key: str
    """Where it lies; "" for one at a URL."""
    url: str
    size: int
    sha256: bytes
    """Of the content or the URL: what tells one that is there already."""


def checked(account: AccountId, file: NewFile) -> Photograph:
    """Return a photograph that may be added.

    Raises InvalidRequest for one that is neither stored nor at a URL, or both, or that lies where
    the account's photographs do not.
    """
    if bool(file.key) == bool(file.url):
        raise InvalidRequest("a photograph either lies in storage or has a URL")
    if file.url:
        return Photograph(file.filename, "", checked_url(file.url), 0, of_url(file.url))
    if not (is_key(file.key) and file.key.startswith(f"photos/{account}/")):
        raise InvalidRequest("photographs must lie in the account's own folder")
    if len(file.sha256) != _DIGEST_BYTES:
        raise InvalidRequest("a photograph in storage comes with the SHA-256 of its content")
    return Photograph(file.filename, file.key, "", file.size, file.sha256)


def checked_url(url: str) -> str:
    """Return a URL that can be asked for. Raises InvalidRequest."""
    if not _URL.fullmatch(url):
        raise InvalidRequest("the URL of a photograph begins with http:// or https://")
    return url


def of_url(url: str) -> bytes:
    """Return what a photograph at a URL is told by."""
    return hashlib.sha256(url.encode()).digest()
