"""What came of a batch: the links of its results, and the jobs of an account."""

from typing import Any

from tests.contract.conftest import JOBS, Client

CROP = "/v1/services/studio/face-crop"


def paths(result: dict[str, Any]) -> dict[str, str]:
    """Return the links of a result without their signatures."""
    return {name: url.partition("?")[0] for name, url in result["output_urls"].items()}


async def tasks(client: Client, **query: str) -> list[str]:
    answer = await client.send("GET", JOBS, params=query)
    assert answer.status == 200, answer.body
    return [job["task_id"] for job in answer.body["jobs"]]
