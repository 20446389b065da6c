"""Reprints that make no sense, of which none is charged."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.cards import reprint
from tests.contract.conftest import Client
from tests.contract.test_errors import is_error
from tests.contract.wallets import opened
from tests.running import RunningStack


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: nothing here is charged."""
    async with opened(stack) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"student_ids": ["S0001"], "added_since": "2020-01-01T00:00:00Z"},
        {"student_ids": []},
        {"student_ids": ["S0001"] * 2001},
        {"student_ids": [""]},
        {"student_ids": ["S\x00"]},
        {"student_ids": "S0001"},
        {"added_since": "yesterday"},
        {"added_since": "2026-01-01T00:00:00"},
        {"student_ids": ["S0001"], "job_id": "../x"},
        {"student_ids": ["S0001"], "layout": "6up"},
    ],
    ids=[
        "neither",
        "both",
        "nobody",
        "2,001 ids",
        "empty id",
        "NUL",
        "no list",
        "no moment",
        "no zone",
        "a path",
        "unknown layout",
    ],
)
async def test_what_makes_no_sense_is_422(client: Client, body: dict[str, Any]) -> None:
    is_error(await reprint(client, **body), 422, "INVALID_REQUEST")
    assert await client.balance() == 100
