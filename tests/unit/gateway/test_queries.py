from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from proto.errors import NotFound
from proto.matching.agencies import GetAgencies
from services.gateway.problems import Problem
from services.gateway.queries import (
    checked,
    identifier,
    identifier_in_query,
    moment,
    month,
    number_in_path,
    number_in_query,
    whole_number,
)


def request(**query: str) -> web.Request:
    return make_mocked_request("GET", str(URL("/x").with_query(query)))


def test_what_is_left_out_is_nothing() -> None:
    assert whole_number(request(), "limit", 200) is None
    assert moment(request(), "since") is None


@pytest.mark.parametrize("text", ["1", "200", "007"])
def test_numbers_within_limits(text: str) -> None:
    assert whole_number(request(limit=text), "limit", 200) == int(text)


@pytest.mark.parametrize("text", ["0", "201", "-1", "1.0", "", "x", "٣", "9" * 40])
def test_numbers_beyond(text: str) -> None:
    with pytest.raises(Problem):
        whole_number(request(limit=text), "limit", 200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-21T08:00:00Z", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        (
            "2026-11-21T08:00:00+02:00",
            datetime(2026, 11, 21, 8, tzinfo=timezone(timedelta(hours=2))),
        ),
        (
            "2026-11-21T08:00:00 02:00",
            datetime(2026, 11, 21, 8, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(request(since=text), "since") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "1",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(Problem):
        moment(request(since=text), "since")


def test_months() -> None:
    november = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert month(request(month="2026-11"), "month") == november
    december = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    assert month(request(month="2026-12"), "month") == december


@pytest.mark.parametrize("text", ["", "2026", "2026-00", "2026-13", "1999-01", "2026-11-01"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(Problem):
        month(request(month=text), "month")


def test_what_cannot_be_an_id_is_not_found() -> None:
    found = make_mocked_request("GET", "/x", match_info={"id": "../1"})
    with pytest.raises(NotFound):
        identifier(found, "id", "API key")


@pytest.mark.parametrize("text", ["1", "9223372036854775807", "007"])
def test_numbers_that_may_be_ids(text: str) -> None:
    in_path = make_mocked_request("GET", "/x", match_info={"agency_id": text})
    assert number_in_path(in_path, "agency_id", "agency") == int(text)
    assert number_in_query(request(agency_id=text), "agency_id") == int(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "x", "", "9223372036854775808", "9" * 40, "٣"])
def test_numbers_that_cannot_be_ids_are_not_found(text: str) -> None:
    in_path = make_mocked_request("GET", "/x", match_info={"agency_id": text})
    with pytest.raises(NotFound, match="no such agency"):
        number_in_path(in_path, "agency_id", "agency")
    with pytest.raises(NotFound, match="no such agency"):
        number_in_query(request(agency_id=text), "agency_id")


def test_ids_that_must_be_given_are_asked_for() -> None:
    with pytest.raises(Problem, match="which agency_id"):
        number_in_query(request(), "agency_id")
    with pytest.raises(Problem, match="which task_id"):
        identifier_in_query(request(), "task_id", "job")
    with pytest.raises(NotFound):
        identifier_in_query(request(task_id="x"), "task_id", "job")


def test_what_a_message_does_not_take_is_told() -> None:
    with pytest.raises(Problem, match="limit"):
        checked({"account": uuid4(), "limit": 0}, GetAgencies)
