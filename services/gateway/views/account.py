"""Opening an account, logging in and out, and the public keys that verify what a login gives."""

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts.calling import Caller
from proto.accounts.login import ChangePassword, Login, Logout, Refresh, Register, Session
from proto.accounts.opening import GetAccount, GetPlans
from proto.accounts.words import Email, Password, Role, TypedEmail
from proto.errors import NotAllowed
from proto.ids import AccountId, UserId
from proto.plans import Feature, Plan, PlanName
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.operations import Operations, read_json
from services.gateway.problems import json_response
from services.gateway.resources import BUS, IDENTITY, SETTINGS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("Account")

_BEARER = "Bearer"
SLOW_SECONDS = 15.0
"""Passwords are hashed slowly, and many at once wait for each other."""


class RegisterBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who you are, and what the account is called."""

    email: Email
    password: Password
    """10 characters or more, and none of those that everybody knows."""
    name: Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


class LoginBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who you are."""

    email: TypedEmail
    password: Password
    account_id: UUID | None = None
    """As a member of which account, if of several; the first if left out."""


class TokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """Send it with every request as `Authorization: Bearer <access_token>`."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
    refresh_token: str
    """Buys the next pair at POST /v1/account/refresh, once. To use it twice ends the login."""
    refresh_expires_in: int
    account_id: UUID


class RefreshBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the last answer gave."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[\x20-\x7e]*$")]


class PasswordBody(msgspec.Struct, frozen=True, kw_only=True):
    """The password that was, and the one that shall be."""

    old_password: Password
    new_password: Password


class PlanBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan brings."""

    name: PlanName
    title: str
    features: list[Feature]
    key_per_minute: int
    """Requests a minute of one API key, or of the people of the account together."""
    account_per_minute: int
    members: int


class PlansBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every plan, the smallest first."""

    plans: list[PlanBody]


class AccountBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account it is, and who is asking."""

    id: UUID
    email: str
    """Of the person who opened it."""
    name: str
    plan: PlanBody
    role: Role
    """Of the caller."""
    user_id: UUID | None
    """The person who logged in; null for API keys."""


class JwksBody(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


_PUBLIC = {status: shape for status, shape in ERROR_ANSWERS.items() if status != 403}


@operations.add(
    "POST",
    "/v1/account/register",
    {201: TokenBody, 409: ErrorBody, **_PUBLIC},
    body=RegisterBody,
    secured=False,
)
async def register(request: web.Request) -> web.Response:
    """Open an account and log in."""
    body = await read_json(request, RegisterBody)
    asked = Register(
        email=body.email, password=body.password, name=body.name, address=address(request)
    )
    return tokens(await request.app[BUS].request(asked, SLOW_SECONDS), 201)


@operations.add(
    "POST", "/v1/account/login", {200: TokenBody, **_PUBLIC}, body=LoginBody, secured=False
)
async def login(request: web.Request) -> web.Response:
    """Exchange e-mail and password for an access token."""
    body = await read_json(request, LoginBody)
    account = None if body.account_id is None else AccountId(body.account_id)
    asked = Login(
        email=body.email, password=body.password, account=account, address=address(request)
    )
    return tokens(await request.app[BUS].request(asked, SLOW_SECONDS))


@operations.add(
    "POST", "/v1/account/refresh", {200: TokenBody, **_PUBLIC}, body=RefreshBody, secured=False
)
async def refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token for the next access token and refresh token."""
    body = await read_json(request, RefreshBody)
    return tokens(await request.app[BUS].request(Refresh(refresh_token=body.refresh_token)))


@operations.add("POST", "/v1/account/logout", {204: None, **ASKING}, role="read_only")
async def logout(request: web.Request) -> web.Response:
    """End this login: its tokens are good for nothing from now on."""
    caller: Caller = request[CALLER]
    if caller.session is None:
        raise NotAllowed("only who logged in can log out")
    await request.app[BUS].request(Logout(session=caller.session, user=person(request)))
    return web.Response(status=204)


@operations.add(
    "POST",
    "/v1/account/password",
    {200: TokenBody, **ERROR_ANSWERS},
    body=PasswordBody,
    role="read_only",
)
async def password(request: web.Request) -> web.Response:
    """Change the password; ends every login of the person and begins a new one."""
    body = await read_json(request, PasswordBody)
    asked = ChangePassword(
        account=request[ACCOUNT],
        user=person(request),
        old_password=body.old_password,
        new_password=body.new_password,
        address=address(request),
    )
    return tokens(await request.app[BUS].request(asked, SLOW_SECONDS))


@operations.add("GET", "/v1/account", {200: AccountBody, **ASKING})
async def account(request: web.Request) -> web.Response:
    """Tell whose account it is, its plan, and as what the caller is in it."""
    caller: Caller = request[CALLER]
    found = await request.app[BUS].request(GetAccount(account=caller.account))
    return json_response(
        AccountBody(
            id=found.id,
            email=found.email,
            name=found.name,
            plan=_plan(caller.plan),
            role=caller.role,
            user_id=caller.user,
        )
    )


@operations.add("GET", "/v1/plans", {200: PlansBody, 503: ErrorBody}, secured=False)
async def plans(request: web.Request) -> web.Response:
    """Show what each plan brings."""
    found = await request.app[BUS].request(GetPlans())
    return json_response(PlansBody(plans=[_plan(plan) for plan in found.plans]))


@operations.add("GET", "/.well-known/jwks.json", {200: JwksBody, 503: ErrorBody}, secured=False)
async def jwks(request: web.Request) -> web.Response:
    """Publish the keys that verify access tokens."""
    known = await request.app[IDENTITY].public_keys()
    listed = [
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": key.x}
        for key in known.keys
    ]
    return json_response(JwksBody(keys=listed))


def tokens(session: Session, status: int = 200) -> web.Response:
    """Return what somebody gets who has logged in."""
    body = TokenBody(
        access_token=session.access_token,
        token_type=_BEARER,
        expires_in=session.expires_in,
        refresh_token=session.refresh_token,
        refresh_expires_in=session.refresh_expires_in,
        account_id=session.account,
    )
    response = json_response(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def person(request: web.Request) -> UserId:
    """Return the person who logged in. Raises NotAllowed for callers who are none."""
    caller: Caller = request[CALLER]
    if caller.user is None:
        raise NotAllowed("this takes a person who logged in here")
    return caller.user


def address(request: web.Request) -> str:
    """Return the network address that the request came from, past the proxies that are ours."""
    proxies = request.app[SETTINGS].proxies
    if not proxies:
        return request.remote or ""
    # each proxy adds whom it heard from at the end; what stands further left, anybody may write
    told = ",".join(request.headers.getall("X-Forwarded-For", []))
    hops = [hop.strip() for hop in told.split(",") if hop.strip()]
    return hops[-proxies][:100] if len(hops) >= proxies else request.remote or ""


def _plan(plan: Plan) -> PlanBody:
    return PlanBody(
        name=plan.name,
        title=plan.title,
        features=plan.features,
        key_per_minute=plan.key_per_minute,
        account_per_minute=plan.account_per_minute,
        members=plan.members,
    )
