"""The guarded fetcher posts, and checks addresses, under the rules that it fetches by."""

import socket

import pytest

from kit.fetching import Fetcher, UrlNotAllowed, UrlTooSlow, UrlUnreachable
from tests.integration.kit.addresses import MALFORMED, NAMES, OTHER_PORT, PORTS, PRIVATE, REFUSAL
from tests.integration.kit.serving import CHUNKED, LIMIT, OK, PATIENT, Server, raw_server, resolving


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


@pytest.mark.parametrize("url", PORTS)
async def test_nothing_is_posted_to_another_port(url: str) -> None:
    async with Fetcher(seconds=PATIENT) as fetcher:
        for asking in (fetcher.post(url, b"news", {}, LIMIT), fetcher.check(url)):
            with pytest.raises(UrlNotAllowed) as caught:
                await asking
            assert str(caught.value) == OTHER_PORT


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
