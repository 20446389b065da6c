"""Who asks, and about which agency, job, subject or match: as matching wants to be told.

An agency's job is a shoot in the words of the services.
"""

from typing import TypedDict

from aiohttp import web

from proto.accounts.calling import Caller
from proto.agencies import AgencyId, FileId, MatchId, ShootId, SubjectId
from proto.ids import AccountId
from services.gateway.identity import ACCOUNT, CALLER
from services.gateway.queries import number_in_path


class Asking(TypedDict):
    """Who asks."""

    account: AccountId
    by: str


class OfAgency(Asking):
    """About an agency."""

    agency: AgencyId


class OfShoot(OfAgency):
    """About a job of an agency."""

    shoot: ShootId


class OfSubject(OfAgency):
    """About somebody of an agency."""

    subject_id: SubjectId


class OfMatch(Asking):
    """About a match."""

    match: MatchId


def actor(caller: Caller) -> str:
    """Return how a caller stands in logs: user:<id>, key:<id> or service."""
    if caller.user is not None:
        return f"user:{caller.user}"
    if caller.api_key is not None:
        return f"key:{caller.api_key}"
    return "service"


def asking(request: web.Request) -> Asking:
    """Return who asks."""
    return {"account": request[ACCOUNT], "by": actor(request[CALLER])}


def of_agency(request: web.Request) -> OfAgency:
    """Return the agency in the path. Raises NotFound for what cannot be one."""
    return {**asking(request), "agency": AgencyId(number_in_path(request, "agency_id", "agency"))}


def of_shoot(request: web.Request) -> OfShoot:
    """Return the job in the path. Raises NotFound for what cannot be one."""
    return {**of_agency(request), "shoot": ShootId(number_in_path(request, "job_id", "job"))}


def of_subject(request: web.Request) -> OfSubject:
    """Return the subject in the path. Raises NotFound for what cannot be one."""
    subject = SubjectId(number_in_path(request, "subject_id", "subject"))
    return {**of_agency(request), "subject_id": subject}


def of_match(request: web.Request) -> OfMatch:
    """Return the match in the path. Raises NotFound for what cannot be one."""
    return {**asking(request), "match": MatchId(number_in_path(request, "match_job_id", "match"))}


def file_in_path(request: web.Request) -> FileId:
    """Return the file in the path. Raises NotFound for what cannot be one."""
    return FileId(number_in_path(request, "file_id", "file"))
