"""The photographs of a shoot, sorted by the cards in them: printed, photographed, read again."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from tests.contract.cards import JOB
from tests.contract.conftest import Client, Elsewhere, Newcomer
from tests.contract.shoots import (
    SORT,
    Cards,
    Shoot,
    owners,
    printed,
    reasons,
    roles,
    shoot_of,
    sorted_,
)
from tests.contract.wallets import opened
from tests.running import RunningStack
from tests.unit.qr.pages import read


@pytest.fixture(scope="module")
async def client(stack: RunningStack) -> AsyncIterator[Client]:
    """One for all: no photograph is sorted by what was sent before."""
    async with opened(stack, tokens=1_000) as client:
        yield client


@pytest.fixture(scope="module")
async def cards(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Cards:
    """Of S0000 to S0003."""
    return await printed(client, tmp_path_factory.mktemp("cards"))


@pytest.fixture
def shoot(cards: Cards, astronaut: bytes) -> Shoot:
    return Shoot(dict(cards), astronaut)


async def test_siblings_on_one_frame_share_the_photographs(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000", "S0002"), shoot.person(), shoot.card("S0001"), shoot.person()]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0000+S0002", "S0000+S0002", "S0001", "S0001"]
    assert (body["people"], body["photos"]) == (3, 2)
    assert reasons(body) == {"several_cards": 1}
    assert body["results"][0]["reasons"] == ["several_cards"]


async def test_a_card_may_close_its_photographs(client: Client, shoot: Shoot) -> None:
    files = [
        shoot.person(),
        shoot.person(),
        shoot.card("S0001"),
        shoot.person(),
        shoot.card("S0000"),
        shoot.person(),
    ]
    body = await sorted_(client, *files, card="last")
    assert owners(body) == ["S0001"] * 3 + ["S0000"] * 2 + ["-"]
    assert roles(body)[-1] == "unassigned"
    assert reasons(body) == {"after_last_card": 1}
    assert (body["people"], body["photos"], body["unassigned"]) == (2, 3, 1)


async def test_what_comes_before_the_first_card_is_nobodys(client: Client, shoot: Shoot) -> None:
    body = await sorted_(client, shoot.person(), shoot.card("S0001"), shoot.person())
    assert owners(body) == ["-", "S0001", "S0001"]
    assert body["results"][0]["reasons"] == ["before_first_card"]


async def test_without_a_card_everything_is_nobodys(client: Client, shoot: Shoot) -> None:
    body = await sorted_(client, shoot.person(), shoot.blank(), shoot.person())
    assert (body["status"], body["people"], body["unassigned"]) == ("completed", 0, 3)
    assert reasons(body)["before_first_card"] == 3
    assert body["tokens_refunded"] == 0


async def test_a_foreign_card_begins_photographs_of_nobody(
    client: Client, newcomer: Newcomer, shoot: Shoot, astronaut: bytes, tmp_path: Path
) -> None:
    other_job = await shoot_of(client, astronaut, tmp_path, 1, job_id="OTHER")
    stranger = await newcomer()
    # of the same id, in a job of the same name
    other_account = await shoot_of(stranger, astronaut, tmp_path, 1)
    for foreign in (other_job, other_account):
        files = [
            shoot.card("S0000"),
            shoot.person(),
            foreign.card("S0000"),
            shoot.person(),
            shoot.card("S0001"),
            shoot.person(),
        ]
        body = await sorted_(client, *files, order="sent")
        assert owners(body) == ["S0000", "S0000", "-", "-", "S0001", "S0001"]
        assert reasons(body) == {"foreign_card": 2}
        assert body["results"][2]["reasons"] == ["foreign_card"]
    # whose card it is sorts it
    assert owners(await sorted_(stranger, *files[2:4], order="sent")) == ["S0000"] * 2


async def test_a_made_up_card_is_not_believed(client: Client, shoot: Shoot) -> None:
    text = next(code.text for code in read(shoot.cards["S0001"]))
    forged = text[:-3] + ("AAA" if text[-3:] != "AAA" else "BBB")
    code = zxingcpp.create_barcode(forged, zxingcpp.BarcodeFormat.QRCode).to_image(8)
    shoot.cards["forged"] = Image.fromarray(np.asarray(code))
    files = [shoot.card("S0000"), shoot.person(), shoot.card("forged"), shoot.person()]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0000", "S0000", "-", "-"]
    assert reasons(body) == {"unreadable_card": 2}


async def test_a_code_on_a_shirt_is_no_card(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000"), shoot.shirt("https://example.com"), shoot.person()]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0000"] * 3
    assert body["reasons"] == []


async def test_a_frame_that_shows_nothing_is_told_and_kept(client: Client, shoot: Shoot) -> None:
    body = await sorted_(client, shoot.card("S0000"), shoot.blank(), shoot.person())
    assert owners(body) == ["S0000"] * 3
    assert body["results"][1]["reasons"] == ["nothing_seen"]


async def test_the_same_card_twice_is_one_and_later_again_is_told(
    client: Client, shoot: Shoot
) -> None:
    files = [
        shoot.card("S0000"),
        shoot.card("S0000"),
        shoot.person(),
        shoot.card("S0001"),
        shoot.card("S0000"),
        shoot.person(),
    ]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0000"] * 3 + ["S0001"] + ["S0000"] * 2
    assert reasons(body) == {"empty_sequence": 1, "subject_again": 1}
    assert body["results"][3]["reasons"] == ["empty_sequence"]
    assert body["results"][4]["reasons"] == ["subject_again"]
    assert (body["people"], body["photos"]) == (1, 2)


async def test_groups_and_extra_cards_are_somebody_too(
    client: Client, astronaut: bytes, tmp_path: Path
) -> None:
    made = await shoot_of(client, astronaut, tmp_path, 1, groups=["Staff"], extra_cards=1)
    files = [made.card("Staff"), made.person(), made.card("extra-1"), made.person()]
    body = await sorted_(client, *files)
    people = [each["people"][0] for each in body["results"]]
    assert [(person["kind"], person["name"]) for person in people] == [
        ("group", "Staff"),
        ("group", "Staff"),
        ("extra", "Extra 1"),
        ("extra", "Extra 1"),
    ]
    assert body["reasons"] == []


async def test_data_matrix_cards_are_read_too(
    client: Client, astronaut: bytes, tmp_path: Path
) -> None:
    made = await shoot_of(client, astronaut, tmp_path, 2, symbol="datamatrix")
    files = [made.card("S0001"), made.person(), made.card("S0000"), made.person()]
    assert owners(await sorted_(client, *files)) == ["S0001"] * 2 + ["S0000"] * 2


async def test_a_card_that_is_tilted_is_read(client: Client, shoot: Shoot) -> None:
    flat = shoot.cards["S0002"]
    # its right edge is nearer to the camera, by a third
    keystone = (1, 0, 0, -0.1, 1, 0, -0.0004, 0)
    seen = flat.transform(
        flat.size, Image.Transform.PERSPECTIVE, keystone, Image.Resampling.BICUBIC, fillcolor=110
    )
    shoot.cards["tilted"] = seen.rotate(97, Image.Resampling.BICUBIC, expand=True, fillcolor=110)
    body = await sorted_(client, shoot.card("tilted"), shoot.person())
    assert owners(body) == ["S0002"] * 2


async def test_files_are_put_in_the_order_in_which_they_were_taken(
    client: Client, shoot: Shoot
) -> None:
    # sent in another order than taken, and named so that names say nothing
    files = [
        shoot.person(name="d.jpg", minute=4),
        shoot.card("S0001", name="c.jpg", minute=3),
        shoot.person(name="a.jpg", minute=2),
        shoot.card("S0000", name="b.jpg", minute=1),
    ]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0001", "S0001", "S0000", "S0000"]
    assert [each["number"] for each in body["results"]] == [0, 1, 2, 3]
    as_sent = await sorted_(client, *files, order="sent")
    assert owners(as_sent) == ["-", "S0001", "S0001", "S0000"]


async def test_photographs_without_a_time_are_ordered_by_name_and_told(
    client: Client, shoot: Shoot
) -> None:
    files = [
        shoot.person(name="2.jpg", timed=False),
        shoot.card("S0001", name="1.jpg", timed=False),
    ]
    body = await sorted_(client, *files)
    assert owners(body) == ["S0001"] * 2
    assert reasons(body) == {"no_capture_time": 2}


async def test_by_name_the_counter_of_a_camera_may_roll_over(client: Client, shoot: Shoot) -> None:
    files = [
        shoot.person(name="IMG_0001.JPG"),
        shoot.card("S0001", name="IMG_0002.JPG"),
        shoot.person(name="IMG_0003.JPG"),
        shoot.card("S0000", name="IMG_9998.JPG"),
        shoot.person(name="IMG_9999.JPG"),
    ]
    body = await sorted_(client, *files, order="name")
    assert owners(body) == ["S0000", "S0001", "S0001", "S0000", "S0000"]


async def test_each_of_two_cameras_is_a_sequence_of_its_own(client: Client, shoot: Shoot) -> None:
    files = [
        shoot.card("S0000", minute=1, camera="A"),
        shoot.card("S0001", minute=2, camera="B"),
        shoot.person(minute=3, camera="A"),
        shoot.person(minute=4, camera="B"),
    ]
    assert owners(await sorted_(client, *files)) == ["S0000", "S0001", "S0000", "S0001"]
    together = await sorted_(client, *files, cameras_apart="false")
    assert owners(together) == ["S0000", "S0001", "S0001", "S0001"]


async def test_the_same_file_twice_is_read_once_and_told_twice(
    client: Client, shoot: Shoot
) -> None:
    person = shoot.person()
    files = [shoot.card("S0000"), person, ("copy.jpg", person[1])]
    body = await sorted_(client, *files, order="sent")
    assert owners(body) == ["S0000"] * 3
    assert body["tokens_deducted"] == 3


async def test_photographs_are_fetched_by_url(
    client: Client, shoot: Shoot, elsewhere: Elsewhere
) -> None:
    elsewhere.files["1.jpg"] = shoot.card("S0002")[1], "image/jpeg"
    elsewhere.files["2.jpg"] = shoot.person()[1], "image/jpeg"
    urls = [f"{elsewhere.url}/{name}" for name in ("1.jpg", "2.jpg", "gone.jpg")]
    body = {"job_id": JOB, "image_urls": [*urls, "http://127.0.0.1:1/x.jpg"], "order": "sent"}
    answer = await client.send("POST", SORT, json=body)
    assert answer.status == 200, answer.body
    assert owners(answer.body) == ["S0002", "S0002", "-", "-"]
    told = [(each["filename"], each["code"]) for each in answer.body["results"]]
    assert told[2:] == [("gone.jpg", "URL_REFUSED"), ("x.jpg", "URL_NOT_ALLOWED")]
    assert (answer.body["tokens_deducted"], answer.body["tokens_refunded"]) == (4, 2)
