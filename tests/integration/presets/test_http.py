"""Presets as HTTP has them, over the running service; who is calling is told by the test."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from kit.bus import Bus
from proto.ids import AccountId
from services.gateway.openapi import document
from services.gateway.views.presets import operations
from tests.calling import calling

# the gateway names what a request carries by plain strings
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")

PRESETS = "/v1/services/studio/presets"

BADGE = {
    "name": "badge",
    "aspect": [4, 5],
    "head_ratio": 0.5,
    "eye_line": 0.4,
    "output_sizes": {"full": [1600, 2000], "medium": [400, 500], "card": [240, 300]},
    "background": "#A0b1C2",
    "format": "png",
    "dpi": 600,
}

LEAST = {"aspect": [3, 2], "head_ratio": 0.5, "eye_line": 0.4}


@pytest.fixture
async def client(
    service: web.Application, bus: Bus, account: AccountId
) -> AsyncIterator[ClientSession]:
    async with calling(operations, bus, account) as client:
        yield client


async def send(
    client: ClientSession, method: str, path: str = "", body: object = None, **headers: str
) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, PRESETS + path, json=body, headers=named) as answer:
        return answer.status, await answer.json() if answer.content_length else None


async def test_a_preset_is_made_shown_replaced_and_removed(client: ClientSession) -> None:
    made = BADGE | {"own": True}
    assert await send(client, "POST", body=BADGE) == (201, made)
    assert await send(client, "GET", "/badge") == (200, made)
    status, listed = await send(client, "GET")
    names = [preset["name"] for preset in listed["presets"]]
    assert (status, names) == (200, ["school", "corporate", "sports", "childcare", "badge"])
    assert listed["presets"][-1] == made
    replaced = LEAST | {
        "name": "badge",
        "output_sizes": {"full": [3000, 2000], "medium": [1000, 667]},
        "background": None,
        "format": "jpeg",
        "dpi": 300,
        "own": True,
    }
    assert await send(client, "PUT", "/badge", LEAST) == (200, replaced)
    assert await send(client, "GET", "/badge") == (200, replaced)
    # what is answered can be sent back as it is
    assert await send(client, "PUT", "/badge", replaced) == (200, replaced)
    assert await send(client, "DELETE", "/badge") == (204, None)
    assert (await send(client, "GET", "/badge"))[0] == 404


async def test_one_of_ours_is_shown_in_the_same_shape(client: ClientSession) -> None:
    assert await send(client, "GET", "/school") == (
        200,
        {
            "name": "school",
            "aspect": [4, 5],
            "head_ratio": 0.54,
            "eye_line": 0.40,
            "output_sizes": {"full": [2400, 3000], "medium": [800, 1000]},
            "background": None,
            "format": "jpeg",
            "dpi": 300,
            "own": False,
        },
    )
    for method, body in (("PUT", LEAST), ("DELETE", None)):
        status, error = await send(client, method, "/school", body)
        assert (status, error["error"]) == (422, "INVALID_REQUEST")
        assert error["message"] == "the four ICPs cannot be changed; make one of your own"


async def test_a_transparent_background_makes_it_png_unless_webp_is_asked_for(
    client: ClientSession,
) -> None:
    asked = LEAST | {"name": "cut-out", "background": "transparent"}
    _, made = await send(client, "POST", body=asked)
    assert (made["background"], made["format"]) == ("transparent", "png")
    _, replaced = await send(client, "PUT", "/cut-out", asked | {"format": "webp"})
    assert (replaced["background"], replaced["format"]) == ("transparent", "webp")
    status, error = await send(client, "PUT", "/cut-out", asked | {"format": "jpeg"})
    assert status == 422
    assert "png or webp" in error["message"]
    assert await send(client, "GET", "/cut-out") == (200, replaced)


@pytest.mark.parametrize("name", ["badge", "school", "childcare"])
async def test_a_name_that_exists_is_a_conflict(client: ClientSession, name: str) -> None:
    await send(client, "POST", body=BADGE)
    status, error = await send(client, "POST", body=LEAST | {"name": name})
    assert (status, error["error"]) == (409, "PRESET_EXISTS")
    assert name in error["message"]
    assert (await send(client, "GET", "/badge"))[1] == BADGE | {"own": True}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_preset_that_is_not_the_callers_is_not_found(
    client: ClientSession, method: str
) -> None:
    await send(client, "POST", body=BADGE)
    body = LEAST if method == "PUT" else None
    stranger = {"Test_Account": str(uuid4())}
    for name, headers in (
        ("badge", stranger),
        ("nothing", {}),
        ("Badge", {}),
        ("badge%0A", {}),
        ("badge%00", {}),
        ("b" * 500, {}),
    ):
        status, error = await send(client, method, f"/{name}", body, **headers)
        assert (status, error["error"]) == (404, "NOT_FOUND")
    assert await send(client, "GET", "/badge") == (200, BADGE | {"own": True})


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Badge"},
        {"name": "badge\n"},
        {"name": None},
        {"aspect": "4:5"},
        {"aspect": [4]},
        {"aspect": [4, 0]},
        {"aspect": [4, 5.5]},
        {"head_ratio": 0},
        {"head_ratio": "half"},
        {"head_ratio": None},
        {"head_ratio": 0.85},
        {"eye_line": 0.95},
        {"output_sizes": {"full": [1600, 1600]}},
        {"output_sizes": {"full": [8, 10]}},
        {"output_sizes": {"full": [12_000, 15_000]}},
        {"output_sizes": {"original": [240, 300]}},
        {"output_sizes": {"Card": [240, 300]}},
        {"output_sizes": {f"card{number}": [240, 300] for number in range(9)}},
        {"output_sizes": {f"card{number}": [240, 300] for number in range(11)}},
        {"output_sizes": {"full": None}},
        {"background": ""},
        {"background": "none"},
        {"background": "white"},
        {"background": "#fff"},
        {"format": "tiff"},
        {"dpi": 30},
        {"dpi": 299.5},
    ],
    ids=str,
)
async def test_what_makes_no_preset_is_refused(
    client: ClientSession, changed: dict[str, object]
) -> None:
    status, error = await send(client, "POST", body=BADGE | changed)
    assert (status, error["error"]) == (422, "INVALID_REQUEST")
    assert len((await send(client, "GET"))[1]["presets"]) == 4


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PUT", "/badge")])
async def test_a_field_that_is_not_known_is_refused_by_name(
    client: ClientSession, method: str, path: str
) -> None:
    if path:
        await send(client, "POST", body=BADGE)
    body = BADGE | {"background_color": "#ffffff"}
    status, error = await send(client, method, path, body)
    assert (status, error["error"]) == (422, "INVALID_REQUEST")
    assert "background_color" in error["message"]


async def test_a_preset_keeps_its_name(client: ClientSession) -> None:
    await send(client, "POST", body=BADGE)
    status, error = await send(client, "PUT", "/badge", LEAST | {"name": "card"})
    assert (status, error["error"]) == (422, "INVALID_REQUEST")
    assert "leave name out" in error["message"]
    assert await send(client, "GET", "/badge") == (200, BADGE | {"own": True})


async def test_what_is_answered_makes_another_preset_under_another_name(
    client: ClientSession,
) -> None:
    _, school = await send(client, "GET", "/school")
    status, made = await send(client, "POST", body=school | {"name": "school-2"})
    assert (status, made) == (201, school | {"name": "school-2", "own": True})


@pytest.mark.parametrize("missing", ["name", "aspect", "head_ratio", "eye_line"])
async def test_what_must_be_given_must_be_given(client: ClientSession, missing: str) -> None:
    body = {name: value for name, value in BADGE.items() if name != missing}
    status, error = await send(client, "POST", body=body)
    assert (status, error["error"]) == (422, "INVALID_REQUEST")
    assert missing in error["message"]


def test_every_operation_is_described_and_open_to_keys_for_face_crop() -> None:
    paths = document(operations.all, "1.2.3")["paths"]
    assert {path: sorted(methods) for path, methods in paths.items()} == {
        PRESETS: ["get", "post"],
        f"{PRESETS}/{{name}}": ["delete", "get", "put"],
    }
    assert all(
        operation["x-scope"] == "facecrop"
        for methods in paths.values()
        for operation in methods.values()
    )
    assert {operation.role for operation in operations.all if operation.method != "GET"} == {
        "member"
    }
