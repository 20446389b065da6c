"""Shoots that are not sorted, each said why, and none charged."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.cards import JOB
from tests.contract.conftest import Client, Newcomer, uploads_of
from tests.contract.shoots import SORT, sort
from tests.contract.test_errors import is_error
from tests.contract.wallets import is_free, opened
from tests.running import RunningStack


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: nothing here is charged."""
    async with opened(stack) as client:
        yield client


async def test_too_few_tokens_are_402_and_leave_nothing(
    newcomer: Newcomer, stack: RunningStack
) -> None:
    client = await newcomer(tokens=2)
    answer = await sort(client, *((f"{number}.jpg", b"x") for number in range(3)))
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
    assert (answer.body["error"], answer.body["shortfall"]) == ("INSUFFICIENT_TOKENS", 1)
    assert uploads_of(stack, client) == []
    await is_free(client, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"job_id": ""},
        {"job_id": "../x"},
        {"job_id": "J" * 65},
        {"order": "random"},
        {"card": "middle"},
        {"cameras_apart": "perhaps"},
    ],
    ids=["no job", "a path", "long job", "order", "card", "cameras"],
)
async def test_a_wrong_field_is_422_before_anything_is_charged(
    client: Client, stack: RunningStack, fields: dict[str, str]
) -> None:
    answer = await sort(client, ("a.jpg", b"x"), **fields)
    is_error(answer, 422, "INVALID_REQUEST")
    assert uploads_of(stack, client) == []
    await is_free(client)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"image_urls": ["http://example.com/a.jpg"]}, "INVALID_REQUEST"),
        ({"job_id": JOB}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": []}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": [""]}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": "http://example.com/a.jpg"}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": ["http://example.com/a.jpg"] * 2001}, "TOO_MANY_FILES"),
    ],
    ids=["no job", "no urls", "empty list", "empty url", "one url", "2,001 urls"],
)
async def test_a_wrong_json_body_is_422(client: Client, body: dict[str, Any], code: str) -> None:
    is_error(await client.send("POST", SORT, json=body), 422, code)
    await is_free(client)


async def test_a_body_of_another_kind_is_415(client: Client) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = await client.send("POST", SORT, data=b"x", headers=headers)
    is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
