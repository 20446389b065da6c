from datetime import UTC, datetime, timedelta, timezone

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from proto.errors import NotFound
from services.gateway.problems import Problem
from services.gateway.queries import identifier, moment, month, whole_number


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
