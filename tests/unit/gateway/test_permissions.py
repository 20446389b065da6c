from collections.abc import Sequence
from uuid import uuid4

import pytest
from aiohttp import web

from proto.accounts.calling import Caller
from proto.accounts.words import Role, Scope
from proto.errors import NotAllowed
from proto.ids import AccountId, ApiKeyId
from proto.plans import Plan
from services.gateway.app import operations
from services.gateway.operations import Operation
from services.gateway.permissions import check

PLAN = Plan(
    name="pro", title="Pro", features=[], key_per_minute=60, account_per_minute=600, members=5
)


async def handler(_: web.Request) -> web.Response:
    return web.Response()


def operation(role: Role = "read_only", *scopes: Scope) -> Operation:
    return Operation("POST", "/x", handler, "Tests", {}, role=role, scopes=scopes)


def person(role: Role) -> Caller:
    return Caller(account=AccountId(uuid4()), role=role, plan=PLAN, limits=[])


def key(scopes: Sequence[Scope] | None) -> Caller:
    return Caller(
        account=AccountId(uuid4()),
        role="owner",
        plan=PLAN,
        api_key=ApiKeyId(uuid4()),
        scopes=None if scopes is None else list(scopes),
        limits=[],
    )


@pytest.mark.parametrize(
    ("is_", "takes"),
    [("owner", "owner"), ("owner", "read_only"), ("member", "member"), ("read_only", "read_only")],
)
def test_a_person_may_do_what_their_role_covers(is_: Role, takes: Role) -> None:
    check(person(is_), operation(takes))


@pytest.mark.parametrize(
    ("is_", "takes"), [("member", "owner"), ("read_only", "owner"), ("read_only", "member")]
)
def test_and_nothing_more(is_: Role, takes: Role) -> None:
    with pytest.raises(NotAllowed):
        check(person(is_), operation(takes, "facecrop"))


@pytest.mark.parametrize("scopes", [None, ["facecrop"], ["jobs", "facecrop"]])
def test_a_key_may_do_what_its_scopes_cover(scopes: Sequence[Scope] | None) -> None:
    check(key(scopes), operation("member", "facecrop"))


@pytest.mark.parametrize("scopes", [["jobs"], ["wallet:read"]])
def test_a_key_without_the_scope_may_not(scopes: Sequence[Scope]) -> None:
    with pytest.raises(NotAllowed, match="facecrop"):
        check(key(scopes), operation("read_only", "facecrop"))


@pytest.mark.parametrize("scope", ["facecrop", "jobs"])
def test_one_of_several_scopes_will_do(scope: Scope) -> None:
    check(key([scope]), operation("read_only", "jobs", "facecrop"))
    with pytest.raises(NotAllowed, match="jobs or facecrop"):
        check(key(["qr"]), operation("read_only", "jobs", "facecrop"))


@pytest.mark.parametrize("scopes", [None, ["facecrop"]])
def test_no_key_may_do_what_is_for_people(scopes: Sequence[Scope] | None) -> None:
    with pytest.raises(NotAllowed, match="log in"):
        check(key(scopes), operation("owner"))


def test_nothing_that_administers_an_account_is_open_to_keys_or_members() -> None:
    administering = ("/v1/account/api-keys", "/v1/account/members", "/v1/account/inv", "/v1/webh")
    found = [
        each
        for each in operations()
        if each.path.startswith(administering) and each.method != "GET" and each.secured
    ]
    assert len(found) > 8
    assert {(each.role, each.scopes) for each in found} == {("owner", ())}


def test_everything_that_charges_wants_a_member_and_a_scope() -> None:
    charging = [each for each in operations() if each.charges]
    assert charging
    assert all(each.role == "member" and each.scopes for each in charging)


def test_matching_takes_its_scope_and_whoever_may_look_may_only_look() -> None:
    found = [each for each in operations() if "/agencies" in each.path or "/matching/" in each.path]
    assert len(found) > 35
    for each in found:
        assert each.scopes == ("matching",)
        assert each.role == ("read_only" if each.method == "GET" else "member")
    charging = {each.path.rpartition("/")[2] for each in found if each.charges}
    assert charging == {"match-job", "yearbook"}
