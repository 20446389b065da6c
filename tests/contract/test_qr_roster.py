"""Rosters as files: read and shown."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.contract.conftest import Client, uploads_of
from tests.contract.rosters import (
    HEADINGS,
    PEOPLE,
    PREVIEW,
    csv,
    preview,
    previewed,
    vietnamese,
    xlsx,
)
from tests.contract.test_errors import is_error
from tests.contract.wallets import opened
from tests.running import RunningStack

SUBJECTS = [
    {
        "row": row,
        "student_id": id_,
        "name": name,
        "class_name": of_class,
        "lines": [],
        "reference_photo_url": "",
    }
    for row, (id_, name, of_class) in enumerate(PEOPLE, 2)
]


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: reading costs nothing."""
    async with opened(stack) as client:
        yield client


async def test_a_roster_is_read_and_shown(client: Client) -> None:
    body = await previewed(client, csv().encode())
    assert set(body) == {
        "format",
        "encoding",
        "delimiter",
        "sheet",
        "headings",
        "rows",
        "columns",
        "subjects",
        "problems",
        "problems_total",
    }
    assert (body["format"], body["delimiter"], body["sheet"]) == ("csv", ",", None)
    assert (body["headings"], body["rows"]) == (list(HEADINGS), 4)
    found = {name: column and column["index"] for name, column in body["columns"].items()}
    assert found == {
        "student_id": 0,
        "name": 1,
        "first_name": None,
        "last_name": None,
        "class_name": 2,
        "reference_photo_url": None,
    }
    assert all(0 < column["confidence"] <= 1 for column in body["columns"].values() if column)
    assert body["subjects"] == SUBJECTS
    assert (body["problems"], body["problems_total"]) == ([], 0)
    assert await client.balance() == 100


@pytest.mark.parametrize(
    ("content", "name", "format_"),
    [
        (csv(";").encode("utf-8-sig"), "roster.csv", "csv"),
        (vietnamese(csv(";")), "roster.csv", "csv"),
        (csv("\t").encode("utf-16"), "roster.txt", "csv"),
        (csv(";").encode("utf-16-be"), "roster.csv", "csv"),
        (xlsx(), "roster.xlsx", "xlsx"),
        # a name says nothing
        (xlsx(), "roster.csv", "xlsx"),
    ],
    ids=["utf-8", "windows-1258", "utf-16", "utf-16 without a mark", "xlsx", "xlsx as csv"],
)
async def test_the_same_people_are_found_however_they_are_written(
    client: Client, content: bytes, name: str, format_: str
) -> None:
    body = await previewed(client, content, name)
    assert body["format"] == format_
    assert body["subjects"] == SUBJECTS


async def test_what_is_wrong_is_told_row_by_row(client: Client) -> None:
    rows = [
        ("id", "name", "class"),
        ("A1", "An Nguyen", "5A"),
        ("", "Binh Tran", "5A"),
        ("A3", "", "5A"),
        ("A4", "Chi Le", "5A"),
        ("A4", "Dung Pham", "5A"),
        ("A5", "x" * 201, "5A"),
        ("A6", "Giang \U0001f388", "5A"),
        ("A7", "=1+1", "5A"),
    ]
    body = await previewed(client, csv(rows=rows).encode())
    told = {(problem["row"], problem["code"], problem["warning"]) for problem in body["problems"]}
    assert {
        (3, "missing_id", False),
        (4, "missing_name", False),
        (5, "duplicate_id", False),
        (6, "duplicate_id", False),
        (7, "too_long", False),
        (8, "emoji", True),
        (9, "formula", True),
    } <= told
    assert body["problems_total"] == len(body["problems"])
    assert all(problem["message"] for problem in body["problems"])
    assert [each["student_id"] for each in body["subjects"]] == ["A1", "A6", "A7"]


async def test_columns_may_be_chosen_where_the_guess_is_wrong(client: Client) -> None:
    rows = [("a", "b", "c"), ("Ann", "17", "Lee"), ("Bo", "18", "Kim")]
    chosen = {"student_id": 1, "first_name": 0, "last_name": 2}
    body = await previewed(client, csv(rows=rows).encode(), columns=json.dumps(chosen))
    told = [(each["student_id"], each["name"]) for each in body["subjects"]]
    assert told == [("17", "Ann Lee"), ("18", "Bo Kim")]


async def test_the_encoding_may_be_told(client: Client) -> None:
    content = csv(rows=[("id", "name"), ("1", "Łukasz Żak"), ("2", "Zoë Ångström")])
    body = await previewed(client, content.encode("utf-16-le"), encoding="utf-16-le")
    assert [each["name"] for each in body["subjects"]] == ["Łukasz Żak", "Zoë Ångström"]
    answer = await preview(client, content.encode(), encoding="no-such-encoding")
    is_error(answer, 422, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "roster.csv"),
        (b"\r\n\r\n", "roster.csv"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "roster.csv"),
        (b"%PDF-1.7 " + bytes(1000), "roster.csv"),
        (bytes(range(256)) * 40, "roster.csv"),
        (xlsx()[:-200], "roster.xlsx"),
        (b"PK\x03\x04" + bytes(1000), "roster.xlsx"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "roster.xls"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "roster.xls"),
    ],
    ids=["nothing", "no rows", "png", "pdf", "bytes", "cut off", "zip", "html", "xls"],
)
async def test_a_file_that_is_no_roster_is_422_with_a_sentence(
    client: Client, stack: RunningStack, content: bytes, name: str
) -> None:
    answer = await preview(client, content, name)
    is_error(answer, 422, "INVALID_REQUEST")
    assert answer.body["message"].endswith(".")
    assert uploads_of(stack, client) == []


@pytest.mark.parametrize(
    "columns",
    [
        "{",
        "[]",
        '{"name": "B"}',
        '{"name": -1}',
        '{"name": 99}',
        '{"name": 99999999999999999999999}',
        '{"shoe_size": 1}',
        '{"name": 1, "student_id": null}',
    ],
)
async def test_columns_that_are_none_are_422(client: Client, columns: str) -> None:
    answer = await preview(client, csv().encode(), columns=columns)
    is_error(answer, 422, "INVALID_REQUEST")


async def test_one_file_is_read_and_nothing_of_it_is_kept(
    client: Client, stack: RunningStack
) -> None:
    await previewed(client, csv().encode())
    assert uploads_of(stack, client) == []
    form = aiohttp.FormData()
    for name in ("a.csv", "b.csv"):
        form.add_field("file", csv().encode(), filename=name)
    is_error(await client.send("POST", PREVIEW, data=form), 422, "INVALID_REQUEST")
    with aiohttp.MultipartWriter("form-data") as empty:
        empty.append("utf-8").set_content_disposition("form-data", name="encoding")
    is_error(await client.send("POST", PREVIEW, data=empty), 422, "INVALID_REQUEST")
    is_error(await client.send("POST", PREVIEW, json={}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert uploads_of(stack, client) == []


async def test_a_file_over_the_limit_is_413(client: Client, stack: RunningStack) -> None:
    is_error(await preview(client, b"a,b\r\n" * 4_200_000), 413, "BODY_TOO_LARGE")
    assert uploads_of(stack, client) == []


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["facecrop"], 403)])
async def test_a_key_reads_rosters_if_it_has_the_scope(
    client: Client, scopes: list[str], status: int
) -> None:
    key = await client.with_key(scopes=scopes)
    assert (await preview(key, csv().encode())).status == status


async def test_without_credentials_no_file_is_read(client: Client) -> None:
    is_error(await preview(client.instead(), csv().encode()), 401, "UNAUTHENTICATED")
