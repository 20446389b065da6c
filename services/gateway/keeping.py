"""Photographs that stay with an agency: uploaded into its folder, or named by URL.

They are streamed to where they will lie, and then written down by matching, some hundred at a time.
What it refuses is removed again. Where nobody says whether it was written down, it is left: sent
again, it is answered as what is there, and matching removes what no row of its names.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import uuid4

import msgspec
from aiohttp import web

from proto.agencies import MOST_IN_MESSAGE, AgencyId, NewFile
from proto.errors import Internal, Refusal, Unavailable
from proto.ids import StorageKey
from services.gateway import names
from services.gateway.identity import ACCOUNT
from services.gateway.operations import read_long_json
from services.gateway.paging import parts
from services.gateway.photos import Url, check_count, check_urls
from services.gateway.problems import Problem
from services.gateway.resources import SETTINGS, STORAGE
from services.gateway.uploads import receive

Reply = TypeVar("Reply")

_URL = re.compile(r"https?://[^\x00-\x20\x7f]+", re.IGNORECASE)
_MOST_BYTES = 400_000
"""Of photographs in one message; the answer says a little more of each."""
_OTHERS_BYTES = 150
"""Of a photograph in a message besides name and URL."""


class PhotosByUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Photographs to fetch when they are needed."""

    image_urls: list[Url]
    """http or https on a public address."""


class PhotosForm(msgspec.Struct, frozen=True, kw_only=True):
    """Photographs, as one or more `file[]` parts."""

    file: list[bytes] = msgspec.field(name="file[]")


async def received(request: web.Request, agency: AgencyId, most: int) -> list[NewFile]:
    """Return the photographs that a request brings, stored or named by URL; then `add` them.

    Raises Problem for none, more than `most`, and what is no URL; and as `uploads.receive`.
    """
    if request.content_type == "application/json":
        at_most = request.app[SETTINGS].max_url_list_bytes
        body, _ = await read_long_json(request, PhotosByUrl, at_most)
        check_count(len(body.image_urls), most)
        must_be_urls(body.image_urls)
        return [NewFile(filename=names.of_url(url), url=url) for url in body.image_urls]
    storage = request.app[STORAGE]
    folder = StorageKey(f"photos/{request[ACCOUNT]}/{agency}/{uuid4()}")
    try:
        upload = await receive(request, storage, folder, request.app[SETTINGS])
        check_count(len(upload.files), most)
    except BaseException:
        await storage.delete_folder(folder)
        raise
    return [
        NewFile(filename=file.filename, key=file.key, size=file.size, sha256=file.sha256)
        for file in upload.files
    ]


async def add(
    request: web.Request,
    photos: Sequence[NewFile],
    ask: Callable[[list[NewFile]], Awaitable[Reply]],
) -> list[Reply]:
    """Have photographs written down by asking for some at a time, and return the answers.

    Raises what `ask` raises; what was not written down is removed then.
    """
    answers: list[Reply] = []
    cut = parts(photos, _weight, most=MOST_IN_MESSAGE, most_bytes=_MOST_BYTES)
    for number, part in enumerate(cut):
        try:
            answers.append(await ask(part))
        except BaseException as error:
            refused = isinstance(error, Refusal) and not isinstance(error, Unavailable | Internal)
            for photo in (photo for rest in cut[number + (not refused) :] for photo in rest):
                if photo.key:
                    await request.app[STORAGE].delete(StorageKey(photo.key))
            raise
    return answers


def must_be_urls(urls: Sequence[str]) -> None:
    """Raise Problem for what nobody could fetch."""
    check_urls(urls)
    if not all(map(_URL.fullmatch, urls)):
        sentence = "a URL begins with http:// or https:// and has no spaces"
        raise Problem(422, "INVALID_REQUEST", sentence)


def _weight(photo: NewFile) -> int:
    return len(photo.filename.encode()) + len(photo.url.encode()) + _OTHERS_BYTES
