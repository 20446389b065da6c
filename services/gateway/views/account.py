"""Logging in, and the public keys that verify what a login gives."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts import Login
from services.gateway.operations import Operations, read_json
from services.gateway.problems import json_response
from services.gateway.resources import BUS, IDENTITY
from services.gateway.views.shapes import ERROR_ANSWERS, ErrorBody

operations = Operations("Account")

_BEARER = "Bearer"


class LoginBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who you are."""

    email: Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Meta(max_length=200)]


class TokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """Send it with every request as `Authorization: Bearer <access_token>`."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""


class JwksBody(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


@operations.add(
    "POST", "/v1/account/login", {200: TokenBody, **ERROR_ANSWERS}, body=LoginBody, secured=False
)
async def login(request: web.Request) -> web.Response:
    """Exchange e-mail and password for an access token."""
    body = await read_json(request, LoginBody)
    access = await request.app[BUS].request(Login(email=body.email, password=body.password))
    token = TokenBody(access_token=access.token, token_type=_BEARER, expires_in=access.expires_in)
    response = json_response(token)
    response.headers["Cache-Control"] = "no-store"
    return response


@operations.add("GET", "/.well-known/jwks.json", {200: JwksBody, 503: ErrorBody}, secured=False)
async def jwks(request: web.Request) -> web.Response:
    """Publish the keys that verify access tokens."""
    known = await request.app[IDENTITY].public_keys()
    listed = [
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": key.x}
        for key in known.keys
    ]
    return json_response(JwksBody(keys=listed))
