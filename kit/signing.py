"""Signed links to files in local storage: whoever holds one may do that one thing, for a while.

A link binds method, key and expiry; a link to upload binds content type and size as well. Object
stores sign their own links; this is for the local folder, whose files the gateway serves.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from proto.ids import StorageKey

_SHORTEST_SECRET = 32


class BadLink(Exception):
    """The link does not give what was asked for."""


class LinkForged(BadLink):
    """The signature is missing or belongs to something else."""


class LinkExpired(BadLink):
    """The link was good once; ask for a new one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link allows."""

    method: str
    """GET or PUT."""
    key: StorageKey
    expires: int
    """Seconds since the epoch."""
    content_type: str = ""
    """What may be put; empty for GET."""
    max_bytes: int = 0
    """How much may be put; 0 for GET."""


class Signer:
    """Signs with the first secret, accepts all, so that secrets can be rotated."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(secret) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"signing needs secrets of at least {_SHORTEST_SECRET} characters")
        self._secrets = [secret.encode() for secret in secrets]

    def link(self, grant: Grant) -> str:
        """Return path and query of the link: `/files/…?expires=…&signature=…`."""
        query = {"expires": str(grant.expires)}
        if grant.method == "PUT":
            query |= {"type": grant.content_type, "max": str(grant.max_bytes)}
        query["signature"] = _signature(self._secrets[0], grant)
        return f"/files/{quote(grant.key)}?{urlencode(query)}"

    def verify(self, method: str, key: str, query: Mapping[str, str], now: float) -> Grant:
        """Return what the link allows. Raises LinkForged, LinkExpired."""
        grant = _read(method, key, query)
        given = query.get("signature", "").encode("ascii", "replace")
        good = [
            hmac.compare_digest(given, _signature(secret, grant).encode())
            for secret in self._secrets
        ]
        if not any(good):
            raise LinkForged("this link is not valid")
        if now >= grant.expires:
            raise LinkExpired("this link has expired, ask for a new one")
        return grant


def _read(method: str, key: str, query: Mapping[str, str]) -> Grant:
    numbers = {name: query.get(name, "0") for name in ("expires", "max")}
    if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in numbers.values()):
        raise LinkForged("this link is not valid")
    return Grant(
        method="GET" if method == "HEAD" else method,
        key=StorageKey(key),
        expires=int(numbers["expires"]),
        content_type=query.get("type", ""),
        max_bytes=int(numbers["max"]),
    )


def _signature(secret: bytes, grant: Grant) -> str:
    # lengths keep one field from running into the next
    fields = (grant.method, grant.key, str(grant.expires), grant.content_type, str(grant.max_bytes))
    message = "".join(f"{len(field)}:{field}" for field in fields)
    return hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()
