"""Accounts over HTTP: who registers, logs in and out, and who may do what in an account."""

import asyncio
from uuid import uuid4

import aiohttp
import pytest

from tests.contract.conftest import PASSWORD, Answer, Client, Newcomer
from tests.contract.test_errors import is_error
from tests.running import RunningStack

TOKENS = {
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "refresh_expires_in",
    "account_id",
}


@pytest.fixture
def anonymous(stack: RunningStack, session: aiohttp.ClientSession, client: Client) -> Client:
    return client.instead()


def bearing(client: Client, answer: Answer) -> Client:
    return client.instead(Authorization=f"Bearer {answer.body['access_token']}")


async def test_who_registers_is_logged_in_with_an_empty_wallet(anonymous: Client) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "name": "Fotostudio"}
    answer = await anonymous.send("POST", "/v1/account/register", json=body)
    assert answer.status == 201
    assert set(answer.body) == TOKENS
    assert answer.headers["Cache-Control"] == "no-store"
    newcomer = bearing(anonymous, answer)
    assert await newcomer.balance() == 0
    found = (await newcomer.send("GET", "/v1/account")).body
    assert (found["email"], found["name"], found["role"]) == (body["email"], "Fotostudio", "owner")
    assert found["plan"]["name"] == "basic"
    again = await anonymous.send("POST", "/v1/account/register", json=body)
    is_error(again, 409, "EMAIL_TAKEN")


@pytest.mark.parametrize("password", ["short", "1234567890"])
async def test_a_weak_password_is_refused(anonymous: Client, password: str) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "password": password}
    is_error(
        await anonymous.send("POST", "/v1/account/register", json=body), 422, "INVALID_REQUEST"
    )


async def login(client: Client, password: str = PASSWORD) -> Answer:
    body = {"email": client.email, "password": password}
    return await client.instead().send("POST", "/v1/account/login", json=body)


async def test_a_refresh_token_works_once_and_then_ends_the_login(
    client: Client, anonymous: Client
) -> None:
    first = await login(client)
    body = {"refresh_token": first.body["refresh_token"]}
    second = await anonymous.send("POST", "/v1/account/refresh", json=body)
    assert second.status == 200
    assert set(second.body) == TOKENS
    assert await bearing(client, second).balance() == 100
    stolen = await anonymous.send("POST", "/v1/account/refresh", json=body)
    is_error(stolen, 401, "UNAUTHENTICATED")
    answer = await bearing(client, second).send("GET", "/v1/wallet")
    is_error(answer, 401, "UNAUTHENTICATED")


async def test_after_logging_out_the_token_is_good_for_nothing(client: Client) -> None:
    assert (await client.send("POST", "/v1/account/logout")).status == 204
    is_error(await client.send("GET", "/v1/wallet"), 401, "UNAUTHENTICATED")


async def test_a_password_is_changed(client: Client) -> None:
    body = {"old_password": PASSWORD, "new_password": "quite another horse"}
    answer = await client.send("POST", "/v1/account/password", json=body)
    assert set(answer.body) == TOKENS
    is_error(await login(client), 401, "UNAUTHENTICATED")
    assert (await login(client, "quite another horse")).status == 200


async def test_guessing_passwords_is_slowed_down(newcomer: Newcomer) -> None:
    victim = await newcomer()
    answers = [await login(victim, "a wrong password") for _ in range(5)]
    assert {answer.status for answer in answers} == {401}
    limited = await login(victim)
    is_error(limited, 429, "RATE_LIMITED")
    assert 0 < int(limited.headers["Retry-After"]) <= 900
    # who is logged in stays so
    assert await victim.balance() == 100


async def test_the_plans_are_public(anonymous: Client) -> None:
    answer = await anonymous.send("GET", "/v1/plans")
    limits = {plan["name"]: plan["key_per_minute"] for plan in answer.body["plans"]}
    assert (limits["pro"], limits["team"], limits["business"]) == (60, 300, 300)


async def invited(owner: Client, role: str) -> Client:
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "role": role}
    invitation = await owner.send("POST", "/v1/account/invitations", json=body)
    assert invitation.status == 201, invitation.body
    joining = {"token": invitation.body["token"], "password": PASSWORD}
    joined = await owner.instead().send("POST", "/v1/account/invitations/accept", json=joining)
    assert joined.status == 200, joined.body
    again = await owner.instead().send("POST", "/v1/account/invitations/accept", json=joining)
    is_error(again, 401, "UNAUTHENTICATED")
    return bearing(owner, joined)


OWNERS_ONLY = [
    ("POST", "/v1/account/api-keys"),
    ("DELETE", f"/v1/account/api-keys/{uuid4()}"),
    ("PATCH", f"/v1/account/api-keys/{uuid4()}"),
    ("POST", f"/v1/account/api-keys/{uuid4()}/rotate"),
    ("POST", "/v1/account/invitations"),
    ("DELETE", f"/v1/account/members/{uuid4()}"),
    ("PATCH", f"/v1/account/members/{uuid4()}"),
    ("POST", "/v1/webhooks"),
    ("PUT", "/v1/wallet/threshold"),
]


async def test_roles_cover_what_they_say(client: Client, astronaut: bytes) -> None:
    member, reader = await invited(client, "member"), await invited(client, "read_only")
    assert (await member.upload(("a.png", astronaut))).status == 200
    assert await reader.balance() == 98
    is_error(await reader.upload(("a.png", astronaut)), 403, "FORBIDDEN")
    for method, path in OWNERS_ONLY:
        for who in (member, reader):
            is_error(await who.send(method, path, json={}), 403, "FORBIDDEN")
    assert await client.balance() == 98


async def test_who_is_removed_is_out_at_once(client: Client) -> None:
    member = await invited(client, "member")
    people = (await client.send("GET", "/v1/account/members")).body["members"]
    (found,) = [person for person in people if person["role"] == "member"]
    path = f"/v1/account/members/{found['user_id']}"
    assert (await client.send("PATCH", path, json={"role": "read_only"})).status == 200
    assert (await member.send("GET", "/v1/account")).body["role"] == "read_only"
    assert (await client.send("DELETE", path)).status == 200
    is_error(await member.send("GET", "/v1/wallet"), 401, "UNAUTHENTICATED")
    is_error(await client.send("DELETE", path), 404, "NOT_FOUND")


async def test_the_last_owner_stays(client: Client) -> None:
    (owner,) = (await client.send("GET", "/v1/account/members")).body["members"]
    path = f"/v1/account/members/{owner['user_id']}"
    is_error(await client.send("DELETE", path), 409, "LAST_OWNER")
    is_error(await client.send("PATCH", path, json={"role": "member"}), 409, "LAST_OWNER")


async def test_a_plan_has_so_much_room(newcomer: Newcomer) -> None:
    alone = await newcomer(plan="basic")
    answer = await alone.send("POST", "/v1/account/invitations", json={"email": "a@example.com"})
    is_error(answer, 403, "PLAN_FORBIDS")


async def test_logins_at_once_are_all_answered(client: Client) -> None:
    answers = await asyncio.gather(*(login(client) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
