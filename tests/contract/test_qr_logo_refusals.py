"""Logos that are none or cannot be had: no sheet is drawn, and nothing is charged."""

import io
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import aiohttp
import pytest
from PIL import Image

from proto.ids import AccountId
from tests.contract.cards import generate, picture
from tests.contract.conftest import Client, Elsewhere
from tests.contract.test_errors import is_error
from tests.contract.wallets import is_free, opened
from tests.running import RunningStack, temporary_home

SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: nothing here is charged."""
    async with opened(stack) as client:
        yield client


def _bomb() -> bytes:
    """A picture of a few kilobytes that would unpack to 400 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"just some text, no picture", "image/png"),
        (b"", "image/png"),
        (b"<!doctype html><html><body>a page</body></html>", "text/html"),
        (SCRIPT, "image/svg+xml"),
        (b'<?xml version="1.0"?>' + SCRIPT, "image/png"),
        (picture("PNG")[:-40], "image/png"),
        (picture("PNG") + bytes(11_000_000), "image/png"),
        (_bomb(), "image/png"),
        (picture("PNG", (4, 4)), "image/png"),
    ],
    ids=["text", "nothing", "page", "svg", "xml", "cut off", "huge", "bomb", "tiny"],
)
async def test_a_logo_that_is_none_is_400_and_nothing_is_charged(
    client: Client, elsewhere: Elsewhere, content: bytes, kind: str
) -> None:
    elsewhere.files["logo"] = content, kind
    answer = await generate(client, logo_url=f"{elsewhere.url}/logo")
    is_error(answer, 400, "LOGO_UNUSABLE")
    await is_free(client)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/logo.png",
        "http://localhost/logo.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/logo.png",
        "http://no-such-host.invalid/logo.png",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "not a url",
        "{elsewhere}/gone.jpg",
        "{elsewhere}/inwards",
    ],
)
async def test_a_logo_that_cannot_be_fetched_is_400_and_nothing_is_charged(
    client: Client, elsewhere: Elsewhere, url: str
) -> None:
    answer = await generate(client, logo_url=url.replace("{elsewhere}", elsewhere.url))
    is_error(answer, 400, "LOGO_UNUSABLE")
    await is_free(client)


@pytest.fixture
def guarded() -> Iterator[RunningStack]:
    """A stack whose engines want keys."""
    with temporary_home() as home:
        stack = RunningStack.start(home, REQUIRE_API_KEY="true")
        yield stack
        stack.stop()


async def test_where_engines_want_a_key_the_reader_of_logos_is_shown_ours(
    guarded: RunningStack, session: aiohttp.ClientSession
) -> None:
    card = guarded.card
    anonymous = Client(session, card.url, AccountId(UUID(card.account_id)), card.email, {})
    credentials = {"email": card.email, "password": card.password}
    login = await anonymous.send("POST", "/v1/account/login", json=credentials)
    client = anonymous.instead(Authorization=f"Bearer {login.body['access_token']}")
    before = await client.balance()
    # nobody listens there, which only an engine that took our key has seen
    logo = {"logo_url": f"http://127.0.0.1:{guarded.fetch_port}/logo.png"}
    is_error(await generate(client, **logo), 503, "UNAVAILABLE")
    key = guarded.run("service", "issue-key", "gateway").stdout.split()[-1]
    guarded.run("service", "set-outbound", "cardreader", "nats://cardreader", key)
    is_error(await generate(client, **logo), 400, "LOGO_UNUSABLE")
    assert await client.balance() == before
