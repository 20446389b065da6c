"""Presets that an account makes are its own, and the four ICPs are everybody's."""

import pytest

from tests.contract.conftest import Client, Newcomer
from tests.contract.test_errors import is_error

PRESETS = "/v1/services/studio/presets"

BADGE = {
    "name": "badge",
    "aspect": [4, 5],
    "head_ratio": 0.5,
    "eye_line": 0.4,
    "output_sizes": {"full": [1600, 2000], "medium": [400, 500], "card": [240, 300]},
    "background": "#ffffff",
    "format": "png",
    "dpi": 600,
}


async def test_a_preset_is_made_shown_replaced_and_removed(client: Client) -> None:
    made = await client.send("POST", PRESETS, json=BADGE)
    assert (made.status, made.body) == (201, BADGE | {"own": True})
    listed = (await client.send("GET", PRESETS)).body["presets"]
    names = [preset["name"] for preset in listed]
    assert names == ["school", "corporate", "sports", "childcare", "badge"]
    path = f"{PRESETS}/badge"
    replaced = await client.send("PUT", path, json=BADGE | {"background": None, "dpi": 300})
    assert replaced.status == 200
    assert (replaced.body["background"], replaced.body["dpi"]) == (None, 300)
    assert (await client.send("GET", path)).body == replaced.body
    assert (await client.send("DELETE", path)).status == 204
    is_error(await client.send("GET", path), 404, "NOT_FOUND")


async def test_a_name_that_exists_is_a_conflict(client: Client) -> None:
    await client.send("POST", PRESETS, json=BADGE)
    for name in ("badge", "school"):
        answer = await client.send("POST", PRESETS, json=BADGE | {"name": name})
        is_error(answer, 409, "PRESET_EXISTS")


async def test_values_that_do_not_fit_together_are_refused(client: Client) -> None:
    for changed in ({"aspect": [1, 1]}, {"eye_line": 0.2}, {"background": "white"}):
        answer = await client.send("POST", PRESETS, json=BADGE | changed)
        is_error(answer, 422, "INVALID_REQUEST")
    for method in ("PUT", "DELETE"):
        answer = await client.send(method, f"{PRESETS}/school", json=BADGE)
        is_error(answer, 422, "INVALID_REQUEST")


async def test_the_presets_of_another_account_are_not_there(
    client: Client, newcomer: Newcomer
) -> None:
    await client.send("POST", PRESETS, json=BADGE)
    stranger = await newcomer()
    for method in ("GET", "PUT", "DELETE"):
        answer = await stranger.send(method, f"{PRESETS}/badge", json=BADGE)
        is_error(answer, 404, "NOT_FOUND")
    assert len((await stranger.send("GET", PRESETS)).body["presets"]) == 4
    assert (await client.send("GET", f"{PRESETS}/badge")).body == BADGE | {"own": True}


@pytest.mark.parametrize(("scopes", "status"), [(["facecrop"], 201), (["wallet:read"], 403)])
async def test_a_key_makes_presets_if_it_may_crop_faces(
    client: Client, scopes: list[str], status: int
) -> None:
    key = await client.with_key(scopes=scopes)
    assert (await key.send("POST", PRESETS, json=BADGE)).status == status


async def test_without_credentials_there_are_no_presets(client: Client) -> None:
    answer = await client.send("GET", PRESETS, headers={"Authorization": ""})
    is_error(answer, 401, "UNAUTHENTICATED")
