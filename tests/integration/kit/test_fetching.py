"""The guarded fetcher against real servers here, which it may reach only where allowed."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from kit.fetching import (
    Fetcher,
    FetchError,
    UrlNotAllowed,
    UrlRefused,
    UrlTooLarge,
    UrlTooSlow,
    UrlUnreachable,
    redirect_target,
)

LIMIT = 100_000


class Server:
    """A web server whose answers a test chooses, and what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[web.Request] = []
        self.location = ""
        self.never = asyncio.Event()

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.origin}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        match request.path:
            case "/photo.jpg":
                return web.Response(body=b"photo")
            case "/redirect":
                return web.Response(status=302, headers={"Location": self.location})
            case "/once":
                return web.Response(status=307, headers={"Location": "/photo.jpg"})
            case "/gzip":
                return web.Response(
                    body=gzip.compress(b"0" * 10**7), headers={"Content-Encoding": "gzip"}
                )
            case "/huge":
                return await self._stream(request, {"Content-Length": str(5 * 10**9)}, 1)
            case "/endless":
                return await self._stream(request, {}, 10**6)
            case "/slow":
                return await self._stream(request, {}, 1)
            case "/exactly":
                return web.Response(body=b"x" * LIMIT)
            case _:
                raise web.HTTPNotFound

    async def _stream(
        self, request: web.Request, headers: dict[str, str], pieces: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        try:
            for _ in range(pieces):
                await response.write(b"x" * 1000)
            await self.never.wait()
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    server.never.set()
    await runner.cleanup()


@asynccontextmanager
async def raw_server(reply: bytes) -> AsyncIterator[int]:
    """Serve the same bytes to everybody, whatever they ask."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()


def resolving(**hosts: list[str]) -> Callable[[str], Awaitable[list[str]]]:
    """A resolver that knows these names (dots written as __) and no others."""
    known = {name.replace("__", "."): addresses for name, addresses in hosts.items()}

    async def resolve(host: str) -> list[str]:
        if host not in known:
            raise OSError("no such host")
        return known[host]

    return resolve


async def fetched(server: Server, path: str, seconds: float = 5.0) -> bytes:
    async with Fetcher([server.origin], seconds=seconds) as fetcher:
        return await fetcher.fetch(server.url + path, LIMIT)


async def test_an_allowed_origin_is_fetched(server: Server) -> None:
    assert await fetched(server, "/photo.jpg?size=1") == b"photo"
    assert server.asked[0].headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in server.asked[0].headers


async def test_without_being_allowed_the_same_origin_is_not(server: Server) -> None:
    async with Fetcher() as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch(f"{server.url}/photo.jpg", LIMIT)
    assert server.asked == []


async def test_a_redirect_is_followed(server: Server) -> None:
    assert await fetched(server, "/once") == b"photo"


PRIVATE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0.0.0.0/",
    "http://0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[ff02::1]/",
]
MALFORMED = [
    "",
    "photo.jpg",
    "//example.com/photo.jpg",
    "file:///etc/passwd",
    "ftp://example.com/a",
    "gopher://127.0.0.1:70/",
    "data:image/png;base64,AAAA",
    "http://",
    "http:///a",
    "http://user@example.com/",
    "http://example.com@127.0.0.1/",
    "http://:pw@example.com/",
    "http://example.com:22/",
    "https://example.com:80/",
    "http://example.com:99999/",
    "http://exam ple.com/",
    "http://example.com/\r\nX: y",
    "http://[::1/",
    "http://example.com/" + "a" * 5000,
]

ELSEWHERE = [
    url
    for url in MALFORMED
    if ":" in url and len(url) < 4096 and "\r" not in url and url not in ("http://", "http:///a")
]
"""Those that can stand in a header and are not relative to where the redirect comes from."""


@pytest.mark.parametrize("url", PRIVATE + MALFORMED)
async def test_what_is_not_a_public_address_is_not_allowed(url: str) -> None:
    told = set()
    async with Fetcher(seconds=3) as fetcher:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetcher.fetch(url, LIMIT)
        told.add(str(caught.value))
    assert told == {"Only public http and https addresses are fetched."}


@pytest.mark.parametrize("url", PRIVATE + ELSEWHERE)
async def test_a_redirect_to_it_is_not_followed(server: Server, url: str) -> None:
    server.location = url
    with pytest.raises(UrlNotAllowed):
        await fetched(server, "/redirect")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["93.184.216.34", "::1"]],
)
async def test_a_name_with_any_private_address_is_not_allowed(addresses: list[str]) -> None:
    async with Fetcher(resolve=resolving(photos__example=addresses), seconds=3) as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.fetch("http://photos.example/a.jpg", LIMIT)


async def test_localhost_by_the_systems_resolver_is_not_allowed() -> None:
    async with Fetcher(seconds=3) as fetcher:
        for url in ("http://localhost/", "http://LOCALHOST/", "https://localhost/"):
            with pytest.raises(UrlNotAllowed):
                await fetcher.fetch(url, LIMIT)


async def test_a_name_that_turns_private_between_two_requests_is_not_reached(
    server: Server,
) -> None:
    answers = [["127.0.0.1"], ["127.0.0.1"]]

    async def rebinding(_: str) -> list[str]:
        return answers.pop(0)

    allowed = f"rebind.example:{server.port}"
    async with Fetcher([allowed], resolve=rebinding, seconds=3) as fetcher:
        url = f"http://rebind.example:{server.port}/photo.jpg"
        assert await fetcher.fetch(url, LIMIT) == b"photo"
        with pytest.raises(UrlNotAllowed):
            # the same name on a port that is not allowed is looked up anew, and refused
            await fetcher.fetch("http://rebind.example/photo.jpg", LIMIT)
    assert answers == []


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


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/huge", UrlTooLarge),
        ("/endless", UrlTooLarge),
        ("/gzip", UrlRefused),
        ("/missing", UrlRefused),
        ("/slow", UrlTooSlow),
    ],
)
async def test_a_bad_answer_is_told_as_what_it_is(
    server: Server, path: str, error: type[FetchError]
) -> None:
    with pytest.raises(error) as caught:
        await fetched(server, path, seconds=1.0)
    assert server.origin not in str(caught.value)


async def test_as_many_bytes_as_allowed_are_taken(server: Server) -> None:
    assert len(await fetched(server, "/exactly")) == LIMIT
    async with Fetcher([server.origin]) as fetcher:
        with pytest.raises(UrlTooLarge):
            await fetcher.fetch(f"{server.url}/exactly", LIMIT - 1)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
    ids=["lying length", "no http", "broken chunks", "nothing"],
)
async def test_an_answer_that_is_no_http_is_unreachable(reply: bytes) -> None:
    async with raw_server(reply) as port, Fetcher([f"127.0.0.1:{port}"]) as fetcher:
        with pytest.raises(UrlUnreachable):
            await fetcher.fetch(f"http://127.0.0.1:{port}/", LIMIT)


async def test_a_name_that_does_not_exist_is_unreachable() -> None:
    async with Fetcher(resolve=resolving()) as fetcher:
        with pytest.raises(UrlUnreachable):
            await fetcher.fetch("http://nowhere.example/", LIMIT)


def test_https_is_not_left_for_http() -> None:
    here = URL("https://a.example/x")
    with pytest.raises(UrlNotAllowed, match="https to http"):
        redirect_target(here, "http://a.example/x")
    assert redirect_target(here, "/y") == URL("https://a.example/y")
    assert redirect_target(URL("http://a.example/"), "https://b.example/").scheme == "https"


async def test_a_server_without_a_trusted_certificate_is_unreachable(server: Server) -> None:
    async with Fetcher([server.origin]) as fetcher:
        with pytest.raises(UrlUnreachable):
            await fetcher.fetch(f"https://{server.origin}/photo.jpg", LIMIT)


async def test_proxies_of_the_environment_are_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await fetched(server, "/photo.jpg") == b"photo"
