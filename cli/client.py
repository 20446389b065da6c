"""A client of the HTTP API: the few calls that the demo makes, as any other program would."""

from pathlib import PurePosixPath
from typing import TypeVar

import aiohttp
import msgspec
from yarl import URL

Body = TypeVar("Body")


class Token(msgspec.Struct, frozen=True):
    """The answer to a login."""

    access_token: str


class Wallet(msgspec.Struct, frozen=True):
    """What the account owns."""

    balance: int


class Transaction(msgspec.Struct, frozen=True):
    """A line of the statement."""

    id: str
    operation: str
    state: str
    tokens_consumed: int
    tokens_added: int


class Transactions(msgspec.Struct, frozen=True):
    """The statement's first page, newest first."""

    transactions: list[Transaction]


class FaceBox(msgspec.Struct, frozen=True):
    """Where the face is, in pixels of the upright original."""

    x: int
    y: int
    w: int
    h: int


class OutputUrls(msgspec.Struct, frozen=True):
    """Signed links to the two pictures of a portrait."""

    original: str
    medium: str


class Cropped(msgspec.Struct, frozen=True):
    """The portrait made of one photograph."""

    face_box: FaceBox
    output_urls: OutputUrls


class Crops(msgspec.Struct, frozen=True):
    """The answer to a face crop request."""

    results: list[Cropped]
    tokens_deducted: int
    wallet_transaction_id: str


class UnexpectedAnswer(Exception):
    """The API answered with something else than what was asked for; the message quotes it."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        self.what = what
        self.status = status
        super().__init__(
            f"{what} was answered with {status}: {body[:400].decode(errors='replace')}"
        )


class Client:
    """Calls the API at one address as one account."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._headers: dict[str, str] = {}

    async def login(self, email: str, password: str) -> None:
        """Get an access token for all further calls."""
        form = {"email": email, "password": password}
        token = await self.call("POST", "/v1/account/login", Token, json=form)
        self._headers = {"Authorization": f"Bearer {token.access_token}"}

    @property
    def headers(self) -> dict[str, str]:
        """What says who is calling; nothing before the login."""
        return dict(self._headers)

    async def balance(self) -> int:
        """Return the tokens that can be spent."""
        return (await self.call("GET", "/v1/wallet", Wallet)).balance

    async def statement(self) -> list[Transaction]:
        """Return the newest transactions, newest first."""
        page = await self.call("GET", "/v1/wallet/transactions", Transactions)
        return page.transactions

    async def crop_upload(self, photo: bytes, filename: str, icp_type: str, enhance: bool) -> Crops:
        """Have an uploaded photograph cropped."""
        form = aiohttp.FormData()
        form.add_field("file[]", photo, filename=filename, content_type="image/png")
        form.add_field("icp_type", icp_type)
        form.add_field("enhance", "true" if enhance else "false")
        return await self.call("POST", "/v1/services/studio/face-crop/upload", Crops, data=form)

    async def crop_url(self, url: str, icp_type: str) -> Crops:
        """Have the photograph at a URL cropped."""
        body = {"image_url": url, "icp_type": icp_type}
        return await self.call("POST", "/v1/services/studio/face-crop", Crops, json=body)

    async def download(self, link: str) -> tuple[str, bytes]:
        """Return name and content of the file behind a signed link."""
        # as it was signed: quoting it again would make it another link
        async with self._session.get(URL(link, encoded=True)) as response:
            content = await response.read()
            if response.status != 200:
                raise UnexpectedAnswer(f"GET {link}", response.status, content)
        return PurePosixPath(URL(link).path).name, content

    async def call(self, method: str, path: str, kind: type[Body], **sent: object) -> Body:
        """Send a request and return the answer's body as `kind`. Raises UnexpectedAnswer."""
        async with self._session.request(
            method,
            self._url + path,
            headers=self._headers,
            **sent,  # type: ignore[arg-type] # json= or data=, as our own calls give them
        ) as response:
            body = await response.read()
        try:
            if response.status in (200, 201):
                return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError:
            pass
        raise UnexpectedAnswer(f"{method} {path}", response.status, body)
