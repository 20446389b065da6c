"""The guarded fetcher against real servers here, which it may reach only where allowed."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from kit.fetching import (
    Fetcher,
    UrlNotAllowed,
    UrlRefused,
    UrlTooLarge,
    UrlTooSlow,
    UrlUnreachable,
)

LIMIT = 100_000
PATIENT = 30.0
"""Seconds for what must not fail by being slow, on a machine that does other things too."""
REFUSAL = "This is no http or https address that is found on the public internet."


class Server:
    """A web server whose answers a test chooses, and what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.location = ""

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.origin}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        match request.path.split("/")[1:]:
            case ["photo.jpg"]:
                return web.Response(body=b"photo")
            case ["redirect"]:
                return web.Response(status=302, headers={"Location": self.location})
            case ["hops", count]:
                location = f"/hops/{int(count) - 1}" if count != "1" else "/photo.jpg"
                return web.Response(status=307, headers={"Location": location})
            case ["slow-hops"]:
                await asyncio.sleep(0.2)
                return web.Response(status=302, headers={"Location": "/slow-hops"})
            case ["cookie"]:
                headers = {"Location": "/photo.jpg", "Set-Cookie": "known=1; Path=/"}
                return web.Response(status=303, headers=headers)
            case ["gzip"]:
                bomb = gzip.compress(b"0" * 10**7)
                return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
            case ["exactly"]:
                return web.Response(body=b"x" * LIMIT)
            case ["status", status]:
                return web.Response(status=int(status), body=b"photo")
            case _:
                raise web.HTTPNotFound


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@asynccontextmanager
async def raw_server(reply: bytes, then: bytes = b"", pause: float = 0.0) -> AsyncIterator[str]:
    """Serve `reply`, and `then` again and again until the caller leaves. Yields the origin."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            serving.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            while then:
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(pause)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def fetched_raw(
    reply: bytes, then: bytes = b"", pause: float = 0.0, seconds: float = PATIENT
) -> bytes:
    async with raw_server(reply, then, pause) as origin, Fetcher([origin], seconds=seconds) as it:
        return await it.fetch(f"http://{origin}/", LIMIT)


def resolving(**hosts: list[str]) -> Callable[[str], Awaitable[list[str]]]:
    """A resolver that knows these names (dots written as __) and no others."""
    known = {name.replace("__", "."): addresses for name, addresses in hosts.items()}

    async def resolve(host: str) -> list[str]:
        if host not in known:
            raise OSError("no such host")
        return known[host]

    return resolve


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


PRIVATE = [
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.000.000.001/",
    "http://127。0。0。1/",
    "http://１２７.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0.0.0.0/",
    "http://0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://192.0.2.1/",
    "http://240.0.0.1/",
    "http://224.0.0.1/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[fec0::1]/",
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
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://:pw@example.com/",
    "http://example.com:22/",
    "https://example.com:80/",
    "http://example.com:99999/",
    "http://exam ple.com/",
    "http://example.com/\r\nX: y",
    "http://[::1/",
    "http://[::1]./",
    "http://xn--/",
    "http://\u200bexample.com/",
    "http://example.com/" + "a" * 5000,
]

ELSEWHERE = [
    url
    for url in MALFORMED
    if ":" in url and len(url) < 4096 and "\r" not in url and url not in ("http://", "http:///a")
]
"""Those that can stand in a header and are not relative to where the redirect comes from."""
NAMES = ["http://localhost/", "http://LOCALHOST/", "https://localhost/", "http://ⓛocalhost/"]


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


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


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


async def posted(server: Server, path: str) -> int:
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        return await fetcher.post(server.url + path, b"news", {}, LIMIT)


async def posted_raw(reply: bytes, then: bytes = b"", seconds: float = PATIENT) -> int:
    async with raw_server(reply, then) as origin, Fetcher([origin], seconds=seconds) as it:
        return await it.post(f"http://{origin}/", b"news", {}, LIMIT)


async def test_a_body_is_posted_with_its_headers(server: Server) -> None:
    headers = {"Content-Type": "application/json", "webhook-id": "7"}
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        status = await fetcher.post(f"{server.url}/photo.jpg?a=1", b'{"a":1}', headers, LIMIT)
    assert status == 200
    (asked,) = server.asked
    assert (asked.method, asked.query_string) == ("POST", "a=1")
    assert server.bodies == [b'{"a":1}']
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["webhook-id"] == "7"
    assert asked.headers["User-Agent"] == "Darkroom"


@pytest.mark.parametrize("status", [200, 204, 300, 400, 410, 500, 503])
async def test_the_status_of_the_answer_to_a_post_is_told(server: Server, status: int) -> None:
    assert await posted(server, f"/status/{status}") == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_post_follows_no_redirect_wherever_it_leads(server: Server, status: int) -> None:
    async with (
        raw_server(
            f"HTTP/1.1 {status} Elsewhere\r\nLocation: {server.url}/photo.jpg\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        ) as origin,
        Fetcher([origin, server.origin], seconds=PATIENT) as fetcher,
    ):
        assert await fetcher.post(f"http://{origin}/", b"news", {}, LIMIT) == status
    assert server.asked == []


@pytest.mark.parametrize("url", PRIVATE + NAMES + MALFORMED)
async def test_nothing_is_posted_to_what_is_not_public(url: str) -> None:
    async with Fetcher(seconds=PATIENT) as fetcher:
        for asking in (fetcher.post(url, b"news", {}, LIMIT), fetcher.check(url)):
            with pytest.raises(UrlNotAllowed) as caught:
                await asking
            assert str(caught.value) == REFUSAL


async def test_nothing_is_posted_to_an_origin_that_is_not_allowed(server: Server) -> None:
    async with Fetcher() as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.post(f"{server.url}/photo.jpg", b"news", {}, LIMIT)
    assert server.asked == []


async def test_a_post_goes_where_its_name_was_checked_to_lead(server: Server) -> None:
    resolve = resolving(hooks__example=["93.184.216.34", "10.0.0.1"])
    async with Fetcher(resolve=resolve, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlNotAllowed):
            await fetcher.post("http://hooks.example/", b"news", {}, LIMIT)
    origin = f"hooks.example:{server.port}"
    resolve = resolving(hooks__example=["127.0.0.1"])
    async with Fetcher([origin], resolve=resolve, seconds=PATIENT) as fetcher:
        assert await fetcher.post(f"http://{origin}/photo.jpg", b"news", {}, LIMIT) == 200


@pytest.mark.parametrize(
    ("reply", "then"),
    [
        (OK + b"Content-Length: 5000000000\r\n\r\n", b"x"),
        (OK + b"\r\n", b"x" * 1000),
        (CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        (OK + b"Content-Length: 10\r\n\r\nshort", b""),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno", b""),
    ],
    ids=["5 GB by its length", "endless", "endless chunks", "short", "no gzip"],
)
async def test_the_body_of_the_answer_to_a_post_does_not_matter(reply: bytes, then: bytes) -> None:
    assert await posted_raw(reply, then) == 200


@pytest.mark.parametrize(
    ("reply", "error"),
    [(b"", UrlUnreachable), (b"SSH-2.0-OpenSSH\r\n", UrlUnreachable)],
    ids=["nothing", "no http"],
)
async def test_no_answer_to_a_post_is_told(reply: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await posted_raw(reply)


async def test_a_post_to_a_server_that_says_nothing_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Fetcher([origin], seconds=0.3) as fetcher:
            with pytest.raises(UrlTooSlow):
                await fetcher.post(f"http://{origin}/", b"news", {}, LIMIT)


async def test_an_address_is_checked_without_being_asked(server: Server) -> None:
    resolve = resolving(public__example=["93.184.216.34"], inside__example=["10.0.0.1"])
    async with Fetcher(["127.0.0.1:1"], resolve=resolve, seconds=PATIENT) as fetcher:
        await fetcher.check("https://public.example/hook?a=1")
        for url in ("https://inside.example/", "https://nowhere.example/", server.url):
            with pytest.raises(UrlNotAllowed):
                await fetcher.check(url)
    async with Fetcher([server.origin], seconds=PATIENT) as fetcher:
        await fetcher.check(server.url)
        await fetcher.check("https://93.184.216.34/hook")
        await fetcher.check("https://[2606:2800:220:1::1]/hook")
    assert server.asked == []


async def test_an_address_whose_name_server_is_down_cannot_be_checked() -> None:
    async def down(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    async with Fetcher(resolve=down, seconds=PATIENT) as fetcher:
        with pytest.raises(UrlUnreachable, match="looked up"):
            await fetcher.check("https://hooks.example/")
