"""Access tokens, ours and those of registered issuers, verified as RFC 8725 asks.

The algorithm is fixed by the key and never taken from the token; a key is found by its name among
those that are known, and nothing in a token is ever followed.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from proto.errors import NotAuthenticated
from proto.ids import AccountId, UserId
from services.accounts.issuers import Issuers
from services.accounts.signing import LEEWAY_SECONDS, Signer

LONGEST = 16_384
_LONGEST_KID = 200
_OURS = ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]
_THEIRS = ["exp", "iss", "aud"]
# each names a key of the token's own choice, or an extension that we would have to understand
_NOT_FOLLOWED = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip"})


@dataclass(frozen=True, slots=True)
class Person:
    """Who logged in here."""

    account: AccountId
    user: UserId
    session: UUID


@dataclass(frozen=True, slots=True)
class Outsider:
    """Whom another issuer vouches for."""

    account: AccountId


class Tokens:
    """Tells whose token it is."""

    def __init__(self, signer: Signer, issuers: Issuers) -> None:
        self._signer = signer
        self._issuers = issuers

    async def verify(self, token: str) -> Person | Outsider:
        """Return whom the token names. Raises NotAuthenticated, in the same words for any fault."""
        try:
            header, claims = _parts(token)
            if claims.get("iss") == self._signer.issuer:
                return await self._ours(token, header)
            return await self._theirs(token, header, claims)
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("the access token has expired, log in again") from error
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotAuthenticated("the access token is not valid") from error

    async def _ours(self, token: str, header: dict[str, Any]) -> Person:
        if header.get("typ") != "at+jwt" or header.get("alg") != "EdDSA":
            raise ValueError("not a token of this kind")
        key = await self._signer.key(header["kid"])
        if key is None:
            raise ValueError("signed by nobody known")
        claims = _decoded(token, key, ["EdDSA"], self._signer.issuer, self._signer.audience, _OURS)
        return Person(
            account=AccountId(UUID(claims["account"])),
            user=UserId(UUID(claims["sub"])),
            session=UUID(claims["sid"]),
        )

    async def _theirs(self, token: str, header: dict[str, Any], claims: dict[str, Any]) -> Outsider:
        issuer = await self._issuers.named(claims["iss"])
        if issuer is None:
            raise ValueError("issued by nobody known")
        key = await self._issuers.key(issuer, header.get("kid"), header["alg"])
        _decoded(token, key, [header["alg"]], issuer.issuer, issuer.audience, _THEIRS)
        return Outsider(account=issuer.account)


def _decoded(
    token: str,
    key: Any,  # noqa: ANN401 - whatever kind of public key it is
    algorithms: list[str],
    issuer: str,
    audience: str,
    required: Sequence[str],
) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=algorithms,
        issuer=issuer,
        audience=audience,
        leeway=LEEWAY_SECONDS,
        options={"require": list(required)},
    )


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, not yet verified. Raises ValueError, TypeError."""
    if len(token) > LONGEST or token.count(".") != 2:
        raise ValueError("not a token")
    header, claims, _ = token.split(".")
    head, body = _object(header), _object(claims)
    if _NOT_FOLLOWED & head.keys():
        raise ValueError("names a key of its own")
    kid = head.get("kid", "")
    if not isinstance(kid, str) or len(kid) > _LONGEST_KID:
        raise ValueError("no name of a key")
    if not isinstance(head.get("alg"), str) or not isinstance(body.get("iss"), str):
        raise TypeError("names no algorithm or issuer")
    return head, body


def _object(part: str) -> dict[str, Any]:
    try:
        text = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    found = json.loads(text, object_pairs_hook=_once)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says one thing twice: two readers would take it differently."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim stands there twice")
    return found
