"""A backend of the house that calls with an X-API-Key, where the operator asks for issued ones."""

from collections.abc import Iterator

import aiohttp
import pytest

from tests.contract.conftest import Answer, Client
from tests.contract.test_errors import is_error
from tests.running import RunningStack, temporary_home


@pytest.fixture(scope="module")
def strict() -> Iterator[RunningStack]:
    """A stack whose engines want keys, and whose demo account pays for internal callers."""
    with temporary_home() as home:
        first = RunningStack.start(home)
        account = first.card.account_id
        first.stop()
        stack = RunningStack.start(home, REQUIRE_API_KEY="true", DEFAULT_USER_ID=account)
        yield stack
        stack.stop()


def caller(strict: RunningStack, session: aiohttp.ClientSession, key: str) -> Client:
    headers = {"X-API-Key": key} if key else {}
    return Client(session, strict.url, strict.card.account_id, "", headers)  # type: ignore[arg-type]


def issued(strict: RunningStack, name: str) -> str:
    return strict.run("service", "issue-key", name).stdout.split()[-1]


async def test_only_issued_keys_are_let_in_and_engines_want_ours(
    strict: RunningStack, session: aiohttp.ClientSession, astronaut: bytes
) -> None:
    async def crop(key: str) -> Answer:
        return await caller(strict, session, key).upload(("a.png", astronaut))

    is_error(await crop(""), 401, "UNAUTHENTICATED")
    is_error(await crop("any value"), 401, "UNAUTHENTICATED")
    backend = issued(strict, "printcart")
    # the engine wants a key of the gateway, which has none yet
    assert (await crop(backend)).status == 503
    stored = strict.run(
        "service", "set-outbound", "headshot", "nats://headshot", issued(strict, "gw")
    )
    assert stored.returncode == 0

    answer = await crop(backend)
    assert (answer.status, answer.body["tokens_deducted"]) == (200, 2)
    is_error(await caller(strict, session, backend).send("GET", "/v1/wallet"), 403, "FORBIDDEN")
