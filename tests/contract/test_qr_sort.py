"""The photographs of a shoot, sorted by the cards in them: printed, photographed, read again."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import zxingcpp
from PIL import Image

from tests.contract.conftest import JOBS, Answer, Client, Elsewhere, Newcomer, another, uploads_of
from tests.contract.test_errors import is_error
from tests.contract.test_qr_generate import (
    QR,
    charges,
    fetched,
    generated,
    is_free,
    says,
    subject,
    subjects,
)
from tests.running import RunningStack
from tests.unit.qr.pages import read, rendered

SORT = f"{QR}/sort"
JOB = "JOB-2026-001"

File = tuple[str, bytes]


class Shoot:
    """Makes the files of a shoot, one after the other."""

    def __init__(self, cards: dict[str, Image.Image], person: bytes) -> None:
        self.cards = cards
        self._person = Image.open(io.BytesIO(person)).convert("RGB")
        self._count = 0

    def card(self, *ids: str, **facts: Any) -> File:
        """Somebody holds cards into the camera, not quite straight."""
        room = Image.new("RGB", (1500, 1000), "#707468")
        for place, id_ in enumerate(ids):
            turned = self.cards[id_].rotate(7, Image.Resampling.BICUBIC, expand=True, fillcolor=110)
            turned.thumbnail((480, 620))
            room.paste(turned, (60 + 500 * place, 180))
        return self._file(room, **facts)

    def person(self, **facts: Any) -> File:
        return self._file(self._person, **facts)

    def blank(self, **facts: Any) -> File:
        return self._file(Image.new("RGB", (600, 400), "#405060"), **facts)

    def shirt(self, text: str, **facts: Any) -> File:
        """A person with a code that is no card on the chest."""
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image(4)
        worn = self._person.copy()
        worn.paste(Image.fromarray(np.asarray(code)), (180, 330))
        return self._file(worn, **facts)

    def _file(
        self,
        picture: Image.Image,
        name: str = "",
        minute: int | None = None,
        camera: str = "",
        *,
        timed: bool = True,
    ) -> File:
        """Write a photograph: a minute after the one before, unless told otherwise."""
        self._count += 1
        exif = Image.Exif()
        if camera:
            exif[0x0110] = camera
        if timed:
            moment = f"2026:05:18 09:{self._count if minute is None else minute:02}:00"
            exif.get_ifd(0x8769)[0x9003] = moment
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90, exif=exif)
        # no two photographs are the same file
        return name or f"IMG_{self._count:04}.JPG", another(buffer.getvalue(), self._count)


async def shoot_of(
    client: Client, person: bytes, folder: Path, count: int = 4, **body: Any
) -> Shoot:
    """Print cards, and cut the first pages into single ones, by id."""
    body = await generated(client, **{"subjects": subjects(count)} | body)
    pdf = await fetched(client, body["pdf_url"], folder)
    cards: dict[str, Image.Image] = {}
    for page in rendered(pdf):
        wide, high = page.width // 2, page.height // 2
        for code in read(page):
            corner = code.position.top_left
            left, top = corner.x // wide * wide, corner.y // high * high
            cards[says(code.text)[1]] = page.crop((left, top, left + wide, top + high))
    return Shoot(cards, person)


@pytest.fixture
async def shoot(client: Client, astronaut: bytes, tmp_path: Path) -> Shoot:
    """Cards of S0000 to S0003, for which 4 of 100 tokens were paid."""
    return await shoot_of(client, astronaut, tmp_path)


async def sort(client: Client, *files: File, **fields: str) -> Answer:
    form = aiohttp.FormData({"job_id": JOB} | fields, quote_fields=False)
    for name, data in files:
        form.add_field("file[]", data, filename=name, content_type="image/jpeg")
    return await client.send("POST", SORT, data=form)


async def sorted_(client: Client, *files: File, **fields: str) -> Any:
    """Sort a small shoot and return the answer."""
    answer = await sort(client, *files, **fields)
    assert answer.status == 200, answer.body
    return answer.body


def roles(body: Any) -> list[str]:
    return [each["role"] for each in body["results"]]


def owners(body: Any) -> list[str]:
    """Return whose each photograph is, in the order sent: ids, or - for nobody's."""
    return [
        "+".join(person["student_id"] for person in each["people"]) or "-"
        for each in body["results"]
    ]


def reasons(body: Any) -> dict[str, int]:
    return {each["reason"]: each["count"] for each in body["reasons"]}


async def test_a_small_shoot_is_sorted_at_once(client: Client, shoot: Shoot) -> None:
    files = [
        shoot.card("S0000"),
        shoot.person(),
        shoot.person(),
        shoot.card("S0001"),
        shoot.person(),
        shoot.person(),
        shoot.person(),
    ]
    body = await sorted_(client, *files)
    assert (body["status"], body["kind"], body["total_files"]) == ("completed", "card_read", 7)
    assert (body["people"], body["photos"], body["unassigned"]) == (2, 5, 0)
    assert (body["tokens_deducted"], body["tokens_refunded"]) == (7, 0)
    assert body["reasons"] == []
    assert "next_cursor" not in body
    assert roles(body) == ["card", "photo", "photo", "card", "photo", "photo", "photo"]
    assert owners(body) == ["S0000"] * 3 + ["S0001"] * 4
    assert body["results"][4] == {
        "number": 4,
        "filename": "IMG_0005.JPG",
        "role": "photo",
        "people": [{"kind": "subject", "student_id": "S0001", "name": "Name 1", "class_name": ""}],
        "reasons": [],
        "code": "",
        "message": "",
    }
    assert await client.balance() == 96 - 7
    line = (await charges(client))[0]
    assert (line["id"], line["operation"]) == (body["wallet_transaction_id"], "qr_sort")
    # and it is a job like any other
    assert await client.job(body["task_id"]) == body


async def test_more_than_eight_files_are_a_job(
    client: Client, shoot: Shoot, stack: RunningStack
) -> None:
    files = [
        each
        for id_ in ("S0000", "S0001", "S0002", "S0003")
        for each in (shoot.card(id_), shoot.person(), shoot.person())
    ]
    answer = await sort(client, *files)
    assert answer.status == 202
    task = answer.body["task_id"]
    assert answer.body == {
        "task_id": task,
        "status": "queued",
        "total_files": 12,
        "tokens_deducted": 12,
        "wallet_transaction_id": answer.body["wallet_transaction_id"],
    }
    job = await client.ended(task)
    assert (job["status"], job["people"], job["photos"]) == ("completed", 4, 8)
    assert owners(job) == [id_ for id_ in ("S0000", "S0001", "S0002", "S0003") for _ in range(3)]
    assert uploads_of(stack, client) == []
    first = await client.job(task, limit="5")
    second = await client.job(task, limit="7", cursor=first["next_cursor"])
    assert [each["number"] for each in (*first["results"], *second["results"])] == [*range(12)]
    assert "next_cursor" not in second
    assert (second["people"], second["photos"]) == (4, 8)
    assert (await client.job(task, cursor="1000"))["results"] == []
    events = (await client.send("GET", f"{JOBS}/{task}/events")).body.decode()
    assert events.count("event: item\n") == 12
    assert "event: completed\n" in events
    assert await client.balance() == 96 - 12


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
    text = next(code.text for code in zxingcpp.read_barcodes(shoot.cards["S0001"]))
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


async def test_who_is_not_in_the_roster_any_more_is_told(
    client: Client, shoot: Shoot, astronaut: bytes, tmp_path: Path
) -> None:
    await client.send("DELETE", f"{QR}/jobs/{JOB}")
    await shoot_of(client, astronaut, tmp_path, subjects=[subject(0, name="Somebody")])
    body = await sorted_(client, shoot.card("S0003"), shoot.person(), shoot.card("S0000"))
    assert owners(body) == ["S0003", "S0003", "S0000"]
    assert body["results"][0]["reasons"] == ["unknown_id"]
    assert [each["people"][0]["name"] for each in body["results"]] == ["", "", "Somebody"]


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


async def test_what_is_no_photograph_is_told_and_given_back(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000"), ("notes.txt", b"no photograph"), shoot.person()]
    body = await sorted_(client, *files, order="sent")
    assert roles(body) == ["card", "failed", "photo"]
    failed = body["results"][1]
    assert (failed["filename"], failed["code"]) == ("notes.txt", "NOT_A_PICTURE")
    assert failed["message"]
    assert (body["succeeded"], body["failed"]) == (2, 1)
    assert (body["tokens_deducted"], body["tokens_refunded"]) == (3, 1)
    assert await client.balance() == 96 - 2


async def test_where_nothing_is_a_photograph_everything_is_given_back(client: Client) -> None:
    answer = await sort(client, *((f"{number}.jpg", f"{number}".encode()) for number in range(3)))
    assert answer.status == 200
    assert (answer.body["status"], answer.body["error"]["code"]) == ("failed", "NOT_A_PICTURE")
    assert answer.body["tokens_refunded"] == 3
    assert await client.balance() == 100


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


async def test_a_shoot_that_is_sent_again_is_charged_once(client: Client, shoot: Shoot) -> None:
    files = [shoot.card("S0000"), shoot.person()]
    keyed = client.instead(**client.headers, **{"Idempotency-Key": "k"})
    first, again = await sort(keyed, *files), await sort(keyed, *files)
    assert (first.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    is_error(await sort(keyed, *files, card="last"), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await client.balance() == 96 - 2


async def test_too_few_tokens_are_402_and_leave_nothing(
    newcomer: Newcomer, stack: RunningStack
) -> None:
    client = await newcomer(tokens=2)
    answer = await sort(client, *((f"{number}.jpg", b"x") for number in range(3)))
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
    assert (answer.body["error"], answer.body["shortfall"]) == ("INSUFFICIENT_TOKENS", 1)
    assert uploads_of(stack, client) == []
    await is_free(client, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"job_id": ""},
        {"job_id": "../x"},
        {"job_id": "J" * 65},
        {"order": "random"},
        {"card": "middle"},
        {"cameras_apart": "perhaps"},
    ],
    ids=["no job", "a path", "long job", "order", "card", "cameras"],
)
async def test_a_wrong_field_is_422_before_anything_is_charged(
    client: Client, stack: RunningStack, fields: dict[str, str]
) -> None:
    answer = await sort(client, ("a.jpg", b"x"), **fields)
    is_error(answer, 422, "INVALID_REQUEST")
    assert uploads_of(stack, client) == []
    await is_free(client)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"image_urls": ["http://example.com/a.jpg"]}, "INVALID_REQUEST"),
        ({"job_id": JOB}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": []}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": [""]}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": "http://example.com/a.jpg"}, "INVALID_REQUEST"),
        ({"job_id": JOB, "image_urls": ["http://example.com/a.jpg"] * 2001}, "TOO_MANY_FILES"),
    ],
    ids=["no job", "no urls", "empty list", "empty url", "one url", "2,001 urls"],
)
async def test_a_wrong_json_body_is_422(client: Client, body: dict[str, Any], code: str) -> None:
    is_error(await client.send("POST", SORT, json=body), 422, code)
    await is_free(client)


async def test_a_body_of_another_kind_is_415(client: Client) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = await client.send("POST", SORT, data=b"x", headers=headers)
    is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(("scopes", "status"), [(["qr"], 200), (["facecrop", "jobs"], 403)])
async def test_a_key_sorts_if_it_has_the_scope(
    client: Client, shoot: Shoot, scopes: Sequence[str], status: int
) -> None:
    key = await client.with_key(scopes=scopes)
    answer = await sort(key, shoot.card("S0000"), shoot.person())
    assert answer.status == status
    assert await client.balance() == (94 if status == 200 else 96)


async def test_the_shoot_of_another_account_is_not_there(
    client: Client, newcomer: Newcomer, shoot: Shoot
) -> None:
    body = await sorted_(client, shoot.card("S0000"), shoot.person())
    stranger = await newcomer()
    is_error(await stranger.send("GET", f"{JOBS}/{body['task_id']}"), 404, "NOT_FOUND")
    answer = await sort(client.instead(), shoot.person())
    is_error(answer, 401, "UNAUTHENTICATED")
