"""The people of an account: who they are, inviting more, their roles."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.accounts.people import (
    AcceptInvitation,
    ChangeRole,
    GetMembers,
    Invite,
    Members,
    RemoveMember,
)
from proto.accounts.words import Email, Password, Role
from proto.ids import UserId
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import json_response
from services.gateway.queries import identifier
from services.gateway.resources import BUS
from services.gateway.views.account import SLOW_SECONDS, TokenBody, address, tokens
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody

operations = Operations("Members")

_USER = Parameter("user_id", "path", "The member's id")


class MemberBody(msgspec.Struct, frozen=True, kw_only=True):
    """A person in the account."""

    user_id: UUID
    email: str
    role: Role
    since: datetime


class MembersBody(msgspec.Struct, frozen=True, kw_only=True):
    """The people of the account, those who came first at the top."""

    members: list[MemberBody]


class InviteBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to invite, as what."""

    email: Email
    role: Role = "member"


class InvitationBody(msgspec.Struct, frozen=True, kw_only=True):
    """Hand the token to the person; it lets them join once."""

    token: str
    """Shown this once."""
    email: str
    role: Role
    expires_at: datetime


class AcceptBody(msgspec.Struct, frozen=True, kw_only=True):
    """The invitation, and your password: the one you have, or the one you wish for."""

    token: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[\x20-\x7e]*$")]
    password: Password


class RoleBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a member shall be."""

    role: Role


@operations.add("GET", "/v1/account/members", {200: MembersBody, **ASKING})
async def members(request: web.Request) -> web.Response:
    """List the people of the account."""
    return _members(await request.app[BUS].request(GetMembers(account=request[ACCOUNT])))


@operations.add(
    "POST",
    "/v1/account/invitations",
    {201: InvitationBody, 409: ErrorBody, **ERROR_ANSWERS},
    body=InviteBody,
    role="owner",
)
async def invite(request: web.Request) -> web.Response:
    """Invite a person into the account."""
    body = await read_json(request, InviteBody)
    made = await request.app[BUS].request(
        Invite(account=request[ACCOUNT], email=body.email, role=body.role)
    )
    response = json_response(
        InvitationBody(
            token=made.token, email=made.email, role=made.role, expires_at=made.expires_at
        ),
        201,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@operations.add(
    "POST",
    "/v1/account/invitations/accept",
    {200: TokenBody, **ERROR_ANSWERS},
    body=AcceptBody,
    secured=False,
)
async def accept(request: web.Request) -> web.Response:
    """Join an account and log in to it."""
    body = await read_json(request, AcceptBody)
    asked = AcceptInvitation(token=body.token, password=body.password, address=address(request))
    return tokens(await request.app[BUS].request(asked, SLOW_SECONDS))


@operations.add(
    "PATCH",
    "/v1/account/members/{user_id}",
    {200: MembersBody, 404: ErrorBody, 409: ErrorBody, **ERROR_ANSWERS},
    body=RoleBody,
    parameters=(_USER,),
    role="owner",
)
async def change_role(request: web.Request) -> web.Response:
    """Give a member another role, from their next request on."""
    user = UserId(identifier(request, "user_id", "member"))
    body = await read_json(request, RoleBody)
    asked = ChangeRole(account=request[ACCOUNT], user=user, role=body.role)
    return _members(await request.app[BUS].request(asked))


@operations.add(
    "DELETE",
    "/v1/account/members/{user_id}",
    {200: MembersBody, 404: ErrorBody, 409: ErrorBody, **ASKING},
    parameters=(_USER,),
    role="owner",
)
async def remove(request: web.Request) -> web.Response:
    """Take a person out of the account; their tokens for it stop working at once."""
    user = UserId(identifier(request, "user_id", "member"))
    return _members(
        await request.app[BUS].request(RemoveMember(account=request[ACCOUNT], user=user))
    )


def _members(found: Members) -> web.Response:
    listed = [
        MemberBody(user_id=each.user, email=each.email, role=each.role, since=each.since)
        for each in found.members
    ]
    return json_response(MembersBody(members=listed))
