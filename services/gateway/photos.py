"""The photographs of a request, sent with it or by URL, and jobs that take them along."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

from aiohttp import web
from msgspec import Meta

from proto.accounts.calling import Caller
from proto.agencies import File, FileId
from proto.errors import Unavailable
from proto.ids import StorageKey
from proto.jobs import MOST_ITEMS, Job, NewItem
from proto.matching.shoots import GetFiles
from proto.photos import RemotePhoto, StoredPhoto
from services.gateway import names
from services.gateway.batches import Batch, PerhapsBegun, begin
from services.gateway.billing import Order
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.problems import Problem
from services.gateway.resources import BUS, SETTINGS, STORAGE
from services.gateway.uploads import receive
from services.gateway.whose import OfShoot

_MOST_URL_BYTES = 4096
"""An item of a job has no room for many more."""

Url = Annotated[str, Meta(min_length=1, max_length=_MOST_URL_BYTES)]


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to work on, and what its sender calls it."""

    filename: str
    source: StoredPhoto | RemotePhoto
    sameness: bytes
    """Equal for photos that are the same: a digest of the file, or of the URL."""
    file: FileId | None = None
    """Which file of an agency's job it is, where it is one."""


@dataclass(slots=True)
class Sent:
    """What came with a request."""

    photos: Sequence[Photo]
    sha256: bytes
    """Of everything that was sent."""
    fields: dict[str, str] = field(default_factory=dict)
    """Of a form."""
    folder: StorageKey | None = None
    """Where uploads lie."""
    needed: bool = False
    """Whether a job needs what was uploaded after the request has ended."""


def by_url(request: web.Request, urls: Sequence[str], sha256: bytes) -> Sent:
    """Return photos to be fetched. Raises Problem for none, too many, or a URL that is too long."""
    check_count(len(urls), request.app[SETTINGS].max_files)
    check_urls(urls)
    return Sent([remote(url) for url in urls], sha256)


@asynccontextmanager
async def uploaded(request: web.Request) -> AsyncIterator[Sent]:
    """Receive the photos of a form; they are removed afterwards unless a job needs them.

    Raises Problem for none or too many, and as `uploads.receive`.
    """
    storage, settings = request.app[STORAGE], request.app[SETTINGS]
    folder = StorageKey(f"uploads/{request[ACCOUNT]}/{uuid4()}")
    sent: Sent | None = None
    try:
        upload = await receive(request, storage, folder, settings)
        check_count(len(upload.files), settings.max_files)
        photos = [
            Photo(file.filename, StoredPhoto(key=file.key), file.sha256) for file in upload.files
        ]
        sent = Sent(photos, upload.sha256, upload.fields, folder)
        yield sent
    finally:
        if sent is None or not sent.needed:
            await storage.delete_folder(folder)


async def of_shoot(request: web.Request, about: OfShoot, sha256: bytes) -> Sent:
    """Return the photos of an agency's job, by id. Raises NotFound, Problem for none or too many.

    They stay where they are: the job that works on them has no folder of its own to remove.
    """
    found: list[Photo] = []
    after: int | None = 0
    while after is not None and len(found) <= MOST_ITEMS:
        page = await request.app[BUS].request(GetFiles(**about, after=after, limit=500))
        found += [_of_agency(file) for file in page.files]
        after = page.next_after
    check_count(len(found), MOST_ITEMS)
    return Sent(found, sha256)


def remote(url: str) -> Photo:
    """Return a photo to be fetched."""
    digest = hashlib.sha256(url.encode("utf-8", "replace")).digest()
    return Photo(names.of_url(url), RemotePhoto(url=url), digest)


def _of_agency(file: File) -> Photo:
    source = StoredPhoto(key=StorageKey(file.key)) if file.key else RemotePhoto(url=file.url)
    return Photo(file.filename, source, str(file.id).encode(), file.id)


def check_count(count: int, at_most: int) -> None:
    """Raise Problem unless so many photos go into one request."""
    if count == 0:
        raise Problem(422, "INVALID_REQUEST", "send at least one photo")
    if count > at_most:
        raise Problem(422, "TOO_MANY_FILES", f"send at most {at_most} photos in one request")


def check_urls(urls: Sequence[str]) -> None:
    """Raise Problem for a URL that is too long for an item of a job."""
    if any(len(url.encode("utf-8", "replace")) > _MOST_URL_BYTES for url in urls):
        sentence = f"a URL may be at most {_MOST_URL_BYTES:,} bytes long"
        raise Problem(422, "INVALID_REQUEST", sentence)


def first_of_each(photos: Sequence[Photo]) -> list[int]:
    """Return for each photo the number of the first that is the same."""
    first: dict[bytes, int] = {}
    return [first.setdefault(photo.sameness, number) for number, photo in enumerate(photos)]


async def begin_job(
    request: web.Request,
    sent: Sent,
    order: Order,
    *,
    kind: str,
    work: Sequence[bytes],
    details: dict[str, str],
    outputs: StorageKey,
) -> Job:
    """Begin a job with an item for each photo, and let it keep what was uploaded.

    Raises InsufficientTokens, SpendCapReached, QueueFull, Unavailable.
    """
    items = [
        NewItem(
            number=number,
            name=photo.filename,
            work=of_photo,
            same_as=None if first == number else first,
        )
        for number, (photo, of_photo, first) in enumerate(
            zip(sent.photos, work, first_of_each(sent.photos), strict=True)
        )
    ]
    batch = Batch(kind=kind, items=items, details=details, inputs=sent.folder, outputs=outputs)
    caller: Caller = request[CALLER]
    try:
        begun = await begin(request.app, caller, order, batch)
    except PerhapsBegun as error:
        sent.needed = True
        raise Unavailable(str(error)) from error
    sent.needed = begun.anew
    return begun.job
