"""The photographs of an agency's job over HTTP."""

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.agencies import MOST_IN_MESSAGE, File, FileId, NewFile, ShootId
from proto.ids import StorageKey
from proto.matching.shoots import AddFiles, EraseFiles, FilePage, GetFiles, GetShoot
from services.gateway.ended import links
from services.gateway.keeping import PhotosByUrl, PhotosForm, add, received
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.portraits import Links
from services.gateway.problems import json_response
from services.gateway.queries import HIGHEST_NUMBER, whole_number
from services.gateway.resources import BUS, SETTINGS
from services.gateway.views.agencies import ERASING_SECONDS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.views.shoots import SHOOT
from services.gateway.whose import file_in_path, of_shoot

operations = Operations("Agencies")

_ADDING_SECONDS = 30.0


class AgencyFileBody(msgspec.Struct, frozen=True, kw_only=True):
    """A photograph of a job."""

    id: FileId
    job_id: ShootId
    filename: str
    size: int
    """In bytes; 0 for one that was not fetched yet."""
    photo_url: str | None
    """A signed link; null for one that was not fetched yet."""
    source_url: str | None
    """Where it comes from; null for one that was uploaded."""
    created_at: datetime


class AgencyFilesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Photographs of a job, by id."""

    files: list[AgencyFileBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


class AddedFilesBody(msgspec.Struct, frozen=True, kw_only=True):
    """The photographs that were sent, in that order.

    One that the job had already, by content or URL, is shown as the file that is there.
    """

    files: list[AgencyFileBody]


class EraseFilesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Photographs to remove."""

    file_ids: Annotated[list[FileId], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}/files",
    {200: AgencyFilesBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        *SHOOT,
        Parameter(
            "limit", "query", f"Files on a page, 1 to {MOST_IN_MESSAGE}; 200 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def files(request: web.Request) -> web.Response:
    """List the photographs of a job."""
    page = await request.app[BUS].request(
        GetFiles(
            **of_shoot(request),
            after=whole_number(request, "cursor", HIGHEST_NUMBER) or 0,
            limit=whole_number(request, "limit", MOST_IN_MESSAGE) or 200,
        )
    )
    cursor = None if page.next_after is None else str(page.next_after)
    shown = [await _shown(links(request), each) for each in page.files]
    return json_response(AgencyFilesBody(files=shown, next_cursor=cursor))


@operations.add(
    "POST",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}/files",
    {201: AddedFilesBody, **ERROR_ANSWERS, 404: ErrorBody},
    body=PhotosByUrl,
    form=PhotosForm,
    parameters=SHOOT,
    scope="matching",
)
async def add_files(request: web.Request) -> web.Response:
    """Add photographs to a job: a form with `file[]` parts, or JSON with `image_urls`.

    Those given by URL are fetched when a match first needs them.
    """
    bus, about = request.app[BUS], of_shoot(request)
    await bus.request(GetShoot(**about))  # before gigabytes are sent for nothing

    async def ask(photos: list[NewFile]) -> FilePage:
        return await bus.request(AddFiles(**about, files=photos), _ADDING_SECONDS)

    photos = await received(request, about["agency"], request.app[SETTINGS].max_files)
    pages = await add(request, photos, ask)
    shown = [await _shown(links(request), file) for page in pages for file in page.files]
    return json_response(AddedFilesBody(files=shown), 201)


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}/files",
    {204: None, **ERROR_ANSWERS, 404: ErrorBody},
    body=EraseFilesBody,
    parameters=SHOOT,
    scope="matching",
)
async def erase_files(request: web.Request) -> web.Response:
    """Remove photographs and what was found in them: all that are named, or none."""
    about = of_shoot(request)
    body = await read_json(request, EraseFilesBody)
    await request.app[BUS].request(EraseFiles(**about, files=body.file_ids), ERASING_SECONDS)
    return web.Response(status=204)


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}/files/{file_id}",
    {204: None, 404: ErrorBody, **ASKING},
    parameters=(*SHOOT, Parameter("file_id", "path", "The file's id", int)),
    scope="matching",
)
async def erase_file(request: web.Request) -> web.Response:
    """Remove a photograph and what was found in it."""
    ask = EraseFiles(**of_shoot(request), files=[file_in_path(request)])
    await request.app[BUS].request(ask, ERASING_SECONDS)
    return web.Response(status=204)


async def _shown(to: Links, file: File) -> AgencyFileBody:
    return AgencyFileBody(
        id=file.id,
        job_id=file.shoot,
        filename=file.filename,
        size=file.size,
        photo_url=await to.to(StorageKey(file.key)) if file.key else None,
        source_url=file.url or None,
        created_at=file.created_at,
    )
