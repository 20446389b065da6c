"""Who is calling: access tokens, verified here with the public keys of the accounts service."""

import asyncio
from uuid import UUID

import jwt
from aiohttp import web

from kit.bus import Bus
from proto.accounts import GetSigningKeys, SigningKeys
from proto.errors import NotAuthenticated
from proto.ids import AccountId

ACCOUNT = "account_id"
"""Where the caller's AccountId stands in an authenticated request."""

_REFRESH_AT_MOST_EVERY_SECONDS = 10.0
_LEEWAY_SECONDS = 30


class Identity:
    """Verifies tokens without a hop; asks for keys when a token names one it has not seen."""

    def __init__(self, bus: Bus, issuer: str, audience: str) -> None:
        self._bus = bus
        self._issuer = issuer
        self._audience = audience
        self._known = SigningKeys(keys=[])
        self._keys: dict[str, jwt.PyJWK] = {}
        self._refreshed = float("-inf")
        self._refreshing = asyncio.Lock()

    async def account(self, request: web.Request) -> AccountId:
        """Return who sent the request. Raises NotAuthenticated, Unavailable."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("send an access token: Authorization: Bearer <access_token>")
        key = await self._key(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub"]},
            )
            return AccountId(UUID(claims["sub"]))
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("the access token has expired, log in again") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise NotAuthenticated("the access token is not valid") from error

    async def public_keys(self) -> SigningKeys:
        """Return the keys that are accepted, asking for them if there are none yet."""
        if not self._known.keys:
            await self._refresh()
        return self._known

    async def _key(self, token: str) -> jwt.PyJWK:
        """Return the key that the token names; the name is only looked up, never followed."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated("the access token is not valid") from error
        kid = str(header.get("kid", ""))
        if kid not in self._keys:
            await self._refresh()
        if kid not in self._keys or header.get("typ") != "at+jwt":
            raise NotAuthenticated("the access token is not valid")
        return self._keys[kid]

    async def _refresh(self) -> None:
        # unknown key ids must not become a way to flood the accounts service
        async with self._refreshing:
            now = asyncio.get_running_loop().time()
            if self._keys and now - self._refreshed < _REFRESH_AT_MOST_EVERY_SECONDS:
                return
            self._known = await self._bus.request(GetSigningKeys())
            self._refreshed = now
            self._keys = {
                key.kid: jwt.PyJWK(
                    {"kty": "OKP", "crv": "Ed25519", "kid": key.kid, "x": key.x, "alg": "EdDSA"}
                )
                for key in self._known.keys
            }
