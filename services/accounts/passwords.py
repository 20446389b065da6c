"""Passwords: argon2id with the library's defaults (RFC 9106, low memory), off the event loop."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_hasher = PasswordHasher()


@cache
def _nobodys() -> str:
    """Return what is checked when there is no such account: the time taken must not tell."""
    return _hasher.hash("a password that nobody has")


async def hashed(password: str) -> str:
    """Return the hash to store."""
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password is the one that was hashed; takes as long when nothing is stored."""
    return await asyncio.to_thread(_verify, password, stored) and stored is not None


def _verify(password: str, stored: str | None) -> bool:
    try:
        return _hasher.verify(stored or _nobodys(), password)
    except (VerifyMismatchError, InvalidHashError):
        return False
