"""Agencies over HTTP: a studio's customers, and whether their people's faces may be compared."""

from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from proto.agencies import Agency, AgencyId, AgencyType, Consent, Mode, Title
from proto.matching.agencies import (
    ChangeAgency,
    CreateAgency,
    EraseAgency,
    GetAccessLog,
    GetAgencies,
    GetAgency,
    GiveConsent,
    WithdrawConsent,
)
from proto.matching.asking import Days
from services.gateway.identity import ACCOUNT
from services.gateway.operations import Operations, Parameter, read_json
from services.gateway.problems import Problem, json_response
from services.gateway.queries import HIGHEST_NUMBER, whole_number
from services.gateway.resources import BUS
from services.gateway.views.shapes import ASKING, ERROR_ANSWERS, ErrorBody
from services.gateway.whose import asking, of_agency

operations = Operations("Agencies")

AGENCY = Parameter("agency_id", "path", "The agency's id", int)
ERASING_SECONDS = 60.0
"""How long it may take to remove thousands of photographs."""

_ARCHIVED = Parameter("archived", "query", "true for those that were archived, not the others")
_ANSWERS = {404: ErrorBody, **ASKING}
_BODY_ANSWERS = {**ERROR_ANSWERS, 404: ErrorBody}
_MOST_ENTRIES = 500


class ConsentBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who said that an agency's people agreed to have their faces compared."""

    statement: str
    given_by: str
    """user:<id>, key:<id> or service."""
    given_at: datetime


class AgencyBody(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of a studio: a school, a club, a company."""

    id: AgencyId
    name: str
    agency_type: AgencyType
    mode: Mode
    """`faces`, or `cards`: people are told by their QR cards alone, no face is compared."""
    consent: ConsentBody | None
    """null until somebody said that its people agreed; no face is compared before."""
    retention_days: int
    """After which photographs and embeddings are removed by themselves."""
    archived: bool
    subjects: int
    references: int
    """Photographs of which it is known whom they show."""
    embeddings: int
    """Of these, how many can be compared with."""
    created_at: datetime


class AgenciesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every agency of the account."""

    agencies: list[AgencyBody]


class CreateAgencyBody(msgspec.Struct, frozen=True, kw_only=True):
    """An agency to add."""

    name: Title
    agency_type: AgencyType
    mode: Mode = "faces"
    retention_days: Days = 365


class ChangeAgencyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    name: Title | UnsetType = UNSET
    agency_type: AgencyType | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    """`cards` erases the agency's embeddings."""
    retention_days: Days | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    """An archived agency takes no more jobs, subjects and photographs."""


class GiveConsentBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who agreed to what."""

    statement: Title
    """As you would show it to an auditor: what was signed, by whom, where it is kept."""


class AccessEntryBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody did something with what is known of people."""

    at: datetime
    by: str
    """user:<id>, key:<id> or service."""
    action: str
    """agency_erased, subject_erased, references_added, references_built, match_begun,
    results_exported, portraits_downloaded …; results_viewed, subjects_viewed and references_viewed
    once an hour for each caller."""
    subject_id: int | None
    details: dict[str, str]


class AccessLogBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log, newest first."""

    entries: list[AccessEntryBody]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null on the last."""


@operations.add(
    "GET",
    "/v1/services/studio/agencies",
    {200: AgenciesBody, 422: ErrorBody, **ASKING},
    parameters=(_ARCHIVED,),
    scope="matching",
)
async def agencies(request: web.Request) -> web.Response:
    """List the account's agencies."""
    archived, after = is_archived(request), 0
    found: list[Agency] = []
    while True:
        page = await request.app[BUS].request(
            GetAgencies(account=request[ACCOUNT], archived=archived, after=after)
        )
        found += page.agencies
        if page.next_after is None:
            break
        after = page.next_after
    return json_response(AgenciesBody(agencies=[_shown(each) for each in found]))


@operations.add(
    "POST",
    "/v1/services/studio/agencies",
    {201: AgencyBody, **ERROR_ANSWERS},
    body=CreateAgencyBody,
    scope="matching",
)
async def create(request: web.Request) -> web.Response:
    """Add an agency."""
    body = await read_json(request, CreateAgencyBody)
    told: dict[str, Any] = msgspec.structs.asdict(body)
    made = await request.app[BUS].request(CreateAgency(**asking(request), **told))
    return json_response(_shown(made), 201)


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}",
    {200: AgencyBody, **_ANSWERS},
    parameters=(AGENCY,),
    scope="matching",
)
async def agency(request: web.Request) -> web.Response:
    """Show an agency."""
    found = await request.app[BUS].request(GetAgency(**of_agency(request)))
    return json_response(_shown(found))


@operations.add(
    "PATCH",
    "/v1/services/studio/agencies/{agency_id}",
    {200: AgencyBody, **_BODY_ANSWERS},
    body=ChangeAgencyBody,
    parameters=(AGENCY,),
    scope="matching",
)
async def change(request: web.Request) -> web.Response:
    """Rename an agency, archive it, or change how its people are told apart."""
    about = of_agency(request)
    told: dict[str, Any] = msgspec.structs.asdict(await read_json(request, ChangeAgencyBody))
    changed = await request.app[BUS].request(ChangeAgency(**about, **told), ERASING_SECONDS)
    return json_response(_shown(changed))


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}",
    {204: None, **_ANSWERS},
    parameters=(AGENCY,),
    scope="matching",
)
async def erase(request: web.Request) -> web.Response:
    """Remove an agency with everything in it: people, photographs, embeddings, results."""
    await request.app[BUS].request(EraseAgency(**of_agency(request)), ERASING_SECONDS)
    return web.Response(status=204)


@operations.add(
    "PUT",
    "/v1/services/studio/agencies/{agency_id}/consent",
    {200: AgencyBody, **_BODY_ANSWERS},
    body=GiveConsentBody,
    parameters=(AGENCY,),
    scope="matching",
)
async def give_consent(request: web.Request) -> web.Response:
    """Note that the agency's people agreed to have their faces compared."""
    about = of_agency(request)
    body = await read_json(request, GiveConsentBody)
    ask = GiveConsent(**about, statement=body.statement)
    return json_response(_shown(await request.app[BUS].request(ask)))


@operations.add(
    "DELETE",
    "/v1/services/studio/agencies/{agency_id}/consent",
    {200: AgencyBody, **_ANSWERS},
    parameters=(AGENCY,),
    scope="matching",
)
async def withdraw_consent(request: web.Request) -> web.Response:
    """Note that they do not agree any more: their embeddings are erased at once."""
    ask = WithdrawConsent(**of_agency(request))
    return json_response(_shown(await request.app[BUS].request(ask, ERASING_SECONDS)))


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/access-log",
    {200: AccessLogBody, 422: ErrorBody, **_ANSWERS},
    parameters=(
        AGENCY,
        Parameter(
            "limit", "query", f"Entries on a page, 1 to {_MOST_ENTRIES}; 100 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def access_log(request: web.Request) -> web.Response:
    """Show who did what with the agency's people, newest first; also of one that was removed."""
    page = await request.app[BUS].request(
        GetAccessLog(
            **of_agency(request),
            before=whole_number(request, "cursor", HIGHEST_NUMBER),
            limit=whole_number(request, "limit", _MOST_ENTRIES) or 100,
        )
    )
    entries = [
        AccessEntryBody(
            at=each.at,
            by=each.by,
            action=each.action,
            subject_id=each.subject,
            details=each.details,
        )
        for each in page.entries
    ]
    cursor = None if page.next_before is None else str(page.next_before)
    return json_response(AccessLogBody(entries=entries, next_cursor=cursor))


def is_archived(request: web.Request) -> bool:
    """Return whether what was archived is asked for. Raises Problem."""
    text = request.query.get("archived", "false").lower()
    if text not in ("true", "false"):
        raise Problem(422, "INVALID_REQUEST", "archived must be true or false")
    return text == "true"


def _shown(agency: Agency) -> AgencyBody:
    consent = agency.consent
    return AgencyBody(
        id=agency.id,
        name=agency.name,
        agency_type=agency.agency_type,
        mode=agency.mode,
        consent=None if consent is None else _consent(consent),
        retention_days=agency.retention_days,
        archived=agency.archived,
        subjects=agency.subjects,
        references=agency.references,
        embeddings=agency.embeddings,
        created_at=agency.created_at,
    )


def _consent(given: Consent) -> ConsentBody:
    return ConsentBody(statement=given.statement, given_by=given.given_by, given_at=given.given_at)
