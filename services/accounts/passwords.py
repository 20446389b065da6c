"""Passwords: argon2id with the library's defaults (RFC 9106, low memory), off the event loop.

What is refused follows NIST SP 800-63B: too short, known from leaks, or taken from the context; no
rules about kinds of characters.
"""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from proto.errors import InvalidRequest

SHORTEST = 10
_SHORTEST_NAME = 4

_hasher = PasswordHasher()
_leaked = frozenset(FREQUENCY_LISTS["passwords"])


def check(password: str, email: str) -> None:
    """Raise InvalidRequest for a password that others would guess."""
    if len(password) < SHORTEST:
        raise InvalidRequest(f"a password needs {SHORTEST} characters or more")
    lowered = password.lower()
    if lowered in _leaked or _is_one_pattern(lowered):
        raise InvalidRequest("this password is known from leaks, choose another")
    name = email.lower().partition("@")[0]
    if len(name) >= _SHORTEST_NAME and name in lowered:
        raise InvalidRequest("a password must not contain the e-mail address")


@cache
def _nobodys() -> str:
    """Return what is checked when there is no such person: the time taken must not tell."""
    return _hasher.hash("a password that nobody has")


async def hashed(password: str) -> str:
    """Return the hash to store."""
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password is the one that was hashed; takes as long when nothing is stored."""
    return await asyncio.to_thread(_verify, password, stored) and stored is not None


def outdated(stored: str) -> bool:
    """Whether it was hashed with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _verify(password: str, stored: str | None) -> bool:
    try:
        return _hasher.verify(stored or _nobodys(), password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _is_one_pattern(password: str) -> bool:
    """Whether it is a leaked password, or up to three characters, over and over."""
    for length in range(1, len(password) // 2 + 1):
        unit = password[:length]
        if unit * (len(password) // length) == password[: len(password) // length * length]:
            rest = password[len(password) // length * length :]
            if unit.startswith(rest) and (length <= 3 or unit in _leaked):
                return True
    return False
