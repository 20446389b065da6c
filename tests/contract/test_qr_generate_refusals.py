"""Sheets that are not drawn, each said why, and none charged."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.cards import EXAMPLE, GENERATE, generate, generated, subject, subjects
from tests.contract.conftest import Client, Newcomer
from tests.contract.test_errors import is_error
from tests.contract.wallets import is_free, opened
from tests.running import RunningStack

NONSENSE: dict[str, dict[str, Any]] = {
    "no subjects": {"subjects": []},
    "2,001 subjects": {"subjects": subjects(2001)},
    "no list": {"subjects": {}},
    "texts for subjects": {"subjects": ["STU-001"]},
    "no name": {"subjects": [{"student_id": "A"}]},
    "no id": {"subjects": [{"name": "An"}]},
    "empty id": {"subjects": [subject(1, student_id="")]},
    "number for an id": {"subjects": [subject(1, student_id=7)]},
    "long id": {"subjects": [subject(1, student_id="A" * 65)]},
    "line break in an id": {"subjects": [subject(1, student_id="A\nB")]},
    "line break after an id": {"subjects": [subject(1, student_id="A\n")]},
    "invisible in an id": {"subjects": [subject(1, student_id="A\u200bB")]},
    "empty name": {"subjects": [subject(1, name="")]},
    "null for a name": {"subjects": [subject(1, name=None)]},
    "name of 300": {"subjects": [subject(1, name="A" * 300)]},
    "name of 201": {"subjects": [subject(1, name="A" * 201)]},
    "NUL in a name": {"subjects": [subject(1, name="An\x00")]},
    "bell in a name": {"subjects": [subject(1, name="An\x07")]},
    "line break after a name": {"subjects": [subject(1, name="An\n")]},
    "delete in a name": {"subjects": [subject(1, name="An\x7f")]},
    "tab in a class": {"subjects": [subject(1, class_name="5\tA")]},
    "long class": {"subjects": [subject(1, class_name="A" * 101)]},
    "five lines": {"subjects": [subject(1, lines=["a", "b", "c", "d", "e"])]},
    "escape in a line": {"subjects": [subject(1, lines=["\x1b[0m"])]},
    "line break in the school": {"school_name": "Spring\nfield"},
    "long school": {"school_name": "S" * 101},
    "unknown layout": {"layout": "6up"},
    "layout in capitals": {"layout": "4UP"},
    "null for a layout": {"layout": None},
    "unknown paper": {"paper": "a5"},
    "unknown symbol": {"symbol": "aztec"},
    "unknown order": {"sort_by": "id"},
    "line break in the order": {"sort_by": "class\n"},
    "less than no extras": {"extra_cards": -1},
    "101 extras": {"extra_cards": 101},
    "51 groups": {"groups": ["A"] * 51},
    "NUL in a group": {"groups": ["\x00"]},
    "language with a header": {"language": "en\r\nX: y"},
    "language with a path": {"language": "../../etc"},
    "empty language": {"language": ""},
    "empty logo": {"logo_url": ""},
    "null for a job": {"job_id": None},
    "empty job": {"job_id": ""},
    "long job": {"job_id": "J" * 65},
    "NUL in a job": {"job_id": "JOB\x00"},
    "line break after a job": {"job_id": "JOB\n"},
    "a dot": {"job_id": "."},
    "two dots": {"job_id": ".."},
    "a path upwards": {"job_id": "../../etc/passwd"},
    "a path": {"job_id": "/etc/passwd"},
    "a path of Windows": {"job_id": "..\\..\\windows"},
}


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: nothing here is charged."""
    async with opened(stack) as client:
        yield client


@pytest.mark.parametrize("changed", NONSENSE.values(), ids=NONSENSE)
async def test_what_makes_no_sense_is_422_and_nothing_is_charged(
    client: Client, changed: dict[str, Any]
) -> None:
    is_error(await generate(client, **changed), 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def test_a_class_that_no_code_can_hold_has_no_group_card_and_is_not_charged(
    newcomer: Newcomer,
) -> None:
    client = await newcomer(tokens=300)
    body = {"group_cards": True, "subjects": [subject(1, class_name="A" * 65)]}
    answer = await generate(client, **body)
    is_error(answer, 422, "INVALID_REQUEST")
    assert "A" * 65 in answer.body["message"]
    assert await client.balance() == 300
    body["subjects"] = subjects(201, class_name="A" * 65)
    job = await client.ended((await generate(client, **body)).body["task_id"])
    assert (job["status"], job["tokens_refunded"]) == ("failed", 201)
    assert "A" * 65 in job["error"]["message"]
    assert "results" not in job
    assert await client.balance() == 300


@pytest.mark.parametrize(
    "changed",
    [{"layout": "single"}, {"layout": "9up"}, {"logo_url": "https://example.com/logo.png"}],
    ids=str,
)
async def test_what_takes_premium_is_402_on_basic_with_a_reason(
    newcomer: Newcomer, changed: dict[str, Any]
) -> None:
    client = await newcomer(plan="basic")
    answer = await generate(client, **changed)
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url", "reason"}
    assert answer.body["error"] == "PREMIUM_REQUIRED"
    assert (answer.body["balance"], answer.body["shortfall"]) == (100, 0)
    assert answer.body["top_up_url"].startswith("http")
    assert "Premium" in answer.body["reason"]
    await is_free(client)
    # as before without it, also said in so many words
    assert (await generated(client, layout="4up", logo_url=None))["pages"] == 1


async def test_too_few_tokens_are_402_with_exactly_four_fields(newcomer: Newcomer) -> None:
    client = await newcomer(tokens=3)
    for count in (5, 201):
        answer = await generate(client, subjects=subjects(count))
        assert answer.status == 402
        assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
        told_of = answer.body["error"], answer.body["balance"], answer.body["shortfall"]
        assert told_of == ("INSUFFICIENT_TOKENS", 3, count - 3)
    await is_free(client, 3)


async def test_without_credentials_there_are_no_cards(client: Client) -> None:
    answer = await client.send("POST", GENERATE, json=EXAMPLE, headers={"Authorization": ""})
    is_error(answer, 401, "UNAUTHENTICATED")
