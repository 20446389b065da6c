"""Asking what a caller's URL names, without becoming the caller's hand inside our network.

FetchError
├── UrlNotAllowed       not http(s), another port, not public, no such host, or a redirect there
├── UrlUnreachable      nobody listens, TLS fails, or it is no HTTP
├── UrlTooSlow          not done in time
├── UrlTooLarge         more bytes than allowed
└── UrlRefused          the server answered, but with an error or something we do not take

Every address that a name resolves to must be public, and the check happens in the resolver that the
connection itself uses: what was checked is what is connected to, at every redirect. Proxies of the
environment are not used, for behind one nobody knows where a request goes. A name that does not
exist gets the same answer as one that leads inside, so that nobody can list our names by asking.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from kit import tracing
from kit.addresses import is_public

Resolve = Callable[[str], Awaitable[list[str]]]
"""Takes a host name, returns its addresses; raises OSError, and of these `socket.gaierror` with
EAI_AGAIN where only the asking failed."""

_PORTS = {"http": 80, "https": 443}
_OTHER_PORT = "This address names another port than 80 for http and 443 for https."
_LONGEST_URL = 4096
_REDIRECTS = 5
_REDIRECT_STATUS = (301, 302, 303, 307, 308)
_LOOKUPS = 16
_CHUNK_BYTES = 64 * 1024
_ANSWER_SECONDS = 1.0
"""For the body of the answer to a post, whose status is known by then."""
_ORIGIN = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+):[0-9]{1,5}")
_HEADERS = {"User-Agent": "Darkroom", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


class FetchError(Exception):
    """The URL cannot be used; `str(error)` is for the person who gave it."""

    code: ClassVar[str] = "URL_UNREACHABLE"


class UrlNotAllowed(FetchError):
    """The URL is not fetched here; says the same of all that is not public or not there.

    A port that is not taken is told as such, wherever the host leads. Check the address, or upload
    the file instead.
    """

    code: ClassVar[str] = "URL_NOT_ALLOWED"


class UrlUnreachable(FetchError):
    """No answer came from there; check the address."""

    code: ClassVar[str] = "URL_UNREACHABLE"


class UrlTooSlow(FetchError):
    """The answer did not come in time; try again or upload the file."""

    code: ClassVar[str] = "URL_TOO_SLOW"


class UrlTooLarge(FetchError):
    """There are more bytes than allowed."""

    code: ClassVar[str] = "URL_TOO_LARGE"


class UrlRefused(FetchError):
    """The server answered with an error, or with something that is not taken."""

    code: ClassVar[str] = "URL_REFUSED"


class Fetcher:
    """Asks public http and https URLs, on ports 80 and 443. Use as an async context."""

    def __init__(
        self,
        allow: Collection[str] = (),
        *,
        seconds: float = 20.0,
        connect_seconds: float = 5.0,
        resolve: Resolve | None = None,
    ) -> None:
        """Prepare to fetch.

        Args:
            allow: Origins, `host:port` or `[address]:port`, that may be fetched although they are
                not public. Only exactly these: what they redirect to is checked like anything else.
            seconds: For one URL with all its redirects and its body.
            connect_seconds: For one connection.
            resolve: How names become addresses; the system's resolver unless given.

        Raises ValueError for an origin that could never match.
        """
        self._allow = frozenset(origin.lower() for origin in allow)
        for origin in self._allow:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin, host:port")
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=connect_seconds)
        # A caller's name server may answer as slowly as it likes. In threads of their own such
        # lookups cannot hold up the ones that the database or the message bus needs.
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="lookup")
        self._resolver = _PublicOnly(self._allow, resolve or self._look_up)

    async def __aenter__(self) -> Self:
        """Open connections as they are needed."""
        connector = aiohttp.TCPConnector(
            resolver=self._resolver, use_dns_cache=False, limit=64, force_close=True
        )
        self._client = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            headers=_HEADERS,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._client.close()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        """Return what lies behind a URL, at most `max_bytes` of it. Raises FetchError."""
        with (
            tracing.span("fetch", "client"),
            _told_apart("Nothing could be fetched from this address."),
        ):
            async with asyncio.timeout(self._timeout.total):
                return await self._follow(_parsed(url), max_bytes)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], max_answer_bytes: int
    ) -> int:
        """Send a body to a URL and return the status of the answer; no redirect is followed.

        At most about `max_answer_bytes` of the answer are read, and forgotten.
        Raises UrlNotAllowed, UrlUnreachable, UrlTooSlow.
        """
        with _told_apart("Nothing could be sent to this address."):
            async with asyncio.timeout(self._timeout.total):
                target = _parsed(url)
                self._check(target)
                async with self._client.post(
                    target, data=body, headers={"Accept": "*/*", **headers}, allow_redirects=False
                ) as answer:
                    await _let_finish(answer, max_answer_bytes)
                    return answer.status

    async def check(self, url: str) -> None:
        """Refuse a URL that could not be asked now, as far as that can be told without asking.

        It proves nothing for later: whoever asks is checked again. Raises UrlNotAllowed,
        UrlUnreachable when its name cannot be looked up now, UrlTooSlow.
        """
        with _told_apart("The name in this address cannot be looked up right now."):
            async with asyncio.timeout(self._timeout.total):
                target = _parsed(url)
                self._check(target)
                await self._resolver.resolve(target.raw_host or "", target.port or 0)

    async def _follow(self, url: URL, max_bytes: int) -> bytes:
        for _ in range(_REDIRECTS + 1):
            self._check(url)
            async with self._client.get(url, allow_redirects=False) as answer:
                if answer.status not in _REDIRECT_STATUS:
                    return await _body(answer, max_bytes)
                url = redirect_target(url, answer.headers.get("Location", ""))
        raise UrlRefused(f"The address redirects more than {_REDIRECTS} times.")

    def _check(self, url: URL) -> None:
        """Refuse what can be seen to be wrong; names are checked when they are resolved."""
        host = _host(url)
        if url.scheme not in _PORTS or not host or url.user is not None or url.password is not None:
            raise _refusal()
        if _origin(host, url.port) in self._allow:
            return
        if url.port != _PORTS[url.scheme]:
            # said before anybody looks where the host leads, so it tells nothing of our network
            raise UrlNotAllowed(_OTHER_PORT)
        # aiohttp connects to a literal address without asking the resolver
        if _is_literal(host) and not is_public(host):
            raise _refusal()

    async def _look_up(self, host: str) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._lookups, socket.getaddrinfo, host, None, 0, socket.SOCK_STREAM
        )
        return [str(address[0]) for _, _, _, _, address in found]


def redirect_target(url: URL, location: str) -> URL:
    """Return where a redirect leads. Raises UrlNotAllowed when it gives up encryption."""
    target = url.join(_parsed(location))
    if url.scheme == "https" and target.scheme != "https":
        raise UrlNotAllowed("The address redirects from https to http.")
    return target


class _PublicOnly(AbstractResolver):
    """Resolves names to public addresses only, which is what the connection is then made to."""

    def __init__(self, allow: frozenset[str], resolve: Resolve) -> None:
        self._allow = allow
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host; all must be public, unless the origin is allowed."""
        addresses = await self._addresses(host)
        allowed = _origin(host.lower(), port) in self._allow
        if not addresses or not (allowed or all(map(is_public, addresses))):
            raise _NotPublicError(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def _addresses(self, host: str) -> list[str]:
        """Return the addresses of a host, none where there is no such host."""
        try:
            return await self._resolve(host)
        except UnicodeError:
            return []
        except OSError as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise
            return []

    async def close(self) -> None:
        """Nothing is kept open."""


class _NotPublicError(OSError):
    """A name led nowhere, or to an address that is not public; travels through aiohttp as cause."""


@contextmanager
def _told_apart(unreachable: str) -> Iterator[None]:
    """Raise what goes wrong inside as FetchError, with `unreachable` where nothing else fits."""
    try:
        yield
    except TimeoutError as error:
        raise UrlTooSlow("The address did not answer in time.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if _not_allowed_inside(error):
            raise _refusal() from error
        raise UrlUnreachable(unreachable) from error


async def _let_finish(answer: aiohttp.ClientResponse, max_bytes: int) -> None:
    """Let a server finish a short answer, which some take as a sign that they were heard."""
    read = 0
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                read += len(chunk)
                if read >= max_bytes:
                    return


async def _body(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if answer.status != 200:
        raise UrlRefused(f"The address answered with status {answer.status}.")
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise UrlRefused("The address answered with a compressed body, which is not taken.")
    too_large = UrlTooLarge(f"The file is larger than {max_bytes:,} bytes.")
    if (answer.content_length or 0) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _parsed(text: str) -> URL:
    if not text or len(text) > _LONGEST_URL or any(ord(c) < 33 or ord(c) == 127 for c in text):
        raise _refusal()
    try:
        return URL(text)
    except ValueError as error:
        raise _refusal() from error


def _host(url: URL) -> str:
    """Return the host in lower case, empty if there is none. Raises UrlNotAllowed for nonsense."""
    try:
        return (url.host or "").lower()
    except ValueError as error:  # yarl decodes punycode only when asked for the host
        raise _refusal() from error


def _origin(host: str, port: int | None) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _not_allowed_inside(error: BaseException | None) -> bool:
    seen: Any = error
    while seen is not None:
        if isinstance(seen, _NotPublicError) or isinstance(
            getattr(seen, "os_error", None), _NotPublicError
        ):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _refusal() -> UrlNotAllowed:
    return UrlNotAllowed("This is no http or https address that is found on the public internet.")
