"""What bad input to a face crop gets: a clear error, nothing charged, nothing left in storage."""

import asyncio
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.contract.conftest import Answer, Client, Elsewhere, uploads_of
from tests.running import RunningStack

CROP = "/v1/services/studio/face-crop"


def _form(**fields: Any) -> Callable[[bytes], aiohttp.FormData]:
    def make(photo: bytes) -> aiohttp.FormData:
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        form.add_field("file[]", photo, filename="a.jpg")
        return form

    return make


@pytest.mark.parametrize(
    "form",
    [
        _form(),
        _form(icp_type="passport"),
        _form(icp_type=""),
        _form(icp_type="school", enhance="perhaps"),
        _form(icp_type="school" * 1000),
        _form(icp_type="School"),
        _form(icp_type="../school"),
        _form(icp_type="school", auto_rotate="perhaps"),
        _form(icp_type="school", background="white"),
        _form(icp_type="school", background="#fff"),
        _form(icp_type="school", background="#12345g"),
        _form(icp_type="school", background="transparent", format="jpeg"),
        _form(icp_type="school", format="gif"),
        _form(icp_type="school", enhanced="true"),
    ],
    ids=[
        "no preset",
        "unknown preset",
        "empty preset",
        "enhance",
        "long field",
        "preset in capitals",
        "preset with a path",
        "auto_rotate",
        "colour by name",
        "short colour",
        "no colour",
        "transparent jpeg",
        "format",
        "a misspelt field",
    ],
)
async def test_a_wrong_field_is_422_before_anything_is_charged(
    client: Client, astronaut: bytes, form: Callable[[bytes], aiohttp.FormData]
) -> None:
    answer = await client.send("POST", f"{CROP}/upload", data=form(astronaut))
    _is_error(answer, 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def test_an_upload_without_files_is_422(client: Client) -> None:
    with aiohttp.MultipartWriter("form-data") as form:
        form.append("school").set_content_disposition("form-data", name="icp_type")
    answer = await client.send("POST", f"{CROP}/upload", data=form)
    _is_error(answer, 422, "INVALID_REQUEST")


async def test_two_thousand_and_one_files_are_too_many(client: Client, stack: RunningStack) -> None:
    answer = await client.upload(*((f"{i}.jpg", b"x") for i in range(2001)))
    _is_error(answer, 422, "TOO_MANY_FILES")
    assert uploads_of(stack, client) == []
    assert await client.balance() == 100


async def test_a_body_that_is_no_form_is_415(client: Client, astronaut: bytes) -> None:
    answer = await client.send(
        "POST", f"{CROP}/upload", data=astronaut, headers={"Content-Type": "image/jpeg"}
    )
    _is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_upload_over_the_limit_is_413_before_it_is_read(
    client: Client, stack: RunningStack
) -> None:
    place = urlsplit(stack.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        f"POST {CROP}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 25000000001\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    writer.write(head.encode())
    await writer.drain()
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    assert b" 413 " in answer


async def test_a_file_over_the_limit_is_413_and_leaves_nothing(
    client: Client, stack: RunningStack
) -> None:
    form = aiohttp.FormData({"icp_type": "school"})
    form.add_field("file[]", io.BytesIO(bytes(100_000_001)), filename="big.jpg")
    answer = await client.send("POST", f"{CROP}/upload", data=form)
    _is_error(answer, 413, "BODY_TOO_LARGE")
    storage = stack.home / "storage" / "uploads" / str(client.account)
    assert [path for path in storage.rglob("*") if path.is_file()] == []
    assert await client.balance() == 100


async def test_a_form_cut_off_in_the_middle_is_400(client: Client) -> None:
    answer = await client.send(
        "POST",
        f"{CROP}/upload",
        data=b'--b\r\nContent-Disposition: form-data; name="file[]"; filename="a"\r\n\r\nabc',
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    _is_error(answer, 400, "MALFORMED_FORM")


async def test_a_list_of_urls_that_is_too_long_is_413(client: Client) -> None:
    answer = await client.send(
        "POST",
        CROP,
        data=io.BytesIO(b" " * 10_000_001),
        headers={"Content-Type": "application/json"},
    )
    _is_error(answer, 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Disposition: form-data; name="file[]"; filename="a\0.jpg"',
        b"no colon in sight",
        b'Content-Disposition: form-data; name="file[]"; filename="' + b"x" * 9000 + b'"',
    ],
    ids=["nul", "no colon", "too long"],
)
async def test_a_part_with_a_header_that_is_none_is_400(client: Client, header: bytes) -> None:
    answer = await client.send(
        "POST",
        f"{CROP}/upload",
        data=b"--b\r\n" + header + b"\r\n\r\nabc\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    _is_error(answer, 400, "MALFORMED_FORM")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", 400, "MALFORMED_JSON"),
        (b"[" * 100_000, 422, "INVALID_REQUEST"),
        (b'{"x":' * 100_000, 400, "MALFORMED_JSON"),
        (b"[]", 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school"}', 422, "INVALID_REQUEST"),
        (b'{"image_url": "http://x.y/a.jpg"}', 422, "INVALID_REQUEST"),
        (
            b'{"icp_type": "school", "image_url": "http://x", "image_urls": ["http://x"]}',
            422,
            "INVALID_REQUEST",
        ),
        (b'{"icp_type": "school", "image_urls": []}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school", "image_url": ""}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school", "image_url": 7}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "passport", "image_url": "http://x"}', 422, "INVALID_REQUEST"),
        (
            b'{"icp_type": "school", "image_url": "http://x", "enhance": "yes"}',
            422,
            "INVALID_REQUEST",
        ),
        (
            b'{"icp_type": "school", "image_url": "http://x", "background": "#00ff00\\n"}',
            422,
            "INVALID_REQUEST",
        ),
        (
            b'{"icp_type": "school", "image_url": "http://x", "background": "transparent",'
            b' "format": "jpeg"}',
            422,
            "INVALID_REQUEST",
        ),
        (b'{"icp_type": "school", "image_url": "http://x/\\ud800.jpg"}', 400, "MALFORMED_JSON"),
    ],
)
async def test_a_wrong_json_body_is_told_what_is_wrong(
    client: Client, body: bytes, status: int, code: str
) -> None:
    answer = await client.send(
        "POST", CROP, data=body, headers={"Content-Type": "application/json"}
    )
    _is_error(answer, status, code)
    assert await client.balance() == 100


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("enhanced", True, "enhance"),
        ("autorotate", False, "auto_rotate"),
        ("background_color", "#00ff00", "background"),
    ],
)
async def test_a_misspelt_field_is_told_by_name_in_json_and_in_forms(
    client: Client, astronaut: bytes, name: str, value: object, meant: str
) -> None:
    body = {"icp_type": "school", "image_url": "http://x", name: value}
    by_json = await client.send("POST", CROP, json=body)
    by_form = await client.upload(("a.jpg", astronaut), **{name: "true"})
    for answer in (by_json, by_form):
        _is_error(answer, 422, "INVALID_REQUEST")
        assert answer.body["message"] == f"there is no field '{name}'; did you mean {meant}?"
    assert await client.balance() == 100


async def test_other_fields_that_are_not_known_are_let_pass(
    client: Client, elsewhere: Elsewhere, astronaut: bytes
) -> None:
    more = {"student_id": "STU-001", "agency": "1"}
    body = {"icp_type": "school", "image_url": f"{elsewhere.url}/a.jpg", **more}
    assert (await client.send("POST", CROP, json=body)).status == 200
    assert (await client.upload(("a.jpg", astronaut), **more)).status == 200


async def test_2001_urls_are_too_many(client: Client) -> None:
    body = {"icp_type": "school", "image_urls": ["https://example.com/a.jpg"] * 2001}
    _is_error(await client.send("POST", CROP, json=body), 422, "TOO_MANY_FILES")


async def test_json_that_is_not_called_json_is_415(client: Client) -> None:
    answer = await client.send("POST", CROP, data=b"{}", headers={"Content-Type": "text/plain"})
    _is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://localhost/a.jpg",
        "http://0.0.0.0/a.jpg",
        "http://[::]/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/a.jpg",
        "http://2130706433/a.jpg",
        "http://user@127.0.0.1/a.jpg",
        "not a url",
    ],
)
async def test_a_url_that_points_inwards_is_refused_and_not_charged(
    client: Client, url: str
) -> None:
    answer = await client.send("POST", CROP, json={"icp_type": "school", "image_url": url})
    assert answer.status == 422
    assert answer.body["results"][0]["error"]["code"] == "URL_NOT_ALLOWED"
    assert await client.balance() == 100


def _is_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]) == (status, code), answer.body
    assert set(answer.body) == {"error", "message", "request_id"}
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    assert answer.body["message"]
