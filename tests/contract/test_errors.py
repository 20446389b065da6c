"""What every endpoint owes a caller who gets something wrong."""

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.contract.conftest import PASSWORD, Answer, Client, Newcomer
from tests.running import RunningStack


def is_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]) == (status, code), answer.body
    assert set(answer.body) == {"error", "message", "request_id"}
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


SECURED = [
    ("GET", "/v1/wallet"),
    ("GET", "/v1/wallet/transactions"),
    ("POST", "/v1/services/studio/face-crop"),
    ("POST", "/v1/services/studio/face-crop/upload"),
]


@pytest.mark.parametrize(("method", "path"), SECURED)
@pytest.mark.parametrize("header", ["", "Bearer x.y.z", "Basic eDp5", "Bearer " + "a" * 7000])
async def test_without_a_good_token_nothing_is_answered(
    client: Client, method: str, path: str, header: str
) -> None:
    answer = await client.send(method, path, headers={"Authorization": header})
    is_error(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_of_one_account_shows_nothing_of_another(newcomer: Newcomer) -> None:
    rich, poor = await newcomer(tokens=100), await newcomer(tokens=1)
    assert await rich.balance() == 100
    assert await poor.balance() == 1
    listed = (await poor.send("GET", "/v1/wallet/transactions")).body["transactions"]
    assert [line["tokens_added"] for line in listed] == [1]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/v1/services/studio/face-crop", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/wallet", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/files/outputs/x", 403, "LINK_NOT_VALID"),
        ("GET", "/files/../../etc/passwd", 404, "NOT_FOUND"),
        ("GET", "/v1/wallet/transactions?limit=0", 422, "INVALID_REQUEST"),
        ("GET", "/v1/wallet/transactions?limit=201", 422, "INVALID_REQUEST"),
        ("GET", "/v1/wallet/transactions?limit=ten", 422, "INVALID_REQUEST"),
        ("GET", "/v1/wallet/transactions?cursor=-1", 422, "INVALID_REQUEST"),
        ("GET", "/v1/wallet/transactions?cursor=99999999999999999999", 422, "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_request_is_told_in_the_same_shape(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    is_error(await client.send(method, path), status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "nobody@example.com", "password": PASSWORD}, 401, "UNAUTHENTICATED"),
        ({"email": "", "password": ""}, 401, "UNAUTHENTICATED"),
        ({"email": "nobody@example.com"}, 422, "INVALID_REQUEST"),
        ({"email": 5, "password": "x"}, 422, "INVALID_REQUEST"),
        ({"email": "a\0b@example.com", "password": "x"}, 422, "INVALID_REQUEST"),
        ({"email": "a" * 255, "password": "x"}, 422, "INVALID_REQUEST"),
        ({"email": "nobody@example.com", "password": "x" * 201}, 422, "INVALID_REQUEST"),
        ({"email": "nobody@example.com", "password": "x\0y"}, 401, "UNAUTHENTICATED"),
    ],
)
async def test_a_login_that_fails_says_why(
    client: Client, body: dict[str, object], status: int, code: str
) -> None:
    answer = await client.send(
        "POST", "/v1/account/login", json=body, headers={"Authorization": ""}
    )
    is_error(answer, status, code)


@pytest.mark.parametrize(
    ("brought", "kept"),
    [("order-17", True), ("a" * 128, True), ("a" * 129, False), ('"><script>', False), ("", False)],
)
async def test_a_request_id_is_kept_if_it_is_sane(client: Client, brought: str, kept: bool) -> None:
    answer = await client.send("GET", "/v1/prices", headers={"X-Request-Id": brought})
    assert (answer.headers["X-Request-Id"] == brought) is kept
    assert answer.headers["X-Request-Id"]


async def test_a_request_id_is_found_in_the_statement_and_in_every_log(
    client: Client, stack: RunningStack, astronaut: bytes
) -> None:

    form = aiohttp.FormData({"icp_type": "school"})
    form.add_field("file[]", astronaut[:5000], filename="cut.png")
    await client.send(
        "POST",
        "/v1/services/studio/face-crop/upload",
        data=form,
        headers={"X-Request-Id": "find-me-1"},
    )
    listed = (await client.send("GET", "/v1/wallet/transactions")).body["transactions"]
    assert [(line["request_id"], line["state"]) for line in listed[:1]] == [
        ("find-me-1", "refunded")
    ]


async def test_the_front_door_leads_to_the_documentation(client: Client) -> None:
    answer = await client.send("GET", "/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/docs")
    page = await client.send("GET", "/docs")
    assert b"Darkroom" in page.body
    api = (await client.send("GET", "/openapi.json")).body
    assert api["openapi"].startswith("3.1")


async def test_the_statement_is_paged_to_its_end(newcomer: Newcomer, astronaut: bytes) -> None:
    client = await newcomer(tokens=100)
    for _ in range(3):
        await client.upload(("a.png", astronaut[:5000]))
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"&cursor={cursor}" if cursor else ""
        page = (await client.send("GET", f"/v1/wallet/transactions?limit=2{query}")).body
        ids += [line["id"] for line in page["transactions"]]
        cursor = page["next_cursor"]
    assert len(ids) == len(set(ids)) == 4
    assert ids == sorted(ids, reverse=True)


async def test_malformed_http_is_refused_and_kept_out_of_the_log(
    client: Client, stack: RunningStack
) -> None:
    place = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    secret = "very-secret-" * 2000
    writer.write(f"GET /v1/wallet HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}\r\n\r\n".encode())
    await writer.drain()
    assert b" 400 " in await reader.readline()
    writer.close()
    await client.send("GET", "/v1/prices")
    log = stack.log("gateway")
    assert "malformed HTTP request" in log
    assert "very-secret" not in log
    assert all(json.loads(line) for line in log.splitlines())


async def test_an_upload_that_breaks_off_leaves_nothing(
    client: Client, stack: RunningStack
) -> None:
    place = urlsplit(client.url)
    _, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        "POST /v1/services/studio/face-crop/upload HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file[]"; filename="a"\r\n\r\n'
    )
    writer.write(head.encode() + b"x" * 3_000_000)
    await writer.drain()
    writer.transport.abort()
    uploads = stack.home / "storage" / "uploads" / str(client.account)
    for _ in range(200):
        if not [path for path in uploads.rglob("*") if path.is_file()]:
            break
        await asyncio.sleep(0.02)
    assert [path for path in uploads.rglob("*") if path.is_file()] == []
    assert await client.balance() == 100
