"""Signed links to files in local storage: whoever holds one may do that one thing, for a while.

A link binds method, key and expiry; a link to upload binds content type and size as well. There is
one way to write a link: other, more, repeated or differently written parameters make it a forgery.
Object stores sign their own links; this is for the local folder, whose files the gateway serves.

BadLink
├── LinkForged      the signature is missing, or belongs to something else
└── LinkExpired     the link was good once
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from proto.ids import StorageKey

_SHORTEST_SECRET = 32
_LONGEST_NUMBER = 15


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
        query = _parameters(grant) | {"signature": _signature(self._secrets[0], grant)}
        return f"/files/{quote(grant.key)}?{urlencode(query)}"

    def verify(self, method: str, key: str, query: Mapping[str, str], now: float) -> Grant:
        """Return what the link allows. A link to GET also serves HEAD.

        Args:
            method: Of the request.
            key: From the path, percent-decoded.
            query: All parameters of the request, decoded; may be a multi-mapping.
            now: Seconds since the epoch.

        Raises LinkForged, LinkExpired.
        """
        grant = _read("GET" if method == "HEAD" else method, key, query)
        given = query.get("signature", "").encode("ascii", "replace")
        # every secret is tried, so that the time taken tells nothing
        good = [
            hmac.compare_digest(given, _signature(secret, grant).encode())
            for secret in self._secrets
        ]
        if not any(good):
            raise _forged()
        if now >= grant.expires:
            raise LinkExpired("this link has expired, ask for a new one")
        return grant


def _parameters(grant: Grant) -> dict[str, str]:
    """Return what the query of a link says, its signature aside."""
    query = {"expires": str(grant.expires)}
    if grant.method == "PUT":
        query |= {"type": grant.content_type, "max": str(grant.max_bytes)}
    return query


def _read(method: str, key: str, query: Mapping[str, str]) -> Grant:
    grant = Grant(
        method=method,
        key=StorageKey(key),
        expires=_number(query.get("expires", "")),
        content_type=query.get("type", ""),
        max_bytes=_number(query.get("max", "0")),
    )
    if sorted(query.items()) != sorted(
        [*_parameters(grant).items(), ("signature", query.get("signature", ""))]
    ):
        raise _forged()
    return grant


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise _forged()
    return int(text)


def _forged() -> LinkForged:
    return LinkForged("this link is not valid")


def _signature(secret: bytes, grant: Grant) -> str:
    # lengths keep one field from running into the next
    fields = (grant.method, grant.key, str(grant.expires), grant.content_type, str(grant.max_bytes))
    message = "".join(f"{len(field)}:{field}" for field in fields)
    # a path in a request need not be Unicode
    return hmac.new(secret, message.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
