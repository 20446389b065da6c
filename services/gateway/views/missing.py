"""Who is missing over HTTP: subjects of an agency that no photograph shows, over all matches."""

from typing import Any

from aiohttp import web

from proto.agencies import MOST_IN_MESSAGE, ShootId
from proto.matching.exports import GetMissingOfAgency
from services.gateway.operations import Operations, Parameter
from services.gateway.problems import json_response
from services.gateway.queries import checked, number_in_query, whole_number
from services.gateway.resources import BUS
from services.gateway.views.agencies import AGENCY
from services.gateway.views.shapes import ASKING, ErrorBody
from services.gateway.views.subjects import SubjectsBody, subject_body
from services.gateway.whose import of_agency

operations = Operations("Agencies")

_ASKING_SECONDS = 30.0
"""Of tens of thousands of photographs the latest match is looked for."""


@operations.add(
    "GET",
    "/v1/services/studio/agencies/{agency_id}/missing",
    {200: SubjectsBody, 404: ErrorBody, 422: ErrorBody, **ASKING},
    parameters=(
        AGENCY,
        Parameter("job_id", "query", "Only photographs of this job of the agency", int),
        Parameter("class_name", "query", "Only subjects of this class"),
        Parameter(
            "limit", "query", f"Subjects on a page, 1 to {MOST_IN_MESSAGE}; 200 if left out", int
        ),
        Parameter("cursor", "query", "The next_cursor of the page before"),
    ),
    scope="matching",
)
async def missing(request: web.Request) -> web.Response:
    """List the subjects of an agency who are in no photograph, whichever match looked.

    Of each photograph the latest match that has ended counts, as it stands after review; matches
    that looked for a class only add to it.
    """
    job = ShootId(number_in_query(request, "job_id")) if "job_id" in request.query else None
    told: dict[str, Any] = {
        **of_agency(request),
        "shoot": job,
        "class_name": request.query.get("class_name"),
        "after": request.query.get("cursor", ""),
        "limit": whole_number(request, "limit", MOST_IN_MESSAGE) or 200,
    }
    page = await request.app[BUS].request(checked(told, GetMissingOfAgency), _ASKING_SECONDS)
    shown = [subject_body(each) for each in page.subjects]
    return json_response(SubjectsBody(subjects=shown, next_cursor=page.next_after))
