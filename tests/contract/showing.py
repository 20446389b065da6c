"""Who has a card, as the list says, and what a link to one shows."""

from typing import Any

from tests.contract.cards import JOB, QR
from tests.contract.conftest import Answer, Client


async def listed(client: Client, job: str = JOB, **query: str) -> Any:
    answer = await client.send("GET", f"{QR}/jobs/{job}/subjects", params=query)
    assert answer.status == 200, answer.body
    return answer.body


async def shown(client: Client, url: str, method: str = "GET") -> Answer:
    """Open a link as somebody who only has the link."""
    return await client.instead().send(method, url)
