"""API keys: made, listed, renamed, capped, rotated, revoked."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from proto.accounts.apikeys import (
    ApiKey,
    ApiKeyKind,
    CreateApiKey,
    CreditCap,
    GetApiKeys,
    NewApiKey,
    RevokeApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from proto.accounts.words import Name, Scope
from proto.errors import NotFound
from proto.ids import ApiKeyId
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import json_response
from services.gateway.queries import identifier
from services.gateway.resources import BUS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("API keys")

_ID = Parameter("id", "path", "The key's id")


class ApiKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: UUID
    kind: ApiKeyKind
    name: str
    start: str
    """How the key begins, to know it by."""
    scopes: list[Scope] | None
    """null for all."""
    credit_cap: int | None
    """Tokens that the key may spend in all, those held for running requests included; null for
    no cap."""
    created_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    per_minute: int | None
    """The rate limit that the operator gave it; null for the plan's, 0 for none."""


class NewApiKeyBody(ApiKeyBody, frozen=True, kw_only=True):
    """A key that was just made."""

    key: str
    """Shown this once, and not kept: send it as `Authorization: Bearer` or `X-Api-Key`."""


class ApiKeysBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every key that works, newest first."""

    api_keys: list[ApiKeyBody]


class CreateApiKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the key is for."""

    kind: ApiKeyKind
    """`mk_live`: mk_live_<id>.<secret>; `stu`: stu_<secret>, from the Pro plan on."""
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)] | None = None
    """Left out for all."""
    credit_cap: CreditCap | None = None
    """Left out for none."""


class UpdateApiKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    name: Name | UnsetType = UNSET
    credit_cap: CreditCap | UnsetType | None = UNSET
    """null for none."""


class RotateApiKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """How to change over."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400
    """How long the secret before this one goes on working."""


@operations.add("GET", "/v1/account/api-keys", {200: ApiKeysBody, **ASKING})
async def api_keys(request: web.Request) -> web.Response:
    """List the account's keys."""
    found = await request.app[BUS].request(GetApiKeys(account=request[ACCOUNT]))
    listed = [_body(each) for each in found.api_keys]
    return json_response(ApiKeysBody(api_keys=listed))


@operations.add(
    "POST",
    "/v1/account/api-keys",
    {201: NewApiKeyBody, **ERROR_ANSWERS},
    body=CreateApiKeyBody,
    role="owner",
)
async def create(request: web.Request) -> web.Response:
    """Make a key; this answer alone shows it."""
    body = await read_json(request, CreateApiKeyBody)
    made = await request.app[BUS].request(
        CreateApiKey(
            account=request[ACCOUNT],
            kind=body.kind,
            name=body.name,
            scopes=body.scopes,
            credit_cap=body.credit_cap,
        )
    )
    return _new(made, 201)


@operations.add(
    "PATCH",
    "/v1/account/api-keys/{id}",
    {200: ApiKeyBody, 404: ErrorBody, **ERROR_ANSWERS},
    body=UpdateApiKeyBody,
    parameters=(_ID,),
    role="owner",
)
async def update(request: web.Request) -> web.Response:
    """Give a key another name or cap."""
    key = _id(request)
    body = await read_json(request, UpdateApiKeyBody)
    known = (await request.app[BUS].request(GetApiKeys(account=request[ACCOUNT]))).api_keys
    now = next((each for each in known if each.id == key), None)
    if now is None:
        raise NotFound("there is no such API key")
    changed = await request.app[BUS].request(
        UpdateApiKey(
            account=request[ACCOUNT],
            api_key=key,
            name=now.name if body.name is UNSET else body.name,
            credit_cap=now.credit_cap if body.credit_cap is UNSET else body.credit_cap,
        )
    )
    return json_response(_body(changed))


@operations.add(
    "POST",
    "/v1/account/api-keys/{id}/rotate",
    {200: NewApiKeyBody, 404: ErrorBody, **ERROR_ANSWERS},
    body=RotateApiKeyBody,
    parameters=(_ID,),
    role="owner",
)
async def rotate(request: web.Request) -> web.Response:
    """Give a key another secret; the one before it works on for a while."""
    key = _id(request)
    body = RotateApiKeyBody()
    if request.can_read_body:
        body = await read_json(request, RotateApiKeyBody)
    made = await request.app[BUS].request(
        RotateApiKey(account=request[ACCOUNT], api_key=key, overlap_seconds=body.overlap_seconds)
    )
    return _new(made, 200)


@operations.add(
    "DELETE",
    "/v1/account/api-keys/{id}",
    {204: None, 404: ErrorBody, **ASKING},
    parameters=(_ID,),
    role="owner",
)
async def revoke(request: web.Request) -> web.Response:
    """End a key: no request with it is let in from now on."""
    await request.app[BUS].request(RevokeApiKey(account=request[ACCOUNT], api_key=_id(request)))
    return web.Response(status=204)


def _id(request: web.Request) -> ApiKeyId:
    return ApiKeyId(identifier(request, "id", "API key"))


def _new(made: NewApiKey, status: int) -> web.Response:
    body = NewApiKeyBody(key=made.key, **msgspec.structs.asdict(_body(made.api_key)))
    response = json_response(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _body(key: ApiKey) -> ApiKeyBody:
    return ApiKeyBody(
        id=key.id,
        kind=key.kind,
        name=key.name,
        start=key.start,
        scopes=key.scopes,
        credit_cap=key.credit_cap,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        per_minute=key.per_minute,
    )
