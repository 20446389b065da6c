"""The guarded fetcher against real servers here, which it may reach only where allowed."""

import asyncio
import socket

import pytest

from kit.fetching import Fetcher, UrlNotAllowed, UrlRefused, UrlTooLarge, UrlTooSlow, UrlUnreachable
from tests.integration.kit.addresses import MALFORMED, NAMES, OTHER_PORT, PORTS, PRIVATE, REFUSAL
from tests.integration.kit.serving import CHUNKED, LIMIT, OK, PATIENT, Server, raw_server, resolving


async def fetched_raw(
    reply: bytes, then: bytes = b"", pause: float = 0.0, seconds: float = PATIENT
) -> bytes:
    async with raw_server(reply, then, pause) as origin, Fetcher([origin], seconds=seconds) as it:
        return await it.fetch(f"http://{origin}/", LIMIT)


class Lookups:
    """A resolver that knows nobody, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return []


async def fetched(server: Server, path: str) -> bytes:
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        return await fetcher.fetch(server.url + path, LIMIT)


async def test_an_allowed_origin_is_fetched(server: Server) -> None:
    assert await fetched(server, "/photo.jpg?size=1") == b"photo"
    (asked,) = server.asked
    assert asked.headers["Accept-Encoding"] == "identity"
    assert asked.headers["User-Agent"] == "Darkroom"
    assert asked.query_string == "size=1"


async def test_cookies_are_not_kept(server: Server) -> None:
    # from a name, for browsers and clients alike keep none of a bare address
    origin = f"photos.example:{server.port}"
    resolve = resolving(photos__example=["127.0.0.1"])
    async with Fetcher([origin], resolve=resolve, seconds=PATIENT) as fetcher:
        assert await fetcher.fetch(f"http://{origin}/cookie", LIMIT) == b"photo"
    assert [dict(asked.cookies) for asked in server.asked] == [{}, {}]


async def test_without_being_allowed_the_same_origin_is_not(server: Server) -> None:
    async with Fetcher() as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch(f"{server.url}/photo.jpg", LIMIT)
    assert server.asked == []


@pytest.mark.parametrize("hops", [1, 5])
async def test_redirects_are_followed(server: Server, hops: int) -> None:
    assert await fetched(server, f"/hops/{hops}") == b"photo"


@pytest.mark.parametrize("hops", [6, 10])
async def test_more_redirects_than_five_are_not(server: Server, hops: int) -> None:
    with pytest.raises(UrlRefused, match="more than 5"):
        await fetched(server, f"/hops/{hops}")
    assert len(server.asked) == 6


ELSEWHERE = [
    url
    for url in MALFORMED
    if ":" in url and len(url) < 4096 and "\r" not in url and url not in ("http://", "http:///a")
]
"""Those that can stand in a header and are not relative to where the redirect comes from."""


@pytest.mark.parametrize("url", PRIVATE + NAMES)
async def test_what_is_not_a_public_address_is_not_allowed(url: str) -> None:
    async with Fetcher(seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch(url, LIMIT)
    assert str(caught.value) == REFUSAL


@pytest.mark.parametrize("url", PRIVATE + NAMES)
async def test_a_redirect_to_it_is_not_followed(server: Server, url: str) -> None:
    server.location = url
    with pytest.raises(UrlNotAllowed) as caught:
        await fetched(server, "/redirect")
    assert str(caught.value) == REFUSAL
    assert len(server.asked) == 1


@pytest.mark.parametrize("url", MALFORMED)
async def test_what_is_not_fetched_is_not_even_looked_up(url: str) -> None:
    lookups = Lookups()
    async with Fetcher(resolve=lookups, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch(url, LIMIT)
    assert str(caught.value) == REFUSAL
    assert lookups.asked == []


@pytest.mark.parametrize("url", PORTS)
async def test_another_port_is_named_as_the_reason_wherever_the_host_leads(
    server: Server, url: str
) -> None:
    lookups = Lookups()
    server.location = url
    async with Fetcher([server.origin], resolve=lookups, seconds=PATIENT) as fetcher:
        for asked in (url, f"{server.url}/redirect"):
            with pytest.raises(UrlNotAllowed) as caught:
                await fetcher.fetch(asked, LIMIT)
            assert str(caught.value) == OTHER_PORT
    assert lookups.asked == []


@pytest.mark.parametrize("url", ELSEWHERE)
async def test_nor_when_a_redirect_leads_there(server: Server, url: str) -> None:
    lookups = Lookups()
    server.location = url
    async with Fetcher([server.origin], resolve=lookups, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch(f"{server.url}/redirect", LIMIT)
    assert str(caught.value) == REFUSAL
    assert lookups.asked == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["10.0.0.1", "93.184.216.34"],
        ["::1"],
        ["fe80::1%eth0"],
        ["93.184.216.34", "::1"],
        ["::ffff:169.254.169.254"],
        [],
    ],
    ids=str,
)
async def test_a_name_with_any_private_address_is_not_allowed(addresses: list[str]) -> None:
    resolve = resolving(photos__example=addresses)
    async with Fetcher(resolve=resolve, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch("http://photos.example/a.jpg", LIMIT)
    assert str(caught.value) == REFUSAL


async def test_a_name_is_looked_up_once_for_a_request_and_anew_for_the_next(
    server: Server,
) -> None:
    here, inside = ["127.0.0.1"], ["10.0.0.1"]
    answers = [here, here, inside]

    async def rebinding(_: str) -> list[str]:
        return answers.pop(0)

    origin = f"rebind.example:{server.port}"
    async with Fetcher([origin], resolve=rebinding, seconds=PATIENT) as fetcher:
        for left in (2, 1):
            assert await fetcher.fetch(f"http://{origin}/photo.jpg", LIMIT) == b"photo"
            assert len(answers) == left
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch("http://rebind.example/photo.jpg", LIMIT)
    assert answers == []


async def test_a_redirect_to_a_name_that_leads_inside_is_not_followed(server: Server) -> None:
    server.location = "http://inside.example/"
    resolve = resolving(inside__example=["10.0.0.1"])
    async with Fetcher([server.origin], resolve=resolve, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch(f"{server.url}/redirect", LIMIT)


async def test_an_allowed_origin_does_not_open_its_neighbours(server: Server) -> None:
    server.location = f"http://127.0.0.1:{server.port + 1}/"
    with pytest.raises(UrlNotAllowed):
        await fetched(server, "/redirect")


async def test_a_loop_of_redirects_ends(server: Server) -> None:
    server.location = "/redirect"
    with pytest.raises(UrlRefused, match="more than 5"):
        await fetched(server, "/redirect")
    assert len(server.asked) == 6


async def test_a_redirect_to_nowhere_is_refused(server: Server) -> None:
    with pytest.raises(UrlNotAllowed):
        await fetched(server, "/redirect")


@pytest.mark.parametrize("status", [204, 206, 300, 304, 401, 404, 500, 503])
async def test_any_other_status_is_refused_and_told(server: Server, status: int) -> None:
    with pytest.raises(UrlRefused, match=f"status {status}") as caught:
        await fetched(server, f"/status/{status}")
    assert server.origin not in str(caught.value)


async def test_a_compressed_body_is_refused(server: Server) -> None:
    with pytest.raises(UrlRefused, match="compressed"):
        await fetched(server, "/gzip")


async def test_as_many_bytes_as_allowed_are_taken(server: Server) -> None:
    assert len(await fetched(server, "/exactly")) == LIMIT
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        with pytest.raises(UrlTooLarge):
            await fetcher.fetch(f"{server.url}/exactly", LIMIT - 1)


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    assert await fetched_raw(OK + b"\r\nphoto") == b"photo"


@pytest.mark.parametrize(
    ("reply", "then"),
    [
        (OK + b"Content-Length: 5000000000\r\n\r\n", b""),
        (OK + b"\r\n", b"x" * 1000),
        (CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
    ],
    ids=["5 GB by its length", "endless", "endless chunks"],
)
async def test_a_body_that_is_too_large_is_not_read(reply: bytes, then: bytes) -> None:
    with pytest.raises(UrlTooLarge, match="100,000 bytes"):
        await fetched_raw(reply, then)


@pytest.mark.parametrize(
    ("reply", "then"),
    [
        (OK + b"X-Slow: ", b"y"),
        (OK + b"Content-Length: 5000\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["header", "body", "chunks", "promises"],
)
async def test_an_answer_that_never_ends_is_left_in_time(reply: bytes, then: bytes) -> None:
    with pytest.raises(UrlTooSlow):
        await fetched_raw(reply, then, pause=0.05, seconds=0.3)


async def test_the_time_is_for_all_redirects_together(server: Server) -> None:
    # six answers of 0.2 s each, none of them too slow by itself
    async with Fetcher([server.origin], seconds=0.5) as fetcher:
        with pytest.raises(UrlTooSlow):
            await fetcher.fetch(f"{server.url}/slow-hops", LIMIT)


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Fetcher([origin], seconds=0.3) as fetcher:
            with pytest.raises(UrlTooSlow):
                await fetcher.fetch(f"http://{origin}/", LIMIT)


async def test_a_name_server_that_says_nothing_is_left_in_time() -> None:
    async def never(_: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with Fetcher(resolve=never, seconds=0.3) as fetcher:
        with pytest.raises(UrlTooSlow):
            await fetcher.fetch("http://photos.example/", LIMIT)


@pytest.mark.parametrize(
    ("reply", "then"),
    [
        (OK + b"Content-Length: 10\r\n\r\nshort", b""),
        (OK + b"Content-Length: 3\r\n\r\n" + b"x" * 1000, b""),
        (OK + b"Content-Length: -1\r\n\r\n", b""),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nphoto", b""),
        (b"SSH-2.0-OpenSSH\r\n", b""),
        (CHUNKED + b"zz\r\n", b""),
        (b"", b""),
        (OK, b"X: " + b"y" * 100 + b"\r\n"),
        (OK + b"X: ", b"y" * 1000),
    ],
    ids=[
        "more promised than sent",
        "more sent than promised",
        "negative length",
        "two lengths",
        "no http",
        "broken chunks",
        "nothing",
        "endless headers",
        "an endless header",
    ],
)
async def test_an_answer_that_is_no_good_http_is_unreachable(reply: bytes, then: bytes) -> None:
    with pytest.raises(UrlUnreachable) as caught:
        await fetched_raw(reply, then)
    assert str(caught.value) == "Nothing could be fetched from this address."


async def test_an_origin_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        origin = f"127.0.0.1:{gone.getsockname()[1]}"
    async with Fetcher([origin], seconds=PATIENT) as fetcher:
        with pytest.raises(UrlUnreachable) as caught:
            await fetcher.fetch(f"http://{origin}/", LIMIT)
    assert origin not in str(caught.value)


@pytest.mark.parametrize("host", ["nowhere.example", "a..example", "a" * 300])
async def test_a_name_that_does_not_exist_is_told_like_one_that_leads_inside(host: str) -> None:
    async with Fetcher(resolve=resolving(), seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch(f"http://{host}/", LIMIT)
    assert str(caught.value) == REFUSAL


@pytest.mark.parametrize("host", ["a..example", "a" * 300])
async def test_a_name_that_cannot_exist_is_no_fault_of_the_systems_resolver(host: str) -> None:
    async with Fetcher(seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch(f"http://{host}/", LIMIT)


async def test_a_name_server_that_is_down_is_not_blamed_on_the_address() -> None:
    async def down(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    async with Fetcher(resolve=down, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlUnreachable):
            await fetcher.fetch("http://photos.example/", LIMIT)


async def test_a_server_without_a_trusted_certificate_is_unreachable(server: Server) -> None:
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        with pytest.raises(UrlUnreachable):
            await fetcher.fetch(f"https://{server.origin}/photo.jpg", LIMIT)


async def test_proxies_of_the_environment_are_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await fetched(server, "/photo.jpg") == b"photo"
