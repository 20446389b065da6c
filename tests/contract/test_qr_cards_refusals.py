"""Lists, pages and links that do not exist, and callers that nobody knows."""

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from tests.contract.cards import JOB, QR, generated, subjects
from tests.contract.conftest import Client
from tests.contract.showing import listed, shown
from tests.contract.test_errors import is_error
from tests.contract.wallets import opened
from tests.running import RunningStack


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: only S0000 ever gets a card."""
    async with opened(stack) as client:
        yield client


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=-1", "limit="])
async def test_a_page_that_makes_no_sense_is_422(client: Client, query: str) -> None:
    await generated(client, subjects=subjects(1))
    answer = await client.send("GET", f"{QR}/jobs/{JOB}/subjects?{query}")
    is_error(answer, 422, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "job", ["nothing", "%00", "..%2F..", "%2e%2e", "a" * 65, "%ED%A0%80", "%FF", "a%0A"]
)
async def test_a_job_that_is_not_there_is_404(client: Client, job: str) -> None:
    for method, tail in (("GET", "/subjects"), ("DELETE", "")):
        url = URL(f"{client.url}{QR}/jobs/{job}{tail}", encoded=True)
        async with client.session.request(method, url, headers=client.headers) as answer:
            assert answer.status == 404
            assert (await answer.json())["error"] == "NOT_FOUND"


async def test_a_link_that_was_changed_or_made_up_is_404(client: Client) -> None:
    await generated(client, subjects=subjects(1))
    (one,) = (await listed(client))["subjects"]
    url = one["card_url"]
    place = len(url) - 12
    for wrong in (
        url[:place] + ("A" if url[place] != "A" else "B") + url[place + 1 :],
        url[:-4],
        url.rpartition("/")[0] + "/x",
        url.rpartition("/")[0] + "/" + "A" * 3000,
        url.rpartition("/")[0] + "/%00",
        url.rpartition("/")[0] + "/%ED%A0%80",
    ):
        answer = await shown(client, wrong)
        is_error(answer, 404, "NOT_FOUND")


async def test_without_credentials_nobody_is_listed_or_forgotten(client: Client) -> None:
    await generated(client, subjects=subjects(1))
    nobody = client.instead()
    for method, tail in (("GET", "/subjects"), ("DELETE", "")):
        answer = await nobody.send(method, f"{QR}/jobs/{JOB}{tail}")
        is_error(answer, 401, "UNAUTHENTICATED")
    assert len((await listed(client))["subjects"]) == 1
