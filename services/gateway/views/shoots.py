"""The jobs of an agency over HTTP: its picture days."""

from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from proto.agencies import AgencyId, IcpType, Shoot, ShootId, ShootState, Title
from proto.matching.shoots import ChangeShoot, CreateShoot, EraseShoot, GetShoot, GetShoots
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import json_response
from services.gateway.resources import BUS
from services.gateway.views.agencies import AGENCY, ERASING_SECONDS, is_archived
from services.gateway.views.facecrop import preset_of
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.whose import of_agency, of_shoot

operations = Operations("Agencies")

SHOOT = (AGENCY, Parameter("job_id", "path", "The job's id", int))

_ANSWERS = {404: ErrorBody, **ASKING}
_BODY_ANSWERS = {**ERROR_ANSWERS, 404: ErrorBody}


class AgencyJobBody(msgspec.Struct, frozen=True, kw_only=True):
    """A picture day of an agency."""

    id: ShootId
    agency_id: AgencyId
    name: str
    icp_type: str
    status: ShootState
    files: int
    created_at: datetime


class AgencyJobsBody(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of an agency."""

    jobs: list[AgencyJobBody]


class CreateAgencyJobBody(msgspec.Struct, frozen=True, kw_only=True):
    """A job to add."""

    name: Title
    icp_type: IcpType
    """school, corporate, sports, childcare, or the name of a preset of your own."""
    status: ShootState = "draft"


class ChangeAgencyJobBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: Title | UnsetType = UNSET
    icp_type: IcpType | UnsetType = UNSET
    status: ShootState | UnsetType = UNSET
    """`archived` puts it out of sight."""


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/jobs",
    {200: AgencyJobsBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        AGENCY,
        Parameter("archived", "query", "true for those that were archived, not the others"),
    ),
    scope="matching",
)
async def jobs(request: web.Request) -> web.Response:
    """List the jobs of an agency."""
    ask = GetShoots(**of_agency(request), archived=is_archived(request))
    found = await request.app[BUS].request(ask)
    return json_response(AgencyJobsBody(jobs=[_shown(each) for each in found.shoots]))


@operations.add(
    "POST",
    "/v1/services/studio/agencies/{agency_id}/jobs",
    {201: AgencyJobBody, **_BODY_ANSWERS},
    body=CreateAgencyJobBody,
    parameters=(AGENCY,),
    scope="matching",
)
async def create(request: web.Request) -> web.Response:
    """Add a job to an agency."""
    about = of_agency(request)
    body = await read_json(request, CreateAgencyJobBody)
    await preset_of(request, body.icp_type)
    made = await request.app[BUS].request(
        CreateShoot(**about, name=body.name, icp_type=body.icp_type, state=body.status)
    )
    return json_response(_shown(made), 201)


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}",
    {200: AgencyJobBody, **_ANSWERS},
    parameters=SHOOT,
    scope="matching",
)
async def job(request: web.Request) -> web.Response:
    """Show a job of an agency."""
    return json_response(_shown(await request.app[BUS].request(GetShoot(**of_shoot(request)))))


@operations.add(
    "PATCH",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}",
    {200: AgencyJobBody, **_BODY_ANSWERS},
    body=ChangeAgencyJobBody,
    parameters=SHOOT,
    scope="matching",
)
async def change(request: web.Request) -> web.Response:
    """Rename a job, archive it, or say how far it is."""
    about = of_shoot(request)
    body = await read_json(request, ChangeAgencyJobBody)
    if not isinstance(body.icp_type, UnsetType):
        await preset_of(request, body.icp_type)
    told: dict[str, Any] = {"name": body.name, "icp_type": body.icp_type, "state": body.status}
    return json_response(_shown(await request.app[BUS].request(ChangeShoot(**about, **told))))


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/jobs/{job_id}",
    {204: None, **_ANSWERS},
    parameters=SHOOT,
    scope="matching",
)
async def erase(request: web.Request) -> web.Response:
    """Remove a job with its photographs and what was found in them."""
    await request.app[BUS].request(EraseShoot(**of_shoot(request)), ERASING_SECONDS)
    return web.Response(status=204)


def _shown(shoot: Shoot) -> AgencyJobBody:
    return AgencyJobBody(
        id=shoot.id,
        agency_id=shoot.agency,
        name=shoot.name,
        icp_type=shoot.icp_type,
        status=shoot.state,
        files=shoot.files,
        created_at=shoot.created_at,
    )
