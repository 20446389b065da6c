"""Agencies, their consent, and their jobs."""

from typing import Any

import pytest

from tests.contract.conftest import Client, Newcomer
from tests.contract.schools import AGENCIES, CONSENT, agency, school
from tests.contract.test_errors import is_error


async def test_an_agency_is_as_the_contract_has_it(client: Client) -> None:
    wished = {"name": "Springfield Elementary", "agency_type": "school"}
    answer = await client.send("POST", AGENCIES, json=wished)
    assert answer.status == 201
    made = answer.body
    assert made == {
        "id": made["id"],
        "name": "Springfield Elementary",
        "agency_type": "school",
        "mode": "faces",
        "consent": None,
        "retention_days": 365,
        "archived": False,
        "subjects": 0,
        "references": 0,
        "embeddings": 0,
        "created_at": made["created_at"],
    }
    assert isinstance(made["id"], int)
    assert (await client.send("GET", AGENCIES)).body == {"agencies": [made]}
    assert (await client.send("GET", f"{AGENCIES}/{made['id']}")).body == made
    assert await client.balance() == 100


@pytest.mark.parametrize(
    "agency_type", ["school", "sports", "corporate", "yearbook", "childcare", "designer"]
)
async def test_agencies_are_of_the_six_types(client: Client, agency_type: str) -> None:
    assert (await (await agency(client, agency_type=agency_type)).shown())[
        "agency_type"
    ] == agency_type


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"name": "a\0b"},
        {"name": 5},
        {"name": None},
        {"agency_type": "zoo"},
        {"agency_type": None},
        {"mode": "fingers"},
        {"retention_days": 0},
        {"retention_days": 3651},
        {"retention_days": 1.5},
    ],
)
async def test_what_is_no_agency_is_refused(client: Client, body: dict[str, Any]) -> None:
    told = {"name": "x", "agency_type": "school"} | body
    is_error(await client.send("POST", AGENCIES, json=told), 422, "INVALID_REQUEST")
    made = await agency(client)
    is_error(await made.send("PATCH", json=body), 422, "INVALID_REQUEST")
    assert (await made.shown())["name"] == "Springfield Elementary"


async def test_both_ends_of_what_may_be_given_are_taken(client: Client) -> None:
    for wished in (
        {"name": "x", "retention_days": 1},
        {"name": "雪" * 200, "retention_days": 3650},
    ):
        shown = await (await agency(client, **wished)).shown()
        assert {name: shown[name] for name in wished} == wished


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "MALFORMED_JSON"),
        (b"\xff", "application/json", 400, "MALFORMED_JSON"),
        (b'{"name":' + b"[" * 100_000, "application/json", 422, "INVALID_REQUEST"),
        (b"[]", "application/json", 422, "INVALID_REQUEST"),
        (b"{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b" " * 1_000_001, "application/json", 413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_body_that_is_none_is_told(
    client: Client, data: bytes, kind: str, status: int, code: str
) -> None:
    headers = {"Content-Type": kind}
    is_error(await client.send("POST", AGENCIES, data=data, headers=headers), status, code)


async def test_an_agency_is_renamed_archived_and_taken_back(client: Client) -> None:
    made = await agency(client)
    job = await made.job()
    changed = await made.send("PATCH", json={"name": "Shelbyville", "agency_type": "sports"})
    assert (changed.status, changed.body["name"], changed.body["agency_type"]) == (
        200,
        "Shelbyville",
        "sports",
    )
    archived = (await made.send("PATCH", json={"archived": True})).body
    assert archived["archived"]
    assert (await client.send("GET", AGENCIES)).body == {"agencies": []}
    listed = await client.send("GET", AGENCIES, params={"archived": "true"})
    assert listed.body == {"agencies": [archived]}
    new_job = {"name": "x", "icp_type": "school"}
    is_error(await made.send("POST", "/jobs", json=new_job), 422, "INVALID_REQUEST")
    new = {"subjects": [{"student_id": "1", "name": "x"}]}
    is_error(await made.send("POST", "/subjects", json=new), 422, "INVALID_REQUEST")
    urls = {"image_urls": ["https://example.com/a.jpg"]}
    is_error(await made.send("POST", f"/jobs/{job}/files", json=urls), 422, "INVALID_REQUEST")
    await made.send("PATCH", json={"archived": False})
    assert (await made.send("POST", "/jobs", json=new_job)).status == 201
    wrong = await client.send("GET", AGENCIES, params={"archived": "maybe"})
    is_error(wrong, 422, "INVALID_REQUEST")


async def test_consent_is_given_and_withdrawn_and_the_log_says_by_whom(client: Client) -> None:
    made = await agency(client)
    given = (await made.send("PUT", "/consent", json=CONSENT)).body["consent"]
    assert given["statement"] == CONSENT["statement"]
    assert given["given_by"].startswith("user:")
    assert (await made.send("DELETE", "/consent")).body["consent"] is None
    log = (await made.send("GET", "/access-log")).body
    assert [each["action"] for each in log["entries"]] == ["consent_withdrawn", "consent_given"]
    assert {each["by"] for each in log["entries"]} == {given["given_by"]}
    assert log["next_cursor"] is None
    first = (await made.send("GET", "/access-log", params={"limit": "1"})).body
    rest = await made.send("GET", "/access-log", params={"cursor": first["next_cursor"]})
    assert [*first["entries"], *rest.body["entries"]] == log["entries"]
    for body in ({}, {"statement": ""}, {"statement": "x" * 201}):
        is_error(await made.send("PUT", "/consent", json=body), 422, "INVALID_REQUEST")


async def test_a_key_stands_in_the_log_as_itself(client: Client) -> None:
    key = await client.with_key(scopes=["matching"])
    made = await school(key)
    assert (await made.shown())["consent"]["given_by"].startswith("key:")


async def test_what_is_erased_is_gone_and_the_log_stays(client: Client) -> None:
    made = await school(client)
    await made.person("1")
    job = await made.job()
    assert (await made.send("DELETE")).status == 204
    for path in ("", f"/jobs/{job}", "/jobs", "/subjects"):
        is_error(await made.send("GET", path), 404, "NOT_FOUND")
    is_error(await made.send("DELETE"), 404, "NOT_FOUND")
    log = (await made.send("GET", "/access-log")).body["entries"]
    assert log[0]["action"] == "agency_erased"


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.0", "9223372036854775808", "9" * 40, "٣"])
async def test_what_cannot_be_an_id_is_not_found(client: Client, id_: str) -> None:
    made = await agency(client)
    is_error(await client.send("GET", f"{AGENCIES}/{id_}"), 404, "NOT_FOUND")
    is_error(await made.send("GET", f"/jobs/{id_}"), 404, "NOT_FOUND")
    is_error(await made.send("GET", f"/subjects/{id_}"), 404, "NOT_FOUND")


async def test_only_keys_for_matching_get_in(newcomer: Newcomer) -> None:
    client = await newcomer()
    allowed, other = (
        await client.with_key(scopes=["matching"]),
        await client.with_key(scopes=["facecrop", "qr", "jobs", "wallet:read"]),
    )
    assert (await allowed.send("GET", AGENCIES)).status == 200
    is_error(await other.send("GET", AGENCIES), 403, "FORBIDDEN")
    nobody = client.instead()
    is_error(await nobody.send("GET", AGENCIES), 401, "UNAUTHENTICATED")


# jobs


async def test_a_job_is_as_the_contract_has_it(client: Client) -> None:
    made = await agency(client)
    answer = await made.send("POST", "/jobs", json={"name": "Spring", "icp_type": "school"})
    assert answer.status == 201
    assert answer.body == {
        "id": answer.body["id"],
        "agency_id": made.id,
        "name": "Spring",
        "icp_type": "school",
        "status": "draft",
        "files": 0,
        "created_at": answer.body["created_at"],
    }
    assert (await made.send("GET", "/jobs")).body == {"jobs": [answer.body]}
    assert (await made.send("GET", f"/jobs/{answer.body['id']}")).body == answer.body


async def test_jobs_are_changed_archived_and_removed(client: Client) -> None:
    made = await agency(client)
    one, two = await made.job(name="One"), await made.job(name="Two", status="active")
    changed = await made.send("PATCH", f"/jobs/{one}", json={"name": "Uno", "icp_type": "sports"})
    assert (changed.body["name"], changed.body["icp_type"]) == ("Uno", "sports")
    assert (await made.send("PATCH", f"/jobs/{one}", json={"status": "archived"})).status == 200
    assert [each["id"] for each in (await made.send("GET", "/jobs")).body["jobs"]] == [two]
    archived = await made.send("GET", "/jobs", params={"archived": "true"})
    assert [each["name"] for each in archived.body["jobs"]] == ["Uno"]
    assert (await made.send("DELETE", f"/jobs/{two}")).status == 204
    is_error(await made.send("GET", f"/jobs/{two}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\0b"},
        {"icp_type": "passport"},
        {"icp_type": "School"},
        {"icp_type": ""},
        {"status": "done"},
    ],
)
async def test_what_is_no_job_is_refused(client: Client, body: dict[str, Any]) -> None:
    made = await agency(client)
    job = await made.job()
    told = {"name": "x", "icp_type": "school"} | body
    is_error(await made.send("POST", "/jobs", json=told), 422, "INVALID_REQUEST")
    is_error(await made.send("PATCH", f"/jobs/{job}", json=body), 422, "INVALID_REQUEST")


async def test_a_preset_of_ones_own_is_a_type_too(client: Client) -> None:
    preset = {"name": "graduation", "aspect": [4, 5], "head_ratio": 0.5, "eye_line": 0.4}
    await client.send("POST", "/v1/services/studio/presets", json=preset)
    made = await agency(client)
    job = await made.send("POST", "/jobs", json={"name": "x", "icp_type": "graduation"})
    assert (job.status, job.body["icp_type"]) == (201, "graduation")
